"""A transaction at an OCPP charge point is one session and one bill, whatever is repeated."""

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from central.board import Board
from common.connection import Connection
from common.gateway_messages import IdTagStatus, Sample
from common.messages import (
    ChargeCompletion,
    ChargingStatusUpdate,
    ErrorResponse,
    SessionsRequest,
    SessionsResponse,
    Severity,
)
from common.states import EndReason, SessionState
from tests.central.gateways.charge_point import NOW, ChargePoint, know, tag
from tests.central.gateways.desk import Desk, desk
from tests.central.parts import eventually

_S = SessionState
_T = IdTagStatus
THERE = Connection("gw-2", 5, 2)


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, NOW) as made:
        yield made


@pytest.fixture
async def cp(one: Desk) -> ChargePoint:
    return await with_drivers(one)


async def with_drivers(one: Desk) -> ChargePoint:
    """A booted charge point, and two drivers' id tags."""
    made = await ChargePoint(one).boot()
    await know(one, tag("TAG-A", driver_id="ana"), tag("TAG-B", driver_id="bo"))
    return made


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What operators are alarmed about."""
    seen: list[str] = []
    show = Board.event

    def note(self: Board, text: str, severity: Severity = Severity.INFO, **ids: str | None) -> None:
        if severity is Severity.ALARM:
            seen.append(text)
        show(self, text, severity, **ids)

    monkeypatch.setattr(Board, "event", note)
    return seen


def pass_time(cp: ChargePoint, seconds: float) -> None:
    """For central and for the charge point."""
    cp.desk.parts.clock.now += seconds
    cp.clock_ms += int(seconds * 1000)


async def tickets(one: Desk) -> list[tuple[str, int]]:
    """Driver and energy of each bill."""
    found, _ = await one.central.store.ticket_list(limit=100)
    return sorted((ticket.driver_id, int(ticket.energy)) for ticket in found)


# ---- One charge -------------------------------------------------------------------------------


async def test_a_charge_at_the_charge_point_is_billed_by_its_meter(cp: ChargePoint) -> None:
    """From StartTransaction to StopTransaction, to the watt hour, at the point's price."""
    transaction_id, status = await cp.start("TAG-A", 1_000)
    assert status is _T.ACCEPTED
    assert 0 < transaction_id < 2**31
    session = await cp.session(transaction_id)
    assert (session.state, session.driver_id, session.id_tag) == (_S.CHARGING, "ana", "TAG-A")
    await cp.meter(transaction_id, 4_000, watts=7_000)
    live = cp.desk.central.network.of_transaction(transaction_id)
    assert live is not None
    assert (live.energy, live.rate) == (3_000, 7_000)
    assert (await cp.session(transaction_id)).energy == 3_000
    pass_time(cp, 3_600)
    await cp.stop(transaction_id, 8_500)
    session, bill = await cp.session(transaction_id), await cp.ticket(transaction_id)
    assert bill is not None
    assert (session.state, session.settled, session.suspect) == (_S.COMPLETED, True, False)
    assert (bill.energy, bill.cost, bill.reason) == (7_500, 263, EndReason.DRIVER_REQUEST)
    assert (bill.meter_start_wh, bill.meter_stop_wh) == (1_000, 8_500)
    assert (bill.started_at, bill.ended_at) == (NOW, NOW + 3_600)
    assert cp.desk.central.network.of_driver("ana") is None
    assert not list(cp.desk.central.network.of_point("CP"))


async def test_its_driver_hears_of_it_as_of_any_other(cp: ChargePoint) -> None:
    """That it goes on, and the ticket."""
    transaction_id, _ = await cp.start("TAG-A", 1_000)
    await cp.stop(transaction_id, 1_500)
    parts = cp.desk.parts
    await eventually(lambda: isinstance(parts.events("ana")[-1], ChargeCompletion))
    states = [e.status for e in parts.events("ana") if isinstance(e, ChargingStatusUpdate)]
    assert states == [_S.CHARGING, _S.COMPLETED]


