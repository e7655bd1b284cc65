"""A network of real processes: central, charge points, drivers."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.kafka.ports import free_port

BIN = Path(sys.executable).parent
SOON = 30.0
"""Seconds in which anything must have happened; a loaded machine is slow to start programs."""

Json = dict[str, Any]


def eventually(what: Callable[[], Any], said: str) -> Any:
    """The first true value of `what`, looked at until the deadline."""
    until = time.monotonic() + SOON
    while not (value := what()):
        assert time.monotonic() < until, f"not within {SOON:g} s: {said}"
        time.sleep(0.02)
    return value


class Program:
    """A program that serves, with its log of JSON lines."""

    def __init__(self, folder: Path, name: str, *options: str) -> None:
        self.name = name
        self._log = folder / f"{name}.jsonl"
        self._out = folder / f"{name}.out"
        self._command = [str(BIN / name.split("@")[0]), *options]
        self._command += ["--log", "json", "--log-level", "debug"]
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: list[Json] = []
        self._read = 0
        self._reading = threading.Lock()

    @property
    def pid(self) -> int:
        """Of its process, which runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when it says that it is ready; it may be one that could not start before."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        with self._log.open("ab") as log, self._out.open("wb") as out:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=out, stderr=log
            )
        eventually(self._is_ready, f"{self.name} is ready")

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.name} ended: {self._log.read_text()[-800:]}"
        return self._out.read_text().startswith("ready")

    def press(self, keys: str) -> None:
        """Type a line of keys into its terminal."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{keys}\n".encode())
        self._process.stdin.flush()

    def log(self) -> list[Json]:
        """Every line that it has logged so far, also before it was killed and started again."""
        with self._reading, self._log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            self._lines += map(_logged, whole.splitlines())
        return self._lines

    def says(self, event: str, **fields: object) -> Json:
        """The first log line with this event and these fields, as soon as it is there."""

        def found() -> Json | None:
            wanted = {"event": event, **fields}
            return next((x for x in self.log() if wanted.items() <= x.items()), None)

        line: Json = eventually(found, f"{self.name} logs {event!r} {fields}")
        return line

    def send(self, number: signal.Signals) -> None:
        """Send it a signal that does not end it."""
        assert self._process is not None
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code after this signal."""
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # if it was stopped: it is to end all the same
        try:
            return process.wait(SOON)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            assert process.stdin is not None
            process.stdin.close()

    def close(self) -> None:
        """End it at once, if it still runs."""
        if self._process is not None:
            self.end(signal.SIGKILL)


def _logged(line: bytes) -> Json:
    """A line of a log; one that was torn, when the disk was full, is an event of its own."""
    try:
        logged: Json = json.loads(line)
    except ValueError:
        return {"event": "no JSON", "line": line.decode(errors="replace")}
    return logged


class ChargePoint:
    """An engine and its monitor."""

    def __init__(self, engine: Program, monitor: Program) -> None:
        self.engine = engine
        self.monitor = monitor


class Gateway:
    """A gateway, and where charge points find it."""

    def __init__(self, program: Program, address: str) -> None:
        self.program = program
        self.address = address

    def url(self, cp_id: str) -> str:
        """Where this charge point connects."""
        return f"ws://{self.address}/ocpp/{cp_id}"


