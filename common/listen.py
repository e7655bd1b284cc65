"""Accepting links on one port."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable

from common.errors import CannotStart
from common.link import LINGER, Link


class Listener:
    """Accepts links on one port.

    Attributes:
        links: Those that are open.
        host, port: Where it listens; the port that was found free where 0 was asked for.
    """

    def __init__(
        self, make_link: Callable[["Listener"], Link], tls: ssl.SSLContext | None = None
    ) -> None:
        self._make_link = make_link
        self._tls = tls
        self._server: asyncio.Server | None = None
        self.links: set[Link] = set()
        self.host = ""
        self.port = 0

    async def open(self, host: str, port: int) -> None:
        """Begin to accept.

        Raises:
            CannotStart: The port is taken, or the address is none of this machine.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: self._make_link(self), host, port, backlog=4096, ssl=self._tls
            )
        except OSError as error:
            if error.errno and not isinstance(error, socket.gaierror):
                why = os.strerror(error.errno)
            else:  # a name that nobody knows has a number and a text of its own
                why = error.strerror or str(error)
            raise CannotStart(f"cannot listen on {host}:{port}: {why}") from None
        self.host = host
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Accept no more, close every link, and return when they are gone."""
        if self._server is None:
            return
        self._server.close()
        links = list(self.links)
        for link in links:
            link.close()
        if links:
            await asyncio.wait([link.closed for link in links], timeout=LINGER + 1)
        await self._server.wait_closed()
