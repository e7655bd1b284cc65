"""`ev-monitor` as a program: its options, its lines, its end, and its records on Kafka."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from common.messages import (
    ChargeCompletion,
    ChargingData,
    ConnectorEntry,
    RegisterRequest,
    StartChargingCommand,
    StatusUpdate,
)
from common.protocol import CHARGING
from common.stream import KafkaSettings, ensure_topics
from common.units import Price, WattHours, Watts
from monitor.__main__ import main
from tests.kafka.broker import Broker
from tests.monitor.conftest import CP
from tests.monitor.kafka import records
from tests.monitor.peers import OK, ScriptedCentral, ScriptedEngine, eventually, health

EV_MONITOR = str(Path(sys.executable).parent / "ev-monitor")
NOWHERE = "127.0.0.1:1"
SOON = 30.0
"""Seconds in which a program starts or ends, however loaded the machine is."""

# ---- Options -------------------------------------------------------------------------------------


def test_help_is_complete() -> None:
    """Every option with its default and its environment variable; units where there are some."""
    text = " ".join(CliRunner().invoke(main, ["--help"]).output.split())
    for option, variable, rest in [
        ("--cp-id CP", "CP_ID", "; required"),
        ("--engine HOST:PORT", "ENGINE", "; default: 127.0.0.1:7101"),
        ("--central HOST:PORT[,…]", "CENTRAL", "; default: 127.0.0.1:7000"),
        ("--kafka HOST:PORT[,…]", "KAFKA", "; default: 127.0.0.1:9092"),
        ("--kafka-config FILE", "KAFKA_CONFIG", "]"),
        ("--location TEXT", "LOCATION", "]"),
        ("--price CURRENCY/KWH", "PRICE", "]"),
        ("--credential TEXT", "CREDENTIAL", "]"),
        ("--log [console|json]", "LOG", "; default: console"),
        ("--log-level", "LOG_LEVEL", "; default: info"),
        ("--debug", "DEBUG", "]"),
    ]:
        _, found, after = text.partition(f"{option} ")
        assert found, option
        assert f"[env var: EV_MONITOR_{variable}{rest}" in after
    assert "prints one line `ready …` once it has begun to dial; from then on it serves" in text


def test_help_does_not_show_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the one that is set."""
    monkeypatch.setenv("EV_MONITOR_CREDENTIAL", "hush")
    assert "hush" not in CliRunner().invoke(main, ["--help"]).output


