"""Which sessions the engine is asked about, and what central is told of them."""

import pytest

from common.messages import (
    ChargeCompletion,
    ChargingData,
    ConnectorEntry,
    ReportSessionsCommand,
    SessionOutcome,
    SessionReport,
    SettleSessionsCommand,
)
from common.units import WattHours
from monitor.health import Condition
from monitor.settling import Settling

IDLE = Condition(heard=True, status="available")


def serving(status: str, session_id: str) -> Condition:
    connector = ConnectorEntry(connector_id=1, status=status, session_id=session_id)
    return Condition(heard=True, status=status, connectors=(connector,))


def report(session_id: str, outcome: SessionOutcome, connector_id: int = 1) -> SessionReport:
    return SessionReport(
        cp_id="CP", session_id=session_id, outcome=outcome, connector_id=connector_id
    )


def reading(session_id: str, connector_id: int = 1) -> ChargingData:
    return ChargingData(
        cp_id="CP",
        connector_id=connector_id,
        session_id=session_id,
        energy_consumed_kwh=WattHours(1),
    )


def ticket(session_id: str) -> ChargeCompletion:
    return ChargeCompletion(cp_id="CP", session_id=session_id, energy_consumed_kwh=WattHours(1))


def asked(*session_ids: str) -> Settling:
    """One that has asked the engine about these."""
    settling = Settling("CP")
    settling.told((), session_ids)
    settling.next_command(IDLE)
    return settling


def test_nothing_told_is_nothing_to_do() -> None:
    """Before central has answered, the engine is not bothered."""
    assert Settling("CP").next_command(IDLE) is None


def test_settled_sessions_may_be_forgotten() -> None:
    """The engine is told once for each time that central says so."""
    settling = Settling("CP")
    settling.told(("a", "b"), ())
    assert settling.next_command(IDLE) == SettleSessionsCommand(cp_id="CP", session_ids=("a", "b"))
    assert settling.next_command(IDLE) is None
    settling.told(("a",), ())
    assert settling.next_command(IDLE) == SettleSessionsCommand(cp_id="CP", session_ids=("a",))


def test_unsettled_sessions_are_asked_about() -> None:
    """In central's order, once for each time that it lists them."""
    settling = Settling("CP")
    settling.told((), ("b", "a"))
    command = ReportSessionsCommand(cp_id="CP", session_ids=("b", "a"))
    assert settling.next_command(IDLE) == command
    assert settling.next_command(IDLE) is None
    settling.told((), ("b", "a"))
    assert settling.next_command(IDLE) == command


@pytest.mark.parametrize("status", ["charging", "preparing"])
def test_a_running_session_is_not_asked_about(status: str) -> None:
    """The engine's connectors say all there is to say of it."""
    settling = Settling("CP")
    settling.told((), ("a", "b"))
    command = settling.next_command(serving(status, "a"))
    assert command == ReportSessionsCommand(cp_id="CP", session_ids=("b",))
    settling.told((), ("a",))
    assert settling.next_command(serving(status, "a")) is None


def test_both_lists_make_two_commands_one_after_the_other() -> None:
    """What may be forgotten goes first."""
    settling = Settling("CP")
    settling.told(("a",), ("b",))
    assert isinstance(settling.next_command(IDLE), SettleSessionsCommand)
    assert isinstance(settling.next_command(IDLE), ReportSessionsCommand)
    assert settling.next_command(IDLE) is None


def test_a_list_left_out_says_nothing() -> None:
    """Absence never means anything: what is yet to be done stays to be done."""
    settling = Settling("CP")
    settling.told(("a",), ("b",))
    settling.told(None, None)
    assert isinstance(settling.next_command(IDLE), SettleSessionsCommand)
    assert isinstance(settling.next_command(IDLE), ReportSessionsCommand)


def test_the_latest_lists_count() -> None:
    """What central no longer lists was settled meanwhile."""
    settling = Settling("CP")
    settling.told((), ("a", "b"))
    settling.told((), ("b",))
    command = settling.next_command(IDLE)
    assert command == ReportSessionsCommand(cp_id="CP", session_ids=("b",))


def test_a_session_that_waits_for_its_plug_is_reported_running() -> None:
    """It has no reading that would say so."""
    settling = Settling("CP")
    settling.told((), ("a", "b"))
    told = settling.waiting(serving("preparing", "a"))
    assert told == [report("a", SessionOutcome.RUNNING)]
    assert settling.waiting(serving("charging", "a")) == []


def test_what_the_engine_never_saw_is_reported() -> None:
    """Once, and only what was asked."""
    settling = asked("a", "b")
    assert settling.never_seen(["a", "z"]) == [report("a", SessionOutcome.NEVER_SEEN)]
    assert settling.never_seen(["a"]) == []


def test_a_ticket_that_was_asked_for_is_reported_as_ended() -> None:
    """Once for each time that it was asked for."""
    settling = asked("a")
    assert settling.came(ticket("a")) == report("a", SessionOutcome.ENDED)
    assert settling.came(ticket("a")) is None


def test_a_reading_that_was_asked_for_is_reported_as_running() -> None:
    """With its connector."""
    settling = asked("a")
    assert settling.came(reading("a", 2)) == report("a", SessionOutcome.RUNNING, 2)
    assert settling.came(reading("a", 2)) is None


def test_what_comes_unasked_is_not_reported() -> None:
    """Central learns of a usual charge by its connector's status and by Kafka."""
    settling = asked("a")
    assert settling.came(reading("b")) is None
    assert settling.came(ticket("b")) is None
