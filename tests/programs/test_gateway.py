"""A charge through OCPP with real programs: gateway, Kafka, Redis and central."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import websockets
from ocpp.v16 import call

from common.metrics.table import METRICS
from tests.gateway.public_point import public_point
from tests.kafka.broker import Broker
from tests.kafka.ports import free_port
from tests.programs.network import BIN, SOON, Json, Network, eventually
from tests.programs.test_charge import new_id
from tests.programs.test_metrics import get, numbers

AT = "2026-11-21T10:30:00.000Z"


def meter(wh: int) -> list[Json]:
    """A register, as a charge point says it."""
    return [{"timestamp": AT, "sampledValue": [{"value": str(wh), "unit": "Wh"}]}]


async def test_a_charge_point_that_others_wrote_charges_under_centrals_rules(
    network: Network,
) -> None:
    """It boots, authorises, charges a kWh and obeys the operator; the bill is central's."""
    cp_id, tag = new_id("OCPP"), new_id("TAG")[:20]
    gateway = network.gateway("gw1", "--frames")
    network.admin("idtags", "add", tag)
    async with public_point(gateway.url(cp_id)) as point:
        boot = call.BootNotification(charge_point_model="M", charge_point_vendor="V")
        assert (await point.call(boot, suppress=False)).status == "Accepted"
        for status in ("Available", "Preparing"):
            update = call.StatusNotification(connector_id=1, error_code="NoError", status=status)
            await point.call(update, suppress=False)
        asked = await point.call(call.Authorize(id_tag=tag), suppress=False)
        assert asked.id_tag_info["status"] == "Accepted"
        start = call.StartTransaction(connector_id=1, id_tag=tag, meter_start=500, timestamp=AT)
        begun = await point.call(start, suppress=False)
        assert begun.id_tag_info["status"] == "Accepted"
        number = begun.transaction_id
        values = call.MeterValues(connector_id=1, meter_value=meter(900), transaction_id=number)
        await point.call(values, suppress=False)
        ordered = await asyncio.to_thread(
            network.admin, "command", cp_id, "ChangeConfiguration", '{"key": "K", "value": "1"}'
        )
        assert "RebootRequired" in str(ordered)
        assert point.asked[-1] == ("ChangeConfiguration", {"key": "K", "value": "1"})
        end = call.StopTransaction(meter_stop=1500, timestamp=AT, transaction_id=number)
        await point.call(end, suppress=False)
        again = await point.call(end, suppress=False)  # a repeat counts nothing twice
        assert again is not None
    tickets = await asyncio.to_thread(network.admin, "tickets", "--cp", cp_id)
    assert str(tickets).count("0.35") >= 1
    assert gateway.program.end() == 0


async def test_two_nodes_on_one_port_share_what_comes(
    network: Network, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is killed is started again, and its charge points come back; then all stop."""
    port = free_port()
    monkeypatch.setenv("EV_GATEWAY_METRICS", f"127.0.0.1:{port}")
    gateway = network.gateway("gw", "--workers", "2", "--redis", redis_url)
    children = _children(gateway.program.pid)
    assert len(children) == 2
    ids = [new_id("OCPP") for _ in range(24)]  # by chance all at one node: never
    sockets = [await _connected(gateway.url(cp_id)) for cp_id in ids]
    held = [_connections(port), _connections(port + 1)]
    assert (sum(held), min(held) > 0) == (24, True)
    os.kill(children[0], signal.SIGKILL)
    for socket, cp_id in zip(sockets, ids, strict=True):
        if not await _lives(socket):
            await (await _connected(gateway.url(cp_id))).close()
        await socket.close()
    gateway.program.says("a node died")
    eventually(lambda: len(_children(gateway.program.pid)) == 2, "it runs again")
    eventually(lambda: get(port, "/readyz")[0] == 200, "it serves again")
    assert gateway.program.end() == 0


def test_every_metric_of_the_page_is_there(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that are the gateway's, and no other of ours."""
    port = free_port()
    monkeypatch.setenv("EV_GATEWAY_METRICS", f"127.0.0.1:{port}")
    network.gateway("gw1")
    assert get(port, "/healthz")[0] == 200
    # Topics that were made a moment ago may still be without a leader.
    eventually(lambda: get(port, "/readyz")[0] == 200, "the gateway is ready")
    shown = {name.partition("{")[0] for name in numbers(port) if name.startswith("ev_")}
    shown = {name.removesuffix("_bucket") for name in shown}
    later = {
        "ev_gateway_call_seconds",
        "ev_gateway_command_seconds",
        "ev_gateway_tolerated_faults_total",
    }
    expected = {metric.name for metric in METRICS if "gateway" in metric.programs} - later
    assert expected <= shown
    assert all(name in expected or name.endswith(("_sum", "_count")) for name in shown)


WRONG = [
    (["--workers", "2"], 2, "--redis"),
    (["--lenient", "a b"], 2, "'a b' is no id"),
    (["--node", "x" * 41], 2, "is no name"),
    (["--listen", "0.0.0.0:0"], 1, "--insecure"),
    (["--profile", "3"], 1, "--tls-cert"),
    (["--profile", "4"], 2, "--profile"),
    (["--redis", "nonsense"], 1, "no URL of a Redis"),
    (["--kafka-config", "/nowhere"], 2, "/nowhere"),
    (["--tls-ca", __file__], 1, "--tls-cert"),
    (["--drain", "-1"], 2, "--drain"),
]


@pytest.mark.parametrize(("options", "code", "named"), WRONG, ids=[w[0][0] for w in WRONG])
def test_a_wrong_option_is_one_sentence(
    options: list[str], code: int, named: str, kafka: Broker, tmp_path: Path
) -> None:
    """And no traceback; the exit code tells a wrong option from what is not there."""
    given = ["--listen", "127.0.0.1:0", "--kafka", kafka.bootstrap, *options]
    command = [str(BIN / "ev-gateway"), "--log-level", "error", *given]
    done = subprocess.run(command, capture_output=True, timeout=SOON, check=False, text=True)
    assert done.returncode == code
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert code == 2 or done.stderr.count("\n") == 1


def test_what_does_not_answer_is_said(kafka: Broker) -> None:
    """Kafka, or Redis: after ten seconds, in one sentence."""
    command = [str(BIN / "ev-gateway"), "--listen", "127.0.0.1:0", "--log-level", "error"]
    started = [
        subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
        for options in (
            ["--kafka", "127.0.0.1:1"],
            ["--kafka", kafka.bootstrap, "--redis", "redis://127.0.0.1:1"],
        )
    ]
    for process in started:
        _, said = process.communicate(timeout=SOON)
        assert (process.returncode, said.count("\n")) == (1, 1)
        assert "127.0.0.1:1" in said


def test_a_port_that_is_taken_is_said(network: Network, kafka: Broker) -> None:
    """One sentence."""
    gateway = network.gateway("gw1")
    command = [str(BIN / "ev-gateway"), "--listen", gateway.address, "--kafka", kafka.bootstrap]
    done = subprocess.run(
        [*command, "--log-level", "error"],
        capture_output=True,
        timeout=SOON,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"cannot listen on {gateway.address}" in done.stderr


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _connections(port: int) -> int:
    return int(numbers(port)["ev_gateway_connections"])


async def _connected(url: str) -> Any:
    subprotocols = [websockets.Subprotocol("ocpp1.6")]
    return await websockets.connect(url, subprotocols=subprotocols, proxy=None)


async def _lives(socket: websockets.ClientConnection) -> bool:
    try:
        await asyncio.wait_for(await socket.ping(), SOON)
    except websockets.ConnectionClosed:
        return False
    return True
