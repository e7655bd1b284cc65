"""Where charge points connect: sockets, limits, and who is let in.

A connection is a `Door` until its request is decided: a place on this node is taken first, then it
is asked who may come, then for an epoch; what is taken is given back at its end, whatever that is.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import aiofastnet
import structlog
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from common.clock import jitter
from common.connection import Connection
from common.errors import CannotStart, Refused
from common.program import Address
from gateway.access import Access, Verdict
from gateway.counts import Counts
from gateway.door import HANDSHAKE_WITHIN, LINGER, Door, Turned
from gateway.link import Desk, Link
from gateway.opening import Opening
from gateway.places import Places, Room
from gateway.registry import Registry
from gateway.sockets import BACKLOG, bound
from gateway.v16.translate import V16
from gateway.version import Version

log = structlog.get_logger()

VERSIONS: dict[str, Version] = {version.subprotocol: version for version in (V16,)}
"""Those that are spoken here, by the subprotocol that asks for them."""

TLS_BUFFER = 16 * 1024
"""Bytes of TLS that are read, and written, at once: a record. The library's own 256 KiB each way
are touched in the end by every connection."""

RETRY_AFTER = 5
"""Seconds that a charge point is asked to wait where there is no room for it, and up to three times
that: so that those that were turned away do not all come at once."""


class Server:
    """Lets charge points in.

    Args:
        lenient: Charge points that may break the schemas; `*` is all.
        closed: Why nobody is let in now, in a sentence; empty while they are.
        tls: What TLS needs; None for none.

    Attributes:
        address: Where it listens; the port that was found free where 0 was asked for.
        doors: Connections that are not let in yet.
        places: What they take, and links after them.
    """

    def __init__(
        self,
        desk: Desk,
        registry: Registry,
        access: Access,
        counts: Counts,
        room: Room,
        lenient: frozenset[str],
        closed: Callable[[], str],
        tls: ssl.SSLContext | None,
    ) -> None:
        self.address = Address("", 0)
        self.doors: set[Door] = set()
        self.places = Places(room)
        self._desk = desk
        self._registry = registry
        self._access = access
        self._counts = counts
        self._lenient = lenient
        self._closed = closed
        self._tls = tls
        self._servers: list[asyncio.Server] = []

    async def open(self, listen: Address, *, shared: bool) -> None:
        """Take the port and begin to accept.

        Args:
            shared: Others of this machine may listen there too, and share what comes.

        Raises:
            CannotStart: The port is taken, or the address is none of this machine.
        """
        try:
            for listening in await bound(listen, shared=shared):
                self.address = Address(listen.host, listening.getsockname()[1])
                self._servers.append(await self._serving(listening))
        except OSError as error:
            self.close()
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise CannotStart(f"cannot listen on {listen}: {why}") from None

    async def _serving(self, listening: socket.socket) -> asyncio.Server:
        tls: dict[str, Any] = {}
        if self._tls is not None:
            tls = {
                "ssl": self._tls,
                "ssl_handshake_timeout": HANDSHAKE_WITHIN,
                "ssl_incoming_bio_size": TLS_BUFFER,
                "ssl_outgoing_bio_size": TLS_BUFFER,
            }
        return await aiofastnet.create_server(
            asyncio.get_running_loop(),
            lambda: Door(self._admit, self._arrived, self._left),
            sock=listening,
            backlog=BACKLOG,
            **tls,
        )

    def close(self) -> None:
        """Accept no more, and turn away who is at the door."""
        for server in self._servers:
            server.close()
        self._servers = []
        for door in list(self.doors):
            door.turn_away(_no_room("this gateway stops"))

    def _arrived(self, door: Door) -> None:
        self.doors.add(door)
        self.places.take(door.address)

    def _left(self, door: Door) -> None:
        self.doors.discard(door)
        self.places.give_back(door.address)

    # -- Who is let in --

    async def _admit(self, door: Door, opening: Opening) -> tuple[WSListener, str | None]:
        self._forwarded(door, opening)
        try:
            listener, subprotocol = await self._decide(door, opening)
        except Turned as turned:
            self._counts.admitted[str(turned.status.value)] += 1
            log.info(
                "turned away",
                identity=(opening.identity or "")[:50],
                address=door.address,
                status=turned.status.value,
                why=turned.why,
            )
            raise
        self._counts.admitted["101"] += 1
        return listener, subprotocol

    def _forwarded(self, door: Door, opening: Opening) -> None:
        """Count a charge point by its own address where a proxy of ours tells it."""
        told = self.places.forwarded(door.address, opening.forwarded_for)
        if told is not None:
            self.places.give_back(door.address)
            door.address = told
            self.places.take(told)

    async def _decide(self, door: Door, opening: Opening) -> tuple[WSListener, str | None]:
        self._must_have_room(door.address)
        if opening.identity is None:
            raise Turned(HTTPStatus.NOT_FOUND, "charge points are at /ocpp/ID")
        spoken = next((VERSIONS[name] for name in opening.subprotocols if name in VERSIONS), None)
        await self._must_be_let_in(door, opening)
        if spoken is None:
            return Unspoken(opening.subprotocols), None
        connection = await self._take(door, opening, opening.identity)
        profile = _profile(door, opening)
        link = Link(
            self._desk,
            spoken,
            opening.identity,
            connection,
            profile,
            door.address,
            lenient=bool(self._lenient & {"*", opening.identity}),
        )
        return link, spoken.subprotocol

    async def _must_be_let_in(self, door: Door, opening: Opening) -> None:
        verdict = await self._access.check(
            opening.identity or "",
            opening.authorization,
            common_name=_common_name(door.tls),
            secured=door.tls is not None,
            address=door.address,
        )
        if verdict is not Verdict.ACCEPTED:
            raise _turned(verdict)

    async def _take(self, door: Door, opening: Opening, cp_id: str) -> Connection:
        """A connection of a charge point that may have one."""
        changes = self._access.changes
        try:
            connection = await self._registry.take(cp_id)
        except Refused as refused:
            raise _no_room(refused.text) from None
        if self._access.changes != changes:
            try:
                await self._must_be_let_in(door, opening)
            except BaseException:
                await self._registry.release(cp_id, connection.epoch)
                raise
        return connection

    def _must_have_room(self, address: str) -> None:
        why = self._closed() or self.places.lack(address)
        if why:
            raise _no_room(why)


class Unspoken(WSListener):
    """A WebSocket without a version of OCPP in common: it is opened and closed (OCPP-J 3.2)."""

    def __init__(self, offered: tuple[str, ...]) -> None:
        self._offered = offered

    def on_ws_connected(self, transport: WSTransport) -> None:
        log.info("no version in common", offered=[name[:50] for name in self._offered[:10]])
        transport.send_close(WSCloseCode.PROTOCOL_ERROR, f"spoken: {', '.join(VERSIONS)}")
        asyncio.get_running_loop().call_later(LINGER, transport.disconnect, False)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


def _no_room(why: str) -> Turned:
    wait = round(RETRY_AFTER + jitter(2 * RETRY_AFTER))
    return Turned(HTTPStatus.SERVICE_UNAVAILABLE, why, {"Retry-After": str(wait)})


def _turned(verdict: Verdict) -> Turned:
    if verdict is Verdict.UNKNOWN:
        return Turned(HTTPStatus.NOT_FOUND, "no such charge point")
    if verdict is Verdict.WRONG:
        headers = {"WWW-Authenticate": 'Basic realm="OCPP", charset="UTF-8"'}
        return Turned(HTTPStatus.UNAUTHORIZED, "the credential is wrong, or missing", headers)
    return _no_room("it is not known yet who may connect")


def _profile(door: Door, opening: Opening) -> int:
    """Which of OCPP's security profiles this is."""
    if _common_name(door.tls) is not None:
        return 3
    if opening.authorization is None:
        return 0
    return 1 if door.tls is None else 2


def _common_name(tls: ssl.SSLObject | None) -> str | None:
    """Whose certificate the peer has shown; None if it has shown none."""
    certificate = tls.getpeercert() if tls is not None else None
    if not certificate:
        return None
    subject: Any = certificate.get("subject", ())
    names = [value for part in subject for name, value in part if name == "commonName"]
    return str(names[-1]) if names else None
