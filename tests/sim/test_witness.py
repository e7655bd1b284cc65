"""The witness and the invariants say no to what must not be."""

import json
from typing import Any

import pytest

from sim.witness import Witness


class Rows:
    """A database that holds what a test says."""

    def __init__(self) -> None:
        self.found: list[tuple[Any, ...]] = []

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self.found


class Court:
    """A witness, and what it complained of."""

    def __init__(self) -> None:
        self.rows = Rows()
        self.journal = b""
        self.wrong: list[str] = []
        self.witness = Witness(self.rows, {"CP-1": lambda: self.journal}, self.wrong.append)

    def said(self, kind: str, who: str, to: str, **fields: Any) -> None:
        """Somebody has said this."""
        self.witness.said(kind, who, to, json.dumps({"type": kind, **fields}).encode())

    def heard(self, kind: str, **fields: Any) -> None:
        """The monitor has heard this."""
        self.witness.heard(kind, "monitor-1", json.dumps({"type": kind, **fields}).encode())


@pytest.fixture
def court() -> Court:
    """Nothing is stored, and no journal written."""
    return Court()


def ticket(energy: float, **fields: Any) -> dict[str, Any]:
    """What an engine says at the end."""
    start = 1_000
    stop = start + round(energy * 1000)
    said = {"cp_id": "CP-1", "session_id": "s1", "energy_consumed_kwh": energy}
    return {**said, "meter_start_wh": start, "meter_stop_wh": stop, **fields}


def test_an_answer_must_be_stored(court: Court) -> None:
    """Before it is given."""
    answer = {"message_id": "m1", "status": "success", "session_id": "s1", "cp_id": "CP-1"}
    court.said("charge_request_response", "central-a", "driver-1", **answer)
    assert "an answer was given that is not stored" in court.wrong[0]
    court.wrong.clear()
    court.rows.found = [(1,)]
    court.said("charge_request_response", "central-a", "driver-1", **answer)
    assert court.wrong == []
    other = {**answer, "session_id": "s2"}
    court.said("charge_request_response", "central-b", "driver-1", **other)
    assert "two answers to m1" in court.wrong[0]


def test_an_answer_that_decides_nothing_need_not_be(court: Court) -> None:
    """It may be another one the next time."""
    answer = {"message_id": "m1", "status": "failure", "error": "overloaded"}
    court.said("charge_request_response", "central-a", "driver-1", **answer)
    assert court.wrong == []


def test_a_ticket_must_be_on_the_disk(court: Court) -> None:
    """Before it is told."""
    court.said("charge_completion", "engine-1", "monitor-1", **ticket(1.5))
    assert court.wrong == ["a ticket was told that is not on the disk: s1"]


def test_a_ticket_must_be_what_the_meter_counted(court: Court) -> None:
    """And not less than a reading, and the same each time."""
    reading = {"cp_id": "CP-1", "session_id": "s1", "energy_consumed_kwh": 2.0}
    court.said("charging_data", "engine-1", "monitor-1", **reading)
    court.said("charge_completion", "engine-1", "monitor-1", **ticket(1.5, meter_stop_wh=9_999))
    court.said("charge_completion", "engine-1", "monitor-1", **ticket(1.6))
    assert [each.split(":")[0] for each in court.wrong] == [
        "a ticket of 1500 Wh after a reading of 2000 Wh",
        "a ticket that is not what its meter counted",
        "a ticket was told that is not on the disk",
        "the engine's ticket of s1 was 1500 Wh, is 1600 Wh",
        "a ticket of 1600 Wh after a reading of 2000 Wh",
        "a ticket was told that is not on the disk",
    ]


def test_settled_means_settled(court: Court) -> None:
    """Whoever says so, and to whom."""
    court.said("settle_sessions_command", "monitor-1", "engine-1", session_ids=["s1"])
    assert court.wrong == ["monitor-1 to engine-1: s1 is called settled, and is not"]
    court.rows.found = [(1,)]
    court.said("settle_sessions_command", "monitor-1", "engine-1", session_ids=["s1"])
    assert len(court.wrong) == 1


def test_a_monitor_must_not_obey_an_epoch_that_is_over(court: Court) -> None:
    """Once it knows of a later one."""
    command = {"session_id": "s1", "epoch": 2}
    court.heard("start_charging_command", **command)
    court.said("start_charging_command", "monitor-1", "engine-1", **command)
    assert court.wrong == []
    court.heard("register_response", epoch=3)
    court.heard("start_charging_command", **command)
    court.said("start_charging_command", "monitor-1", "engine-1", **command)
    assert "leads no more" in court.wrong[0]


def test_a_ticket_that_is_told_by_kafka_must_be_stored(court: Court) -> None:
    """With the same energy and cost."""
    said = {"type": "charge_completion", "session_id": "s1", "energy_consumed_kwh": 1.5}
    value = json.dumps({**said, "total_cost": 0.53}, separators=(",", ":")).encode()
    court.rows.found = [(1_500, 53, 1)]
    court.witness.published(1.0, "ev.driver.events", value)
    assert court.wrong == []
    court.rows.found = [(1_500, 54, 1)]
    court.witness.published(2.0, "ev.driver.events", value)
    assert "a ticket was told that is not stored" in court.wrong[0]
    assert court.witness.told == {"s1": {1}}


def test_only_who_leads_may_decide(court: Court) -> None:
    """But for a moment in which it cannot know yet."""
    court.rows.found = [("central-a:7000", 2, 100.0)]
    court.witness.spoke(200.0, "start_charging_command", "central-a", b"")
    court.rows.found = [("central-b:7000", 3, 300.0)]
    court.witness.spoke(300.1, "start_charging_command", "central-a", b"")
    court.witness.spoke(301.0, "heartbeat_response", "central-a", b"")  # only a sign of life
    assert court.wrong == []
    court.witness.spoke(301.0, "start_charging_command", "central-a", b"")
    court.witness.spoke(301.0, "heartbeat_response", "central-a", b'"unsettled_sessions":[]')
    assert court.wrong == [
        "central-a says start_charging_command while central-b:7000 leads",
        "central-a says heartbeat_response while central-b:7000 leads",
    ]


def test_a_yes_to_a_start_must_be_on_the_disk(court: Court) -> None:
    """Before it is said."""
    court.said("start_charging_command", "monitor-1", "engine-1", message_id="m1", session_id="s1")
    court.said("command_response", "engine-1", "monitor-1", message_id="m1", status="failure")
    assert court.wrong == []
    court.said("command_response", "engine-1", "monitor-1", message_id="m1", status="success")
    assert court.wrong == ["an engine's yes is not on its disk: s1"]


def test_only_who_leads_may_write(court: Court) -> None:
    """Or nobody, while the lease is free."""
    court.rows.found = [("central-a:7000",)]
    court.witness.committed("central-a")
    assert court.wrong == []
    court.witness.committed("central-b")
    assert court.wrong == ["central-b wrote while central-a:7000 led"]
