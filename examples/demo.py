"""Watch two drivers charge at three charge points: what `make demo` runs.

It starts the programs of the `Procfile`, sends the drivers ANA and BEN through the services of
`services.txt`, shows what became of them, compares that with what central remembers, and stops
everything again. What the programs say is in `.demo/programs.log`.

One of the ten services is refused because its charge point is busy. That is made by asking, not
by timing: BEN asks once ANA's history says that she is charging there. So is every other wait.

From the environment, so that two demos can run side by side:

- EV_DEMO_SHIFT: added to every port of the Procfile; 0 if unset.
- EV_DEMO_FOLDER: where databases, journals and logs go; `.demo` if unset. It is made afresh.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ROOT / "examples" / "services.txt"
BIN = Path(sys.executable).parent

SHIFT = int(os.environ.get("EV_DEMO_SHIFT", "0"))
FOLDER = os.environ.get("EV_DEMO_FOLDER", ".demo")

POINTS = {"ALC-001", "ALC-002", "ALC-003"}
BUSY = "ALC-001"
KWH = "1"
PAUSE = "1"

WAIT_AT_MOST = 180.0
"""Seconds that anything may take; on an idle machine the longest wait takes about 5."""

WORK_AT_MOST = 600.0
"""Seconds that a driver may take for its services; the longest part takes about 35."""

STOP_WITHIN = 30.0
"""Seconds in which a process must end when it is asked to; honcho gives its own 5."""

LOG_LINES = 40
"""Lines of the programs' log that are shown when something went wrong."""

console = Console(highlight=False)

Json = dict[str, Any]


class Failed(Exception):
    """The demo cannot go on; one sentence says why."""


# -- The programs --


def shifted(text: str) -> str:
    """The Procfile with this run's ports and folder."""
    text = re.sub(
        r"(127\.0\.0\.1):(\d+)", lambda match: f"{match[1]}:{int(match[2]) + SHIFT}", text
    )
    return text.replace(".demo/", f"{FOLDER}/")


def listeners(procfile: str) -> list[tuple[str, str, int]]:
    """Who listens where: (program, host, port)."""
    lines = re.findall(r"^([\w-]+):.*--listen ([\d.]+):(\d+)", procfile, re.MULTILINE)
    return [(program, host, int(port)) for program, host, port in lines]


def check_ports(procfile: str) -> None:
    """Refuse to start where somebody else listens."""
    for program, host, port in listeners(procfile):
        with socket.socket() as probe:
            # As servers do: connections of a former demo, still closing, are no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise Failed(
                    f"port {port} of {host}, which the demo needs for its {program}, cannot be"
                    f" used ({error.strerror}): stop what listens there, or move the demo's ports"
                    f" with EV_DEMO_SHIFT=10000"
                ) from None


@contextmanager
def programs(procfile: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """All programs of the Procfile, until the end of the block."""
    (folder / "Procfile").write_text(procfile)
    with (folder / "programs.log").open("wb") as log:
        honcho = subprocess.Popen(
            [sys.executable, "-m", "honcho", "start", "-f", folder / "Procfile", "-d", ROOT],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we stop them, in order
        )
    try:
        yield honcho
    finally:
        stop(honcho)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and see to it that it does."""
    process.terminate()
    try:
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def environment() -> dict[str, str]:
    """Ours, with the programs of this Python in the path, and their output as it comes."""
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    return os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1"}


# -- The drivers --


class Driver:
    """One driver: `ev-driver` with its options."""

    def __init__(self, driver_id: str, procfile: str, folder: Path) -> None:
        ports = {program: f"{host}:{port}" for program, host, port in listeners(procfile)}
        self.driver_id = driver_id
        self._command = [
            *(str(BIN / "ev-driver"), "--driver-id", driver_id),
            *("--central", ports["central"], "--kafka", ports["broker"]),
            *("--state", str(folder / driver_id)),
        ]

    def ask(self, *command: str) -> Json | None:
        """The JSON answer to a question; None if there is none (yet)."""
        asked = subprocess.run(
            [*self._command, *command, "--json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=WAIT_AT_MOST,
        )
        return read_json(asked.stdout) if asked.returncode == 0 else None

    def services(self, only: str, *options: str, quietly: bool = False) -> "Work":
        """Begin to work through some services; quietly: line by line instead of live."""
        file = str(SERVICES.relative_to(ROOT))
        given = ["services", file, "--only", only, "--pause", PAUSE, *options]
        return Work(self, [*self._command, *given, "--json"], quietly=quietly)

    def history(self) -> list[Json]:
        """This driver's sessions, newest first."""
        answer = self.ask("history")
        return answer["sessions"] if answer else []


class Work:
    """A driver at work: what it shows is on the terminal, what it says at the end is kept."""

    def __init__(self, driver: Driver, command: list[str], *, quietly: bool) -> None:
        self._driver = driver
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,  # so that Ctrl-C ends it and asks nothing
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quietly else None,
            start_new_session=True,
        )
        self._echo = threading.Thread(target=self._show_lines, daemon=True)
        self._echo.start()

    def results(self) -> list[Json]:
        """Wait until it has worked through its services; each with what became of it."""
        try:
            # What it says at the end is short: it fits into the pipe.
            code = self._process.wait(WORK_AT_MOST)
        except subprocess.TimeoutExpired:
            raise Failed(
                f"{self._driver.driver_id} took more than {WORK_AT_MOST:.0f} s for the services"
            ) from None
        self._echo.join()
        if code != 0:
            raise Failed(f"{self._driver.driver_id} could not work through the services")
        assert self._process.stdout is not None
        results = read_json(self._process.stdout.read())["results"]
        return [result | {"driver": self._driver.driver_id} for result in results]

    def end(self) -> None:
        """Leave, if it is still at work."""
        stop(self._process)

    def _show_lines(self) -> None:
        for line in self._process.stderr or []:
            console.print(f"{self._driver.driver_id} | {line.decode().rstrip()}", soft_wrap=True)


