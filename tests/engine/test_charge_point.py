"""The charge point: what it tells, and that its journal had it before; in memory and on a disk."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.messages import ChargeCompletion, ChargingData
from common.states import EndReason, EngineStatus
from common.units import Watts
from engine.charge_point import ChargePoint
from engine.disk import Disk, Folder
from engine.journal import Journal
from engine.moment import Moment
from engine.session import Session
from tests.engine.fakes import BEGAN, CP, MemoryDisk, Told, at, start

Make = Callable[..., ChargePoint]


@pytest.fixture(params=["in memory", "real"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """Where the journal is: every promise is kept on both."""
    if request.param == "in memory":
        yield MemoryDisk()
        return
    folder = Folder(tmp_path)
    yield folder
    folder.close()


@pytest.fixture
def told() -> Told:
    """What the monitor would have been told."""
    return Told()


@pytest.fixture
def make(disk: Disk, told: Told) -> Make:
    """Starts the engine's rules on the disk, as often as wanted."""

    def make(now: Moment | None = None, **options: Any) -> ChargePoint:
        options.setdefault("power_limit", Watts(22_000))
        return ChargePoint(CP, Journal(disk, CP), told, now or at(0), **options)

    return make


def begin(point: ChargePoint, session_id: str = "s1", connector: int = 1, **changes: Any) -> None:
    command = start(session_id, connector_id=connector, **changes)
    assert point.begin(point.connectors[connector], command, at(0))


def on_disk(disk: Disk) -> dict[str, Any]:
    return {record.session_id: record for record in Journal(disk, CP).read().records}


def test_a_start_is_in_the_journal_before_anybody_is_told(make: Make, disk: Disk) -> None:
    """When `begin` returns, a kill no longer loses the session."""
    point = make()
    begin(point)
    assert on_disk(disk)["s1"].reason is None
    assert point.status is EngineStatus.CHARGING


def test_a_reading_is_in_the_journal_before_it_is_told(make: Make, disk: Disk, told: Told) -> None:
    """Each second one reading of each connector that supplies, and one write for all."""
    point = make(connectors=3)
    begin(point, "a", 1)
    begin(point, "b", 3)
    for second in range(1, 4):
        point.read(at(second))
    readings: list[ChargingData] = told.take()
    assert [(r.session_id, r.connector_id, r.sequence) for r in readings] == [
        *(("a", 1, 1), ("b", 3, 1), ("a", 1, 2), ("b", 3, 2), ("a", 1, 3), ("b", 3, 3)),
    ]
    assert all(reading.trace_id == f"t-{reading.session_id}" for reading in readings)
    journaled = on_disk(disk)
    assert (journaled["a"].sequence, journaled["b"].sequence) == (3, 3)
    assert journaled["b"].energy == readings[-1].energy_consumed_kwh


def test_a_ticket_is_in_the_journal_before_it_is_told(make: Make, disk: Disk, told: Told) -> None:
    """And the register stands where the ticket ends."""
    point = make()
    begin(point)
    session = point.running[0]
    point.end(session, EndReason.OPERATOR_REQUEST, at(60))
    [ticket] = told.take()
    assert isinstance(ticket, ChargeCompletion)
    assert ticket.reason is EndReason.OPERATOR_REQUEST
    assert (ticket.started_at, ticket.ended_at) == (BEGAN, BEGAN + 60)
    assert ticket.meter_start_wh == 0
    assert ticket.meter_stop_wh == ticket.energy_consumed_kwh > 0
    assert on_disk(disk)["s1"].energy == ticket.energy_consumed_kwh
    assert Journal(disk, CP).read().meters == {1: ticket.meter_stop_wh}
    assert point.running == []


