"""The HTTP request that opens a WebSocket (RFC 6455, section 4), and what it may be answered.

No I/O. What a charge point writes here is read leniently where RFC 9110 lets it differ, such as
`Connection: keep-alive, Upgrade`; the library that speaks the WebSocket then is given the request
as it expects it.
"""

from base64 import b64decode
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

MAX_HEAD = 8 * 1024
"""Bytes of the request with its headers; what is longer is refused."""

MAX_HEADERS = 64
"""Headers of a request."""

END = b"\r\n\r\n"
"""What the head of a request ends with."""

PATH = "/ocpp/"
"""What a charge point's address begins with; its id follows."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A request that asks for a WebSocket.

    Attributes:
        identity: What follows `/ocpp/` in its path, decoded; None if it begins otherwise.
        key: Of the WebSocket.
        subprotocols: What it offers, in its order.
        authorization: The header, if there is one.
        forwarded_for: `X-Forwarded-For`, if there is one: what anybody may write, unless a proxy
            of ours stands before us.
    """

    identity: str | None
    key: str
    subprotocols: tuple[str, ...] = ()
    authorization: str | None = field(default=None, repr=False)
    forwarded_for: str | None = None


class NoOpening(Exception):
    """A request that opens no WebSocket.

    Attributes:
        status: What it is answered.
        why: In a sentence.
    """

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why

    def __str__(self) -> str:
        return f"{self.status.value}: {self.why}"


def parse(head: bytes) -> Opening:
    """The request that these bytes are, without the `END`.

    Raises:
        NoOpening: It is none.
    """
    try:
        first, *lines = head.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        raise NoOpening(HTTPStatus.BAD_REQUEST, "a header is not ASCII") from None
    target = _target(first)
    headers = _headers(lines)
    if "websocket" not in _words(headers, "upgrade") or "upgrade" not in _words(
        headers, "connection"
    ):
        raise NoOpening(HTTPStatus.UPGRADE_REQUIRED, "charge points speak WebSocket here")
    if headers.get("sec-websocket-version") != "13":
        raise NoOpening(HTTPStatus.UPGRADE_REQUIRED, "the version of WebSocket here is 13")
    key = headers.get("sec-websocket-key", "")
    if not _is_key(key):
        raise NoOpening(HTTPStatus.BAD_REQUEST, "no Sec-WebSocket-Key of 16 bytes")
    offered = headers.get("sec-websocket-protocol", "")
    return Opening(
        _identity(target),
        key,
        tuple(word.strip() for word in offered.split(",") if word.strip()),
        headers.get("authorization"),
        headers.get("x-forwarded-for"),
    )


def _target(line: str) -> str:
    words = line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        raise NoOpening(HTTPStatus.BAD_REQUEST, "no HTTP request")
    method, target, version = words
    if version != "HTTP/1.1":
        raise NoOpening(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here")
    if method != "GET":
        raise NoOpening(HTTPStatus.METHOD_NOT_ALLOWED, "a WebSocket is opened with GET")
    return target


def _headers(lines: list[str]) -> dict[str, str]:
    if len(lines) > MAX_HEADERS:
        raise NoOpening(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too many headers")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or name.strip() != name:
            raise NoOpening(HTTPStatus.BAD_REQUEST, "a header without a name")
        # One that comes twice means what both say, with a comma between (RFC 9110, 5.3).
        value = value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise NoOpening(HTTPStatus.BAD_REQUEST, "a WebSocket is opened without a body")
    return headers


def _is_key(key: str) -> bool:
    try:
        return len(b64decode(key, validate=True)) == 16
    except ValueError:
        return False


def _words(headers: dict[str, str], name: str) -> list[str]:
    return [word.strip().lower() for word in headers.get(name, "").split(",")]


def _identity(target: str) -> str | None:
    path = target.partition("?")[0]
    if not path.startswith(PATH):
        return None
    try:
        return unquote(path[len(PATH) :], errors="strict")
    except UnicodeDecodeError:
        return None


def canonical(opening: Opening) -> bytes:
    """The request as every library reads it, and without what was for us alone."""
    return (
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + opening.key.encode() + END
    )


def refusal(status: HTTPStatus, why: str, headers: dict[str, str] | None = None) -> bytes:
    """The answer to a request that gets no WebSocket; the connection closes after it."""
    body = f"{why}\n".encode()
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Connection: close",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + END + body
