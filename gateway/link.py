"""One charge point's WebSocket: its frames to calls and answers, and back.

Theory of operation. `on_ws_frame` is the hot path: what comes is decoded and handled within it,
without a task. A heartbeat is answered there; every other call goes to the desk, one at a time, and
the desk answers it now or later. What makes a link wait is always the same: its socket is not read.
Several may want that at once, each for a reason of its own (`Hold`); what the library has read by
then still comes, and waits in `PeerCalls`.
"""

import asyncio
import contextlib
from enum import IntFlag, auto
from typing import Protocol

import structlog
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from common.connection import HEADER, Connection
from gateway.calls import OwnCalls, PeerCalls
from gateway.ending import CLOSE_CODES, Ending
from gateway.ocppj import BadFrame, Call, CallError, CallResult, Frame, decode, encode
from gateway.version import Version

log = structlog.get_logger()

MAX_FRAME = 64 * 1024
"""Bytes of a frame, and of a message in several; a longer one ends the connection with 1009."""

CALLS_PER_SECOND = 2_000
"""Messages of one charge point in a second; above, its socket is not read for a while."""

COUNTED = 200
"""Messages between two looks at the clock for that."""

LINGER = 1.0
"""Seconds that a peer has to answer our close frame."""

TEXT, PING, PONG = WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG


class Hold(IntFlag):
    """Why a socket is not read."""

    RATE = auto()
    """Too many messages in a second."""
    CALLS = auto()
    """Too many of its calls wait."""
    NODE = auto()
    """This gateway, or Kafka, has enough to do."""
    WRITING = auto()
    """The charge point does not read its answers."""


class Desk(Protocol):
    """Who handles what comes by a link."""

    def heartbeat(self, call: Call) -> CallResult | None: ...

    def opened(self, link: "Link") -> None: ...

    def called(self, link: "Link", call: Call) -> None: ...

    def answered(self, link: "Link", answer: CallResult | CallError) -> None: ...

    def is_bad(self, link: "Link", bad: BadFrame) -> None: ...

    def gone(self, link: "Link", ending: Ending) -> None: ...

    frames: "FrameTap | None"


class FrameTap(Protocol):
    """Who looks at the frames as they are."""

    def received(self, link: "Link", data: bytes, frame: Frame | BadFrame) -> None: ...

    def sent(self, link: "Link", data: bytes, frame: Frame) -> None: ...


