"""The one-shot commands: on a real network, and typed wrong."""

import csv
import io
import subprocess
import time
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from admin.__main__ import main
from tests.programs.network import BIN, SOON, Network, eventually


def run(network: Network, *words: str) -> subprocess.CompletedProcess[str]:
    """A command, as a person on a pipe types it."""
    command = [str(BIN / "ev-admin"), "--central", network.address, "--admin-id", "ana", *words]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SOON, check=False
    )


def said(network: Network, *words: str, code: int = 0) -> str:
    done = run(network, *words)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def first(network: Network, *words: str) -> dict[str, Any]:
    """The first row of a list."""
    (rows,) = (value for value in network.admin(*words).values() if isinstance(value, list))
    row: dict[str, Any] = rows[0]
    return row


def test_an_operators_day(network: Network) -> None:
    """Start, watch, price, stop, resume, end, and look back at all of it."""
    network.point("ALC-1", "--time-scale", "60")
    network.point("ALC-2")
    assert "done" in said(network, "set-price", "ALC-1", "ALC-2", "0.4", "--reason", "winter")
    assert "done" in said(network, "start", "ALC-1", "ANA")
    eventually(lambda: "Charging" in said(network, "status", "ALC-1"), "it charges")
    assert "0.40 EUR" in said(network, "status", "--search", "alc-2")
    assert "charge_point_busy" in said(network, "start", "ALC-1", "BEN", code=1)
    eventually(
        lambda: first(network, "sessions", "--state", "charging")["energy_consumed_kwh"] > 0,
        "energy flows",
    )
    assert "stop_cp: 2 succeeded, 0 failed" in said(network, "stop", "--all", "--reason", "storm")
    ticket = eventually(lambda: network.admin("tickets")["tickets"], "the ticket is there")[0]
    assert (ticket["reason"], ticket["price_per_kwh"]) == ("cp_stopped", 0.4)
    assert said(network, "status").count("Out of Order") == 2
    assert "done" in said(network, "resume", "ALC-2")
    assert "unknown_charge_point" in said(network, "resume", "ALC-2", "X-9", code=1)
    assert network.available() == ["ALC-2"]
    rows = list(csv.DictReader(io.StringIO(said(network, "tickets", "--driver", "ANA", "--csv"))))
    assert [row["session_id"] for row in rows] == [ticket["session_id"]]
    assert Decimal(rows[0]["total_cost"]) == Decimal(str(ticket["total_cost"]))
    assert "no session at ALC-2" in said(network, "stop-charging", "ALC-2", code=1)
    entries = network.admin("audit")["entries"]
    assert [entry["command"] for entry in reversed(entries)] == [
        *("set_price", "set_price", "start_charging", "start_charging", "stop_cp"),
        *("resume_cp", "resume_cp", "resume_cp", "stop_charging"),
    ]
    assert {entry["admin_id"] for entry in entries} == {"ana"}
    assert "storm" in said(network, "audit", "--since", "1h")
    assert "ok" in said(network, "health")
    assert len(network.admin("audit", "--limit", "2")["entries"]) == 2
    assert network.admin("sessions", "--cp", "ALC-2")["sessions"] == []


def test_after_a_restart_of_everything_exactly_the_resumed_point_is_available(
    network: Network,
) -> None:
    points = {cp_id: network.point(cp_id) for cp_id in ("ALC-1", "ALC-2", "ALC-3")}
    said(network, "stop", "--all")
    for point in points.values():
        for program in (point.monitor, point.engine):
            program.end()
    network.central.end()
    network.central.start()
    for point in points.values():
        point.engine.start()
        point.monitor.start()
    eventually(lambda: said(network, "status").count("Out of Order") == 3, "all are back, stopped")
    said(network, "resume", "ALC-2")
    eventually(lambda: network.available() == ["ALC-2"], "the one that was resumed")
    log = [(e["command"], e["cp_id"]) for e in network.admin("audit")["entries"]]
    assert log == [("resume_cp", "ALC-2"), ("stop_cp", "*")]


def test_a_central_that_is_not_there_is_a_sentence_and_takes_no_forever() -> None:
    begun = time.monotonic()
    done = subprocess.run(
        [str(BIN / "ev-admin"), "--central", "127.0.0.1:1", "status"],
        capture_output=True,
        text=True,
        timeout=SOON,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ev-admin: cannot reach CENTRAL at 127.0.0.1:1")
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["stop"], "Name a charge point, or --all."),
        (["stop", "A", "--all"], "not both"),
        (["stop", "no id"], "is no id"),
        (["resume", "--everything"], "No such option"),
        (["set-price", "A"], "Invalid value for 'PRICE'"),
        (["set-price", "A", "free"], "free"),
        (["set-price", "A", "1001"], "<= 1000"),
        (["start", "A"], "Missing argument 'DRIVER'"),
        (["status", "A", "--search", "b"], "not both"),
        (["sessions", "--since", "soon"], "is no time: write 2h"),
        (["sessions", "--state", "lost"], "is not one of"),
        (["sessions", "--limit", "0"], "0 is not in the range"),
        (["tickets", "--csv", "--json"], "not both"),
        (["command", "A"], "Missing argument 'ACTION'"),
        (["command", "A", "b c"], "is no action, such as Reset"),
        (["command", "A", "Reset", "{"], "is no JSON"),
        (["command", "A", "Reset", "[1]"], "is no JSON object"),
        (["command", "A", "Reset", "{}", "--deadline", "0"], "0 is not in the range"),
        (["commands", "no id"], "is no id"),
        (["samples"], "Missing argument 'CP'"),
        (["samples", "A", "--transaction", "x"], "is not a valid integer"),
        (["frames"], "Missing argument 'CP'"),
        (["frames", "A", "--since", "soon"], "is no time: write 2h or 7d (ago)"),
        (["frames", "A", "--export", "."], "is a directory"),
        (["frames", "A", "--kafka", "nowhere"], "is not HOST:PORT"),
        (["idtags", "add"], "Missing argument 'TAG'"),
        (["idtags", "add", "x" * 21], "is no id tag: 1 to 20 characters"),
        (["idtags", "add", "T", "--expires", "2020-01-01"], "is past"),
        (["idtags", "add", "T", "--expires", "soon"], "(from now on)"),
        (["idtags", "add", "T", "--at-once", "0"], "0 is not in the range"),
        (["idtags", "forget", "T"], "No such command 'forget'"),
        (["panel"], "needs a terminal"),
        (["fly"], "No such command 'fly'"),
        (["--central", "nowhere", "status"], "is not HOST:PORT"),
        (["--admin-id", "a b", "status"], "is no id"),
        (["--credential", "x", "--credential-file", "setup.cfg", "status"], "setup.cfg|one of"),
        (["--tls-ca", "missing.pem", "status"], "does not exist"),
    ],
)
def test_what_is_typed_wrong_is_said(words: list[str], wanted: str) -> None:
    """Before anything is asked of central."""
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert any(part in result.stderr for part in wanted.split("|")), result.stderr


@pytest.mark.parametrize("command", sorted(main.commands))
def test_help_is_enough_to_use_a_command(command: str) -> None:
    """What it does, and each option with its meaning; without a central."""
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert main.commands[command].help
    for parameter in main.commands[command].params:
        for name in parameter.opts:
            if name.startswith("--"):
                assert name in result.stdout
