"""HTTP for machines that ask how the program is: `/metrics`, `/healthz`, `/readyz`.

Theory of operation. It lives in threads of its own, so that it answers while the event loop
stands still. One thread accepts, and each connection has a thread, for one request. At most
`MAX_CONNECTIONS` are open, each for `OPEN_FOR` seconds at most, however slowly its peer reads or
writes; one more is closed at once. So nobody who may connect can hold a thread for long, or many.
"""

import hmac
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

import structlog

from common.errors import CannotStart
from common.program import Address

log = structlog.get_logger()

MAX_CONNECTIONS = 16
"""Connections at a time: a Prometheus, a container's probe, and some people."""

OPEN_FOR = 5.0
"""Seconds that a connection may take, all in all."""

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Pages:
    """What is answered.

    Attributes:
        metrics: The page and its content type, for an `Accept` header.
        unhealthy, unready: Why not, in a sentence; empty for yes.
        token: What `/metrics` asks for, as a bearer token; None: nothing.
    """

    metrics: Callable[[str], tuple[bytes, str]]
    unhealthy: Callable[[], str]
    unready: Callable[[], str]
    token: str | None = None


class _Handler(BaseHTTPRequestHandler):
    """One request; HTTP/1.0, so that the connection is closed after it."""

    server: "_Server"
    server_version = "evcharging"
    sys_version = ""
    timeout = OPEN_FOR

    def do_GET(self) -> None:
        pages = self.server.pages
        match self.path.partition("?")[0]:
            case "/metrics" if not self._may_read():
                self._say(HTTPStatus.UNAUTHORIZED, "the bearer token is missing or wrong")
            case "/metrics":
                self._show_metrics()
            case "/healthz":
                self._judge(pages.unhealthy())
            case "/readyz":
                self._judge(pages.unhealthy() or pages.unready())
            case _:
                self._say(HTTPStatus.NOT_FOUND, "there are /metrics, /healthz and /readyz")

    do_HEAD = do_GET

    def _show_metrics(self) -> None:
        try:
            page, content_type = self.server.pages.metrics(self.headers.get("Accept", ""))
        except Exception:
            log.exception("metrics could not be made")
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, "a defect of ours; the log has it")
        else:
            self._answer(HTTPStatus.OK, page, content_type)

    def _may_read(self) -> bool:
        token = self.server.pages.token
        given = self.headers.get("Authorization", "")
        return token is None or hmac.compare_digest(given.encode(), f"Bearer {token}".encode())

    def _judge(self, trouble: str) -> None:
        if trouble:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, trouble)
        else:
            self._say(HTTPStatus.OK, "ok")

    def _say(self, status: HTTPStatus, sentence: str) -> None:
        self._answer(status, f"{sentence}\n".encode(), TEXT)

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("asked by HTTP", what=format % args, peer=self.client_address[0])


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: Address, pages: Pages, tls: ssl.SSLContext | None) -> None:
        self.pages = pages
        self._tls = tls
        self._room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        self.address_family, where = found[0][0], found[0][4]
        super().__init__(where, _Handler)  # type: ignore[arg-type]

    def verify_request(self, request: Any, client_address: Any) -> bool:
        # Given back by the connection's thread, which is begun next.
        return self._room.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        # A socket of its own to cut, because TLS takes the other one over.
        with request.dup() as same:
            end = threading.Timer(OPEN_FOR, _cut, (same,))
            end.daemon = True
            end.start()
            try:
                self._serve(request, client_address)
            except OSError as error:  # TLS errors and timeouts are such
                log.debug("HTTP connection failed", why=str(error))
            finally:
                end.cancel()
                _cut(same)
                request.close()
                self._room.release()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        request.settimeout(OPEN_FOR)
        if self._tls is None:
            self.finish_request(request, client_address)
            return
        with self._tls.wrap_socket(request, server_side=True) as wrapped:
            self.finish_request(wrapped, client_address)


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        log.debug("an HTTP connection was gone before its end")


class HttpServer:
    """Serves `Pages` from `open` to `close`.

    Attributes:
        address: Where it listens; the port that was found free where 0 was asked for.

    Raises:
        CannotStart: The port is taken, or the address is none of this machine.
    """

    def __init__(self, address: Address, pages: Pages, tls: ssl.SSLContext | None) -> None:
        try:
            self._server = _Server(address, pages, tls)
        except OSError as error:
            why = error.strerror or str(error)
            raise CannotStart(f"cannot serve metrics on {address}: {why}") from None
        self.address = Address(address.host, self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving; what is being answered may end. Blocks for a tenth of a second."""
        self._server.shutdown()
        self._server.server_close()
