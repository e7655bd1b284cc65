"""A TCP proxy that cuts a connection at certain bytes, passed on or not."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class Proxy:
    """Stands before a server on 127.0.0.1; a thread for each direction of each connection.

    Attributes:
        port: Where clients connect.
        cut_at: Bytes from a client that cut its connection, once; None for none.
        on_cut: Called when that happens, before anything else does.
        passed_on: Whether the server gets these bytes; the client gets no answer either way.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]
        self.cut_at: bytes | None = None
        self.on_cut: Callable[[], None] = lambda: None
        self.passed_on = False
        self.cuts = 0

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            _close(each)
        for thread in self._threads:
            thread.join()

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:  # it is away
                client.close()
                continue
            self._sockets += [client, server]
            self._begin(self._to_server, client, server)
            self._begin(self._to_client, server, client)

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                if self.cut_at is not None and self.cut_at in data:
                    self.cut_at = None
                    self.cuts += 1
                    self.on_cut()
                    _close(client)  # what the server answers goes nowhere
                    if self.passed_on:
                        server.sendall(data)
                        while server.recv(65_536):  # until it has done what it was told
                            server.shutdown(socket.SHUT_WR)
                    return
                server.sendall(data)
        _close(server)

    def _to_client(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                client.sendall(data)
        _close(client)


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
