"""`ev-driver` on pipes: its commands, their exit codes, their JSON, and what goes wrong."""

import asyncio
import signal
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from common.errors import Reason
from common.messages import (
    ChargeRequest,
    ChargeRequestResponse,
    ChargingHistoryRequest,
    StopChargingRequest,
    StopChargingResponse,
)
from common.states import EndReason, SessionState
from common.units import WattHours
from tests.driver.central import FAILURE, SUCCESS, PlayedCentral, point, row
from tests.driver.run import ended, options, run, start

BUSY = ChargeRequestResponse(
    status=FAILURE, error=Reason.CHARGE_POINT_BUSY, message="CP-1 is busy."
)

COMMANDS = ["charge", "stop", "available", "history", "services"]


# -- Help, and options that are wrong --


async def test_the_help_of_the_program() -> None:
    """It names every option with its default and environment variable, and every command."""
    help_ = await run("--help")
    assert help_.code == 0
    for name in ("DRIVER_ID", "CENTRAL", "KAFKA", "STATE", "LOG", "LOG_LEVEL", "DEBUG"):
        assert f"EV_DRIVER_{name}" in help_.out.replace("\n", "").replace(" ", "")
    for command in COMMANDS:
        assert f"  {command} " in help_.out


@pytest.mark.parametrize("command", COMMANDS)
async def test_the_help_of_a_command(command: str) -> None:
    """It needs no driver, and names the option for JSON."""
    help_ = await run(command, "--help")
    assert (help_.code, help_.err) == (0, "")
    assert f"EV_DRIVER_{command.upper()}_JSON" in help_.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["history"], "Missing option '--driver-id'"),
        (["--driver-id", "a b", "history"], "'a b' is no id"),
        (["--driver-id", "D", "--central", "nowhere", "history"], "'nowhere' is not HOST:PORT"),
        (["--driver-id", "D", "--kafka", "x:99999", "history"], "no port from 0 to 65535"),
        (["--driver-id", "D", "--kafka-config", "/none", "history"], "'/none' does not exist"),
        (["--driver-id", "D", "--state", "/etc/hosts", "history"], "'/etc/hosts' is a file"),
        (["--driver-id", "D", "charge"], "Missing argument 'CP'"),
        (["--driver-id", "D", "charge", "CP 1"], "'CP 1' is no id"),
        (["--driver-id", "D", "charge", "CP-1", "--kwh", "much"], "Expected a number of kWh"),
        (["--driver-id", "D", "charge", "CP-1", "--kwh", "0"], "Expected 0.001 kWh at least"),
        (["--driver-id", "D", "charge", "CP-1", "--kwh", "-1"], "Expected `number` >= 0"),
        (["--driver-id", "D", "charge", "CP-1", "--connector", "0"], "1<=x<=100"),
        (["--driver-id", "D", "services", "/none"], "cannot read /none: No such file"),
        (["--driver-id", "D", "services", "/dev/null"], "no service in it"),
        (["--driver-id", "D", "dance"], "No such command 'dance'"),
        (["--driver-id", "D"], "Without a COMMAND a terminal is needed"),
    ],
)
async def test_wrong_options(arguments: list[str], says: str) -> None:
    """One sentence says what is wrong; the exit code is 2, and there is no traceback."""
    wrong = await run(*arguments)
    assert wrong.code == 2
    assert says in wrong.err
    assert len([line for line in wrong.err.splitlines() if line.startswith("Error: ")]) == 1


async def test_a_services_file_with_errors(tmp_path: Path) -> None:
    """The faulty lines are named, and nothing is begun."""
    file = tmp_path / "services.txt"
    file.write_text("CP-1\nCP 2\n\nCP/3\n")
    wrong = await run("--driver-id", "D", "services", str(file))
    assert wrong.code == 2
    assert "line 2: 'CP 2', line 4: 'CP/3'" in wrong.err
    file.write_bytes(b"\xff\xfe")
    wrong = await run("--driver-id", "D", "services", str(file))
    assert wrong.code == 2
    assert "it is no UTF-8 text" in wrong.err
    file.write_text("CP-1\n")
    wrong = await run("--driver-id", "D", "services", str(file), "--only", "1-2")
    assert wrong.code == 2
    assert "there are 1 services, so there is no 2" in wrong.err