def test_a_restart_gives_the_ticket_of_what_ran(make: Make, disk: Disk, told: Told) -> None:
    """With the energy of the last entry, the reason, and the trace; the register goes on there."""
    begin(first := make())
    first.read(at(10))
    [reading] = told.take()
    first.advance(at(10.9))  # metered, but lost: it was never journaled

    again = make(at(100))
    assert again.status is EngineStatus.AVAILABLE
    assert again.book.held() == ("s1",)
    again.tell_of(again.book["s1"])  # type: ignore[arg-type]
    [ticket] = told.take()
    assert ticket.energy_consumed_kwh == reading.energy_consumed_kwh > 0
    assert ticket.reason is EndReason.ENGINE_RESTARTED
    assert ticket.ended_at == BEGAN + 10
    assert ticket.trace_id == "t-s1"
    begin(again, "s2")
    assert again.running[0].meter_start_wh == ticket.meter_stop_wh
    assert again.connectors[1].last_session_id == "s2"


def test_a_clean_end_loses_no_energy(make: Make, told: Told) -> None:
    """It journals the last of it; the ticket is the next start's."""
    begin(first := make())
    first.leave(at(60))
    assert told.take() == []
    ended = make(at(100)).book["s1"]
    assert isinstance(ended, Session)
    assert ended.reason is EndReason.ENGINE_RESTARTED
    assert ended.at == BEGAN + 60
    assert ended.energy == 169  # a minute at 11 kW, less what the ramp took


def test_nothing_happens_at_a_clean_end_where_nothing_runs(make: Make, disk: Disk) -> None:
    """There is nothing to journal."""
    make().leave(at(60))
    assert on_disk(disk) == {}


def test_registers_of_connectors_that_are_gone_are_kept(make: Make) -> None:
    """Fewer connectors today may be more again tomorrow."""
    first = make(connectors=2)
    begin(first, "s1", 2)
    first.end(first.running[0], EndReason.DRIVER_REQUEST, at(60))
    make(connectors=1)
    third = make(connectors=2)
    assert third.connectors[2].meter.register_wh == 169
    assert third.connectors[2].last_session_id == "s1"


def test_registers_never_run_ahead_of_their_sessions(make: Make, disk: Disk) -> None:
    """What another connector writes does not journal energy that no session has yet."""
    point = make(connectors=2)
    begin(point, "a", 1)
    point.read(at(10))
    point.advance(at(20))
    begin(point, "b", 2)
    journaled = Journal(disk, CP).read()
    assert journaled.meters[1] == on_disk(disk)["a"].meter_wh


def test_each_way_to_end_gives_its_ticket(make: Make, told: Told) -> None:
    """Unplugged, broken, stopped, without its monitor: each with its reason, then what it is."""
    ends: list[tuple[Callable[[ChargePoint], None], str, str]] = [
        (lambda p: p.unplug(p.connectors[1], at(9)), "unplugged", "available"),
        (lambda p: p.break_down(p.connectors.values(), at(9)), "fault", "faulted"),
        (lambda p: p.repair(p.connectors.values()), "", "available"),
        (lambda p: p.stop(at(9), "why"), "cp_stopped", "stopped"),
        (lambda p: p.stop(at(9), "again"), "", "stopped"),
        (lambda p: p.resume(), "", "available"),
        (lambda p: p.resume(), "", "available"),
        (lambda p: p.monitor_lost(at(9)), "monitor_lost", "available"),
        (lambda p: p.monitor_lost(at(9)), "", "available"),
        (lambda p: p.advance(at(30_000)), "target_reached", "available"),
    ]
    point = make()
    for number, (end, reason, becomes) in enumerate(ends):
        if reason:
            begin(point, str(number))
        end(point)
        tickets = told.take()
        assert [(t.session_id, t.reason) for t in tickets] == (
            [(str(number), reason)] * bool(reason)
        )
        assert point.status == becomes


def test_a_manual_plug(make: Make, told: Told, disk: Disk) -> None:
    """A session waits for its plug, then its supply begins, and that is journaled."""
    point = make(auto_plug=False)
    begin(point)
    assert point.status == "preparing"
    point.read(at(1))
    assert told.take() == []
    point.plug(point.connectors[1], at(30))
    point.plug(point.connectors[1], at(31))
    assert point.status == "charging"
    assert on_disk(disk)["s1"].started_at == BEGAN + 30
    point.unplug(point.connectors[1], at(40))
    point.unplug(point.connectors[1], at(41))
    assert [ticket.reason for ticket in told.take()] == [EndReason.UNPLUGGED]


