"""`ev-engine` as a program: its options, its lines, and what a kill leaves."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from common.dispatch import Handled
from common.errors import LinkLost, Reason
from common.messages import (
    ChargeCompletion,
    ChargeRequest,
    ChargeRequestResponse,
    ChargingData,
    Message,
    Outcome,
    ReportSessionsCommand,
)
from common.states import EndReason
from common.units import WattHours
from engine.__main__ import main
from engine.vigil import ASKED_WITHIN
from tests.engine.fakes import CP, start, stop
from tests.engine.played import (
    ENGINE,
    SOON,
    EngineProcess,
    PlayedMonitor,
    lines_until,
    try_engine,
    usual,
)

# ---- Options -------------------------------------------------------------------------------------


def test_help_is_complete() -> None:
    """Every option with its default and its environment variable; units where there are some."""
    text = " ".join(CliRunner().invoke(main, ["--help"]).output.split())
    for option, variable, rest in [
        ("--cp-id CP", "CP_ID", "required"),
        ("--listen HOST:PORT", "LISTEN", "default: 127.0.0.1:7101"),
        ("--journal DIR", "JOURNAL", "required"),
        ("--power KW", "POWER", "default: 11.0"),
        ("--connectors", "CONNECTORS", "default: 1; 1<=x<=100"),
        ("--plug [auto|manual]", "PLUG", "default: auto"),
        ("--monitor-grace", "MONITOR_GRACE", "default: 5.0"),
        ("--time-scale", "TIME_SCALE", "default: 1.0"),
        ("--log [console|json]", "LOG", "default: console"),
        ("--log-level", "LOG_LEVEL", "default: info"),
    ]:
        _, found, after = text.partition(option)
        assert found, option
        assert f"[env var: EV_ENGINE_{variable}; {rest}" in after
    assert "in kW" in text
    assert "Seconds without a byte" in text


WRONG: dict[str, tuple[list[str], str]] = {
    "an id with a space": (
        ["--cp-id", "ALC 001"],
        "Invalid value for '--cp-id': 'ALC 001' is no id: 1 to 36 of A-Z a-z 0-9 _ . -",
    ),
    "an address without a port": (["--listen", "localhost"], "'localhost' is not HOST:PORT"),
    "a port that is none": (["--listen", "localhost:70000"], "has no port from 0 to 65535"),
    "no power": (["--power", "0"], "a charge point has more than 0 kW"),
    "a power that is none": (["--power", "much"], "'much': Expected a number of kW"),
    "too much power": (["--power", "10001"], "'10001': Expected `number` <= 10000"),
    "no connectors": (["--connectors", "0"], "0 is not in the range 1<=x<=100."),
    "a plug that is none": (["--plug", "maybe"], "'maybe' is not one of 'auto', 'manual'."),
    "no grace": (["--monitor-grace", "0"], "0.0 is not in the range 1<=x<=3600."),
    "a time that stands": (["--time-scale", "0"], "0.0 is not in the range 0<x<=100000."),
    "a time that is none": (["--time-scale", "nan"], "'nan' is not a number."),
    "a surplus word": (["now"], "Got unexpected extra argument (now)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_option_is_said_in_a_sentence(name: str, tmp_path: Path) -> None:
    """With exit code 2, and nothing is made."""
    options, sentence = WRONG[name]
    result = CliRunner().invoke(main, [*usual(tmp_path), *options])
    assert result.exit_code == 2
    [error] = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert sentence in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--cp-id", "--journal"])
def test_a_missing_option_is_said(option: str, tmp_path: Path) -> None:
    """There is no charge point without an id and a journal."""
    given = usual(tmp_path)
    place = given.index(option)
    result = CliRunner().invoke(main, given[:place] + given[place + 2 :])
    assert result.exit_code == 2
    assert f"Missing option '{option}'" in result.output


def test_an_option_may_come_from_the_environment(tmp_path: Path) -> None:
    """As `EV_ENGINE_…`; it is checked as on the command line."""
    code, said = try_engine(*usual(tmp_path), env={"EV_ENGINE_CONNECTORS": "none"})
    assert code == 2
    assert "'none' is not a valid integer range" in said


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path) -> None:
    """With exit code 1 and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        code, said = try_engine(*usual(tmp_path), "--listen", where)
    assert code == 1
    assert said.startswith(f"ev-engine: cannot listen on {where}: ")
    assert said.casefold().endswith("address already in use\n")
    assert said.count("\n") == 1