async def test_operators_see_whose_id_tag_and_which_transaction_it_is(cp: ChargePoint) -> None:
    """In the list of sessions, and the driver on the panel's row."""
    transaction_id, _ = await cp.start("tag-a")
    outcome = cp.desk.central.dispatcher.call(SessionsRequest(cp_id="CP"), cp.admin)
    answer = await cast(Awaitable[SessionsResponse], outcome)
    (row,) = answer.sessions
    assert (row.driver_id, row.id_tag, row.transaction_id) == ("ana", "tag-a", transaction_id)
    shown = cp.desk.central.network.row(cp.desk.central.network.points["CP"])
    assert shown.connectors[0].driver_id == "ana"


async def test_two_connectors_charge_side_by_side(cp: ChargePoint) -> None:
    first, _ = await cp.start("TAG-A", 100, connector_id=1)
    second, status = await cp.start("TAG-B", 200, connector_id=2)
    assert status is _T.ACCEPTED
    assert first != second
    await cp.stop(second, 1_200)
    await cp.stop(first, 2_100)
    assert await tickets(cp.desk) == [("ana", 2_000), ("bo", 1_000)]


# ---- Repeats ----------------------------------------------------------------------------------


async def test_a_repeated_start_gets_the_first_answer(cp: ChargePoint) -> None:
    """Whatever its message id, and although the id tag is charging by now."""
    first = await cp.start("TAG-A", 1_000)
    await know(cp.desk, tag("TAG-A", driver_id="ana", blocked=True))
    assert await cp.start("TAG-A", 1_000) == first
    assert await cp.start("tag-a", 1_000) == first
    assert len(list(cp.desk.central.network.of_point("CP"))) == 1


async def test_a_start_repeated_when_its_answer_is_forgotten_gets_its_transaction(
    cp: ChargePoint,
) -> None:
    """Answers are remembered for a day; a charge point may be cut off for longer."""
    transaction_id, _ = await cp.start("TAG-A", 1_000)
    at_ms = cp.clock_ms
    pass_time(cp, 2 * 24 * 3_600)
    await forgotten(cp)
    assert await cp.start("TAG-A", 1_000, at_ms=at_ms) == (transaction_id, _T.ACCEPTED)
    await cp.stop(transaction_id, 2_000)
    pass_time(cp, 2 * 24 * 3_600)
    await forgotten(cp)
    assert (await cp.start("TAG-A", 1_000, at_ms=at_ms))[0] == transaction_id
    await cp.stop(transaction_id, 2_000, at_ms=at_ms)
    assert await tickets(cp.desk) == [("ana", 1_000)]
    assert not (await cp.session(transaction_id)).disputed


async def forgotten(cp: ChargePoint) -> None:
    """The patrol has cleared what was answered."""
    for _ in range(5):
        await cp.desk.central.patrol.look()


async def test_a_repeated_stop_gets_the_first_answer_and_changes_nothing(cp: ChargePoint) -> None:
    transaction_id, _ = await cp.start("TAG-A", 1_000)
    first = await cp.stop(transaction_id, 3_000, id_tag="TAG-A")
    assert first.id_tag_info is not None
    assert first.id_tag_info.status is _T.ACCEPTED
    before = await cp.session(transaction_id)
    await know(cp.desk, tag("TAG-A", blocked=True))
    again = await cp.stop(transaction_id, 3_000, id_tag="TAG-A")
    assert again.id_tag_info == first.id_tag_info
    assert await cp.session(transaction_id) == before
    assert await tickets(cp.desk) == [("ana", 2_000)]


async def test_a_different_stop_is_disputed_and_not_billed(
    cp: ChargePoint, alarms: list[str]
) -> None:
    transaction_id, _ = await cp.start("TAG-A", 1_000)
    await cp.stop(transaction_id, 3_000)
    await cp.stop(transaction_id, 9_000)
    assert await tickets(cp.desk) == [("ana", 2_000)]
    assert (await cp.session(transaction_id)).disputed
    assert alarms == [
        "suspect ticket: 2.000 kWh, the last reading was 0.000 kWh",
        "a second, different ticket: 8.000 kWh, billed are 2.000 kWh",
    ]


