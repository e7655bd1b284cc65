"""A real `ev-central`: started, stopped, killed and started again on the same database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.kafka.ports import free_port

from .peer import DEADLINE, Address

START_DEADLINE = 30.0  # seconds: imports, migrations and topics on a loaded machine


def command() -> list[str]:
    """The console script beside this interpreter."""
    return [str(Path(sys.executable).parent / "ev-central")]


class Central:
    """One central with its own database; the same address and database at every start."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        self.folder = folder
        self.bootstrap = bootstrap
        self.address: Address = ("127.0.0.1", free_port())
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def options(self) -> list[str]:
        host, port = self.address
        return [
            *("--listen", f"{host}:{port}"),
            *("--kafka", self.bootstrap),
            *("--database", f"sqlite:///{self.folder / 'central.db'}"),
            *("--price", "0.35"),
            *("--currency", "EUR"),
            *("--log", "json"),
        ]

    def start(self) -> None:
        """Returns when the line `ready …` is there."""
        assert self._process is None, "already running"
        self.starts += 1
        out = self.folder / f"out-{self.starts}.txt"
        with out.open("wb") as stdout, self.log_file().open("wb") as stderr:
            self._process = subprocess.Popen(
                [*command(), *self.options()],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        until = time.monotonic() + START_DEADLINE
        while not any(line.startswith("ready") for line in out.read_text().splitlines()):
            code = self._process.poll()
            assert code is None, f"ev-central ended with {code}: {self.log()[-800:]}"
            if time.monotonic() > until:
                self.kill()
                raise AssertionError(f"not ready in {START_DEADLINE} s: {self.log()[-800:]}")
            time.sleep(0.02)

    def log_file(self) -> Path:
        return self.folder / f"log-{self.starts}.jsonl"

    def log(self) -> str:
        """What this run has logged so far."""
        return self.log_file().read_text(errors="replace")

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: nothing is put in order."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        assert self.stop() == 0
        self.start()

    def close(self) -> None:
        if self._process is not None:
            self.kill()

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None, "not running"
        process, self._process = self._process, None
        os.kill(process.pid, number)
        try:
            return process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{number.name} did not end ev-central") from None