class Network:
    """Programs that know each other's addresses. Use as a context manager.

    Args:
        database: Central's; a SQLite file in the folder if None.
        centrals: How many; the first of them leads.

    Attributes:
        central: The first one.
        centrals, addresses: All of them, and where they listen.
        gateways: Those that were added.
    """

    def __init__(
        self, folder: Path, bootstrap: str, database: str | None = None, *, centrals: int = 1
    ) -> None:
        self._folder = folder
        self._kafka = ["--kafka", bootstrap]
        self.addresses = [f"127.0.0.1:{free_port()}" for _ in range(centrals)]
        self._address = ",".join(self.addresses)
        self._programs: list[Program] = []
        self.gateways: list[Gateway] = []
        self.centrals = [
            self._add(
                f"ev-central@{number}" if number else "ev-central",
                *("--listen", address),
                *("--database", database or f"sqlite:///{folder / 'central.db'}"),
                *self._kafka,
            )
            for number, address in enumerate(self.addresses)
        ]
        self.central = self.centrals[0]

    @property
    def address(self) -> str:
        """Where central listens; all of them, if there are several."""
        return self._address

    def __enter__(self) -> Self:
        for central in self.centrals:
            central.start()
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._programs:
            program.close()

    def _add(self, name: str, *options: str) -> Program:
        program = Program(self._folder, name, *options)
        self._programs.append(program)
        return program

    def point(self, cp_id: str, *engine_options: str) -> ChargePoint:
        """A charge point that is known to central and available."""
        address = f"127.0.0.1:{free_port()}"
        journal = str(self._folder / f"journal-{cp_id}")
        engine = self._add(
            f"ev-engine@{cp_id}",
            *("--cp-id", cp_id, "--listen", address, "--journal", journal, *engine_options),
        )
        monitor = self._add(
            f"ev-monitor@{cp_id}",
            *("--cp-id", cp_id, "--engine", address, "--central", self._address),
            *("--location", "here", *self._kafka),
        )
        engine.start()
        monitor.start()
        eventually(lambda: cp_id in self.available(), f"{cp_id} is available")
        return ChargePoint(engine, monitor)

    def gateway(self, node: str, *options: str, port: int | None = None) -> Gateway:
        """A gateway that serves; several on one port share `--redis`."""
        address = f"127.0.0.1:{port or free_port()}"
        program = self._add(
            f"ev-gateway@{node}",
            *("--listen", address, "--node", node, "--drain", "1", *self._kafka, *options),
        )
        program.start()
        self.gateways.append(Gateway(program, address))
        return self.gateways[-1]

    def driver(self, driver_id: str, *words: str, log: str | None = None) -> list[str]:
        """The command line of a driver's app."""
        options = ["--driver-id", driver_id, "--state", str(self._folder / driver_id)]
        options += ["--central", self._address, *self._kafka]
        if log is not None:
            options += ["--log", "json", "--log-level", log]
        return [str(BIN / "ev-driver"), *options, *words]

    def ask(self, driver_id: str, *words: str) -> Json:
        """What a one-shot command of a driver's app prints with `--json`."""
        command = self.driver(driver_id, *words, "--json")
        done = subprocess.run(command, capture_output=True, timeout=SOON, check=False)
        assert done.returncode == 0, done.stderr.decode()
        answer: Json = json.loads(done.stdout)
        return answer

    def admin(self, *words: str) -> Json:
        """What a command of the operator's prints with `--json`."""
        command = [str(BIN / "ev-admin"), "--central", self._address, *words, "--json"]
        done = subprocess.run(command, capture_output=True, timeout=SOON, check=False)
        assert done.returncode == 0, done.stderr.decode()
        answer: Json = json.loads(done.stdout)
        return answer

    def admin_fails(self, *words: str) -> Json:
        """What a command of the operator's prints with `--json` where it does not go well."""
        command = [str(BIN / "ev-admin"), "--central", self._address, *words, "--json"]
        done = subprocess.run(command, capture_output=True, timeout=SOON, check=False)
        assert done.returncode == 1, done.stderr.decode()
        answer: Json = json.loads(done.stdout)
        return answer

    def available(self) -> list[str]:
        """The charge points at which a charge can start now."""
        points = self.ask("ASKING", "available")["charging_points"]
        return [point["cp_id"] for point in points]

    def last_session(self, driver_id: str) -> Json:
        """The newest session in a driver's history."""
        sessions = self.ask(f"{driver_id}", "history")["sessions"]
        return sessions[0] if sessions else {}


class Charge:
    """A driver's app while it charges; its screen is what it prints."""

    def __init__(
        self, network: Network, folder: Path, driver_id: str, cp_id: str, *more: str
    ) -> None:
        self.screen = folder / f"{driver_id}.screen"
        self.log = folder / f"ev-driver@{driver_id}.jsonl"
        command = network.driver(driver_id, "charge", cp_id, *more, log="debug")
        with self.screen.open("wb") as out, self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=log
            )

    def shows(self, word: str) -> None:
        """Returns when the screen shows this."""
        eventually(lambda: word in self.screen.read_text(), f"the driver's screen shows {word!r}")

    def ends(self) -> int:
        """Its exit code, once it has ended by itself."""
        return self._process.wait(SOON)

    def close(self) -> None:
        """End it at once, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
