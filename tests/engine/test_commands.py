"""The answers to the monitor's commands, each of them also when it is repeated."""

from typing import Any

import pytest

from common.errors import Reason, Refused
from common.exchange import stamped, to_frame
from common.messages import (
    CommandResponse,
    ConnectorEntry,
    HealthCheckResponse,
    Outcome,
    RegisterRequest,
)
from common.states import EndReason
from common.units import MAX_CONNECTORS, MAX_LISTED_SESSIONS, Watts
from engine.charge_point import ChargePoint
from engine.commands import Commands
from engine.journal import Journal
from engine.ledger import KEEP_SECONDS
from engine.session import Tombstone
from tests.engine.fakes import CP, FakeClock, MemoryDisk, Told, at, start, stop

LIMIT = Watts(22_000)
FULL_DISK = "No space left on device"


class Engine:
    """A charge point in memory that can be killed."""

    def __init__(self, **options: Any) -> None:
        self.disk = MemoryDisk()
        self.told = Told()
        self.options = options
        self.restart()

    def restart(self, seconds: float = 0) -> None:
        """As after a kill."""
        journal = Journal(self.disk, CP)
        self.point = ChargePoint(
            CP, journal, self.told, at(seconds), power_limit=LIMIT, **self.options
        )
        self.commands = Commands(self.point, LIMIT, 1.0)

    def refuses(self, what: Any, *arguments: Any) -> str:
        """The sentence with which it says no."""
        with pytest.raises(Refused) as caught:
            what(*arguments)
        assert caught.value.reason is Reason.ENGINE_REFUSED
        return caught.value.text


@pytest.fixture
def engine() -> Engine:
    """One connector, automatic plug."""
    return Engine()


def yes(session_id: str | None = None) -> CommandResponse:
    return CommandResponse(status=Outcome.SUCCESS, session_id=session_id)


# ---- Start ---------------------------------------------------------------------------------------


def test_a_start_of_the_running_session_is_a_success_again(engine: Engine) -> None:
    """However often it comes, it begins once."""
    for second in range(3):
        assert engine.commands.start(start(), at(second)) == yes("s1")
    assert len(engine.point.running) == 1
    assert engine.point.running[0].started_at == engine.point.running[0].at


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("killed", [False, True])
def test_a_start_of_an_ended_session_is_refused(
    engine: Engine, settled: bool, killed: bool
) -> None:
    """Also when it has been settled, and after a restart."""
    engine.commands.start(start(), at(0))
    engine.commands.stop(stop(), at(1))
    if settled:
        engine.commands.settle(["s1"], at(2))
    if killed:
        engine.restart(2)
    text = engine.refuses(engine.commands.start, start(), at(3))
    assert text == "the session has ended: driver_request"


@pytest.mark.parametrize(
    ("prepare", "command", "text"),
    [
        ("", {"connector_id": 2}, "there is no connector 2"),
        ("", {"max_charging_rate_kw": Watts(0)}, "nothing can be supplied at 0 kW"),
        ("busy", {}, "connector 1 is serving session other"),
        ("stopped", {}, "connector 1 is out of order"),
        ("broken", {}, "connector 1 is broken"),
        ("full disk", {}, f"the journal cannot be written: {FULL_DISK}"),
    ],
)
def test_a_start_that_is_refused_stays_refused(
    engine: Engine, prepare: str, command: dict[str, Any], text: str
) -> None:
    """No is the last word about a session: a copy of its start that comes later changes nothing."""
    if prepare == "busy":
        engine.commands.start(start("other"), at(0))
    if prepare == "stopped":
        engine.commands.stop_point(at(0))
    if prepare == "broken":
        engine.point.break_down(engine.point.connectors.values(), at(0))
    if prepare == "full disk":
        engine.disk.failing = FULL_DISK
        engine.point.bury(["x"], at(0))
    assert engine.refuses(engine.commands.start, start(**command), at(1)) == text

    engine.disk.failing = ""
    engine.point.read(at(2))
    engine.commands.stop(stop("other"), at(3))
    engine.commands.resume_point()
    engine.point.repair(engine.point.connectors.values())
    assert "refused before" in engine.refuses(engine.commands.start, start(), at(4))
    engine.restart(5)
    assert "refused before" in engine.refuses(engine.commands.start, start(), at(6))
    assert engine.commands.start(start("s2"), at(7)) == yes("s2")


def test_a_start_that_the_disk_does_not_take_is_refused(engine: Engine) -> None:
    """The yes would not be true after a kill."""
    engine.disk.failing = FULL_DISK
    text = engine.refuses(engine.commands.start, start(), at(0))
    assert text == f"the journal cannot be written: {FULL_DISK}"
    assert engine.point.running == []


