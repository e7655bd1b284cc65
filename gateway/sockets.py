"""The sockets on which a gateway listens, and what the connections of charge points have of them.

What is set on a listening socket is set on every connection that it accepts.
"""

import asyncio
import socket

from common.program import Address

BACKLOG = 4_096
"""Connections that wait to be accepted; the system may allow fewer."""

RECEIVE_BUFFER = 64 * 1024
"""Bytes that the kernel keeps of what is not read. What the library reads at once is no more, so
that a charge point that sends as fast as it can takes little of our memory."""

KEEPALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4}
"""Seconds of silence until the kernel asks whether the peer lives, between two such questions, and
how many stay unanswered."""

UNACKNOWLEDGED = 90_000
"""Milliseconds after which a peer that acknowledges nothing of what was sent is dead."""


async def bound(listen: Address, *, shared: bool) -> list[socket.socket]:
    """A socket for each address that this name has, all with one port.

    Args:
        shared: Others of this machine may listen there too, and share what comes.

    Raises:
        OSError: The port is taken, or an address is none of this machine.
    """
    loop = asyncio.get_running_loop()
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, where in dict.fromkeys(
            await loop.getaddrinfo(
                listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        ):
            # A port that was free is the same one for the other addresses of the name.
            port = sockets[0].getsockname()[1] if sockets else where[1]
            sockets.append(listening_socket(family, (where[0], port, *where[2:]), shared=shared))
    except BaseException:
        for each in sockets:
            each.close()
        raise
    return sockets


def listening_socket(family: int, where: tuple[object, ...], *, shared: bool) -> socket.socket:
    """A socket bound there; what it accepts has its settings. Raises `OSError` if it cannot be."""
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            listening.setsockopt(socket.IPPROTO_TCP, option, value)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED)
        listening.bind(where)
    except BaseException:
        listening.close()
        raise
    return listening
