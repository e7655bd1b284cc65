"""Dialling: one link to a peer, kept up for ever.

A `Dialler` tries its addresses in turn, with exponential backoff and jitter between tries; the
backoff starts afresh only after a link has lived for a while, so that a peer which accepts and
drops is not hammered. While a link lives its *session* runs: the program's own coroutine, which
introduces itself and keeps the link alive. When the link goes the session is cancelled; when the
session ends or raises, the link is closed; then the dialler dials again.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_exponential

from common.clock import Clock, jitter
from common.errors import ChargingError, LinkLost, NoAnswer, Reason, Refused
from common.link import Link
from common.messages import ErrorResponse
from common.program import Address

log = structlog.get_logger()

FIRST_WAIT = 0.2
LONGEST_WAIT = 10.0
"""Seconds between two tries: the first wait doubles up to the longest."""

LIVED = 30.0
"""Seconds that a link must have lived for the backoff to start afresh."""

REPLACED_WAIT = 10.0
"""Seconds to wait at least when told that another link took this one's place."""

CONNECT_WITHIN = 5.0
"""Seconds in which a connection must be made."""

MAX_LEARNED = 8
"""Addresses that are remembered beside the given ones, because some central named its leader."""

MISSED = 3
"""Heartbeats without an answer after which a link is closed."""

BEARABLE = frozenset({Reason.OVERLOADED, Reason.INTERNAL})
"""Refusals of a heartbeat that are signs of life, and pass."""

Session = Callable[[Link], Awaitable[None]]


class Dialler:
    """Keeps one link to a peer.

    Attributes:
        link: The link, while there is one.
        trouble: Why there is none, in a sentence; empty while there is one.
    """

    def __init__(
        self,
        name: str,
        addresses: Sequence[Address],
        make_link: Callable[[], Link],
        session: Session,
        clock: Clock,
        *,
        tls: ssl.SSLContext | None = None,
        on_trouble: Callable[[str], None] | None = None,
    ) -> None:
        self.link: Link | None = None
        self.trouble = ""
        self._name = name
        self._addresses = list(addresses)
        self._given = len(self._addresses)
        self._next = 0
        self._make_link = make_link
        self._session = session
        self._clock = clock
        self._tls = tls
        self._on_trouble = on_trouble
        self._up = asyncio.Event()
        self._hold_off = 0.0
        self._lived = 0.0
        self._leader: Address | None = None

    @property
    def address(self) -> Address:
        """The address in use, or to be tried next."""
        return self._addresses[self._next % len(self._addresses)]

    async def connected(self) -> Link:
        """The link, as soon as there is one. Cancelling is safe."""
        while self.link is None:
            await self._up.wait()
        return self.link

    async def run(self) -> None:
        """Dial, live, and dial again, until cancelled. Never returns."""
        async for attempt in self._tries():
            with attempt:
                await self._once()
                raise LinkLost(self._name, self.trouble)

    def replaced(self, error: ErrorResponse) -> None:
        """The peer closed our link because of another one with our id, or sent us elsewhere."""
        if error.error is Reason.REPLACED:
            self.trouble = f"{self._name} serves another link with this id"
            self._hold_off = REPLACED_WAIT
        elif error.error is Reason.STANDBY:
            self._named(error.leader)

    def _tries(self) -> AsyncRetrying:
        return AsyncRetrying(
            wait=self._wait,
            retry=retry_if_exception_type((OSError, TimeoutError, ChargingError)),
            before_sleep=self._say,
            reraise=True,
        )

    _backoff = wait_exponential(multiplier=FIRST_WAIT, min=FIRST_WAIT, max=LONGEST_WAIT)

    def _wait(self, state: RetryCallState) -> float:
        if self._lived >= LIVED:
            state.attempt_number = 1  # the backoff starts afresh
        hold_off, self._hold_off = self._hold_off, 0.0
        if isinstance(error := _error(state), Refused) and error.reason is Reason.STANDBY:
            self._named(error.leader)
        if self._leader is not None:
            return FIRST_WAIT  # it is somewhere else; nobody is hammered
        wait = self._backoff(state) + jitter(FIRST_WAIT)
        return max(hold_off, min(LONGEST_WAIT, wait))

    def _say(self, state: RetryCallState) -> None:
        assert state.next_action is not None
        error = _error(state)
        text = (
            f"cannot reach {self._name} at {self.address}"
            f" ({_why(error)}), next try in {state.next_action.sleep:.1f} s"
        )
        self._next += 1
        if self._leader is not None:
            self._go_to(self._leader)
        self.trouble = text
        log.warning(text)
        if self._on_trouble is not None:
            self._on_trouble(text)

    def _named(self, leader: str | None) -> None:
        """Another central leads; where, if the one that said so knows."""
        with suppress(ValueError):  # it is no address: the next one of ours is tried
            if leader and (where := Address.parse(leader)) != self.address:
                self._leader = where

    def _go_to(self, leader: Address) -> None:
        if leader not in self._addresses:
            del self._addresses[self._given + MAX_LEARNED - 1 :]
            self._addresses.append(leader)
        self._next = self._addresses.index(leader)
        self._leader = None

    async def _once(self) -> None:
        """Make a link and live with it, until one of them ends."""
        loop = asyncio.get_running_loop()
        where = self.address
        self._lived = 0.0
        async with asyncio.timeout(CONNECT_WITHIN):
            _, link = await loop.create_connection(
                self._make_link, where.host, where.port, ssl=self._tls
            )
        began = self._clock.monotonic()
        self.link, self.trouble = link, ""
        self._up.set()
        log.debug("connected", to=self._name, address=str(where))
        session = asyncio.ensure_future(self._session(link))
        try:
            await asyncio.wait((session, link.closed), return_when=asyncio.FIRST_COMPLETED)
            self.trouble = link.closed.result() if link.closed.done() else ""
            if session.done():
                session.result()
        finally:
            self._lived = self._clock.monotonic() - began
            self.link = None
            self._up.clear()
            link.close()
            session.cancel()
            await asyncio.wait((session, link.closed))
            if not session.cancelled() and (ended_by := session.exception()):
                log.debug("session ended", with_=self._name, why=str(ended_by))


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _why(error: BaseException | None) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


async def keep_alive(link: Link, beat: Callable[[], Awaitable[None]], interval: float) -> None:
    """Ask at every interval until the link is gone; close it after three without an answer.

    Args:
        beat: Asks and waits for the answer, at most `interval` seconds; may raise `NoAnswer`, or
            `Refused` for a reason of `BEARABLE`. What else it raises ends this too.
    """
    loop = asyncio.get_running_loop()
    missed = 0
    while not link.closed.done():
        due = loop.time() + interval
        try:
            await beat()
            missed = 0
        except Refused as refused:
            if refused.reason not in BEARABLE:
                raise
            missed = 0
            log.warning("heartbeat refused", peer=str(link), why=str(refused))
        except NoAnswer:
            missed += 1
            if missed >= MISSED:
                log.warning("no answer to heartbeats", peer=str(link), missed=missed)
                link.close()
                return
        await asyncio.sleep(max(0.0, due - loop.time()))