# ---- Stop ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (None, EndReason.DRIVER_REQUEST),
        (EndReason.OPERATOR_REQUEST, EndReason.OPERATOR_REQUEST),
        (EndReason.CANCELLED, EndReason.CANCELLED),
    ],
)
def test_a_stop_ends_its_session_for_its_reason(
    engine: Engine, reason: EndReason | None, told: EndReason
) -> None:
    """Once; where it has ended already that is a success, and the ticket stays as it is."""
    engine.commands.start(start(), at(0))
    assert engine.commands.stop(stop(reason=reason), at(1)) == yes("s1")
    assert [ticket.reason for ticket in engine.told.take()] == [told]
    assert engine.commands.stop(stop(reason=EndReason.CANCELLED), at(2)) == yes("s1")
    engine.restart(3)
    assert engine.commands.stop(stop(reason=EndReason.CANCELLED), at(4)) == yes("s1")
    assert engine.told.take() == []


def test_a_stop_of_an_unknown_session_keeps_it_from_ever_beginning(engine: Engine) -> None:
    """A start that was delayed on an old link comes to nothing, also after a kill."""
    for second in range(2):
        assert engine.commands.stop(stop("late"), at(second)) == yes("late")
    engine.restart(2)
    assert "taken back" in engine.refuses(engine.commands.start, start("late"), at(3))
    assert engine.commands.stop(stop("late"), at(4)) == yes("late")


def test_a_stop_ends_only_its_own_session(engine: Engine) -> None:
    """What else runs goes on."""
    engine.commands.start(start(), at(0))
    engine.commands.stop(stop("other"), at(1))
    assert [session.session_id for session in engine.point.running] == ["s1"]


def test_a_stop_of_an_unknown_session_needs_the_disk(engine: Engine) -> None:
    """Until it is journaled that it never begins, that is not promised."""
    engine.disk.failing = FULL_DISK
    for second in range(2):
        assert engine.refuses(engine.commands.stop, stop(), at(second))
    engine.disk.failing = ""
    engine.point.read(at(2))
    assert engine.commands.stop(stop(), at(3)) == yes("s1")


def test_a_stop_of_what_runs_needs_no_disk(engine: Engine) -> None:
    """Energy stops flowing whatever the disk says; the ticket comes later."""
    engine.commands.start(start(), at(0))
    engine.disk.failing = FULL_DISK
    assert engine.commands.stop(stop(), at(1)) == yes("s1")
    assert engine.commands.stop(stop(), at(2)) == yes("s1")
    assert (engine.point.running, engine.told.take()) == ([], [])


# ---- The whole point -----------------------------------------------------------------------------


def test_the_point_is_stopped_and_resumed(engine: Engine) -> None:
    """What runs ends with its ticket; nothing begins until it is resumed; both may be repeated."""
    engine.commands.start(start(), at(0))
    for second in (1, 2):
        assert engine.commands.stop_point(at(second), "maintenance") == yes()
    assert [ticket.reason for ticket in engine.told.take()] == [EndReason.CP_STOPPED]
    assert engine.commands.health().engine_status == "stopped"
    for _ in range(2):
        assert engine.commands.resume_point() == yes()
    assert engine.commands.health().engine_status == "available"


# ---- Report and settle ---------------------------------------------------------------------------


def test_a_report_names_what_was_never_seen_and_tells_the_rest(engine: Engine) -> None:
    """Tickets of ended ones, the latest reading of the running one, each once."""
    engine.commands.start(start("ended"), at(0))
    engine.commands.stop(stop("ended"), at(1))
    engine.commands.start(start("runs"), at(1))
    engine.point.read(at(2))
    [ticket, reading] = engine.told.take()

    asked = ("ended", "never", "runs", "never", "ended")
    answer = engine.commands.report(asked, at(3))
    assert answer == CommandResponse(status=Outcome.SUCCESS, never_seen=("never",))
    assert engine.told.take() == [ticket, reading]
    assert engine.commands.report(asked, at(4)) == answer
    engine.restart(5)
    assert engine.commands.report(["never"], at(6)) == answer
    assert "taken back" in engine.refuses(engine.commands.start, start("never"), at(7))


def test_a_report_of_a_session_without_a_reading_tells_nothing(engine: Engine) -> None:
    """It waits for its plug, or its first reading comes within the second."""
    engine.commands.start(start(), at(0))
    answer = engine.commands.report(["s1"], at(0))
    assert answer == CommandResponse(status=Outcome.SUCCESS, never_seen=())
    assert engine.told.take() == []