async def test_a_state_folder_that_cannot_be_used(central: PlayedCentral, tmp_path: Path) -> None:
    """A folder below a file is one sentence, and exit code 1."""
    (tmp_path / "file").touch()
    failed = await run(*options(central, tmp_path / "file" / "state"), "charge", "CP-1")
    assert failed.code == 1
    assert failed.err.count("\n") == 1
    assert "Not a directory" in failed.err


# -- Lists --


async def test_available_as_json(central: PlayedCentral, tmp_path: Path) -> None:
    """The answer, its pages joined, and nothing else on stdout."""
    central.points = [point(f"CP-{n}") for n in range(5)]
    central.page = 2
    listed = await run(*options(central, tmp_path), "available", "--json")
    assert listed.code == 0
    assert listed.json["type"] == "available_cps_response"
    assert listed.json["status"] == "success"
    assert [p["cp_id"] for p in listed.json["charging_points"]] == [f"CP-{n}" for n in range(5)]
    assert listed.json["charging_points"][0]["price_per_kwh"] == Decimal("0.35")
    assert "next" not in listed.json


async def test_available_for_people(central: PlayedCentral, tmp_path: Path) -> None:
    """A table with place, power and price."""
    listed = await run(*options(central, tmp_path), "available")
    assert listed.code == 0
    for text in ("CP-1", "Main street 1", "11.000", "0.35 EUR"):
        assert text in listed.out


async def test_history_shows_the_sums(central: PlayedCentral, tmp_path: Path) -> None:
    """Newest first, all pages, energy and cost in all: for people and for programs."""
    done = SessionState.COMPLETED
    central.sessions = [
        row("S-3", state=SessionState.CHARGING, energy="0.500"),
        row("S-2", state=done, energy="7.500", reason=EndReason.UNPLUGGED),
        row("S-1", state=done, energy="1.000", reason=EndReason.TARGET_REACHED),
    ]
    central.page = 1
    shown = await run(*options(central, tmp_path), "history")
    assert shown.code == 0
    assert "9.000" in shown.out
    assert "3.16 EUR" in shown.out  # 0.18 + 2.63 + 0.35
    assert "the car was unplugged" in shown.out
    listed = await run(*options(central, tmp_path), "history", "--json")
    assert [s["session_id"] for s in listed.json["sessions"]] == ["S-3", "S-2", "S-1"]
    assert sum(s["total_cost"] for s in listed.json["sessions"]) == Decimal("3.16")


# -- Charging --


async def test_a_charge_to_its_ticket(central: PlayedCentral, tmp_path: Path) -> None:
    """Lines tell of it, and a table shows the ticket; the same command is then a new charge."""
    central.moving = True
    done = await run(*options(central, tmp_path), "charge", "CP-1", "--kwh", "2")
    assert done.code == 0
    for text in ("waiting for the charge point", "charging  1.000 kWh", "50 %", "Ticket"):
        assert text in done.out
    assert "0.70 EUR" in done.out
    [request] = central.all(ChargeRequest)
    assert request.trace_id == request.message_id
    assert (request.cp_id, request.target_kwh) == ("CP-1", WattHours(2_000))
    central.moving = False
    again = await run(*options(central, tmp_path), "charge", "CP-1", "--kwh", "2")
    assert again.code == 0
    assert len({request.message_id for request in central.all(ChargeRequest)}) == 2


async def test_a_charge_as_json(central: PlayedCentral, tmp_path: Path) -> None:
    """Stdout holds the ticket alone; what happens is on stderr."""
    central.moving = True
    done = await run(*options(central, tmp_path), "charge", "CP-1", "--json")
    assert done.code == 0
    ticket = done.json
    assert (ticket["status"], ticket["state"], ticket["reason"]) == (
        "success",
        "completed",
        "target_reached",
    )
    assert (ticket["energy_consumed_kwh"], ticket["total_cost"], ticket["currency"]) == (
        Decimal(2),
        Decimal("0.70"),
        "EUR",
    )
    assert "charging  1.000 kWh" in done.err