async def test_a_charge_without_energy_that_is_ended_twice_stays_without_a_bill(
    cp: ChargePoint,
) -> None:
    """Its second end, with energy, is disputed."""
    transaction_id, _ = await cp.start("TAG-A", 1_000)
    await cp.stop(transaction_id, 1_000, reason="EVDisconnected")
    session = await cp.session(transaction_id)
    assert (session.state, session.settled) == (_S.FAILED, True)
    await cp.stop(transaction_id, 5_000, reason="EVDisconnected")
    assert await tickets(cp.desk) == []
    assert (await cp.session(transaction_id)).disputed


async def test_repeats_find_their_answers_after_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path, NOW) as one:
        cp = await with_drivers(one)
        start = await cp.start("TAG-A", 1_000)
    async with desk(tmp_path, NOW) as one:
        cp = await with_drivers(one)
        assert await cp.start("TAG-A", 1_000) == start
        await cp.meter(start[0], 1_700)
        await cp.stop(start[0], 1_900)
    async with desk(tmp_path, NOW) as one:
        cp = await with_drivers(one)
        await cp.stop(start[0], 1_900)
        assert await cp.start("TAG-A", 1_000) == start
        assert await tickets(one) == [("ana", 900)]
        session = await cp.session(start[0])
        assert (session.disputed, session.state) == (False, _S.COMPLETED)


