"""Central as it is measured: its own process, all its threads on one core, production settings."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kafka.ports import free_port

READY_WITHIN = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


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


def split_cores() -> tuple[set[int], set[int]]:
    """One core for central, and the others for all else; the same one if there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]}, set(cores[1:]) or {cores[0]}


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
    core, _ = split_cores()
    with out.open("wb") as stdout, (folder / "central.log").open("wb") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
    try:
        os.sched_setaffinity(process.pid, core)
        until = time.monotonic() + READY_WITHIN
        while not out.read_text().startswith("ready"):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"central does not serve: see {folder / 'central.log'}")
            time.sleep(0.02)
        for task in Path(f"/proc/{process.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), core)
        yield Server(address, kafka, process.pid)
    finally:
        process.terminate()
        process.wait(READY_WITHIN)