async def test_a_refused_charge(central: PlayedCentral, tmp_path: Path) -> None:
    """A sentence with the reason, exit code 1, and as JSON the answer."""
    central.handle(ChargeRequest, lambda _: BUSY)
    refused = await run(*options(central, tmp_path), "charge", "CP-1", "--json")
    assert refused.code == 1
    assert "somebody else is charging there (charge_point_busy)" in refused.err
    assert (refused.json["type"], refused.json["error"]) == (
        "charge_request_response",
        "charge_point_busy",
    )
    assert len({m.message_id for m in central.all(ChargeRequest)}) == 1
    await run(*options(central, tmp_path), "charge", "CP-1")
    assert len({m.message_id for m in central.all(ChargeRequest)}) == 2, "a refusal is an end"


async def test_a_charge_that_fails(central: PlayedCentral, tmp_path: Path) -> None:
    """It ended before energy flowed: no ticket, exit code 1, and the reason."""

    def failing(request: ChargeRequest) -> ChargeRequestResponse:
        answer = central.charge(request)
        failed = row("S-1", "CP-1", SessionState.FAILED, "0", EndReason.NOT_PLUGGED_IN)
        central.sessions = [failed]
        return answer

    central.handle(ChargeRequest, failing)
    failed = await run(*options(central, tmp_path), "charge", "CP-1", "--json")
    assert failed.code == 1
    assert (failed.json["status"], failed.json["state"]) == ("failure", "failed")
    assert "no car was plugged in (not_plugged_in)" in failed.err


async def test_central_that_is_not_there(absent: PlayedCentral, tmp_path: Path) -> None:
    """It is said while it is waited for; in the end one sentence, and exit code 1."""
    failed = await run(*options(absent, tmp_path), "history", "--json")
    assert (failed.code, failed.out) == (1, "")
    assert f"cannot reach CENTRAL at {absent.address} (Connection refused)" in failed.err
    last = failed.err.splitlines()[-1]
    assert last.startswith(f"ev-driver: cannot reach CENTRAL at {absent.address}: no answer to")


# -- Crashes, and leaving --


async def test_a_crash_before_the_answer_repeats_the_request(
    central: PlayedCentral, tmp_path: Path
) -> None:
    """Killed between request and answer: the same command sends the same id, and one session."""
    central.handle(ChargeRequest, lambda _: None)
    first = await start(*options(central, tmp_path), "charge", "CP-1")
    await central.until(ChargeRequest)
    first.kill()
    await ended(first)
    central.handle(ChargeRequest, central.charge)
    second = await run(*options(central, tmp_path), "charge", "CP-1")
    assert second.code == 0
    assert "repeating the request of" in second.out
    assert len({m.message_id for m in central.all(ChargeRequest)}) == 1
    assert len(central.sessions) == 1


async def test_a_crash_while_charging_shows_the_same_charge(
    central: PlayedCentral, tmp_path: Path
) -> None:
    """Killed while the charge runs: the same command shows that charge's ticket."""
    central.lasting = True
    first = await start(*options(central, tmp_path), "charge", "CP-1", "--json")
    await central.until(ChargingHistoryRequest)
    first.kill()
    await ended(first)
    central.end("S-1", EndReason.TARGET_REACHED)
    second = await run(*options(central, tmp_path), "charge", "CP-1", "--json")
    assert (second.code, second.json["session_id"]) == (0, "S-1")
    assert len(central.sessions) == 1


async def test_after_a_crash_another_charge_is_another_request(
    central: PlayedCentral, tmp_path: Path
) -> None:
    """Asking for something else begins that, and says what became of the first."""
    central.lasting = True
    first = await start(*options(central, tmp_path), "charge", "CP-1")
    await central.until(ChargingHistoryRequest)
    first.kill()
    await ended(first)
    central.end("S-1", EndReason.TARGET_REACHED)
    central.lasting = False
    second = await run(*options(central, tmp_path), "charge", "CP-2")
    assert second.code == 0
    assert "the charge that was left has ended" in second.out
    assert [m.cp_id for m in central.all(ChargeRequest)] == ["CP-1", "CP-2"]


