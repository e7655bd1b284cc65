"""Programs of the project as a bench starts and ends them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

READY_WITHIN = 60.0
"""Seconds in which a program must serve: a loaded machine is slow to start many."""

END_WITHIN = 60.0


@contextmanager
def serving(
    folder: Path,
    name: str,
    words: Sequence[str],
    *,
    cores: set[int] | None = None,
    program: Sequence[str] = (sys.executable, "-m"),
) -> Iterator[int]:
    """A program that serves, as its process's number; what it says is in `NAME.out` and `NAME.log`.

    Args:
        words: Its module and its options.
        cores: Those that it, with every thread that it makes, may run on; None: ours.
        program: What runs the words.

    Raises:
        RuntimeError: It does not say that it is ready.
    """
    out, log = folder / f"{name}.out", folder / f"{name}.log"
    with out.open("wb") as stdout, log.open("wb") as stderr, _on(cores):
        process = subprocess.Popen(
            [*program, *words],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=production(),
        )
    try:
        until = time.monotonic() + READY_WITHIN
        while not out.read_text().startswith("ready"):
            if process.poll() is not None or time.monotonic() > until:
                said = log.read_text().strip().splitlines()
                raise RuntimeError(f"{name} does not serve: {said[-1] if said else 'no word'}")
            time.sleep(0.02)
        yield process.pid
    finally:
        end(process)


def production() -> dict[str, str]:
    """Our environment, without what makes asyncio look for mistakes in a test: it costs much."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONASYNCIODEBUG"}


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask a program to end, and wait until it has."""
    process.terminate()
    try:
        process.wait(END_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


@contextmanager
def _on(cores: set[int] | None) -> Iterator[None]:
    """What is started inside runs on these cores: a process inherits ours, and its threads too."""
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or ours)
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)
