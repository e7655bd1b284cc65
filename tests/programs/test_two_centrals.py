"""Two centrals on one database: one leads, the other stands by and takes over."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.codec import encode
from common.framing import frame
from common.messages import PointsRequest
from tests.kafka.broker import Broker
from tests.programs.network import Charge, Json, Network, Program, eventually
from tests.programs.test_charge import FAST, new_id


@pytest.fixture
def network(kafka: Broker, tmp_path: Path) -> Iterator[Network]:
    """Two centrals, the first of which leads; everybody else knows both addresses."""
    with Network(tmp_path, kafka.bootstrap, centrals=2) as network:
        yield network


def leads(central: Program) -> Json:
    return central.says("leads now")


def answer_to_a_stranger(address: str) -> bytes:
    """What comes back, until the end, when somebody asks for the charge points."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), 5) as link:
        link.sendall(frame(encode(PointsRequest(message_id="m-1"))))
        received = b""
        while data := link.recv(65536):
            received += data
    return received


def test_a_standby_names_the_leader(network: Network) -> None:
    """As the answer to whatever is said first; then it closes."""
    leader, standby = network.addresses
    said = answer_to_a_stranger(standby)
    assert b'"error":"standby"' in said
    assert b'"message_id":"m-1"' in said
    assert f'"leader":"{leader}"'.encode() in said


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        signal.SIGTERM,
        pytest.param(signal.SIGSTOP, marks=pytest.mark.long),
    ],
)
def test_a_charge_outlives_its_central(
    network: Network, tmp_path: Path, how: signal.Signals
) -> None:
    """The standby leads, takes everybody over, and makes the ticket; the old one joins it."""
    cp_id, driver_id = new_id("CP"), new_id("D")
    first, second = network.centrals
    point = network.point(cp_id, *FAST)
    charge = Charge(network, tmp_path, driver_id, cp_id)
    try:
        eventually(lambda: network.last_session(driver_id).get("state") == "charging", "it charges")
        if how is signal.SIGSTOP:
            first.send(how)
        else:
            first.end(how)
        leads(second)
        point.monitor.says("registered with central", cp_id=cp_id, epoch=2)
        row = network.last_session(driver_id)
        assert row["state"] == "charging"
        network.ask(driver_id, "stop")
        assert charge.ends() == 0
    finally:
        charge.close()
    if how is signal.SIGSTOP:
        first.send(signal.SIGCONT)
        first.says("leads no more", leader=network.addresses[1])
    else:
        first.start()
    (ticket,) = network.admin("tickets", "--cp", cp_id)["tickets"]
    assert (ticket["session_id"], ticket["revision"]) == (row["session_id"], 1)
    health = network.admin("health")
    assert (health["leader"], health["epoch"]) == (network.addresses[1], 2)