async def test_a_refused_charge_does_not_hide_the_one_that_runs(
    central: PlayedCentral, tmp_path: Path
) -> None:
    """After a refusal of another charge, asking for the first still shows the first."""
    central.lasting = True
    first = await start(*options(central, tmp_path), "charge", "CP-1")
    await central.until(ChargingHistoryRequest)
    first.kill()
    await ended(first)
    busy = ChargeRequestResponse(status=FAILURE, error=Reason.DRIVER_BUSY)
    central.handle(ChargeRequest, lambda _: busy)
    second = await run(*options(central, tmp_path), "charge", "CP-2")
    assert second.code == 1
    assert "your charge at CP-1 still runs" in second.out
    assert "you already have a charge running (driver_busy)" in second.err
    central.handle(ChargeRequest, central.charge)
    central.end("S-1", EndReason.TARGET_REACHED)
    third = await run(*options(central, tmp_path), "charge", "CP-1", "--json")
    assert (third.code, third.json["session_id"]) == (0, "S-1")
    assert len(central.sessions) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_leaving_without_a_terminal(
    central: PlayedCentral, tmp_path: Path, number: signal.Signals
) -> None:
    """The driver leaves, says that the charge goes on, and exits with 130."""
    central.lasting = True
    running = await start(*options(central, tmp_path), "charge", "CP-1")
    await central.until(ChargingHistoryRequest)
    running.send_signal(number)
    left = await ended(running)
    assert left.code == 130
    assert "the charge at CP-1 goes on" in left.out
    assert central.all(StopChargingRequest) == []


async def test_one_charging_process_for_a_state_folder(
    central: PlayedCentral, tmp_path: Path
) -> None:
    """A second is refused in a sentence; stop, available and history work beside the first."""
    central.lasting = True
    first = await start(*options(central, tmp_path), "charge", "CP-1")
    await central.until(ChargingHistoryRequest)
    second = await run(*options(central, tmp_path), "charge", "CP-2")
    assert second.code == 1
    assert "another ev-driver charges as D-1" in second.err
    listed = await run(*options(central, tmp_path), "history", "--json")
    assert [s["state"] for s in listed.json["sessions"]] == ["authorised"]
    stopped = await run(*options(central, tmp_path), "stop", "--json")
    assert (stopped.code, stopped.json["type"]) == (0, "stop_charging_response")
    done = await ended(first)
    assert done.code == 0
    assert "you stopped it (driver_request)" in done.out
    # The stop belongs to the charge: one search in the logs finds both.
    [stop] = central.all(StopChargingRequest)
    assert stop.trace_id == central.all(ChargeRequest)[0].message_id


# -- Stopping --


async def test_there_is_nothing_to_stop(central: PlayedCentral, tmp_path: Path) -> None:
    """A sentence, and exit code 1."""
    stopped = await run(*options(central, tmp_path), "stop")
    assert stopped.code == 1
    assert stopped.err == "ev-driver: no charge of D-1 is running\n"


async def test_a_stop_finds_the_session_in_the_history(
    central: PlayedCentral, tmp_path: Path
) -> None:
    """Also one that began elsewhere; the request names the driver."""
    central.lasting = True
    central.sessions = [row("S-7", "CP-3")]
    stopped = await run(*options(central, tmp_path), "stop")
    assert stopped.code == 0
    assert "stopped the charge at CP-3" in stopped.out
    [request] = central.all(StopChargingRequest)
    assert (request.session_id, request.cp_id, request.driver_id) == ("S-7", "CP-3", "D-1")


async def test_a_refused_stop(central: PlayedCentral, tmp_path: Path) -> None:
    """A sentence with the reason, exit code 1, and as JSON the answer."""
    central.lasting = True
    central.sessions = [row()]
    refusal = StopChargingResponse(status=FAILURE, error=Reason.TIMED_OUT)
    central.handle(StopChargingRequest, lambda _: refusal)
    stopped = await run(*options(central, tmp_path), "stop", "--json")
    assert (stopped.code, stopped.json["error"]) == (1, "timed_out")
    assert "the charge point did not answer in time (timed_out)" in stopped.err


