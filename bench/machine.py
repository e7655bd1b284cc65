"""Where the figures are from: the machine, the disk, the versions."""

import os
import platform
import statistics
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("msgspec", "uvloop", "SQLAlchemy", "confluent-kafka")

SYNCS = 200


def describe(folder: Path) -> dict[str, Any]:
    """The machine, the commit, the versions, and how long a sync takes in this folder."""
    median, p99 = sync_latency(folder)
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": _commit(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "load": [round(each, 2) for each in os.getloadavg()],
        "sync_ms": {"median": round(median * 1000, 3), "p99": round(p99 * 1000, 3)},
    }


def sync_latency(folder: Path) -> tuple[float, float]:
    """Seconds for 4 KiB written and synced: median and 99th percentile."""
    took = []
    path = folder / "sync.probe"
    with path.open("wb") as file:
        for _ in range(SYNCS):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(took), percentile(took, 99)


def percentile(values: list[float], percent: float) -> float:
    """The smallest value that at least so many percent of the values do not exceed."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