WRONG: dict[str, tuple[list[str], str]] = {
    "an id with a space": (
        ["--cp-id", "ALC 001"],
        "Invalid value for '--cp-id': 'ALC 001' is no id: 1 to 36 of A-Z a-z 0-9 _ . -",
    ),
    "an engine without a port": (["--engine", "here"], "'here' is not HOST:PORT"),
    "two engines": (["--engine", "a:1,b:2"], "'a:1,b:2' is not HOST:PORT"),
    "an engine on port 0": (["--engine", "here:0"], "'here:0': port 0 cannot be dialled"),
    "a central on no port": (["--central", "a:1,b:x"], "'b:x' has no port from 0 to 65535"),
    "a central on port 0": (["--central", "a:1,b:0"], "'b:0': port 0 cannot be dialled"),
    "a broker without a port": (["--kafka", "here"], "'here' is not HOST:PORT"),
    "a file that is not there": (["--kafka-config", "/none"], "File '/none' does not exist."),
    "a price that is none": (["--price", "much"], "'much': Expected a number of currency/kWh"),
    "a negative price": (["--price", "-1"], "Expected `number` >= 0"),
    "an empty location": (["--location", ""], "'' has 0 characters, not 1 to 100"),
    "a long location": (["--location", "x" * 101], "has 101 characters, not 1 to 100"),
    "a long secret": (["--credential", "hush" * 51], "it has 204 characters, not 1 to 200"),
    "an unknown option": (["--colour", "red"], "No such option"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_option_is_one_sentence(case: str) -> None:
    """And the exit code 2."""
    options, sentence = WRONG[case]
    ended = CliRunner().invoke(main, ["--cp-id", CP, *options])
    assert ended.exit_code == 2
    error = ended.output.splitlines()[-1]
    assert error.startswith("Error: ")
    assert sentence in error
    assert "hush" not in ended.output


def test_the_id_is_required() -> None:
    """Nothing else is."""
    ended = CliRunner().invoke(main, [])
    assert ended.exit_code == 2
    assert "Missing option '--cp-id'." in ended.output


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("security.protocol\n", "line 1: not KEY=VALUE"),
        ("acks=0\n", "acks cannot be set for Kafka"),
        ("no.such.setting=1\n", "Kafka's settings are wrong"),
    ],
)
async def test_wrong_kafka_settings_are_one_sentence(
    tmp_path: Path, content: str, sentence: str
) -> None:
    """And the exit code 1."""
    file = tmp_path / "kafka.conf"
    file.write_text(content)
    process = await asyncio.create_subprocess_exec(
        *(EV_MONITOR, "--cp-id", CP, "--kafka", NOWHERE, "--kafka-config", str(file)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SOON):
        out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    (line,) = err.decode().splitlines()
    assert line.startswith("ev-monitor: ")
    assert sentence in line


# ---- The process ---------------------------------------------------------------------------------


@asynccontextmanager
async def started(tmp_path: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that has said that it is ready, with its log of JSON lines in `log`."""
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(EV_MONITOR, "--cp-id", CP, "--location", "Puerto 3", *options),
            *("--log", "json", "--log-level", "debug"),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SOON):
            line = (await process.stdout.readline()).decode()
        assert line.startswith(f"ready ev-monitor {CP}"), (tmp_path / "log").read_text()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ends(process: asyncio.subprocess.Process, number: signal.Signals) -> int:
    """Its exit code after this signal."""
    process.send_signal(number)
    async with asyncio.timeout(SOON):
        return await process.wait()


def log_lines(tmp_path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_and_ends_though_nobody_is_there(
    tmp_path: Path, number: signal.Signals
) -> None:
    """No engine, no central, no Kafka: it says so, goes on, and ends cleanly when told to."""
    options = ["--engine", NOWHERE, "--central", NOWHERE, "--kafka", NOWHERE]
    async with started(tmp_path, *options) as process:
        for name in ("ENGINE", "CENTRAL"):
            said = f"cannot reach {name} at {NOWHERE}"
            await eventually(lambda said=said: said in (tmp_path / "log").read_text())  # type: ignore[misc]
        assert await ends(process, number) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


TYPES = ["charging_data", "charge_completion"]
START = StartChargingCommand(
    trace_id="trace-1",
    cp_id=CP,
    session_id="s",
    driver_id="D",
    price_per_kwh=Price(3_500),
    max_charging_rate_kw=Watts(11_000),
)
READING = ChargingData(
    message_id="m-1",
    trace_id="trace-1",
    cp_id=CP,
    session_id="s",
    sequence=1,
    energy_consumed_kwh=WattHours(1_500),
)
TICKET = ChargeCompletion(
    message_id="m-2",
    trace_id="trace-1",
    cp_id=CP,
    session_id="s",
    energy_consumed_kwh=WattHours(1_500),
)


async def test_a_charge_by_a_real_process_and_kafka(
    tmp_path: Path, fresh_kafka: Broker, engine: ScriptedEngine, central: ScriptedCentral
) -> None:
    """Registered, started, seen charging, its reading and its ticket on Kafka; then a clean end."""
    await ensure_topics(KafkaSettings(fresh_kafka.bootstrap), [CHARGING])
    options = ["--engine", f"127.0.0.1:{engine.port}", "--central", f"127.0.0.1:{central.port}"]
    async with started(tmp_path, *options, "--kafka", fresh_kafka.bootstrap) as process:
        request = await central.script.take(RegisterRequest)
        assert (request.cp_id, request.location) == (CP, "Puerto 3")
        answer = await central.link.ask(START)
        assert answer.status is OK
        engine.says(health(ConnectorEntry(connector_id=1, status="charging", session_id="s")))
        await central.script.take(StatusUpdate, status="charging", session_id="s")
        engine.link.tell(READING)
        engine.link.tell(TICKET)
        found = await records(fresh_kafka.bootstrap, 2)
        assert await ends(process, signal.SIGTERM) == 0
    assert [key for key, _ in found] == [CP.encode()] * 2
    values = [msgspec.json.decode(value) for _, value in found]
    assert [value["type"] for value in values] == TYPES
    assert [value["message_id"] for value in values] == ["m-1", "m-2"]
    assert {value["energy_consumed_kwh"] for value in values} == {1.5}
    # What is read first, and sent meanwhile, is the socket's choice: the order of each is told.
    for event, types in (
        ("received", ["start_charging_command", "command_response", *TYPES]),
        ("sent", ["start_charging_command", "command_response", *TYPES]),
    ):
        story = [
            line["type"]
            for line in log_lines(tmp_path)
            if line.get("trace_id") == "trace-1" and line["event"] == event
        ]
        assert story == types
