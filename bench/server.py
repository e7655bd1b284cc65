"""Central as it is measured: its own process, all its threads on one core, production settings."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.kafka.ports import free_port

READY_WITHIN = 60.0
TICKS = os.sysconf("SC_CLK_TCK")

FIRST_CORE = {min(os.sched_getaffinity(0))}
"""Central's; decided before anything else moves to the others."""


@dataclass(frozen=True, slots=True)
class Server:
    """A serving central.

    Attributes:
        address: Where it listens.
        kafka: Its broker.
        pid: Its process.
    """

    address: tuple[str, int]
    kafka: str
    pid: int

    def cpu_seconds(self) -> float:
        """Processor time that it has used, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def other_cores() -> set[int]:
    """The cores for all but central; the same one if there is only one."""
    return os.sched_getaffinity(0) - FIRST_CORE or FIRST_CORE


@contextmanager
def central(folder: Path, kafka: str) -> Iterator[Server]:
    """A central with an empty database in this folder, on the first core."""
    address = ("127.0.0.1", free_port())
    out = folder / "central.out"
    command = [
        *(sys.executable, "-m", "central"),
        *("--listen", f"{address[0]}:{address[1]}"),
        *("--kafka", kafka),
        *("--database", f"sqlite:///{folder / 'central.db'}"),
        *("--log-level", "warning"),
    ]
    with out.open("wb") as stdout, (folder / "central.log").open("wb") as stderr:
        process = _on_first_core(command, stdout, stderr)
    try:
        until = time.monotonic() + READY_WITHIN
        while not out.read_text().startswith("ready"):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"central does not serve: see {folder / 'central.log'}")
            time.sleep(0.02)
        yield Server(address, kafka, process.pid)
    finally:
        process.terminate()
        process.wait(READY_WITHIN)


def _on_first_core(
    command: list[str], stdout: BinaryIO, stderr: BinaryIO
) -> "subprocess.Popen[bytes]":
    """A process on the first core: it, and every thread that it makes, inherit ours."""
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, FIRST_CORE)
    try:
        return subprocess.Popen(command, stdout=stdout, stderr=stderr)
    finally:
        os.sched_setaffinity(0, ours)
