"""The whole stack in containers: up, a charge, a death, another charge, down and up again.

Not part of `make test`: it needs docker and the images. `make test-compose` runs it, and fails
where they are missing.
"""

import asyncio
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container
from ocpp.v16 import call
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.kafka.ports import free_port
from tests.ocpp.point import SUBPROTOCOL, charge_point, now

ROOT = Path(__file__).parents[2]
UP_WITHIN = 300.0
"""Seconds to build and to start all of it."""

SOON = 120.0
"""Seconds for a charge at real speed, on a busy machine."""

STOPS_WITHIN = 10.0

pytestmark = pytest.mark.timeout(900)


def eventually(what: Callable[[], Any], said: str, within: float = SOON) -> Any:
    """The first true value of `what`, looked at until the deadline."""
    until = time.monotonic() + within
    while not (value := what()):
        assert time.monotonic() < until, f"not within {within:g} s: {said}"
        time.sleep(0.5)
    return value


class Stack:
    """The project, under a name and a port of its own."""

    def __init__(self) -> None:
        self.name = f"ev{uuid.uuid4().hex[:8]}"
        self.port = free_port()
        self.gateway_port = free_port()
        self._client = docker.from_env()
        self._compose = (
            ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        )

    def compose(self, *words: str, check: bool = True) -> str:
        """What a Compose command prints."""
        done = subprocess.run(
            [*self._compose, "--project-name", self.name, *words],
            cwd=ROOT,
            env={
                **os.environ,
                "EV_CENTRAL_PORT": str(self.port),
                "EV_GATEWAY_PORT": str(self.gateway_port),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=UP_WITHIN,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def admin(self, *words: str) -> dict[str, Any]:
        """What a command of the operator's prints with `--json`."""
        # Without --no-deps it would start what should come back by itself.
        run = ("run", "--rm", "--no-deps", "-T", "admin")
        out = self.compose(*run, *words, "--json", check=False)
        found: dict[str, Any] = json.loads(out) if out.strip() else {}
        return found

    def tickets(self) -> list[dict[str, Any]]:
        """All bills so far."""
        found: list[dict[str, Any]] = self.admin("tickets").get("tickets", [])
        return found

    def container(self, service: str) -> Container:
        """The container of a service."""
        labels = [
            f"com.docker.compose.project={self.name}",
            f"com.docker.compose.service={service}",
            "com.docker.compose.oneoff=False",
        ]
        (found,) = self._client.containers.list(all=True, filters={"label": labels})
        return found

    def die(self, service: str) -> None:
        """Kill the program of a service from within; Docker leaves dead what it killed itself."""
        self.container(service).exec_run(["python", "-c", "import os; os.kill(-1, 9)"])

    def is_back(self, service: str) -> bool:
        """It was started again by itself, and serves."""
        attributes = self.container(service).attrs
        serves: bool = attributes["State"]["Health"]["Status"] == "healthy"
        return serves and attributes["RestartCount"] > 0

    def gateway_of(self, cp_id: str) -> str:
        """The gateway that an OCPP charge point connected to last."""
        lines = [
            (service, json.loads(line))
            for service in ("gateway-1", "gateway-2")
            for line in self.container(service).logs(stderr=True).decode().splitlines()
            if '"connected"' in line
        ]
        epochs = [(line["epoch"], service) for service, line in lines if line["cp_id"] == cp_id]
        return max(epochs)[1]

    def containers(self) -> list[Container]:
        """Those that run."""
        label = f"com.docker.compose.project={self.name}"
        found: list[Container] = self._client.containers.list(filters={"label": label})
        return found


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Up, as a new user types it; gone afterwards, with its volumes."""
    stack = Stack()
    try:
        stack.compose("build")
        stack.compose("up", "--detach")
        yield stack
    finally:
        stack.compose("down", "--volumes", "--remove-orphans", check=False)


def test_a_charge_comes_to_its_ticket_without_an_edit(stack: Stack) -> None:
    (ticket, *_) = eventually(stack.tickets, "a ticket", UP_WITHIN)
    assert ticket["driver_id"] == "DEMO"
    assert ticket["energy_consumed_kwh"] == 0.05
    health = stack.admin("health")
    assert (health["kafka"], health["database"]) == ("ok", "ok")


def test_what_is_published_wants_tls_and_a_credential(stack: Stack) -> None:
    """A frame in the clear ends the connection; by TLS, a stranger is told so and no more."""
    published = {
        (binding["HostIp"], binding["HostPort"])
        for container in stack.containers()
        for bindings in container.attrs["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    }
    assert {port for _, port in published} == {str(stack.port), str(stack.gateway_port)}
    frame = b'\x02{"type":"points_request","message_id":"m"}\x03'
    lrc = 0
    for byte in frame[1:-1]:
        lrc ^= byte
    frame += bytes([lrc])
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as plain:
        plain.sendall(frame)
        assert b"points" not in _received(plain)
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", stack.port), timeout=10) as raw,
        anybody.wrap_socket(raw) as link,
    ):
        link.sendall(frame)
        assert b"not_authenticated" in link.recv(65_536)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except ConnectionError:
        return b""


async def test_an_ocpp_charge_goes_on_at_the_other_gateway(stack: Stack) -> None:
    """By TLS and with its password, through the front; its gateway dies, and it ends its charge."""
    password = stack.compose("run", "--rm", "--no-deps", "-T", "charge-point").strip()
    trusted = stack.compose("exec", "-T", "central", "cat", "/run/ev/ca.pem")
    database = "postgresql://ev@postgres/ev?passfile=/run/ev/pgpass"
    stack.compose(
        *("exec", "-T", "central", "ev-central", "idtags", "add", "EVA", "--database", database)
    )
    url = f"wss://localhost:{stack.gateway_port}/ocpp/ALC-101"
    secured = ssl.create_default_context(cadata=trusted)
    with pytest.raises(InvalidStatus, match="401"):
        await connect(url, ssl=secured, subprotocols=[SUBPROTOCOL])
    basic = b64encode(f"ALC-101:{password}".encode()).decode()
    with_password = {"ssl": secured, "additional_headers": {"Authorization": f"Basic {basic}"}}
    async with charge_point(url, **with_password) as point:
        await point.up()
        started = await point.say(
            call.StartTransaction(connector_id=1, id_tag="EVA", meter_start=0, timestamp=now())
        )
        died = stack.gateway_of("ALC-101")
        stack.die(died)
        await asyncio.wait_for(point.socket.wait_closed(), STOPS_WITHIN)
    async with charge_point(url, **with_password) as point:
        await point.boot()
        await point.say(
            call.StopTransaction(
                transaction_id=started.transaction_id, meter_stop=500, timestamp=now()
            )
        )
    (ticket,) = [ticket for ticket in stack.tickets() if ticket["cp_id"] == "ALC-101"]
    assert (ticket["driver_id"], ticket["energy_consumed_kwh"]) == ("EVA", 0.5)
    eventually(lambda: stack.is_back(died), f"{died} is back")


def test_central_killed_comes_back_and_charges_go_on(stack: Stack) -> None:
    """Nobody restarts it by hand; a charge that runs meanwhile gets its ticket."""
    before = len(stack.tickets())
    eventually(lambda: stack.container("driver").status == "exited", "the driver is through")
    assert stack.admin("start", "ALC-001", "ANA").get("succeeded") == 1
    stack.die("central")
    eventually(lambda: stack.is_back("central"), "central is back")
    eventually(
        lambda: stack.admin("stop-charging", "ALC-001").get("succeeded") == 1,
        "the charge is ended",
    )
    eventually(lambda: len(stack.tickets()) > before, "its ticket is there")
    assert {ticket["driver_id"] for ticket in stack.tickets()} == {"DEMO", "EVA", "ANA"}


def test_everything_stops_within_ten_seconds_and_keeps_its_data(stack: Stack) -> None:
    """Stopped in order, not killed; down and up, the same tickets are there."""
    before = stack.tickets()
    for service in ("central", "monitor-1", "engine-1", "monitor-2", "engine-2", "gateway-1"):
        container = stack.container(service)
        begun = time.monotonic()
        container.stop(timeout=int(STOPS_WITHIN) + 5)
        assert time.monotonic() - begun < STOPS_WITHIN
        container.reload()
        assert container.attrs["State"]["ExitCode"] == 0, service
    stack.compose("down")
    stack.compose("up", "--detach")
    eventually(lambda: len(stack.tickets()) >= len(before), "the tickets", UP_WITHIN)
    kept = {ticket["session_id"]: ticket for ticket in stack.tickets()}
    for ticket in before:
        assert kept[ticket["session_id"]] == ticket