class Link(WSListener):
    """The newest connection of a charge point, until it has ended.

    Attributes:
        cp_id: The charge point.
        version: Of OCPP, that is spoken here.
        connection: This one of its connections.
        headers: What its records carry beside their message.
        security_profile: By which of OCPP's it was let in.
        address: The peer's, without its port.
        lenient: Its messages may break the schemas where it is clear what is meant.
        faulted: Connectors whose last status was Faulted.
        heard: Something has come since this was last set to False.
        holds: Why its socket is not read; nothing while it is.
        own_calls: Ours to it; None before the first.
        ending: Why it has ended; None while it is open.
    """

    __slots__ = (
        "_calls",
        "_counted_at",
        "_desk",
        "_parts",
        "_to_count",
        "_transport",
        "address",
        "connection",
        "cp_id",
        "ending",
        "faulted",
        "headers",
        "heard",
        "holds",
        "lenient",
        "own_calls",
        "security_profile",
        "version",
    )

    def __init__(
        self,
        desk: Desk,
        version: Version,
        cp_id: str,
        connection: Connection,
        security_profile: int = 0,
        address: str = "",
        *,
        lenient: bool = False,
    ) -> None:
        self.cp_id = cp_id
        self.lenient = lenient
        self.address = address
        self.version = version
        self.security_profile = security_profile
        self.faulted: set[int] | None = None
        self.heard = True
        self.holds = Hold(0)
        self.own_calls: OwnCalls | None = None
        self.ending: Ending | None = None
        self.moved_to(connection)
        self._desk = desk
        self._calls: PeerCalls | None = None
        self._parts: bytearray | None = None
        self._to_count = COUNTED
        self._counted_at = asyncio.get_running_loop().time()
        self._transport: WSTransport | None = None

    def moved_to(self, connection: Connection) -> None:
        """It is known under this from now on."""
        self.connection = connection
        self.headers: list[tuple[str, str | bytes | None]] = [(HEADER, connection.header())]

    def __str__(self) -> str:
        return f"{self.cp_id} ({self.connection.epoch})"

    @property
    def unanswered(self) -> int:
        """Calls of the charge point that wait for their answer."""
        return len(self._calls) if self._calls is not None else 0

    # -- What the library tells --

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._desk.opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.heard = True
        if frame.msg_type == TEXT and frame.fin and self._parts is None:
            data: bytes | None = frame.get_payload_as_bytes()
        else:
            data = self._unusual(transport, frame)
        if data is None or self.ending is not None:
            return
        self._to_count -= 1
        if not self._to_count:
            self._look_at_rate()
        try:
            self._received(transport, data)
        except Exception as error:
            log.error("handling a frame failed", cp_id=self.cp_id, exc_info=error)
            self.close(Ending.FAILED)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        # If we closed it for what came, the library has: our frame says why, and no reason of ours.
        handshake = transport.close_handshake
        by_library = handshake is not None and handshake.sent and not handshake.recv_then_sent
        self._ended(Ending.BAD_SOCKET if by_library else Ending.PEER)
        self._transport = None

    def pause_writing(self) -> None:
        self.hold(Hold.WRITING)

    def resume_writing(self) -> None:
        self.release(Hold.WRITING)

    # -- In --

    def _received(self, transport: WSTransport, data: bytes) -> None:
        desk = self._desk
        try:
            frame = decode(data)
        except BadFrame as bad:
            if desk.frames is not None:
                desk.frames.received(self, data, bad)
            if bad.answer is not None:
                self.send(bad.answer)
            desk.is_bad(self, bad)
            return
        if desk.frames is not None:
            desk.frames.received(self, data, frame)
        if type(frame) is not Call:
            desk.answered(self, frame)  # type: ignore[arg-type]
        elif (self._calls is not None and self._calls.open is not None) or (
            result := desk.heartbeat(frame)
        ) is None:
            self._call(frame)
        elif desk.frames is None:
            transport.send(TEXT, encode(result))
        else:
            self.send(result)

    def _call(self, call: Call) -> None:
        calls = self._calls
        if calls is None:
            calls = self._calls = PeerCalls()
        if calls.receive(call):
            self._desk.called(self, call)
        elif calls.full:
            self.hold(Hold.CALLS)

    def _unusual(self, transport: WSTransport, frame: WSFrame) -> bytes | None:
        """What is neither a text in one frame nor anything else that has a meaning; None if so."""
        kind = frame.msg_type
        if kind == PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            code = frame.get_close_code()
            transport.send_close(code if code != WSCloseCode.NO_INFO else WSCloseCode.OK)
            transport.disconnect()
        elif kind == WSMsgType.BINARY:
            self._refuse(WSCloseCode.UNSUPPORTED_DATA, "OCPP-J is text")
        elif kind != PONG:
            return self._part(frame)
        return None

    def _part(self, frame: WSFrame) -> bytes | None:
        """A part of a message in several frames; all of it with the last of them."""
        begins = frame.msg_type == TEXT
        if begins is (self._parts is not None):
            self._refuse(WSCloseCode.PROTOCOL_ERROR, "a message's parts do not follow each other")
            return None
        parts = self._parts = self._parts or bytearray()
        parts += frame.get_payload_as_bytes()
        if len(parts) > MAX_FRAME:
            self._refuse(WSCloseCode.MESSAGE_TOO_BIG, f"{MAX_FRAME} bytes at most")
            return None
        if not frame.fin:
            return None
        self._parts = None
        return bytes(parts)

    def _look_at_rate(self) -> None:
        """`COUNTED` messages have come; if that was too fast, read no more until it was not."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        rest = COUNTED / CALLS_PER_SECOND - (now - self._counted_at)
        self._to_count = COUNTED
        self._counted_at = now
        if rest > 0:
            self.hold(Hold.RATE)
            loop.call_later(rest, self.release, Hold.RATE)

    # -- Out --

    def send(self, frame: Frame) -> None:
        """Write a frame. Never blocks; after the end nothing happens."""
        if self._transport is None or self.ending is not None:
            return
        data = encode(frame)
        if self._desk.frames is not None:
            self._desk.frames.sent(self, data, frame)
        self._transport.send(TEXT, data)

    def answer(self, call: Call, frame: CallResult | CallError) -> None:
        """Answer the charge point's open call; if another one waits, that is open then."""
        if self.ending is not None or self._calls is None:
            return
        self.send(frame)
        following = self._calls.answered(call)
        if following is not None:
            # Not at once: of many that are answered at once each would be handled inside the other.
            asyncio.get_running_loop().call_soon(self._handle, following)
            if not self._calls.full:
                self.release(Hold.CALLS)

    def _handle(self, call: Call) -> None:
        if self.ending is None:
            self._desk.called(self, call)

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._transport is not None:
            self._transport.send_ping()

    # -- Reading --

    def hold(self, why: Hold) -> None:
        """Do not read the socket until this is released."""
        if not self.holds and self._transport is not None:
            self._transport.underlying_transport.pause_reading()
        self.holds |= why

    def release(self, why: Hold) -> None:
        """As far as this is concerned it may be read. Idempotent."""
        if not self.holds:
            return
        self.holds &= ~why
        if not self.holds and self._transport is not None and self.ending is None:
            self._transport.underlying_transport.resume_reading()

    # -- Its end --

    def close(self, ending: Ending) -> None:
        """End it: nothing more is taken from it, or told to it. Idempotent."""
        if self.ending is not None:
            return
        if self._transport is not None:
            self._shut(CLOSE_CODES.get(ending, WSCloseCode.OK), ending, ending is Ending.SILENT)
        self._ended(ending)

    def _refuse(self, code: WSCloseCode, why: str) -> None:
        self._shut(code, why, False)
        self._ended(Ending.BAD_SOCKET)

    def _shut(self, code: WSCloseCode, why: str, at_once: bool) -> None:
        transport = self._transport
        assert transport is not None
        transport.send_close(code, why)
        if at_once:
            transport.disconnect(graceful=False)
            return
        # A socket that is not read does not tell that the peer has closed it.
        with contextlib.suppress(RuntimeError):
            transport.underlying_transport.resume_reading()
        asyncio.get_running_loop().call_later(LINGER, transport.disconnect, False)

    def _ended(self, ending: Ending) -> None:
        if self.ending is None:
            self.ending = ending
            self._desk.gone(self, ending)