def test_a_plug_that_never_comes(make: Make, told: Told) -> None:
    """After a minute the session ends with a ticket over nothing."""
    point = make(auto_plug=False)
    begin(point)
    point.advance(at(59.9))
    assert told.take() == []
    point.advance(at(60))
    [ticket] = told.take()
    assert (ticket.reason, ticket.energy_consumed_kwh) == (EndReason.NOT_PLUGGED_IN, 0)


@pytest.mark.parametrize(
    ("statuses", "word"),
    [
        ("faulted", "faulted"),
        ("faulted faulted", "faulted"),
        ("faulted stopped", "stopped"),
        ("faulted available", "available"),
        ("stopped finishing", "finishing"),
        ("available finishing", "finishing"),
        ("available preparing", "preparing"),
        ("preparing charging", "charging"),
    ],
)
def test_the_points_word_is_the_most_important_of_its_connectors(
    make: Make, statuses: str, word: str
) -> None:
    """A point is only broken, or out of order, if nothing of it works."""
    words = statuses.split()
    point = make(connectors=len(words), auto_plug=False)
    for connector, status in zip(point.connectors.values(), words, strict=True):
        if status in ("charging", "finishing"):
            point.plug(connector, at(0))
        if status in ("charging", "finishing", "preparing"):
            begin(point, str(connector.connector_id), connector.connector_id)
        if status == "finishing":
            point.end(point.running[-1], EndReason.DRIVER_REQUEST, at(1))
        if status == "faulted":
            point.break_down([connector], at(0))
        connector.stopped = status == "stopped"
    assert [str(connector.status) for connector in point.connectors.values()] == words
    assert point.status == word


# ---- When the disk fails -------------------------------------------------------------------------


def test_a_start_that_cannot_be_journaled_does_not_begin(told: Told) -> None:
    """It ends at once, over nothing, and nobody hears of it before the journal is well."""
    disk = MemoryDisk()
    point = ChargePoint(CP, Journal(disk, CP), told, at(0), power_limit=Watts(11_000))
    disk.failing = "No space left on device"
    assert not point.begin(point.connectors[1], start(), at(0))
    assert point.running == []
    assert told.take() == []
    point.read(at(1))
    assert told.take() == []
    disk.failing = ""
    point.read(at(2))
    [ticket] = told.take()
    assert (ticket.reason, ticket.energy_consumed_kwh) == (EndReason.FAULT, 0)


@pytest.mark.parametrize("what", ["reading", "ticket", "plug"])
def test_a_failed_sync_ends_what_runs_and_keeps_the_tickets(told: Told, what: str) -> None:
    """All of them are told, once, when the journal has been written anew."""
    disk = MemoryDisk()
    point = ChargePoint(
        CP,
        Journal(disk, CP),
        told,
        at(0),
        power_limit=Watts(11_000),
        connectors=3,
        auto_plug=False,
    )
    for connector in (1, 2):
        point.plug(point.connectors[connector], at(0))
    for connector in (1, 2, 3):
        begin(point, str(connector), connector)
    point.read(at(1))
    told.take()

    disk.failing, disk.part = "Input/output error", 30
    if what == "reading":
        point.read(at(60))
    elif what == "ticket":
        point.end(point.running[0], EndReason.FAULT, at(60))
    else:
        point.plug(point.connectors[3], at(60))
    assert point.running == []
    assert point.book.trouble == "Input/output error"
    point.read(at(61))
    assert told.take() == []

    disk.failing = ""
    point.read(at(62))
    tickets = told.take()
    assert {t.session_id: (t.reason, int(t.energy_consumed_kwh)) for t in tickets} == {
        "1": (EndReason.FAULT, 169),
        "2": (EndReason.FAULT, 169),
        "3": (EndReason.FAULT, 0),
    }
    assert len(tickets) == 3
    assert on_disk(disk)["1"].reason is EndReason.FAULT
    point.read(at(63))
    assert told.take() == []
    begin(point, "4")