def test_a_report_leaves_out_what_is_not_in_the_journal(engine: Engine) -> None:
    """What may be forgotten by a kill is not said; it is asked for again."""
    engine.commands.start(start("ended"), at(0))
    engine.commands.stop(stop("ended"), at(1))
    engine.commands.start(start("runs"), at(1))
    [ticket] = engine.told.take()
    engine.disk.failing = FULL_DISK
    answer = engine.commands.report(["ended", "never", "runs"], at(2))
    assert answer.never_seen == ()
    assert engine.told.take() == [ticket]
    engine.disk.failing = ""
    engine.point.read(at(3))
    engine.told.take()
    assert engine.commands.report(["never"], at(4)).never_seen == ("never",)


def test_settled_sessions_are_held_no_longer(engine: Engine) -> None:
    """But kept for seven days; what runs, and what is unknown, cannot be settled."""
    engine.commands.start(start("ended"), at(0))
    engine.commands.stop(stop("ended"), at(1))
    engine.commands.start(start("runs"), at(1))
    assert engine.commands.health().held_sessions == ("ended",)
    [ticket] = engine.told.take()
    for second in (2, 3):
        assert engine.commands.settle(["ended", "runs", "unknown", "ended"], at(second)) == yes()
    assert engine.commands.health().held_sessions == ()
    engine.restart(4)
    assert engine.commands.health().held_sessions == ("runs",)
    engine.commands.report(["ended"], at(5))
    assert engine.told.take() == [ticket]
    engine.point.read(at(KEEP_SECONDS + 1))
    assert engine.point.book["ended"] is not None
    engine.point.read(at(KEEP_SECONDS + 100))
    assert engine.point.book["ended"] is None
    assert engine.point.book["runs"] is not None


def test_tickets_are_told_again_from_a_time_on(engine: Engine) -> None:
    """Settled or not, oldest first; not what runs, and not what ended before."""
    for number, second in enumerate((0, 10, 20)):
        engine.commands.start(start(f"s{number}"), at(second))
        engine.commands.stop(stop(f"s{number}"), at(second + 5))
    engine.commands.start(start("runs"), at(30))
    tickets = engine.told.take()
    engine.commands.settle(["s1"], at(31))
    engine.restart(32)
    answer = engine.commands.recollect(tickets[1].ended_at)
    assert answer == CommandResponse(status=Outcome.SUCCESS, message="tickets to come: 3")
    told = engine.told.take()
    assert told[:2] == tickets[1:]
    assert (told[2].session_id, told[2].reason) == ("runs", EndReason.ENGINE_RESTARTED)
    assert engine.commands.recollect(2**39).message == "tickets to come: 0"
    assert engine.told.take() == []


def test_a_ticket_that_is_not_on_the_disk_is_not_told_again(engine: Engine) -> None:
    """It is told once it is."""
    engine.commands.start(start(), at(0))
    engine.disk.failing = FULL_DISK
    engine.commands.stop(stop(), at(1))
    assert engine.commands.recollect(0).message == "tickets to come: 0"
    assert engine.told.take() == []


def test_more_sessions_than_a_list_holds_are_settled_in_their_order(engine: Engine) -> None:
    """A hundred at a time, oldest first; what follows comes once these are settled."""
    sessions = [f"s{number}" for number in range(2 * MAX_LISTED_SESSIONS + 50)]
    for second, session_id in enumerate(sessions):
        engine.commands.start(start(session_id), at(second))
        engine.commands.stop(stop(session_id), at(second))
    settled: list[str] = []
    for second in range(3):
        held = engine.commands.health().held_sessions
        assert len(held) <= MAX_LISTED_SESSIONS
        settled += held
        engine.commands.settle(held, at(300 + second))
    assert settled == sessions
    assert engine.commands.health().held_sessions == ()


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f50c", "\x01"])
def test_the_longest_lists_fit_a_frame(letter: str) -> None:
    """Connectors are all there, and of the held sessions as many as fit, whatever their ids."""
    engine = Engine(connectors=MAX_CONNECTORS)

    def named(number: int) -> str:
        return f"{number:04}" + letter * 60

    for number in range(MAX_LISTED_SESSIONS):
        engine.commands.start(start(named(number)), at(0))
        engine.commands.stop(stop(named(number)), at(0))
    for number in range(MAX_CONNECTORS):
        command = start(named(1_000 + number), connector_id=number + 1)
        engine.commands.start(command, at(1))
    health = stamped(engine.commands.health(), FakeClock())
    assert isinstance(health, HealthCheckResponse)
    assert len(health.connectors) == MAX_CONNECTORS
    expected = [named(number) for number in range(MAX_LISTED_SESSIONS)]
    assert [*health.held_sessions] == expected[: len(health.held_sessions)]
    assert health.held_sessions
    registration = RegisterRequest(
        cp_id=CP,
        location="\x01" * 100,
        connectors=health.connectors,
        held_sessions=health.held_sessions,
    )
    for message in (health, stamped(registration, FakeClock())):
        to_frame(message)