# ---- A full disk ------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", [1, 3])
async def test_nothing_is_answered_that_is_not_stored(
    cp: ChargePoint, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """It is tried again until the database takes it; then it is there once."""
    monkeypatch.setattr("central.gateways.intake.TRY_AGAIN", 0.01)
    cp.desk.parts.outage.writes_to_fail = failing
    transaction_id, status = await cp.start("TAG-A", 1_000)
    assert status is _T.ACCEPTED
    cp.desk.parts.outage.writes_to_fail = failing
    await cp.stop(transaction_id, 2_000)
    assert await tickets(cp.desk) == [("ana", 1_000)]


async def test_an_id_that_is_taken_is_not_given_twice(
    cp: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database refuses it, and another one is made."""
    ids = iter([7, 7, 7, 8])
    monkeypatch.setattr("central.gateways.transactions.new_transaction_id", lambda: next(ids))
    first, _ = await cp.start("TAG-A", connector_id=1)
    second, status = await cp.start("TAG-B", connector_id=2)
    assert (first, second, status) == (7, 8, _T.ACCEPTED)


async def test_a_start_that_cannot_be_stored_is_set_aside(
    cp: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked is told that it failed; all that follows is handled."""
    monkeypatch.setattr("central.gateways.transactions.new_transaction_id", lambda: 7)
    await cp.start("TAG-A", connector_id=1)
    (record,) = cp.desk.say(cp.start_of("TAG-B", connector_id=2), connection=cp.connection)
    refusal = await cp.desk.answer(record, cp.connection)
    assert isinstance(refusal, ErrorResponse)
    assert [each.offset for each, _ in cp.desk.dead] == [record.offset]
    assert cp.desk.central.network.holder("CP", 2) is None
    await cp.stop(7, 2_000)
    assert await tickets(cp.desk) == [("ana", 1_000)]


# ---- What cannot be ---------------------------------------------------------------------------


async def test_a_meter_that_ends_below_its_beginning_bills_nothing_and_alarms(
    cp: ChargePoint, alarms: list[str]
) -> None:
    transaction_id, _ = await cp.start("TAG-A", 5_000)
    await cp.stop(transaction_id, 4_000)
    session = await cp.session(transaction_id)
    assert (session.energy, session.cost, session.suspect) == (0, 0, True)
    assert alarms[0] == "the meter stood at 5000 Wh, and ends at 4000"


async def test_negative_registers_are_billed_by_their_difference(cp: ChargePoint) -> None:
    """And are on no ticket: a register below zero is none."""
    transaction_id, _ = await cp.start("TAG-A", -500)
    await cp.stop(transaction_id, 100)
    bill = await cp.ticket(transaction_id)
    assert bill is not None
    assert (bill.energy, bill.meter_start_wh, bill.meter_stop_wh) == (600, None, None)


async def test_more_than_can_have_flowed_is_billed_and_suspect(cp: ChargePoint) -> None:
    transaction_id, _ = await cp.start("TAG-A", 0)
    await cp.stop(transaction_id, 50_000)
    session = await cp.session(transaction_id)
    assert (session.energy, session.suspect) == (50_000, True)


@pytest.mark.parametrize("word", ["Other", "NoSuchReason"])
async def test_an_end_without_a_reason_of_its_own_has_none(cp: ChargePoint, word: str) -> None:
    transaction_id, _ = await cp.start("TAG-A", 0)
    await cp.stop(transaction_id, 500, reason=word)
    bill = await cp.ticket(transaction_id)
    assert bill is not None
    assert bill.reason is None


async def test_whoever_ends_it_it_has_ended(cp: ChargePoint) -> None:
    """Also by an id tag that has no right to; what that one is worth is in the answer."""
    await know(cp.desk, tag("TAG-C", blocked=True))
    transaction_id, _ = await cp.start("TAG-A", 0)
    answer = await cp.stop(transaction_id, 500, id_tag="TAG-C")
    assert answer.id_tag_info is not None
    assert answer.id_tag_info.status is _T.BLOCKED
    assert await tickets(cp.desk) == [("ana", 500)]
    second, _ = await cp.start("TAG-A", 500)
    assert (await cp.stop(second, 600)).id_tag_info is None


# ---- Offline ----------------------------------------------------------------------------------


async def test_what_was_queued_offline_has_the_charge_points_times(cp: ChargePoint) -> None:
    """Hours late, it is no more suspect than any other."""
    began, ended = (NOW - 5 * 3_600) * 1000, (NOW - 3_600) * 1000
    transaction_id, status = await cp.start("TAG-A", 1_000, at_ms=began)
    assert status is _T.ACCEPTED
    await cp.stop(transaction_id, 31_000, at_ms=ended)
    session = await cp.session(transaction_id)
    assert (session.started_at, session.ended_at) == (NOW - 5 * 3_600, NOW - 3_600)
    assert (session.energy, session.suspect) == (30_000, False)


@pytest.mark.parametrize("at_ms", [0, 1_000_000_000_000, (NOW + 100_000) * 1000])
async def test_a_charge_point_without_a_clock_is_timed_by_arrival(
    cp: ChargePoint, at_ms: int
) -> None:
    """Before 2010, or more than a day ahead, its clock is wrong."""
    transaction_id, _ = await cp.start("TAG-A", 1_000, at_ms=at_ms)
    pass_time(cp, 600)
    await cp.stop(transaction_id, 2_000, at_ms=at_ms)
    session = await cp.session(transaction_id)
    assert (session.started_at, session.ended_at) == (NOW, NOW + 600)


async def test_an_offline_queue_of_many_transactions_is_billed_whole(cp: ChargePoint) -> None:
    """Flushed at once, and once more by the charge point, which heard no answer."""
    starts = [
        cp.start_of("TAG-A", 1_000 * n, at_ms=(NOW - 90_000 + 600 * n) * 1000) for n in range(50)
    ]
    answers = [await cp.say_start(start) for start in starts]
    assert [status for _, status in answers] == [_T.ACCEPTED] * 50
    for n, (transaction_id, _) in enumerate(answers):
        await cp.stop(transaction_id, 1_000 * n + 500)
    assert [await cp.say_start(start) for start in starts] == answers
    assert await tickets(cp.desk) == [("ana", 500)] * 50


# ---- A connector that is held already ---------------------------------------------------------


async def test_a_new_transaction_displaces_one_whose_end_did_not_come(cp: ChargePoint) -> None:
    """The charge point's word wins; the older one waits for its end, and holds nothing."""
    first, _ = await cp.start("TAG-A", 1_000)
    pass_time(cp, 60)
    second, status = await cp.start("TAG-B", 2_000)
    assert status is _T.ACCEPTED
    older = await cp.session(first)
    assert (older.state, older.holds_connector, older.holds_driver) == (_S.FINISHING, False, False)
    holder = cp.desk.central.network.holder("CP", 1)
    assert holder is not None
    assert holder.session.transaction_id == second
    await cp.stop(first, 1_800)
    await cp.stop(second, 2_500)
    assert await tickets(cp.desk) == [("ana", 800), ("bo", 500)]


async def test_the_same_driver_begins_again_where_the_end_was_lost(cp: ChargePoint) -> None:
    """The older one does not make the newer one concurrent."""
    await cp.start("TAG-A", 1_000)
    pass_time(cp, 60)
    second, status = await cp.start("TAG-A", 2_000)
    assert status is _T.ACCEPTED
    running = cp.desk.central.network.of_driver("ana")
    assert running is not None
    assert running.session.transaction_id == second


# ---- Unknown, unnamed, another's --------------------------------------------------------------


async def test_an_unknown_transaction_is_answered_and_disputed_once(
    cp: ChargePoint, alarms: list[str]
) -> None:
    """Refused, it would be repeated for ever."""
    sample = Sample(at_ms=cp.clock_ms, value="777")
    for _ in range(2):
        await cp.stop(4711, 9_000, samples=(sample,))
    assert alarms == ["the end of transaction 4711, which is unknown, at 9000 Wh"]
    assert await tickets(cp.desk) == []
    ((kept,), _) = await cp.desk.central.store.session_list(cp_id="CP", limit=10)
    assert (kept.disputed, kept.settled, kept.transaction_id) == (True, True, None)
    ((stored,), _) = await cp.desk.central.store.samples("CP", limit=10)
    assert (stored.transaction_id, stored.sample) == (4711, sample)


async def test_an_unknown_transaction_is_disputed_once_over_restarts(
    tmp_path: Path, alarms: list[str]
) -> None:
    for _ in range(2):
        async with desk(tmp_path, NOW) as one:
            cp = await with_drivers(one)
            await cp.stop(4711, 9_000)
            pass_time(cp, 25 * 3_600)
            await forgotten(cp)
            await cp.stop(4711, 9_000)
    assert len(alarms) == 1


async def test_no_charge_point_ends_another_ones_transaction(
    cp: ChargePoint, alarms: list[str]
) -> None:
    """It is answered, disputed and alarmed; the transaction goes on."""
    transaction_id, _ = await cp.start("TAG-A", 1_000)
    thief = await ChargePoint(cp.desk, "THIEF", THERE).boot()
    await thief.meter(transaction_id, 900_000)
    await thief.stop(transaction_id, 1_000)
    live = cp.desk.central.network.of_transaction(transaction_id)
    assert live is not None
    assert (live.session.state, live.energy) == (_S.CHARGING, 0)
    assert alarms == [
        f"meter values of transaction {transaction_id}, which is another charge point's",
        f"the end of transaction {transaction_id}, which is another charge point's, at 1000 Wh",
    ]
    pass_time(cp, 600)
    await cp.stop(transaction_id, 3_000)
    await thief.stop(transaction_id, 2_000)
    assert await tickets(cp.desk) == [("ana", 2_000)]
    assert not (await cp.session(transaction_id)).disputed
    assert len(alarms) == 2


async def test_an_end_without_an_id_ends_the_one_transaction_that_fits(cp: ChargePoint) -> None:
    """Suspect: who never heard an id cannot say which it was."""
    transaction_id, _ = await cp.start("TAG-A", 1_000)
    pass_time(cp, 600)
    for _ in range(2):
        await cp.stop(-1, 1_400, id_tag="TAG-A")
    session = await cp.session(transaction_id)
    assert (session.state, session.energy, session.suspect) == (_S.COMPLETED, 400, True)
    assert await tickets(cp.desk) == [("ana", 400)]


@pytest.mark.parametrize(
    "end",
    [
        pytest.param({"meter": 900}, id="a lower meter"),
        pytest.param({"meter": 1_400, "id_tag": "TAG-B"}, id="another driver"),
        pytest.param({"meter": 1_400, "at_ms": (NOW - 100) * 1000}, id="before it began"),
    ],
)
async def test_an_end_without_an_id_that_fits_nothing_is_disputed(
    cp: ChargePoint, end: dict[str, object]
) -> None:
    transaction_id, _ = await cp.start("TAG-A", 1_000)
    await cp.stop(-1, **end)  # type: ignore[arg-type]
    assert (await cp.session(transaction_id)).state is _S.CHARGING
    listed, _ = await cp.desk.central.store.session_list(cp_id="CP", limit=10)
    assert sorted(session.disputed for session in listed) == [False, True]


async def test_an_end_without_an_id_ends_nothing_where_it_may_be_either(cp: ChargePoint) -> None:
    """Nor one whose id the charge point was seen to know."""
    first, _ = await cp.start("TAG-A", 1_000, connector_id=1)
    second, _ = await cp.start("TAG-B", 1_000, connector_id=2)
    await cp.stop(-1, 1_400)
    for transaction_id in (first, second):
        assert (await cp.session(transaction_id)).state is _S.CHARGING
    await cp.meter(first, 1_100)
    await cp.stop(-1, 1_500)
    assert (await cp.session(first)).state is _S.CHARGING
    assert (await cp.session(second)).energy == 500


# ---- Meter values -----------------------------------------------------------------------------


async def test_meter_values_count_by_their_energy(cp: ChargePoint) -> None:
    """One that shows less than is known, or cannot be, changes nothing; all are stored."""
    transaction_id, _ = await cp.start("TAG-A", 1_000)
    live = cp.desk.central.network.of_transaction(transaction_id)
    assert live is not None
    for meter, energy in (
        (3_000, 2_000),
        (2_500, 2_000),
        (900, 2_000),
        (10**12, 2_000),
        (3_001, 2_001),
    ):
        await cp.meter(transaction_id, meter)
        assert live.energy == energy
    stored, _ = await cp.desk.central.store.samples("CP", limit=10)
    assert len(stored) == 5


async def test_meter_values_without_a_transaction_count_for_the_only_one(cp: ChargePoint) -> None:
    """At their connector; what is measured where nobody charges is only stored."""
    transaction_id, _ = await cp.start("TAG-A", 1_000)
    live = cp.desk.central.network.of_transaction(transaction_id)
    assert live is not None
    await cp.meter(None, 1_500)
    await cp.meter(None, 9_500, connector_id=2)
    await cp.meter(None, 9_500, connector_id=0)
    assert live.energy == 500
    stored, _ = await cp.desk.central.store.samples("CP", limit=10)
    assert len(stored) == 3


@pytest.mark.parametrize("transaction_id", [-1, 0, 4711])
async def test_meter_values_of_no_transaction_here_change_no_session(
    cp: ChargePoint, transaction_id: int
) -> None:
    running, _ = await cp.start("TAG-A", 1_000)
    for _ in range(2):
        await cp.meter(transaction_id, 5_000)
    live = cp.desk.central.network.of_transaction(running)
    assert live is not None
    assert live.energy == 0


async def test_strange_transactions_are_said_to_be_once(
    cp: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as they are remembered, which is bounded."""
    monkeypatch.setattr("central.gateways.metering.STRAYS_REMEMBERED", 1)
    said: list[str] = []
    monkeypatch.setattr(Board, "event", lambda self, text, *_, **__: said.append(text))
    for transaction_id in (-1, -1, 4711, -1):
        await cp.meter(transaction_id, 5_000)
    one = "meter values of transaction -1, which is unknown"
    assert said == [one, one.replace("-1", "4711"), one]


async def test_a_power_without_energy_is_shown(cp: ChargePoint) -> None:
    transaction_id, _ = await cp.start("TAG-A", 1_000)
    await cp.meter(transaction_id, None, watts=11_000)
    row = cp.desk.central.network.row(cp.desk.central.network.points["CP"])
    assert row.connectors[0].charging_rate == 11_000


async def test_meter_values_that_come_after_the_end_change_nothing(
    cp: ChargePoint, alarms: list[str]
) -> None:
    transaction_id, _ = await cp.start("TAG-A", 1_000)
    pass_time(cp, 600)
    await cp.stop(transaction_id, 3_000)
    await cp.meter(transaction_id, 9_000)
    assert (await cp.session(transaction_id)).energy == 2_000
    assert alarms == []


async def test_the_data_of_a_transaction_are_stored_with_its_end(cp: ChargePoint) -> None:
    """As meter values are: under its connector and its transaction."""
    transaction_id, _ = await cp.start("TAG-A", 1_000, connector_id=2)
    samples = tuple(
        Sample(at_ms=cp.clock_ms + n, value=str(n), context="Transaction.End") for n in range(3)
    )
    for _ in range(2):
        await cp.stop(transaction_id, 1_010, samples=samples)
    stored, _ = await cp.desk.central.store.samples("CP", transaction_id=transaction_id, limit=10)
    assert sorted((s.sample for s in stored), key=lambda s: s.at_ms) == list(samples)
    assert {s.connector_id for s in stored} == {2}


async def test_a_reading_survives_a_restart(tmp_path: Path) -> None:
    """So that a session can be closed from it."""
    async with desk(tmp_path, NOW) as one:
        cp = await with_drivers(one)
        transaction_id, _ = await cp.start("TAG-A", 1_000)
        await cp.meter(transaction_id, 2_000)
        await cp.meter(transaction_id, 2_500)
    async with desk(tmp_path, NOW) as one:
        live = one.central.network.of_transaction(transaction_id)
        assert live is not None
        assert (live.energy, live.session.meter_start_wh) == (1_500, 1_000)
        cp = await ChargePoint(one).boot()
        await cp.meter(transaction_id, 2_600)
        assert (await cp.session(transaction_id)).energy == 1_600


# ---- Several points ---------------------------------------------------------------------------


async def test_a_driver_charges_at_one_point_at_a_time(cp: ChargePoint) -> None:
    """The second start is ConcurrentTx, gets its transaction, and its energy its bill."""
    other = await ChargePoint(cp.desk, "CP-2", THERE).boot()
    first, _ = await cp.start("TAG-A", 1_000)
    second, status = await other.start("TAG-A", 5_000)
    assert status is _T.CONCURRENT_TX
    running = cp.desk.central.network.of_driver("ana")
    assert running is not None
    assert running.session.transaction_id == first
    await other.stop(second, 5_010, reason="DeAuthorized")
    await cp.stop(first, 2_000)
    assert await tickets(cp.desk) == [("ana", 10), ("ana", 1_000)]
    bill = await other.ticket(second)
    assert bill is not None
    assert bill.reason is EndReason.CANCELLED
    _, status = await other.start("TAG-A", 6_000)
    assert status is _T.ACCEPTED


async def test_an_id_tag_may_be_good_for_several_charges(cp: ChargePoint) -> None:
    other = await ChargePoint(cp.desk, "CP-2", THERE).boot()
    await know(cp.desk, tag("FLEET", driver_id="fleet", max_concurrent=2))
    statuses = [
        (await cp.start("FLEET", 1_000, connector_id=1))[1],
        (await cp.start("FLEET", 1_000, connector_id=2))[1],
        (await other.start("FLEET", 1_000))[1],
    ]
    assert statuses == [_T.ACCEPTED, _T.ACCEPTED, _T.CONCURRENT_TX]


@pytest.mark.parametrize("status", [_T.INVALID, _T.BLOCKED, _T.EXPIRED])
async def test_a_refused_id_tag_gets_a_transaction_all_the_same(
    cp: ChargePoint, status: IdTagStatus
) -> None:
    """It has begun, whoever began it; what flows until the charge point ends it is billed."""
    await know(cp.desk, tag("BAD", blocked=status is _T.BLOCKED, expires_at=NOW - 1))
    if status is _T.INVALID:
        await know(cp.desk, tag("OTHER"))
    id_tag = "NOBODY S" if status is _T.INVALID else "BAD"
    transaction_id, said = await cp.start(id_tag, 1_000)
    assert said is status
    session = await cp.session(transaction_id)
    assert (session.state, session.holds_connector, session.holds_driver) == (
        _S.CHARGING,
        True,
        False,
    )
    await cp.stop(transaction_id, 1_007, reason="DeAuthorized")
    ((driver_id, energy),) = await tickets(cp.desk)
    assert energy == 7
    assert driver_id == ("BAD" if status is not _T.INVALID else session.driver_id)
    assert session.driver_id.startswith("tag-") == (status is _T.INVALID)


async def test_a_start_is_one_of_its_charge_point_alone(cp: ChargePoint) -> None:
    """Two charge points may say the same of their transactions."""
    other = await ChargePoint(cp.desk, "CP-2", THERE).boot()
    mine, theirs = cp.start_of("TAG-A"), other.start_of("TAG-A")
    assert replace(mine, cp_id="CP-2") == theirs
    assert (await cp.say_start(mine))[0] != (await other.say_start(theirs))[0]