def _file(folder: Path) -> str:
    (folder / "journal").write_text("")
    return f"cannot write to the journal folder {folder / 'journal'}: File exists"


def _unwritable(folder: Path) -> str:
    (folder / "journal" / "journal.new").mkdir(parents=True)
    return f"cannot write the journal {folder / 'journal' / 'journal'}: Is a directory"


def _unreadable(folder: Path) -> str:
    (folder / "journal" / "journal").mkdir(parents=True)
    return f"cannot read the journal {folder / 'journal' / 'journal'}: Is a directory"


def _other(folder: Path) -> str:
    with EngineProcess(folder, "--cp-id", "OTHER") as engine:
        assert engine.end() == 0
    path = engine.journal / "journal"
    return f"the journal {path} is of charge point OTHER, not ALC-001"


def _damaged(folder: Path) -> str:
    with EngineProcess(folder) as engine:
        assert engine.end() == 0
    path = engine.journal / "journal"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"ALC", b"XLC", 1))
    return f"the journal {path} is damaged at byte 0: a checksum is wrong"


@pytest.mark.parametrize("spoil", [_file, _unwritable, _unreadable, _other, _damaged])
def test_a_journal_that_cannot_be_used_is_said_in_a_sentence(
    tmp_path: Path, spoil: Callable[[Path], str]
) -> None:
    """With exit code 1 and no traceback."""
    sentence = spoil(tmp_path)
    assert try_engine(*usual(tmp_path)) == (1, f"ev-engine: {sentence}\n")


def test_a_journal_in_use_is_said_in_a_sentence(tmp_path: Path) -> None:
    """And the engine that has it goes on."""
    with EngineProcess(tmp_path) as first:
        code, said = try_engine(*usual(tmp_path))
        sentence = f"the journal folder {first.journal} is in use by another engine"
        assert (code, said) == (1, f"ev-engine: {sentence}\n")
        assert first.end() == 0


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """For those who want to see it."""
    _file(tmp_path)
    code, said = try_engine(*usual(tmp_path), "--debug")
    assert code == 1
    assert "Traceback" in said


# ---- A process -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """One line on stdout, and exit code 0 on either signal."""
    with EngineProcess(tmp_path, "--connectors", "2", "--power", "22") as engine:
        assert engine.ready == (
            f"ready ev-engine ALC-001 on 127.0.0.1:{engine.port}, 2 connectors of 22.000 kW\n"
        )
        assert engine.end(number) == 0
        assert engine.logged() == []