def test_settling_needs_the_disk(engine: Engine) -> None:
    """A ticket is not forgotten on the word of a disk that may forget the word."""
    engine.commands.start(start(), at(0))
    engine.commands.stop(stop(), at(1))
    engine.disk.failing = FULL_DISK
    for second in (2, 3):
        assert engine.refuses(engine.commands.settle, ["s1"], at(second))
    assert engine.commands.settle(["unknown"], at(4)) == yes()


def test_a_refused_session_is_known_as_never_seen(engine: Engine) -> None:
    """It has no ticket and never will have."""
    engine.commands.stop_point(at(0))
    engine.refuses(engine.commands.start, start(), at(1))
    assert isinstance(engine.point.book["s1"], Tombstone)
    assert engine.commands.report(["s1"], at(2)).never_seen == ("s1",)


# ---- Health --------------------------------------------------------------------------------------


def test_a_well_engine_says_all_there_is_to_know() -> None:
    """Every connector with the session that it serves or served last; what is held."""
    engine = Engine(connectors=3, auto_plug=False)
    engine.commands.start(start("waits"), at(0))
    engine.point.plug(engine.point.connectors[2], at(0))
    engine.commands.start(start("ended", connector_id=2), at(0))
    engine.commands.stop(stop("ended"), at(1))
    engine.point.plug(engine.point.connectors[3], at(1))
    engine.commands.start(start("runs", connector_id=3), at(1))
    assert engine.commands.health() == HealthCheckResponse(
        status=Outcome.SUCCESS,
        message="OK",
        engine_status="charging",
        is_charging=True,
        session_id="runs",
        connectors=(
            ConnectorEntry(connector_id=1, status="preparing", session_id="waits"),
            ConnectorEntry(connector_id=2, status="finishing", session_id="ended"),
            ConnectorEntry(connector_id=3, status="charging", session_id="runs"),
        ),
        held_sessions=("ended",),
        max_charging_rate_kw=LIMIT,
        time_scale=1.0,
    )


def test_a_broken_engine_answers_ko(engine: Engine) -> None:
    """A failure, and all the rest besides; until it is repaired."""
    engine.commands.start(start(), at(0))
    engine.point.break_down(engine.point.connectors.values(), at(1))
    assert engine.commands.health() == HealthCheckResponse(
        status=Outcome.FAILURE,
        error=Reason.CHARGE_POINT_FAULTED,
        message="KO",
        engine_status="faulted",
        is_charging=False,
        fault_type="InternalError",
        connectors=(ConnectorEntry(connector_id=1, status="faulted", session_id="s1"),),
        held_sessions=("s1",),
        max_charging_rate_kw=LIMIT,
        time_scale=1.0,
    )
    engine.point.repair(engine.point.connectors.values())
    assert engine.commands.health().status is Outcome.SUCCESS


def test_one_broken_connector_of_two_is_no_ko() -> None:
    """The point works; the connector's own word says that it does not."""
    engine = Engine(connectors=2)
    engine.point.break_down([engine.point.connectors[2]], at(0))
    health = engine.commands.health()
    assert (health.status, health.engine_status) == (Outcome.SUCCESS, "available")
    assert health.fault_type is None
    assert [entry.status for entry in health.connectors] == ["available", "faulted"]


def test_a_journal_that_fails_is_said_to_people(engine: Engine) -> None:
    """The point is well, but refuses starts; an operator can read why."""
    engine.disk.failing = FULL_DISK
    engine.point.bury(["x"], at(0))
    health = engine.commands.health()
    assert health.status is Outcome.SUCCESS
    assert health.message == f"the journal cannot be written: {FULL_DISK}"


def test_a_restarted_engine_names_what_it_served_last(engine: Engine) -> None:
    """So that whoever thinks it still runs there learns that it does not."""
    engine.commands.start(start(), at(0))
    engine.restart(1)
    health = engine.commands.health()
    assert health.connectors == (
        ConnectorEntry(connector_id=1, status="available", session_id="s1"),
    )
    assert health.session_id is None
