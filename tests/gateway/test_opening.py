"""The request that opens a WebSocket: what is taken of it, and why others are refused."""

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.opening import NoOpening, Opening, canonical, parse, refusal

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = {
    "Host": "here",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def head(first: str = "GET /ocpp/CP1 HTTP/1.1", **changed: str | None) -> bytes:
    """A request; `_` in a header's name is `-`, and None leaves it out."""
    headers = HEADERS | {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([first, *lines]).encode()


def test_an_opening_says_who_with_what_and_in_which_version() -> None:
    """All that is decided by."""
    found = parse(head(Sec_WebSocket_Protocol="ocpp2.0.1, ocpp1.6", Authorization="Basic x"))
    assert found == Opening("CP1", KEY, ("ocpp2.0.1", "ocpp1.6"), "Basic x")
    assert "Basic" not in repr(found)


TAKEN = [
    head(Connection="keep-alive, Upgrade"),
    head(Upgrade="WebSocket"),
    head("GET /ocpp/CP1?from=factory HTTP/1.1"),
    head(Content_Length="0"),
    head().replace(b"Upgrade: ", b"UPGRADE:"),
]


@pytest.mark.parametrize("request_head", TAKEN)
def test_what_charge_points_write_differently_is_taken(request_head: bytes) -> None:
    """As HTTP lets them."""
    assert parse(request_head).identity == "CP1"


PATHS = [
    ("/ocpp/CP%201", "CP 1"),
    ("/ocpp/", ""),
    ("/ocpp/a/b", "a/b"),
    ("/ocpp/%ff", None),
    ("/", None),
    ("/OCPP/CP1", None),
]


@pytest.mark.parametrize(("path", "identity"), PATHS)
def test_the_identity_is_what_follows_ocpp(path: str, identity: str | None) -> None:
    """Decoded; whether it is a charge point's is decided elsewhere."""
    assert parse(head(f"GET {path} HTTP/1.1")).identity == identity


REFUSED = [
    (head("POST /ocpp/CP1 HTTP/1.1"), HTTPStatus.METHOD_NOT_ALLOWED),
    (head("GET /ocpp/CP1 HTTP/1.0"), HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
    (head("GET /ocpp/CP1"), HTTPStatus.BAD_REQUEST),
    (head("\x16\x03\x01"), HTTPStatus.BAD_REQUEST),
    (head(Upgrade=None), HTTPStatus.UPGRADE_REQUIRED),
    (head(Connection="close"), HTTPStatus.UPGRADE_REQUIRED),
    (head(Sec_WebSocket_Version="8"), HTTPStatus.UPGRADE_REQUIRED),
    (head(Sec_WebSocket_Key=None), HTTPStatus.BAD_REQUEST),
    (head(Sec_WebSocket_Key="short"), HTTPStatus.BAD_REQUEST),
    (head(Sec_WebSocket_Key="!" * 24), HTTPStatus.BAD_REQUEST),
    (head(Content_Length="5"), HTTPStatus.BAD_REQUEST),
    (head(Transfer_Encoding="chunked"), HTTPStatus.BAD_REQUEST),
    (head() + b"\r\nno colon", HTTPStatus.BAD_REQUEST),
    (head() + b"\r\n folded: x", HTTPStatus.BAD_REQUEST),
    (head() + "\r\nname: ü".encode(), HTTPStatus.BAD_REQUEST),
    (head() + b"\r\na: b" * 100, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
]


@pytest.mark.parametrize(("request_head", "status"), REFUSED)
def test_what_opens_no_websocket_is_refused(request_head: bytes, status: HTTPStatus) -> None:
    """With the status that says why."""
    with pytest.raises(NoOpening) as error:
        parse(request_head)
    assert error.value.status is status
    assert str(error.value).startswith(str(status.value))


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_an_opening_or_refused(data: bytes) -> None:
    """And nothing else happens."""
    status: int | None = None
    try:
        parse(data)
    except NoOpening as error:
        status = error.status
    assert status is None or status >= 400


def test_the_library_gets_the_request_without_what_was_for_us() -> None:
    """No path, no credential; and it is an opening itself."""
    opening = parse(head("GET /ocpp/%41 HTTP/1.1", Authorization="Basic x"))
    request = canonical(opening)
    assert request.endswith(b"\r\n\r\n")
    assert b"Basic" not in request
    assert parse(request[:-4]) == Opening(None, KEY)


def test_a_refusal_is_http_with_a_sentence() -> None:
    """Of the length that it says, and the connection closes."""
    answer = refusal(HTTPStatus.NOT_FOUND, "no such", {"X": "y"})
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.split(b"\r\n")[0] == b"HTTP/1.1 404 Not Found"
    assert b"Content-Length: %d" % len(body) in top
    assert {b"Connection: close", b"X: y"} <= set(top.split(b"\r\n"))