async def test_a_crash_repeats_the_stop(central: PlayedCentral, tmp_path: Path) -> None:
    """Killed between stop and answer: the next stop of that session has the same id."""
    central.lasting = True
    central.sessions = [row()]
    central.handle(StopChargingRequest, lambda _: None)
    first = await start(*options(central, tmp_path), "stop")
    await central.until(StopChargingRequest)
    first.kill()
    await ended(first)
    central.handle(StopChargingRequest, lambda _: StopChargingResponse(status=SUCCESS))
    assert (await run(*options(central, tmp_path), "stop")).code == 0
    assert (await run(*options(central, tmp_path), "stop")).code == 0
    one, two, three = central.all(StopChargingRequest)
    assert one == two
    assert three.message_id != one.message_id


# -- Services --


def services_file(folder: Path, text: str = "CP-1\n# a comment\n\nCP-2\nCP-1\n") -> str:
    file = folder / "services.txt"
    file.write_text(text)
    return str(file)


async def test_services_are_worked_through(central: PlayedCentral, tmp_path: Path) -> None:
    """Each in its order; a refusal is a result; the table and the sums at the end."""

    def busy_at_2(request: ChargeRequest) -> ChargeRequestResponse:
        return BUSY if request.cp_id == "CP-2" else central.charge(request)

    central.handle(ChargeRequest, busy_at_2)
    worked = await run(
        *options(central, tmp_path),
        *("services", services_file(tmp_path), "--kwh", "2", "--pause", "0", "--json"),
    )
    assert worked.code == 0
    results = worked.json["results"]
    assert [(r["service"], r["cp_id"], r["outcome"]) for r in results] == [
        (1, "CP-1", "ticket"),
        (2, "CP-2", "refused"),
        (3, "CP-1", "ticket"),
    ]
    assert results[1]["error"] == "charge_point_busy"
    assert results[0]["charge"]["total_cost"] == Decimal("0.70")
    assert worked.json["energy_consumed_kwh"] == Decimal(4)
    assert worked.json["total_cost"] == Decimal("1.40")
    assert "in all" in worked.err
    assert {m.target_kwh for m in central.all(ChargeRequest)} == {WattHours(2_000)}


async def test_only_some_services(central: PlayedCentral, tmp_path: Path) -> None:
    """--only counts services, not lines, and keeps their numbers."""
    worked = await run(
        *options(central, tmp_path),
        *("services", services_file(tmp_path), "--only", "2", "--json"),
    )
    assert [(r["service"], r["cp_id"]) for r in worked.json["results"]] == [(2, "CP-2")]


async def test_an_interrupted_service_comes_first(central: PlayedCentral, tmp_path: Path) -> None:
    """After a crash the charge that was under way is one of the services, not one more."""
    central.lasting = True
    command = ("services", services_file(tmp_path, "CP-1\nCP-2\n"), "--pause", "0", "--json")
    central.sessions = [row("S-0", "CP-0", SessionState.COMPLETED)]
    first = await start(*options(central, tmp_path), *command, "--only", "2")
    await central.until(ChargingHistoryRequest)
    first.kill()
    await ended(first)
    central.end("S-1", EndReason.TARGET_REACHED)
    central.lasting = False
    second = await run(*options(central, tmp_path), *command)
    assert [(r["service"], r["charge"]["session_id"]) for r in second.json["results"]] == [
        (1, "S-2"),
        (2, "S-1"),
    ]
    assert len({m.message_id for m in central.all(ChargeRequest)}) == 2


async def test_leaving_shows_what_has_been_done(central: PlayedCentral, tmp_path: Path) -> None:
    """The results so far are shown, and the exit code is 130."""
    command = ("services", services_file(tmp_path), "--pause", "3600")
    running = await start(*options(central, tmp_path), *command)
    assert running.stdout is not None
    async with asyncio.timeout(60):
        while b"Ticket" not in await running.stdout.readline():
            pass
    running.send_signal(signal.SIGTERM)
    left = await ended(running)
    assert left.code == 130
    assert "in all   2.000   0.70 EUR" in left.out


def test_rows_of_the_played_central_cost_what_they_should() -> None:
    """0.35 x 7.5 kWh = 2.63: halves go up."""
    assert str(row(energy="7.500").total_cost) == "2.63"
    assert replace(row(), session_id="S-2").session_id == "S-2"
