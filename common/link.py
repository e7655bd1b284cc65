"""A TCP connection between two roles: `ask`, `tell`, and the messages that come in.

`Link` moves bytes between a socket and an `Exchange`, hands messages to the `Dispatcher` and sends
what comes back. `listen.Listener` accepts links; `dial.Dialler` makes them.

A handler's work outlives its link: what was begun for a peer that is gone is still finished, only
its answer goes nowhere.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import structlog

from common.admittance import Rate
from common.clock import Clock
from common.codec import decoder, first_decoder
from common.dispatch import Dispatcher, Peer
from common.errors import (
    BadMessage,
    FrameTooLong,
    LinkLost,
    NoAnswer,
    Reason,
)
from common.exchange import Exchange, stamped, to_frame
from common.logs import Wiretap
from common.messages import Answer, AuthRequest, ErrorResponse, Message, Request, Role
from common.metrics.traffic import Ending
from common.protocol import DEADLINES, introduced_role, wire_name

log = structlog.get_logger()

IDENTIFY_WITHIN = 5.0
"""Seconds in which a link to central must say who it is."""

LINGER = 5.0
"""Seconds for which a closing link may still write what it owes, then it is cut."""

MAX_IN_WORK = 32
"""Requests of one link that may be in work at once; a further one is `overloaded`."""

MAX_IN_WORK_IN_ALL = 10_000
"""Requests of all links that may be in work at once."""

MAX_UNSENT = 1 << 20
"""Bytes that may wait for a peer to read them; with more it is closed as a slow reader."""

FULL_AT = 1 << 18
"""Bytes that wait for a peer at which `drained` begins to wait."""

LOOK_EVERY = 0.5
"""Seconds between two looks at a link's silence, or a tenth of its patience where that is longer:
cheaper than a timer moved by each message."""

FRAME_WITHIN = 10.0
"""Seconds in which a frame that has begun must end; who takes longer only holds the link open."""

MESSAGES_PER_SECOND = 2_000
MESSAGES_AT_ONCE = 4_000
"""Messages of one link to a listener that are taken in a second, and that may come at once; then
its socket is not read for a while. Nothing is dropped."""

READ_FIRST = 0.01
"""Seconds in which what has already arrived is read before a peer is judged silent."""

KEEPALIVE = 60
"""Seconds of silence after which TCP asks whether the other machine is still there."""


class Link(asyncio.Protocol):
    """One end of a connection.

    Args:
        must_prove: Whether a peer that has not said who it is must prove it, by an
            `auth_request` that succeeds, before anything else is taken.
        rate: How many messages are taken from the peer; None for as many as come.
        fence: What may be sent now in place of a message: mostly that message, else another one,
            or None for nothing. For who may lose the right to speak.

    Attributes:
        peer: Who is at the other end, as far as is known.
        address: The peer's IP address, once there is a connection.
        on_identified: Called once when the peer has said who it is.
        closed: Done when the connection is gone; its result says why.
        patience: Seconds without a byte from the peer after which the link is closed; None for
            ever. May be changed at any time.
    """

    def __init__(
        self,
        me: Role,
        dispatcher: Dispatcher,
        clock: Clock,
        *,
        peer_role: Role | None,
        opened: Callable[["Link"], None] | None = None,
        gone: Callable[["Link"], None] | None = None,
        must_prove: Callable[[], bool] = lambda: False,
        rate: Rate | None = None,
        fence: Callable[[Message], Message | None] | None = None,
    ) -> None:
        self.peer = Peer(role=peer_role, link=self)
        self.address: str | None = None
        self.patience: float | None = None
        self._me = me
        self._dispatcher = dispatcher
        self._clock = clock
        self._opened = opened
        self._gone = gone
        self._must_prove = must_prove
        self._rate = rate
        self._fence = fence
        self.on_identified: Callable[[], None] | None = None
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self._exchange = Exchange(decoder(peer_role, me) if peer_role else first_decoder())
        self._transport: asyncio.Transport | None = None
        self._in_work = 0
        self._drained = asyncio.Event()
        self._drained.set()
        self._why = "closed by the peer"
        self._frame = 0
        self._frame_since = 0.0
        self._is_held = False
        self._holding: asyncio.TimerHandle | None = None
        self._ending = Ending.PEER
        self._tally = dispatcher.traffic.of(peer_role) if dispatcher.traffic else None
        self._heard_at = self._loop.time()
        self._timers: list[asyncio.TimerHandle] = []
        self._watch: asyncio.TimerHandle | None = None
        self._wire = Wiretap()

    # -- What programs do with a link --

    async def ask(self, request: Request[Answer], *, within: float | None = None) -> Answer:
        """Send a request and return its answer.

        Args:
            within: Seconds to wait; the protocol's deadline for these two roles if None.

        Raises:
            Refused: The peer answered with a failure or an `error_response`.
            NoAnswer: The deadline passed. The peer may still act on the request.
            LinkLost: The link was, or went, down. The peer may have acted on the request.

        Cancelling is safe; the answer then goes to its handler.
        """
        seconds = within if within is not None else self._deadline()
        sent = stamped(request, self._clock)
        assert isinstance(sent, Request)
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._exchange.expect(sent, answer)
        late = self._loop.call_later(seconds, _too_late, answer)
        try:
            with self._timed(type(request)):
                self._send(sent)
                result: Answer = await answer
                return result
        except TimeoutError:
            raise NoAnswer(wire_name(type(request)), seconds) from None
        finally:
            late.cancel()
            self._exchange.forget(sent.message_id)

    def _timed(self, request: type[Message]) -> AbstractContextManager[None]:
        """Count what becomes of a request that is asked inside the block."""
        return nullcontext() if self._tally is None else self._tally.asking(request, self._clock)

    def tell(self, message: Message) -> None:
        """Send a message that has no answer. It is written, not more: the peer may never see it.

        Raises:
            LinkLost: The link is down.
        """
        self._send(stamped(message, self._clock))

    async def drained(self) -> None:
        """Return once the peer has read so much that more may be told; at once if it is gone.

        What answers one request needs no waiting; who tells much by itself does.
        """
        await self._drained.wait()

    def close(self, why: ErrorResponse | None = None) -> None:
        """Close the link once what is owed is written, after `why` if there is one. Idempotent."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if why is not None:
            self._why = f"closed by us: {why.error}"
            self.tell(why)
        else:
            self._why = "closed by us"
        self._ending = Ending.US
        transport.close()
        self._timers.append(self._loop.call_later(LINGER, transport.abort))

    def identify(self, role: Role, peer_id: str | None = None) -> None:
        """The peer has said who it is: from now on it may say what its role may say."""
        self._exchange.decoder = decoder(role, self._me)
        self.peer.role = role
        self.peer.id = peer_id or self.peer.id
        if self.on_identified is not None:
            told, self.on_identified = self.on_identified, None
            told()
        if self._tally is not None and self._dispatcher.traffic is not None:
            self._tally = self._tally.handed_to(self._dispatcher.traffic.of(role))

    @property
    def faults(self) -> int:
        """Bad frames that have come so far."""
        return self._exchange.faults

    @property
    def why(self) -> str:
        """Why the link is, or will be, closed."""
        return self._why

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport is None or self._transport.is_closing()

    def __str__(self) -> str:
        return str(self.peer)

    def _deadline(self) -> float:
        assert self.peer.role is not None
        return DEADLINES[self._me, self.peer.role]

    # -- What the socket does --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._transport.set_write_buffer_limits(high=FULL_AT)
        name = transport.get_extra_info("peername")
        self.address = str(name[0]) if isinstance(name, tuple) else None
        if self._tally is not None:
            self._tally.open += 1
        _keep_alive(transport.get_extra_info("socket"))
        if self.peer.role is None:
            self._timers.append(self._loop.call_later(IDENTIFY_WITHIN, self._must_be_known))
        self._watch = self._loop.call_later(LOOK_EVERY, self._must_be_heard)
        if self._opened is not None:
            self._opened(self)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        taken = 0
        for item in self._exchange.receive(data):
            self._take(item)
            if self._transport is None or self._transport.is_closing():
                return
            taken += 1
        if self._rate is not None and (wait := self._rate.spend(taken, self._heard_at)):
            self._hold(wait)

    def _hold(self, seconds: float) -> None:
        """Read nothing more of the peer for a while."""
        assert self._transport is not None
        self._transport.pause_reading()
        self._is_held = True
        self._holding = self._loop.call_later(seconds, self._read_on)

    def _read_on(self) -> None:
        self._is_held = False
        if self._transport is not None and not self._transport.is_closing():
            self._heard_at = self._loop.time()  # what it said meanwhile was not read
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._why, self._ending = f"connection lost: {error}", Ending.LOST
        if self._tally is not None:
            self._tally.end(self._ending)
        self._transport = None
        self._drained.set()
        for timer in (*self._timers, self._watch, self._holding):
            if timer is not None:
                timer.cancel()
        self._exchange.fail(LinkLost(str(self.peer), self._why))
        log.debug("link closed", peer=str(self.peer), why=self._why, faults=self.faults)
        if self._gone is not None:
            self._gone(self)
        if not self.closed.done():
            self.closed.set_result(self._why)

    # -- Inside --

    def _take(self, item: Message | BadMessage) -> None:
        if isinstance(item, BadMessage):
            self._complain(item)
            return
        if self._wire.on:
            self._wire.seen("received", item, str(self.peer))
        if self.peer.role is None and not self._introduce(item):
            return
        if self._tally is not None:
            self._tally.received[type(item)] += 1
        if self._exchange.settle(item):
            return
        if self._is_overloaded(item):
            self._answer(ErrorResponse(error=Reason.OVERLOADED), item)
            return
        outcome = self._dispatcher.dispatch(item, self.peer)
        if isinstance(outcome, Coroutine):
            self._in_work += 1
            if self._tally is not None:
                outcome = self._tally.timing(item, outcome, self._clock)
            self._dispatcher.keep(self._loop.create_task(self._finish(item, outcome)))
        elif outcome is not None:
            self._answer(outcome, item)

    def _introduce(self, message: Message) -> bool:
        """Whether a first message may be handled, which then says the peer's role.

        The handler of an `auth_request` identifies the link itself, once it is proved.
        """
        role = introduced_role(message)
        if isinstance(message, AuthRequest):
            if role is None:
                text = f"Expected monitor, driver or admin, got {message.role} - at `$.role`"
                self._complain(BadMessage(Reason.INVALID_MESSAGE, text, message.message_id))
            return role is not None
        if self._must_prove():
            if not isinstance(message, ErrorResponse):
                text = "say who you are first, by an auth_request with your credential"
                self._complain(BadMessage(Reason.NOT_AUTHENTICATED, text, message.message_id))
            return False
        if role is not None:
            self.identify(role)
        return True

    def _is_overloaded(self, message: Message) -> bool:
        """Whether this request would have to wait, and too many do already."""
        at_limit = self._in_work >= MAX_IN_WORK or self._dispatcher.in_work >= MAX_IN_WORK_IN_ALL
        return at_limit and isinstance(message, Request) and self._dispatcher.waits(message)

    async def _finish(self, message: Message, work: Coroutine[Any, Any, Message | None]) -> None:
        try:
            outcome = await work
        finally:
            self._in_work -= 1
        if outcome is not None and self._transport is not None:
            self._answer(outcome, message)

    def _answer(self, answer: Message, message: Message) -> None:
        if self._tally is not None and (reason := getattr(answer, "error", None)) is not None:
            self._tally.refused[reason] += 1
        try:
            self._send(stamped(answer, self._clock, answering=message))
        except LinkLost as lost:
            log.debug("answer not delivered", why=str(lost), message_id=message.message_id)
        except FrameTooLong as error:
            log.error("answer too long", error=str(error), message_id=message.message_id)
            short = ErrorResponse(error=Reason.INTERNAL)
            self._send(stamped(short, self._clock, answering=message))

    def _complain(self, bad: BadMessage) -> None:
        log.info("bad message", peer=str(self.peer), reason=bad.reason, text=bad.text)
        if self._tally is not None:
            self._tally.bad[bad.reason] += 1
        text = bad.text[:1000]
        self._send(
            stamped(
                ErrorResponse(message_id=bad.message_id or "", error=bad.reason, message=text),
                self._clock,
            )
        )
        if self._exchange.ended:
            self._drop(f"closed by us: {bad.reason}", Ending.BAD_FRAMES)

    def _send(self, message: Message) -> None:
        if self._transport is None or self._transport.is_closing():  # is_closing, but for speed
            raise LinkLost(str(self.peer), self._why)
        if self._fence is not None:
            allowed = self._fence(message)
            if allowed is None:
                raise LinkLost(str(self.peer), "nothing may be said now")
            message = allowed
        data = to_frame(message)
        if self._wire.on:  # before it is written, so that the peer's line comes after ours
            self._wire.seen("sent", message, str(self.peer))
        self._transport.write(data)
        if self._tally is not None:
            self._tally.sent[type(message)] += 1
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self._why, self._ending = "closed by us: it does not read", Ending.SLOW_READER
            log.warning("slow reader", peer=str(self.peer), unsent=MAX_UNSENT)
            self._transport.abort()

    def _must_be_known(self) -> None:
        if self.peer.role is None:
            why = f"did not say who it is within {IDENTIFY_WITHIN:g} s"
            self._drop(why, Ending.UNIDENTIFIED)

    def _must_be_heard(self) -> None:
        if self._is_stuck_in_a_frame():
            self._drop(f"a frame did not end within {FRAME_WITHIN:g} s", Ending.SILENT)
            return
        if not self._is_held and self.patience is not None and self._silence() >= self.patience:
            # If it was us who stood still, what came meanwhile is read first.
            self._watch = self._loop.call_later(READ_FIRST, self._judge_silence)
        else:
            wait = max(LOOK_EVERY, (self.patience or 0.0) / 10)
            self._watch = self._loop.call_later(wait, self._must_be_heard)

    def _is_stuck_in_a_frame(self) -> bool:
        frame, now = self._exchange.unfinished, self._loop.time()
        if self._is_held or not frame or frame != self._frame:
            self._frame, self._frame_since = frame, now
            return False
        return now - self._frame_since >= FRAME_WITHIN

    def _silence(self) -> float:
        return self._loop.time() - self._heard_at

    def _judge_silence(self) -> None:
        silence = self._silence()
        if self.patience is not None and silence >= self.patience:
            self._drop(f"silent for {silence:.1f} s", Ending.SILENT)
            return
        self._watch = self._loop.call_later(LOOK_EVERY, self._must_be_heard)

    def _drop(self, why: str, ending: Ending) -> None:
        self.close()
        self._why, self._ending = why, ending


def _too_late(answer: "asyncio.Future[Any]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


def _keep_alive(connection: socket.socket | None) -> None:
    if connection is None or connection.family == socket.AF_UNIX:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE // 6)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