def read_json(document: bytes) -> Json:
    """A JSON document, with amounts as they are written."""
    read: Json = json.loads(document, parse_float=Decimal)
    return read


# -- The story --


def until(what: str, condition: Callable[[], bool], honcho: subprocess.Popen[bytes]) -> None:
    """Wait until something is so; that it never will be is a failure."""
    give_up_at = time.monotonic() + WAIT_AT_MOST
    while not condition():
        if honcho.poll() is not None:
            raise Failed(f"a program has ended while waiting until {what}")
        if time.monotonic() > give_up_at:
            raise Failed(f"it took more than {WAIT_AT_MOST:.0f} s until {what}")
        time.sleep(0.1)


def tell(ana: Driver, ben: Driver, honcho: subprocess.Popen[bytes]) -> list[Json]:
    """Both drivers' services, from the first to the last; what became of each."""

    def available() -> bool:
        answer = ana.ask("available")
        found = {point["cp_id"] for point in answer["charging_points"]} if answer else set()
        return found >= POINTS

    def is_charging() -> bool:
        newest = ana.history()[:1]
        return any(row["state"] == "charging" and row["energy_consumed_kwh"] for row in newest)

    say("Broker, central, three charge points and their monitors are starting")
    until("the three charge points were available", available, honcho)

    say(f"ANA charges at {BUSY}, service 1, without saying how much")
    anas = ana.services("1", quietly=True)
    try:
        until(f"ANA was charging at {BUSY}", is_charging, honcho)
        say("BEN wants to charge there too, service 2")
        bens = finished(ben.services("2", "--kwh", KWH))
        say("ANA stops her charge")
        until("ANA's charge was stopped", lambda: ana.ask("stop") is not None, honcho)
        results = anas.results() + bens
    finally:
        anas.end()
    say("BEN goes on with services 3 to 10")
    return results + finished(ben.services("3-10", "--kwh", KWH))


def finished(work: Work) -> list[Json]:
    try:
        return work.results()
    finally:
        work.end()


def say(text: str) -> None:
    console.print(f"\n[bold]{text}[/bold]")


# -- The results --


def show(results: list[Json]) -> None:
    """One table with all results."""
    table = Table(title="All services", title_justify="left")
    for heading in ("", "driver", "charge point", "result"):
        table.add_column(heading)
    table.add_column("kWh", justify="right")
    table.add_column("cost", justify="right")
    table.add_column("why")
    for result in sorted(results, key=lambda result: int(result["service"])):
        charge = result.get("charge") or {}
        table.add_row(
            str(result["service"]),
            result["driver"],
            result["cp_id"],
            result["outcome"],
            str(charge.get("energy_consumed_kwh", "")),
            f"{charge['total_cost']} {charge['currency']}" if charge else "",
            result.get("error") or charge.get("reason") or "",
        )
    console.print(table)


def check(results: list[Json], drivers: list[Driver]) -> None:
    """Compare with what was meant to happen, and with what central remembers."""
    outcomes = [result["outcome"] for result in results]
    errors = [result["error"] for result in results if "error" in result]
    tickets = outcomes.count("ticket")
    console.print(f"{len(results)} results: {tickets} tickets, {len(errors)} refused {errors}")
    for driver in drivers:
        mine = [r["charge"] for r in results if r["driver"] == driver.driver_id and "charge" in r]
        seen, remembered = sums(mine), sums(driver.history())
        console.print(f"{driver.driver_id}: {seen}; history: {remembered}")
        if seen != remembered:
            raise Failed(f"{driver.driver_id}'s tickets and history differ")
    if (len(results), tickets, errors) != (10, 9, ["charge_point_busy"]):
        raise Failed("ten services should have come to nine tickets and one refusal, busy")


def sums(charges: list[Json]) -> str:
    energy = sum((Decimal(charge["energy_consumed_kwh"]) for charge in charges), Decimal(0))
    cost = sum((Decimal(charge["total_cost"]) for charge in charges), Decimal(0))
    return f"{len(charges)} charged, {energy:.3f} kWh, {cost:.2f} EUR"


def main() -> int:
    """Run the demo; the exit code."""
    folder = Path(ROOT, FOLDER)
    procfile = shifted((ROOT / "Procfile").read_text())
    try:
        check_ports(procfile)
    except Failed as failed:
        console.print(f"demo: {failed}", soft_wrap=True)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / ".gitignore").write_text("*\n")
    ana, ben = (Driver(name, procfile, folder) for name in ("ANA", "BEN"))
    try:
        with programs(procfile, folder) as honcho:
            results = tell(ana, ben, honcho)
            show(results)
            check(results, [ana, ben])
    except Failed as failed:
        log = (folder / "programs.log").read_text(errors="replace").splitlines()
        print("\n".join(log[-LOG_LINES:]))
        console.print(f"demo: {failed}; all that the programs said is in {FOLDER}/programs.log")
        return 1
    except subprocess.TimeoutExpired as late:
        console.print(f"demo: no end of {late.cmd}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("\ndemo: stopped")
        return 130
    console.print("That was all: every program has been stopped.")
    return 0


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main())
