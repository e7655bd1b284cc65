"""From the engine's reading to the driver's screen, through the programs themselves.

A few charge points, each an `ev-engine` and an `ev-monitor`, and a driver's app in a terminal of
its own at each. An engine logs when it sends a reading; Kafka says which energy that reading has;
and the first moment at which that energy stands on the driver's screen ends the measurement.
"""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec
from confluent_kafka import Consumer

from bench.machine import percentile
from bench.programs import end, production, serving
from bench.records import reading
from bench.server import Server
from common.protocol import CHARGING
from tests.kafka.ports import free_port

POINTS = 8

ENERGY = re.compile(rb"(\d+\.\d{3}) kWh")

SHOWN_WITHIN = 5.0
"""Seconds after the last reading in which it must be on the screen."""


class _Reading(msgspec.Struct, tag_field="type", tag="charging_data"):
    message_id: str
    cp_id: str
    energy_consumed_kwh: msgspec.Raw


@dataclass
class _Screen:
    """A driver's terminal: when each energy was first seen on it, in Unix seconds."""

    master: int
    process: "subprocess.Popen[bytes]"
    seen: dict[str, float] = field(default_factory=dict)
    rest: bytes = b""

    def look(self) -> None:
        """Take what was drawn."""
        try:
            drawn = os.read(self.master, 65_536)
        except OSError:  # the app has ended
            return
        now = time.time()
        whole = self.rest + drawn
        for found in ENERGY.finditer(whole):
            self.seen.setdefault(found[1].decode(), now)
        self.rest = whole[-16:]


async def to_the_screen(server: Server, warm_up: float, seconds: float) -> dict[str, float]:
    """Latency of every reading that was sent after the warm-up; one never shown spoils the run."""
    cp_ids = [f"BENCH-{number}" for number in range(POINTS)]
    loop = asyncio.get_running_loop()
    with closing(reading(server.kafka, CHARGING)) as told:
        with ExitStack() as stack:
            for cp_id in cp_ids:
                stack.enter_context(_charge_point(server, cp_id))
            screens = {cp_id: stack.enter_context(_driver(server, cp_id)) for cp_id in cp_ids}
            for screen in screens.values():
                loop.add_reader(screen.master, screen.look)
            await asyncio.sleep(warm_up)
            since = time.time()
            await asyncio.sleep(seconds)
            until = time.time()
            await asyncio.sleep(SHOWN_WITHIN)
            for screen in screens.values():
                loop.remove_reader(screen.master)
        energies = _energies(told)  # nobody publishes any more
    took: list[float] = []
    lost = 0
    for cp_id, screen in screens.items():
        for at, message_id in _sent(server.folder / f"engine-{cp_id}.log"):
            if since <= at < until:
                shown = screen.seen.get(energies.get(message_id, ""))
                lost += shown is None
                took += [] if shown is None else [shown - at]
    return {
        "p50_ms": percentile(took, 50) * 1000 if took else 0.0,
        "p99_ms": percentile(took, 99) * 1000 if took else 0.0,
        "shown": float(len(took)),
        "wrong": float(lost or not took),
    }


@contextmanager
def _charge_point(server: Server, cp_id: str) -> Iterator[None]:
    address = f"127.0.0.1:{free_port()}"
    logged = ("--log", "json", "--log-level", "debug")
    journal = str(server.folder / f"journal-{cp_id}")
    engine = ["engine", "--cp-id", cp_id, "--listen", address, "--journal", journal, *logged]
    monitor = [
        *("monitor", "--cp-id", cp_id, "--engine", address, "--location", "bench"),
        *("--central", server.where, "--kafka", server.kafka),
    ]
    with (
        serving(server.folder, f"engine-{cp_id}", engine),
        serving(server.folder, f"monitor-{cp_id}", monitor),
    ):
        yield


@contextmanager
def _driver(server: Server, cp_id: str) -> Iterator[_Screen]:
    master, slave = pty.openpty()
    command = [
        *(sys.executable, "-m", "driver", "--driver-id", f"D-{cp_id}"),
        *("--state", str(server.folder / f"driver-{cp_id}")),
        *("--central", server.where, "--kafka", server.kafka),
        *("charge", cp_id),
    ]
    terminal = production() | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    with (server.folder / f"driver-{cp_id}.log").open("wb") as stderr:
        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=stderr, env=terminal)
    os.close(slave)
    try:
        yield _Screen(master, process)
    finally:
        end(process)
        os.close(master)


def _energies(consumer: Consumer) -> dict[str, str]:
    """The energy of each reading that was published, by the reading's id."""
    decode = msgspec.json.Decoder(_Reading).decode
    energies: dict[str, str] = {}
    while records := consumer.consume(1_000, timeout=2):
        for record in records:
            value = record.value() or b""
            if value.startswith(b'{"type":"charging_data"'):
                reading = decode(value)
                energies[reading.message_id] = bytes(reading.energy_consumed_kwh).decode()
    return energies


def _sent(log: Path) -> Iterator[tuple[float, str]]:
    """When an engine sent each reading, in Unix seconds, and the reading's id."""
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        if entry.get("event") == "sent" and entry.get("type") == "charging_data":
            yield datetime.fromisoformat(entry["timestamp"]).timestamp(), entry["message_id"]
