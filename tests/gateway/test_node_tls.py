"""OCPP's security profiles 2 and 3: TLS with a password, and with a certificate of the point's."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
import websockets

from common.clock import SystemClock
from common.errors import CannotStart
from common.gateway_messages import LinkUp
from common.program import Address
from common.tls import TlsFiles
from gateway.access import AccessList
from gateway.link import MAX_FRAME
from gateway.settings import Settings, tls_context
from tests.gateway.played import Nobody, nothing_yet, running


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    """Whom gateway and charge points trust."""
    return trustme.CA()


@pytest.fixture(scope="module")
def files(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """The gateway's."""
    folder = tmp_path_factory.mktemp("tls")
    issued = ca.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    return TlsFiles(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")


def client(ca: trustme.CA, common_name: str | None = None) -> ssl.SSLContext:
    """What a charge point's TLS needs, with a certificate of its own or without."""
    context = ssl.create_default_context()
    ca.configure_trust(context)
    if common_name is not None:
        ca.issue_cert("point.example", common_name=common_name).configure_cert(context)
    return context


class Known(AccessList):
    """One in which every charge point has a password, which nobody knows."""

    def __init__(self, profile: int) -> None:
        super().__init__(Nobody(), nothing_yet, SystemClock(), always=True, profile=profile)


async def status(url: str, **options: Any) -> int:
    """That of the answer to a request that is turned away."""
    with pytest.raises(websockets.InvalidStatus) as error:
        await websockets.connect(
            url, proxy=None, subprotocols=[websockets.Subprotocol("ocpp1.6")], **options
        )
    return error.value.response.status_code


async def test_a_certificate_proves_the_id_that_it_names(ca: trustme.CA, files: TlsFiles) -> None:
    """Profile 3; another id is not its own, and none is not enough where profile 3 is demanded."""
    async with running(access=Known(3), tls=files, profile=3) as played:
        async with played.point("CP1", ssl=client(ca, "CP1")) as point:
            assert await point.call("Heartbeat", {})
            assert (await played.said(LinkUp)).security_profile == 3
        assert await status(played.url("CP2"), ssl=client(ca, "CP1")) == 401
        with pytest.raises((OSError, websockets.InvalidMessage, websockets.ConnectionClosed)):
            await websockets.connect(played.url("CP1"), proxy=None, ssl=client(ca))


async def test_long_frames_come_through_tls(ca: trustme.CA, files: TlsFiles) -> None:
    """In however many pieces."""
    async with (
        running(tls=files) as played,
        played.point("CP1", ssl=client(ca)) as point,
    ):
        await point.send(" " * (MAX_FRAME - 22) + '[2,"1","Heartbeat",{}]')
        assert (await point.receive())[0] == 3
        payload = {"vendorId": "V", "data": "x" * 60_000}
        assert await point.call("DataTransfer", payload) == {"status": "UnknownVendorId"}


async def test_with_profile_2_a_password_is_enough_and_a_certificate_too(
    ca: trustme.CA, files: TlsFiles
) -> None:
    """Who has one shows it."""
    async with running(access=Known(2), tls=files, profile=2) as played:
        async with played.point("CP1", ssl=client(ca, "CP1")) as point:
            assert await point.call("Heartbeat", {})
        assert await status(played.url("CP2"), ssl=client(ca)) == 404


async def test_without_tls_profile_2_is_not_enough() -> None:
    """A password that goes in the open is none."""
    basic = {"Authorization": "Basic Q1AxOng="}
    async with running(access=Known(2)) as played:
        assert await status(played.url("CP1"), additional_headers=basic) == 401


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"listen": Address("0.0.0.0", 1)}, "--insecure"),  # noqa: S104 -- refused
    ({"profile": 2}, "--profile 2 needs --tls-cert"),
    ({"profile": 3}, "--profile 3 needs --tls-cert"),
    ({"tls": TlsFiles(ca=Path("ca"))}, "--tls-cert"),
]


@pytest.mark.parametrize(("given", "text"), WRONG)
def test_options_that_do_not_go_together_are_refused(given: dict[str, Any], text: str) -> None:
    """In a sentence that names what is missing."""
    usual: dict[str, Any] = {"listen": Address("127.0.0.1", 1), "kafka": (), "node": "gw"}
    with pytest.raises(CannotStart, match=text):
        tls_context(Settings(**usual | given))


def test_certificates_are_demanded_by_profile_3_alone(files: TlsFiles) -> None:
    """It needs the CA whose certificates count."""
    usual: dict[str, Any] = {"listen": Address("127.0.0.1", 1), "kafka": (), "node": "gw"}
    modes = []
    for profile in (0, 2, 3):
        context = tls_context(Settings(**usual, tls=files, profile=profile))
        assert context is not None
        modes.append(context.verify_mode)
    assert modes == [ssl.CERT_OPTIONAL, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED]
    with pytest.raises(CannotStart, match="--tls-ca"):
        tls_context(Settings(**usual, tls=TlsFiles(files.cert, files.key), profile=3))
