"""A TCP connection until it is a WebSocket: its request is read, somebody decides, it is answered.

The library decides about a request at once or not at all. Here a password is looked at and Redis
is asked before the charge point learns that it is let in, so the request is read here, and the
library gets the connection when all is decided.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast

import structlog
from picows import (
    WSAutoPingStrategy,
    WSListener,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from gateway.link import MAX_FRAME
from gateway.opening import END, MAX_HEAD, NoOpening, Opening, canonical, parse, refusal

log = structlog.get_logger()

HANDSHAKE_WITHIN = 30.0
"""Seconds from the first byte to the WebSocket, TLS included. Longer than elsewhere: when a node
was lost, thousands come at once and wait for each other."""

READ_BUFFER = 2048
"""Bytes that are read at once at first, and what the library has at least; it grows with what
comes, and is most of what an idle connection costs."""

LINGER = 2.0
"""Seconds for a refusal to reach its reader."""

# What the library would say goes to nobody: what of it matters is counted and logged by us. An
# adapter, because of a logger it would make a copy for each connection.
_silent = logging.Logger("picows", logging.CRITICAL + 1)
_QUIET = logging.LoggerAdapter(_silent, {})


class Turned(Exception):
    """A request that is turned away.

    Attributes:
        status: What it is answered.
        why: In a sentence, for the peer.
        headers: What the answer says beside it.
    """

    def __init__(self, status: HTTPStatus, why: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why
        self.headers = headers


class Door(asyncio.Protocol):
    """Waits for a request, asks, and lets in or turns away.

    Args:
        admit: Decides: the listener of the WebSocket and the subprotocol, or None for none.
            Raises `Turned` for who is not let in. Cancelled when the peer is gone meanwhile.
        left: Called once, when the connection is gone or is a WebSocket.

    Attributes:
        address: The peer's, without its port.
        tls: What is known of the peer's TLS; None without.
    """

    def __init__(
        self,
        admit: "Callable[[Door, Opening], Awaitable[tuple[WSListener, str | None]]]",
        arrived: "Callable[[Door], None]",
        left: "Callable[[Door], None]",
    ) -> None:
        self.address = ""
        self.tls: ssl.SSLObject | None = None
        self._admit = admit
        self._arrived = arrived
        self._left = left
        self._head = bytearray()
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None
        self._deciding: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername")
        self.address = str(name[0]) if name else ""
        self.tls = transport.get_extra_info("ssl_object")
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HANDSHAKE_WITHIN, self._too_late)
        self._arrived(self)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._head += data
        if self._deciding is not None:
            return  # it does not wait for the answer
        end = self._head.find(END)
        if end < 0 and len(self._head) <= MAX_HEAD:
            return
        self._transport.pause_reading()
        head, tail = bytes(self._head[:end]), bytes(self._head[end + len(END) :])
        self._head = bytearray(tail)
        try:
            if end < 0 or len(head) > MAX_HEAD:
                status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                raise NoOpening(status, f"{MAX_HEAD} bytes at most")
            opening = parse(head)
        except NoOpening as error:
            headers = {"Sec-WebSocket-Version": "13", "Upgrade": "websocket", "Allow": "GET"}
            self.turn_away(Turned(error.status, error.why, headers))
            return
        self._deciding = asyncio.get_running_loop().create_task(self._decide(opening))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self._deciding is not None:
            self._deciding.cancel()
        self._leave()

    def turn_away(self, turned: Turned) -> None:
        """Answer with this, and close."""
        if self._deciding is not None and self._deciding is not asyncio.current_task():
            self._deciding.cancel()
        self._is_over = True
        self._transport.write(refusal(turned.status, turned.why, turned.headers))
        # Read again, because who is not read cannot say goodbye, which TLS waits for.
        self._transport.resume_reading()
        self._transport.close()
        asyncio.get_running_loop().call_later(LINGER, self._transport.abort)
        self._leave()

    async def _decide(self, opening: Opening) -> None:
        try:
            listener, subprotocol = await self._admit(self, opening)
        except Turned as turned:
            self.turn_away(turned)
        except Exception as error:
            log.error("admission failed", identity=opening.identity, exc_info=error)
            self.turn_away(Turned(HTTPStatus.INTERNAL_SERVER_ERROR, "our fault"))
        else:
            self._let_in(opening, listener, subprotocol)

    def _let_in(self, opening: Opening, listener: WSListener, subprotocol: str | None) -> None:
        self._deciding = None  # this very task, which is not to be cancelled any more
        self._leave()
        protocol = web_socket(listener, subprotocol)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        _feed(protocol, canonical(opening) + self._head)
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _too_late(self) -> None:
        if self._deciding is not None:
            self._deciding.cancel()
        self._transport.abort()

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._left(self)


def web_socket(listener: WSListener, subprotocol: str | None) -> WSProtocol:
    """The library's side of a WebSocket, which is let in whatever it asks."""
    headers = {"Sec-WebSocket-Protocol": subprotocol} if subprotocol else None

    def let_in(_: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        return WSUpgradeResponseWithListener(
            WSUpgradeResponse.create_101_response(headers), listener
        )

    return WSProtocol(
        None,  # host and port, of a client
        None,  # path, likewise
        False,  # it is no client
        let_in,
        _QUIET,
        True,  # close it after an exception, of which there is none
        None,  # its timeout of the handshake: ours has passed, or not
        False,  # pings are ours
        0,
        0,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        False,  # pongs too: a ping is a sign of life
        MAX_FRAME,
        None,  # headers of a client
        READ_BUFFER,
    )


def _feed(protocol: WSProtocol, data: bytes) -> None:
    """Hand over what has come already, as the transport would."""
    rest = memoryview(data)
    while rest:
        room = protocol.get_buffer(len(rest))
        size = min(len(room), len(rest))
        room[:size] = rest[:size]
        protocol.buffer_updated(size)
        rest = rest[size:]
