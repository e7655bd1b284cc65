"""Asks central: over TCP first, and by Kafka where that is down.

A request keeps its `message_id` for all its tries. The first waits 10 s over TCP; if no answer
comes, or the link goes, the same request is sent again, by Kafka while TCP is down, and over TCP
as soon as it is up. Whichever answer comes first, by whichever way, is the answer; the others,
which are equal to it, go to their handlers and change nothing.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from common.clock import Clock
from common.codec import decoder
from common.dial import Dialler, keep_alive
from common.dispatch import Dispatcher, Peer
from common.errors import PASSING, ChargingError, LinkLost, NoAnswer, Refused
from common.exchange import Exchange, stamped
from common.link import Link
from common.messages import (
    Answer,
    AuthRequest,
    ClientHeartbeatRequest,
    ConnectionError,
    ConnectionLost,
    ErrorResponse,
    Message,
    Request,
    Role,
)
from common.program import Address
from common.protocol import DEADLINES, DRIVER_EVENTS, DRIVER_REQUESTS, sent, wire_name

log = structlog.get_logger()

DEADLINE = DEADLINES[Role.DRIVER, Role.CENTRAL]
"""Seconds to wait for an answer before the same request is sent again."""

TRIES = 2
"""Deadlines after which it is given up: the second gives central time to come back."""

PAUSE = 1.0
"""Seconds before asking again where central was overloaded, or another one leads."""

HEARTBEAT = 5.0
"""Seconds between two heartbeats; three of them without a byte close the link."""

BY_KAFKA = sent(Role.DRIVER, Role.CENTRAL, DRIVER_REQUESTS)
"""What may be asked by Kafka too."""

INSIDE = Peer(role=Role.DRIVER, transport="inside")
"""Who tells that the link went: this program itself."""

Post = Callable[[Message], Awaitable[None]]
"""Sends a request by Kafka, as soon as its answer would be heard."""


class NotAnswered(ChargingError):
    """Central gave no answer by any way. It may still act on the request.

    Attributes:
        request: What was asked, by its name on the wire.
        seconds: For how long.
        unreachable: Where central was sought, if it could not be reached; else empty.
    """

    def __init__(self, request: str, seconds: float, unreachable: str) -> None:
        super().__init__(request, seconds, unreachable)
        self.request = request
        self.seconds = seconds
        self.unreachable = unreachable

    def __str__(self) -> str:
        where = f"cannot reach CENTRAL at {self.unreachable}: " if self.unreachable else ""
        return f"{where}no answer to {self.request} within {self.seconds:g} s"


class Client:
    """One driver's side of its link to central, with Kafka as the second way.

    Args:
        credential: The secret that proves who this is, where one is needed.
        on_key: Told the key that proves this driver's records, base64, with each new link.
        on_up: Told that the link is up.

    Attributes:
        link: The link, while it is up and central knows whose it is.
        trouble: Why there is none, in a sentence; empty while there is one.
    """

    def __init__(
        self,
        driver_id: str,
        addresses: Sequence[Address],
        post: Post,
        clock: Clock,
        *,
        credential: str | None = None,
        tls: ssl.SSLContext | None = None,
        on_key: Callable[[str], None] = lambda key: None,
        on_up: Callable[[], None] = lambda: None,
        deadline: float = DEADLINE,
    ) -> None:
        self.link: Link | None = None
        self.trouble = ""
        self._credential = credential
        self._tls = tls
        self._on_key = on_key
        self._on_up = on_up
        self._closing = False
        self._driver_id = driver_id
        self._addresses = addresses
        self._dialler: Dialler | None = None
        self._post = post
        self._clock = clock
        self._deadline = deadline
        self._up = asyncio.Event()
        self._tried = asyncio.Event()
        # Requests whose answer may come by Kafka, or late; it has no bytes of its own.
        self._answers = Exchange(decoder(Role.CENTRAL, Role.DRIVER, DRIVER_EVENTS))

    async def ask(self, request: Request[Answer]) -> Answer:
        """Ask, repeat, and return the answer.

        Raises:
            Refused: Central said no.
            NotAnswered: No answer came in time.

        Cancelling is safe; central may still act on the request.
        """
        asked = stamped(request, self._clock)
        assert isinstance(asked, Request)
        seconds = self._deadline * TRIES
        refused: Refused | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        return await self._once(asked)
                    except (NoAnswer, LinkLost) as error:
                        log.info("asking again", why=str(error), message_id=asked.message_id)
                    except Refused as error:
                        if error.reason not in PASSING:
                            raise
                        log.info("asking again", why=str(error), message_id=asked.message_id)
                        refused = error
                        await asyncio.sleep(PAUSE)
        except TimeoutError:
            raise refused or self._not_answered(asked, seconds) from None

    def settle(self, answer: Message) -> None:
        """An answer came by Kafka, or later than its link's own deadline."""
        if not self._answers.settle(answer):
            log.debug("nobody waits for this answer", message_id=answer.message_id)

    async def run(self, dispatcher: Dispatcher) -> None:
        """Keep the link up until cancelled. That it went, or cannot be made, is dispatched too."""

        def gone(closed: asyncio.Future[str]) -> None:
            if not self._closing:
                text = f"lost CENTRAL: {closed.result()}"
                dispatcher.dispatch(ConnectionLost(message=text), INSIDE)

        def make_link() -> Link:
            link = Link(Role.DRIVER, dispatcher, self._clock, peer_role=Role.CENTRAL)
            link.closed.add_done_callback(gone)
            return link

        def on_trouble(text: str) -> None:
            dispatcher.dispatch(ConnectionError(message=text), INSIDE)

        self._dialler = Dialler(
            "CENTRAL",
            self._addresses,
            make_link,
            self._serve,
            self._clock,
            tls=self._tls,
            on_trouble=on_trouble,
        )
        await self._dialler.run()

    def closing(self) -> None:
        """The program ends: that the link goes now is no news."""
        self._closing = True

    def unreachable(self, trouble: str) -> None:
        """The link went, or another try to make one failed."""
        self.trouble = trouble
        self._tried.set()

    def sent_away(self, error: ErrorResponse) -> None:
        """Central has closed the link for another one, or another central leads."""
        if self._dialler is not None:
            self._dialler.replaced(error)

    async def settled(self) -> None:
        """Return once it is known whether central can be reached over TCP."""
        await self._tried.wait()

    async def connected(self) -> Link:
        """The link, as soon as it is up."""
        while self.link is None:
            await self._up.wait()
        return self.link

    async def _serve(self, link: Link) -> None:
        """Introduce this driver on a new link and keep the link alive."""
        link.patience = 3 * HEARTBEAT
        answer = await link.ask(
            AuthRequest(role=Role.DRIVER, driver_id=self._driver_id, credential=self._credential)
        )
        if answer.kafka_key is not None:
            self._on_key(answer.kafka_key)
        self.link, self.trouble = link, ""
        self._up.set()
        self._tried.set()
        self._on_up()
        try:
            await keep_alive(link, lambda: _beat(link), HEARTBEAT)
        finally:
            self.link = None
            self._up.clear()

    async def _once(self, request: Request[Answer]) -> Answer:
        """Ask by the way that there is, and take the answer that comes first."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_looked_at)
        self._answers.expect(request, answer)
        asking = asyncio.ensure_future(self._by_any_way(request))
        asking.add_done_callback(_looked_at)
        try:
            await asyncio.wait((answer, asking), return_when=asyncio.FIRST_COMPLETED)
            first: asyncio.Future[Answer] = answer if answer.done() else asking
            return first.result()
        finally:
            self._answers.forget(request.message_id)
            asking.cancel()
            answer.cancel()

    async def _by_any_way(self, request: Request[Answer]) -> Answer:
        """Ask over TCP; while that is down, by Kafka, and over TCP too as soon as it is up."""
        await self._tried.wait()
        by_kafka = self.link is None and type(request) in BY_KAFKA
        posting = asyncio.ensure_future(self._post(request)) if by_kafka else None
        if posting is not None:
            posting.add_done_callback(_looked_at)
        try:
            async with asyncio.timeout(self._deadline):
                link = await self.connected()
        except TimeoutError:
            if by_kafka:
                raise NoAnswer(wire_name(type(request)), self._deadline) from None
            raise self._not_answered(request, self._deadline) from None
        finally:
            if posting is not None:
                posting.cancel()
        return await link.ask(request, within=self._deadline)

    def _not_answered(self, request: Message, seconds: float) -> NotAnswered:
        where = "" if self.link else ", ".join(map(str, self._addresses))
        return NotAnswered(wire_name(type(request)), seconds, where)


async def _beat(link: Link) -> None:
    await link.ask(ClientHeartbeatRequest(), within=HEARTBEAT)


def _looked_at(work: asyncio.Future[Any]) -> None:
    # What came second is of no interest, and no reason to complain that nobody looked at it.
    if not work.cancelled():
        work.exception()
