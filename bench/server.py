"""Central as it is measured: its own process, all its threads on one core, production settings."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.programs import serving
from tests.kafka.ports import free_port

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
        folder: Where its files are, and where a measurement may put its own.
    """

    address: tuple[str, int]
    kafka: str
    pid: int
    folder: Path

    @property
    def where(self) -> str:
        """Where it listens, as `HOST:PORT`."""
        return f"{self.address[0]}:{self.address[1]}"

    def cpu_seconds(self) -> float:
        """Processor time that it has used, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_mib(self) -> float:
        """The most memory that it has held so far, in MiB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmHWM in /proc")


def other_cores() -> set[int]:
    """The cores for all but central; the same one if there is only one."""
    return os.sched_getaffinity(0) - FIRST_CORE or FIRST_CORE


@contextmanager
def central(folder: Path, kafka: str) -> Iterator[Server]:
    """A central with an empty database in this folder, on the first core."""
    address = ("127.0.0.1", free_port())
    words = [
        "central",
        *("--listen", f"{address[0]}:{address[1]}"),
        *("--kafka", kafka),
        *("--database", f"sqlite:///{folder / 'central.db'}"),
        *("--log-level", "warning"),
    ]
    with serving(folder, "central", words, cores=FIRST_CORE) as pid:
        yield Server(address, kafka, pid, folder)
