"""The console's link to central: kept up, introduced, alive; and questions over it.

A question waits for the link, and is asked again, with the same `message_id`, where the link went
or no answer came: central does a command once, and answers every repeat with the same.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence

import structlog

from common.clock import Clock
from common.dial import Dialler, keep_alive
from common.dispatch import Dispatcher
from common.errors import PASSING, ChargingError, LinkLost, NoAnswer, Reason, Refused
from common.exchange import stamped
from common.link import Link
from common.messages import (
    Answer,
    AuthRequest,
    ClientHeartbeatRequest,
    ErrorResponse,
    Request,
    Role,
)
from common.program import Address
from common.protocol import DEADLINES, wire_name

log = structlog.get_logger()

DEADLINE = DEADLINES[Role.ADMIN, Role.CENTRAL]
"""Seconds to wait for an answer before the same question is asked again."""

TRIES = 2
"""Deadlines after which it is given up: the second gives central time to come back."""

PAUSE = 1.0
"""Seconds before asking again where central was overloaded, or another one leads."""

INTRODUCED = 0.4
"""Part of the deadline that a central may take to hear who is there: one that stands still keeps
its port open, and the next address is still to be tried in time."""

HEARTBEAT = 5.0
"""Seconds between two heartbeats; three of them without a byte close the link."""


Greeting = Callable[[Link], Awaitable[None]]


class NotAnswered(ChargingError):
    """Central gave no answer. It may have acted on the question.

    Attributes:
        request: What was asked, by its name on the wire.
        seconds: For how long.
        trouble: Why central cannot be reached; empty if it can.
    """

    def __init__(self, request: str, seconds: float, trouble: str) -> None:
        super().__init__(request, seconds, trouble)
        self.request = request
        self.seconds = seconds
        self.trouble = trouble

    def __str__(self) -> str:
        if self.trouble:
            return self.trouble
        return f"CENTRAL gave no answer to {self.request} within {self.seconds:g} s"


class Client:
    """One console's side of its link to central.

    Args:
        greet: Called with each new link, once central knows who is there; what it raises ends the
            link.
        on_trouble: Told why central cannot be reached, at each try.
        deadline: Seconds to wait for an answer.

    Attributes:
        link: The link, while it is up and central knows who is there.
        trouble: Why there is none, in a sentence; empty while there is one.
    """

    def __init__(
        self,
        admin_id: str,
        addresses: Sequence[Address],
        clock: Clock,
        *,
        credential: str | None = None,
        tls: ssl.SSLContext | None = None,
        greet: Greeting | None = None,
        on_trouble: Callable[[str], None] = lambda text: None,
        deadline: float = DEADLINE,
    ) -> None:
        self.link: Link | None = None
        self.trouble = ""
        self._admin_id = admin_id
        self._addresses = addresses
        self._clock = clock
        self._credential = credential
        self._tls = tls
        self._greet = greet
        self._on_trouble = on_trouble
        self._deadline = deadline
        self._dialler: Dialler | None = None
        self._denied: Refused | None = None
        self._changed = asyncio.Event()

    @property
    def where(self) -> str:
        """Central's address, as far as it is known."""
        if self._dialler is not None:
            return str(self._dialler.address)
        return ", ".join(map(str, self._addresses))

    async def ask(self, request: Request[Answer]) -> Answer:
        """Ask, repeat, and return the answer.

        Raises:
            Refused: Central said no.
            NotAnswered: No answer came in time.

        Cancelling is safe; central may still act on the question.
        """
        asked = stamped(request, self._clock)
        assert isinstance(asked, Request)
        seconds = self._deadline * TRIES
        refused: Refused | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    link = await self._linked(asked)
                    try:
                        return await link.ask(asked, within=self._deadline)
                    except (NoAnswer, LinkLost) as error:
                        log.info("asking again", why=str(error), message_id=asked.message_id)
                        if link.is_closing and self.link is link:
                            # Else it would be asked again at once, for ever: nothing is waited for.
                            self.link = None
                    except Refused as error:
                        if error.reason not in PASSING:
                            raise
                        log.info("asking again", why=str(error), message_id=asked.message_id)
                        refused = error
                        await asyncio.sleep(PAUSE)
        except TimeoutError:
            raise refused or NotAnswered(
                wire_name(type(request)), seconds, "" if self.link else self.trouble
            ) from None

    async def connected(self) -> Link:
        """The link, as soon as it is up. Cancelling is safe.

        Raises:
            Refused: Central does not let this operator in.
        """
        while self.link is None:
            if self._denied is not None:
                raise self._denied
            self._changed.clear()
            await self._changed.wait()
        return self.link

    async def _linked(self, asked: Request[Answer]) -> Link:
        try:
            async with asyncio.timeout(self._deadline):
                return await self.connected()
        except TimeoutError:
            raise NotAnswered(wire_name(type(asked)), self._deadline, self.trouble) from None

    async def run(self, dispatcher: Dispatcher) -> None:
        """Keep the link up, until cancelled."""

        def make_link() -> Link:
            return Link(Role.ADMIN, dispatcher, self._clock, peer_role=Role.CENTRAL)

        self._dialler = Dialler(
            "CENTRAL",
            self._addresses,
            make_link,
            self._serve,
            self._clock,
            tls=self._tls,
            on_trouble=self._in_trouble,
        )
        await self._dialler.run()

    def sent_away(self, error: ErrorResponse) -> None:
        """Central has closed the link for another one, or another central leads."""
        if self._dialler is not None:
            self._dialler.replaced(error)

    def _in_trouble(self, text: str) -> None:
        self.trouble = text
        self._on_trouble(text)

    async def _serve(self, link: Link) -> None:
        """Introduce this operator on a new link, and keep the link alive."""
        link.patience = 3 * HEARTBEAT
        await self._introduce(link)
        if self._greet is not None:
            await self._greet(link)
        self.link, self.trouble = link, ""
        self._changed.set()
        try:
            await keep_alive(link, lambda: _beat(link), HEARTBEAT)
        finally:
            self.link = None

    async def _introduce(self, link: Link) -> None:
        request = AuthRequest(role=Role.ADMIN, admin_id=self._admin_id, credential=self._credential)
        self._denied = None
        try:
            await link.ask(request, within=self._deadline * INTRODUCED)
        except Refused as no:
            if no.reason is Reason.NOT_AUTHENTICATED:
                self._denied = no
                self._changed.set()
            raise


async def _beat(link: Link) -> None:
    await link.ask(ClientHeartbeatRequest(), within=HEARTBEAT)
