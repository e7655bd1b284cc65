"""Who is let in: OCPP's security profiles, with passwords and certificates that central knows."""

import ssl
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.sync.client import connect as dial

from common.certs import HOSTS, authority, issue
from tests.kafka.find import find_broker
from tests.ocpp.network import Gateway, OcppNetwork, away, until
from tests.ocpp.point import SUBPROTOCOL, charge_point
from tests.programs.network import BIN
from tests.redis.find import redis_server
from tests.redis.server import RedisServer

POINT = "SAFE-1"
GUESSES = 12
"""More than an address has in a minute."""


class Safe:
    """A network that demands passwords, with a gateway of each kind."""

    def __init__(self, folder: Path, network: OcppNetwork) -> None:
        self._database = f"sqlite:///{folder / 'central.db'}"
        ca = authority(folder)
        issue(ca, folder, "gateway", HOSTS)
        issue(ca, folder, POINT, HOSTS)
        files = (
            "--tls-cert",
            str(folder / "gateway.pem"),
            "--tls-key",
            str(folder / "gateway.key"),
        )
        trusted = ("--tls-ca", str(folder / "ca.pem"))
        self.network = network
        self.trust = ssl.create_default_context(cafile=folder / "ca.pem")
        self.shown = ssl.create_default_context(cafile=folder / "ca.pem")
        self.shown.load_cert_chain(folder / f"{POINT}.pem", folder / f"{POINT}.key")
        self.password = self.credentials("add", POINT)
        self.plain, self.tls, self.mutual = (
            network.gateway("plain"),
            network.gateway("tls", *files, "--profile", "2"),
            network.gateway("mutual", *files, *trusted, "--profile", "3"),
        )

    def credentials(self, what: str, cp_id: str) -> str:
        """What `ev-central credentials` prints."""
        command = [str(BIN / "ev-central"), "credentials", what, "charge_point", cp_id]
        done = subprocess.run(
            [*command, "--database", self._database], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Safe]:
    """On a Redis that it shares with nobody."""
    folder = tmp_path_factory.mktemp("safe")
    with (
        find_broker(own=True) as broker,
        RedisServer(redis_server()) as redis,
        OcppNetwork(folder, broker.bootstrap, redis.url) as network,
    ):
        yield Safe(folder, network)


def basic(user: str, password: str) -> dict[str, Any]:
    """What a charge point with this password connects with."""
    text = b64encode(f"{user}:{password}".encode()).decode()
    return {"additional_headers": {"Authorization": f"Basic {text}"}}


async def refused(gateway: Gateway, cp_id: str, *, scheme: str = "ws", **options: Any) -> int:
    """The status of the refusal."""
    with pytest.raises(InvalidStatus) as error:
        async with charge_point(gateway.url(cp_id).replace("ws", scheme, 1), **options):
            pass
    return error.value.response.status_code


async def boots(gateway: Gateway, cp_id: str, *, scheme: str = "ws", **options: Any) -> bool:
    """Whether it is let in and taken up."""
    async with charge_point(gateway.url(cp_id).replace("ws", scheme, 1), **options) as point:
        return bool((await point.boot()).status == "Accepted")


async def test_a_password_lets_its_charge_point_in_and_nobody_else(safe: Safe) -> None:
    """Profile 1: the right user with the right password."""
    right = basic(POINT, safe.password)
    assert await boots(safe.plain, POINT, **right)
    assert await refused(safe.plain, POINT) == 401
    assert await refused(safe.plain, POINT, **basic(POINT, "wrong-password-1")) == 401
    assert await refused(safe.plain, POINT, **basic("SAFE-2", safe.password)) == 401
    assert await refused(safe.plain, "NOBODY", **right) == 404


async def test_by_tls_a_password_is_enough_and_without_one_it_is_not(safe: Safe) -> None:
    """Profile 2."""
    secured: dict[str, Any] = {"scheme": "wss", "ssl": safe.trust}
    assert await boots(safe.tls, POINT, **secured, **basic(POINT, safe.password))
    assert await refused(safe.tls, POINT, **secured) == 401


async def test_a_certificate_lets_its_charge_point_in_and_nobody_else(safe: Safe) -> None:
    """Profile 3: its common name is the id; a password does not replace it."""
    password = safe.credentials("add", "SAFE-3")
    assert await boots(safe.mutual, POINT, scheme="wss", ssl=safe.shown)
    stolen = basic("SAFE-3", password)
    assert await refused(safe.mutual, "SAFE-3", scheme="wss", ssl=safe.shown, **stolen) == 401
    with pytest.raises((OSError, InvalidMessage)):  # TLS 1.3 says so after its handshake
        await boots(safe.mutual, POINT, scheme="wss", ssl=safe.trust)


async def test_who_guesses_behind_a_proxy_keeps_nobody_else_out(safe: Safe) -> None:
    """Wrong passwords are counted by the address that the proxy tells."""
    gateway = await away(safe.network.gateway, "behind", "--proxies", "127.0.0.0/8")
    password = await away(safe.credentials, "add", "SAFE-7")
    for _ in range(GUESSES):
        guessed = behind(basic("SAFE-7", "wrong-password-1"), "192.0.2.1")
        assert await refused(gateway, "SAFE-7", **guessed) in (401, 404)
    right = behind(basic("SAFE-7", password), "192.0.2.2")
    await until(lambda: attempt(gateway, "SAFE-7", right), "the right one counts")


def behind(options: dict[str, Any], address: str) -> dict[str, Any]:
    """The same from this address, through a proxy; what it says of another one is a lie."""
    told = {"X-Forwarded-For": f"192.0.2.99, {address}"}
    return {"additional_headers": options["additional_headers"] | told}


async def test_who_is_revoked_is_out_at_once(safe: Safe) -> None:
    """Its connection is closed, and the next one refused; a new password counts as soon."""
    cp_id = "SAFE-9"
    first = await away(safe.credentials, "add", cp_id)
    await until(lambda: attempt(safe.plain, cp_id, basic(cp_id, first)), "its password counts")
    async with charge_point(safe.plain.url(cp_id), **basic(cp_id, first)) as point:
        await point.boot()
        await away(safe.credentials, "revoke", cp_id)
        await until(lambda: point.socket.close_code is not None, "its connection is closed")
    assert await refused(safe.plain, cp_id, **basic(cp_id, first)) in (401, 404)
    second = await away(safe.credentials, "add", cp_id)
    await until(lambda: attempt(safe.plain, cp_id, basic(cp_id, second)), "its new password counts")
    assert not await away(attempt, safe.plain, cp_id, basic(cp_id, first))


def attempt(gateway: Gateway, cp_id: str, options: dict[str, Any]) -> bool:
    """Whether a charge point that connects so is let in now."""
    try:
        with dial(gateway.url(cp_id), subprotocols=[SUBPROTOCOL], **options):
            return True
    except InvalidStatus:
        return False