async def test_a_charge_of_an_accelerated_engine(tmp_path: Path) -> None:
    """A minute passes in a second: readings each second, and exactly the target at the end."""
    with EngineProcess(tmp_path, "--time-scale", "60") as engine:
        monitor = await PlayedMonitor.dial(engine.port)
        health = await monitor.health()
        assert (health.time_scale, health.max_charging_rate_kw) == (60.0, 11_000)
        began = time.monotonic()
        await monitor.link.ask(start(target_kwh=WattHours(500)))
        async with monitor.watching():
            ticket = await monitor.next(ChargeCompletion)
        took = time.monotonic() - began
        assert (ticket.reason, ticket.energy_consumed_kwh) == (EndReason.TARGET_REACHED, 500)
        assert ticket.meter_stop_wh == 500
        assert ticket.total_cost == 18
        # 500 Wh at 11 kW with ramp and taper are 213 s on its clock.
        assert 3 <= took < SOON
        readings = monitor.order.count("charging_data")
        assert took - 1 <= readings <= took + 2
        monitor.link.close()
        await monitor.link.closed
        assert engine.end() == 0
    events = [line["event"] for line in engine.logged()]
    assert events == ["monitor linked", "charging", "ended", "monitor lost"]
    ended = engine.logged()[2]
    assert ended["energy"] == "0.500 kWh"
    assert ended["reason"] == "target_reached"
    assert (ended["session_id"], ended["trace_id"]) == ("s1", "t-s1")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_whatever_ends_an_engine_its_next_start_gives_the_ticket(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Killed, it has lost a second of energy at most; stopped, nothing."""
    options = ("--time-scale", "60")
    with EngineProcess(tmp_path, *options) as engine:
        monitor = await PlayedMonitor.dial(engine.port)
        await monitor.link.ask(start())
        async with monitor.watching():
            reading = await monitor.next(ChargingData, lambda r: (r.sequence or 0) >= 3)
        assert engine.end(number) == (0 if number is signal.SIGTERM else -signal.SIGKILL)
        await monitor.link.closed

    with EngineProcess(tmp_path, *options) as engine:
        monitor = await PlayedMonitor.dial(engine.port)
        health = await monitor.health()
        assert health.engine_status == "available"
        assert health.held_sessions == ("s1",)
        assert health.connectors[0].session_id == "s1"
        await monitor.link.ask(ReportSessionsCommand(cp_id=CP, session_ids=("s1",)))
        ticket = await monitor.next(ChargeCompletion)
        assert ticket.reason is EndReason.ENGINE_RESTARTED
        assert ticket.energy_consumed_kwh >= reading.energy_consumed_kwh > 0
        assert ticket.trace_id == "t-s1"
        await monitor.link.ask(start("s2"))
        await monitor.link.ask(stop("s2"))
        assert (await monitor.next(ChargeCompletion)).meter_start_wh == ticket.meter_stop_wh
        monitor.link.close()
        await monitor.link.closed


async def test_a_kill_at_any_time_loses_nothing_that_was_said(tmp_path: Path) -> None:
    """Kill after kill, at times that differ: each start that was accepted has its ticket."""
    for round_ in range(6):
        with EngineProcess(tmp_path, "--time-scale", "100") as engine:
            monitor = await PlayedMonitor.dial(engine.port)
            held = (await monitor.health()).held_sessions
            assert held == tuple(str(n) for n in range(round_))
            await monitor.link.ask(start(str(round_)))
            await asyncio.sleep(0.03 * round_)
            assert engine.end(signal.SIGKILL) == -signal.SIGKILL
            await monitor.link.closed


async def test_an_engine_that_was_frozen_for_a_moment_supplies_on(tmp_path: Path) -> None:
    """What the monitor said meanwhile is read before its silence is judged."""
    with EngineProcess(tmp_path, "--monitor-grace", "2") as engine:
        monitor = await PlayedMonitor.dial(engine.port)
        await monitor.link.ask(start())
        engine.send(signal.SIGSTOP)
        check = asyncio.create_task(monitor.health())
        await asyncio.sleep(0.5)
        engine.send(signal.SIGCONT)
        assert (await check).session_id == "s1"
        async with monitor.watching():
            await asyncio.sleep(0.3)
            assert (await monitor.health()).session_id == "s1"
        # And now it really says nothing.
        ticket = await monitor.next(ChargeCompletion)
        assert ticket.reason is EndReason.MONITOR_LOST
        monitor.link.close()
        await monitor.link.closed


async def test_an_engine_that_was_frozen_for_longer_than_its_grace_has_stopped(
    tmp_path: Path,
) -> None:
    """Whatever waits to be read: the supply ended when the grace was over, and its energy too."""
    with EngineProcess(tmp_path, "--monitor-grace", "1", "--time-scale", "1000") as engine:
        monitor = await PlayedMonitor.dial(engine.port)
        await monitor.link.ask(start(target_kwh=WattHours(50_000)))
        async with monitor.watching():
            before = await monitor.next(ChargingData)
        engine.send(signal.SIGSTOP)
        checks = [asyncio.create_task(monitor.health()) for _ in range(3)]
        await asyncio.sleep(2.0)
        engine.send(signal.SIGCONT)
        ticket = await monitor.next(ChargeCompletion)
        assert ticket.reason is EndReason.MONITOR_LOST
        a_second = 11_000 * 1_000 // 3_600
        assert ticket.energy_consumed_kwh < before.energy_consumed_kwh + 2.1 * a_second
        assert {(await check).session_id for check in checks} == {None}
        monitor.link.close()
        await monitor.link.closed


async def test_an_engine_that_slept_does_not_do_what_it_was_told_meanwhile(tmp_path: Path) -> None:
    """Who asked has stopped waiting: the link is closed, and the session never begins."""
    with EngineProcess(tmp_path) as engine:
        monitor = await PlayedMonitor.dial(engine.port)
        await monitor.health()
        engine.send(signal.SIGSTOP)
        asked = asyncio.create_task(monitor.link.ask(start("old"), within=SOON))
        await asyncio.sleep(ASKED_WITHIN + 0.3)
        engine.send(signal.SIGCONT)
        with pytest.raises(LinkLost):
            await asked
        again = await PlayedMonitor.dial(engine.port)
        report = ReportSessionsCommand(cp_id=CP, session_ids=("old",))
        assert (await again.link.ask(report)).never_seen == ("old",)
        again.link.close()
        await again.link.closed


# ---- Keys ----------------------------------------------------------------------------------------


async def test_keys_on_a_pipe(tmp_path: Path) -> None:
    """Plug, unplug, break and repair, and each is seen by the monitor; the end is no key."""
    options = ("--plug", "manual", "--connectors", "2")
    with EngineProcess(tmp_path, *options, stdin=subprocess.PIPE) as engine:
        monitor = await PlayedMonitor.dial(engine.port)

        async def becomes(*statuses: str) -> str:
            for _ in range(round(SOON / 0.02)):
                health = await monitor.health()
                if tuple(entry.status for entry in health.connectors) == statuses:
                    return health.engine_status
                await asyncio.sleep(0.02)
            raise AssertionError(f"never {statuses}")

        async with monitor.watching():
            await monitor.link.ask(start("s1"))
            await monitor.link.ask(start("s2", connector_id=2))
            await becomes("preparing", "preparing")
            engine.type("p\n")
            await becomes("charging", "preparing")
            engine.type("2p\n")
            await becomes("charging", "charging")
            engine.type("2u\n")
            ticket = await monitor.next(ChargeCompletion)
            assert (ticket.session_id, ticket.reason) == ("s2", EndReason.UNPLUGGED)
            engine.type("2b\n")
            assert await becomes("charging", "faulted") == "charging"
            engine.type("b\n")
            ticket = await monitor.next(ChargeCompletion)
            assert (ticket.session_id, ticket.reason) == ("s1", EndReason.FAULT)
            engine.type("2r\n")
            assert await becomes("faulted", "available") == "available"
            engine.type("r\n3p\n0u\n3c D-1\n?\n")
            assert await becomes("finishing", "available") == "finishing"
        assert engine.process.stdin is not None
        engine.process.stdin.close()
        assert (await monitor.health()).status is Outcome.SUCCESS
        monitor.link.close()
        await monitor.link.closed
        assert engine.process.stdout is not None
        said = lines_until(engine.process.stdout, "a number before")
        assert said[:3] == [
            "there is no connector 3\n",
            "there is no connector 0\n",
            "there is no connector 3\n",
        ]
        assert "p plug in" in said[3]
        assert engine.end() == 0
    events = [line["event"] for line in engine.logged()]
    assert events.count("charging") == 2
    for event in ("plugged in", "unplugged", "broken", "repaired", "waits for the plug"):
        assert event in events


async def test_a_charge_asked_for_at_the_point(tmp_path: Path) -> None:
    """The monitor is asked, and its answer shown; without a monitor that is said."""
    with EngineProcess(tmp_path, stdin=subprocess.PIPE) as engine:
        assert engine.process.stdout is not None

        def said() -> str:
            assert engine.process.stdout is not None
            return engine.process.stdout.readline()

        engine.type("c D-1\n")
        lost = "link to the monitor is lost: none is connected"
        assert said() == f"no charge for D-1: {lost}\n"

        monitor = await PlayedMonitor.dial(engine.port)
        await monitor.health()
        monitor.answer_with(
            lambda _: ChargeRequestResponse(
                status=Outcome.SUCCESS, session_id="s1", cp_id=CP, connector_id=1
            )
        )
        engine.type("1c D-1 7.5\n")
        request = await monitor.next(ChargeRequest)
        assert (request.cp_id, request.connector_id) == (CP, 1)
        assert (request.driver_id, request.target_kwh) == ("D-1", 7_500)
        assert said() == "D-1 may charge at connector 1: session s1\n"

        for text, reason in (("not now", ""), ("", "driver_busy")):
            no = ChargeRequestResponse(
                status=Outcome.FAILURE, error=Reason.DRIVER_BUSY, message=text
            )
            monitor.answer_with(partial(_say, no))
            engine.type("c\nD-2\n")
            request = await monitor.next(ChargeRequest)
            assert (request.connector_id, request.target_kwh) == (None, None)
            assert said().startswith("driver id")
            assert said() == f"no charge for D-2: {text or reason}\n"
        monitor.link.close()
        await monitor.link.closed
        assert engine.end() == 0


def _say(answer: ChargeRequestResponse, _: Message) -> Handled:
    return answer


IN_A_TERMINAL = """
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(["/bin/bash", "-c", sys.argv[1]])))
"""


class Screen:
    """A shell command in a terminal of its own, with a person in front of it."""

    def __init__(self, command: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", IN_A_TERMINAL, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.shown = ""

    def until(self, word: str) -> str:
        """Read until this is shown; what was shown since the last call."""
        assert self.process.stdout is not None
        while word not in self.shown:
            data = os.read(self.process.stdout.fileno(), 4_096)
            assert data, f"no {word!r} in {self.shown!r}"
            self.shown += data.decode(errors="replace")
        before, _, self.shown = self.shown.partition(word)
        return before + word

    def press(self, keys: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(keys.encode())
        self.process.stdin.flush()

    def __enter__(self) -> "Screen":
        return self

    def __exit__(self, *_: Any) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(SOON)


def test_keys_on_a_terminal(tmp_path: Path) -> None:
    """Each key at once, Ctrl-C ends the engine cleanly, and the terminal is as it was."""
    engine = " ".join([*ENGINE, *usual(tmp_path), "--plug", "manual"])
    with Screen(
        f'trap : INT; before=$(stty -g); {engine}; echo "code $?"; stty -g; echo "$before"'
    ) as screen:
        screen.until("ready ev-engine")
        screen.until("? this help")
        screen.press("p")
        screen.until("plugged in")
        screen.press("u")
        screen.until("unplugged")
        screen.press("b")
        screen.until("broken")
        screen.press("r")
        screen.until("repaired")
        screen.press("cD-1\r")
        screen.until("D-1\r\n")
        screen.until("no charge for D-1")
        screen.press("\x03")
        screen.until("code 0\r\n")
        after = screen.until("\r\n")
        assert screen.until("\r\n") == after


def test_in_the_background_of_a_terminal_it_takes_no_keys(tmp_path: Path) -> None:
    """It is not stopped for reading or changing a terminal that is the shell's."""
    engine = " ".join([*ENGINE, *usual(tmp_path)])
    with Screen(f'set -m; {engine} & wait -n; echo "code $?"') as screen:
        ready = screen.until("ready ev-engine ALC-001 on 127.0.0.1:")
        assert "plug in" not in ready
        port = int(screen.until(",").rstrip(","))
        screen.press("p\r")
        with socket.create_connection(("127.0.0.1", port)):
            pass
        pid = _pid_of(tmp_path)
        os.kill(pid, signal.SIGTERM)
        rest = screen.until("code 0")
        assert "plugged in" not in rest


def _pid_of(folder: Path) -> int:
    """The process that has the lock of the journal in this folder."""
    lock = os.stat(folder / "journal" / "lock").st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5].endswith(f":{lock}"):
            return int(fields[4])
    raise AssertionError("nobody has the lock")
