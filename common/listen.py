"""Accepting links on one port, and no more of them than there is room for.

Theory of operation. `asyncio`'s own server accepts whatever comes and tells of a link only when its
TLS handshake is done. Here each connection is counted by its address from the moment it is
accepted, so that whoever opens many and says nothing fills its own share and nobody else's.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from common.errors import CannotStart
from common.link import LINGER, Link

log = structlog.get_logger()

MAX_LINKS = 15_000
"""Links that may be open; with more none is accepted, and the backlog waits."""

MAX_UNIDENTIFIED = 100
"""Links of one address that have not said who they are, handshakes included; a further one is
closed at once."""

BACKLOG = 4_096
"""Connections that wait to be accepted; the system may allow fewer."""

HANDSHAKE_WITHIN = 5.0
"""Seconds for a TLS handshake."""

NO_ROOM_PAUSE = 0.1
"""Seconds until accepting is tried again where the process has too many files open."""

SAID_EVERY = 10.0
"""Seconds between two lines in the log about the same limit."""

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


Bind = Callable[[int, Sequence[object]], socket.socket]
"""Makes the socket that listens at an address of a family."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many links a listener takes.

    Attributes:
        links: In all.
        unidentified: Of one address, that have not said who they are.
    """

    links: int = MAX_LINKS
    unidentified: int = MAX_UNIDENTIFIED


class Listener:
    """Accepts links on one port.

    Args:
        make_link: Makes the protocol of a connection that was accepted; may be replaced at any
            time, and must be there before the first is.
        tls: What TLS needs; None for none.
        bind: Makes its sockets; another network than the machine's has another one.

    Attributes:
        links: Those that are open; who makes them adds and discards them.
        host, port: Where it listens; the port that was found free where 0 was asked for.
        turned_away: Connections that were closed because their address had too many.
    """

    def __init__(
        self,
        make_link: Callable[["Listener"], Link] | None = None,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        bind: Bind | None = None,
    ) -> None:
        self._bind = bind or listening_socket
        self.make_link = make_link
        """Makes the protocol of the next connection."""
        self._tls = tls
        self._limits = limits or Limits()
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._beginning: set[asyncio.Task[None]] = set()
        self._open = 0
        self._room = asyncio.Event()
        self._unidentified: Counter[str] = Counter()
        self._said: dict[str, float] = {}
        self.links: set[Link] = set()
        self.host = ""
        self.port = 0
        self.turned_away = 0

    async def open(self, host: str, port: int, *, accepting: bool = True) -> None:
        """Take the port, and begin to accept.

        Args:
            accepting: Whether to begin now; if not, who dials waits until `accept`.

        Raises:
            CannotStart: The port is taken, or the address is none of this machine.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, _, _, _, address in dict.fromkeys(found):
                # A port that was free is the same one for the other addresses of the name.
                where = (address[0], self.port or address[1], *address[2:])
                self._sockets.append(self._bind(family, where))
                self.port = self._sockets[0].getsockname()[1]
        except OSError as error:
            self._close_sockets()
            if error.errno and not isinstance(error, socket.gaierror):
                why = os.strerror(error.errno)
            else:  # a name that nobody knows has a number and a text of its own
                why = error.strerror or str(error)
            raise CannotStart(f"cannot listen on {host}:{port}: {why}") from None
        self.host = host
        if accepting:
            self.accept()

    def accept(self) -> None:
        """Begin to accept. Idempotent."""
        if not self._accepting:
            loop = asyncio.get_running_loop()
            self._accepting = [loop.create_task(self._accept(each)) for each in self._sockets]

    async def close(self) -> None:
        """Accept no more, close every link, and return when they are gone."""
        tasks = [*self._accepting, *self._beginning]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._close_sockets()
        links = list(self.links)
        for link in links:
            link.close()
        if links:
            await asyncio.wait([link.closed for link in links], timeout=LINGER + 1)

    def _close_sockets(self) -> None:
        for each in self._sockets:
            each.close()
        self._sockets = []

    # -- Accepting --

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self._open >= self._limits.links:
                self._say("links", "no more links are accepted", limit=self._limits.links)
                self._room.clear()
                await self._room.wait()
            try:
                connection, name = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self._say("files", "cannot accept", why=os.strerror(error.errno))
                    await asyncio.sleep(NO_ROOM_PAUSE)
                continue  # else that one connection was gone before it was accepted
            self._admit(connection, str(name[0]))

    def _admit(self, connection: socket.socket, address: str) -> None:
        """Begin a link, unless its address has too many that say nothing."""
        if self._unidentified[address] >= self._limits.unidentified:
            connection.close()
            self.turned_away += 1
            limit = self._limits.unidentified
            self._say(address, "too many links that say nothing", address=address, limit=limit)
            return
        self._unidentified[address] += 1
        self._open += 1
        task = asyncio.get_running_loop().create_task(self._begin(connection, address))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _begin(self, connection: socket.socket, address: str) -> None:
        """Make the link of a connection, after its TLS handshake where there is one."""
        loop = asyncio.get_running_loop()
        place = _Place(self, address)
        make_link = self.make_link
        assert make_link is not None
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.connect_accepted_socket(
                lambda: place.of(make_link(self)),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_WITHIN if self._tls else None,
            )
        except (OSError, ssl.SSLError) as error:
            place.leave()
            connection.close()
            if self._tls is not None:
                log.info("no TLS", address=address, why=str(error) or type(error).__name__)
        except BaseException:
            place.leave()
            connection.close()
            raise

    def _say(self, what: str, text: str, **about: object) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said.get(what, float("-inf")) >= SAID_EVERY:
            if len(self._said) > self._limits.links:
                self._said.clear()
            self._said[what] = now
            log.warning(text, **about)

    # -- Places --

    def identified(self, address: str) -> None:
        """A link of this address has said who it is, or is gone."""
        self._unidentified[address] -= 1
        if not self._unidentified[address]:
            del self._unidentified[address]

    def left(self) -> None:
        """A link is gone."""
        self._open -= 1
        self._room.set()


class _Place:
    """What a link takes of a listener, each given back once."""

    def __init__(self, listener: Listener, address: str) -> None:
        self._listener = listener
        self._address = address
        self._is_unknown = self._is_taken = True

    def of(self, link: Link) -> Link:
        """The link for which it is taken."""
        link.on_identified = self.known
        link.closed.add_done_callback(lambda _: self.leave())
        return link

    def known(self) -> None:
        """It has said who it is."""
        if self._is_unknown:
            self._is_unknown = False
            self._listener.identified(self._address)

    def leave(self) -> None:
        """It is gone."""
        self.known()
        if self._is_taken:
            self._is_taken = False
            self._listener.left()


def listening_socket(family: int, address: Sequence[object]) -> socket.socket:
    """A socket that listens there; raises `OSError` if it cannot."""
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            with suppress(OSError):
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(tuple(address))
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening
