"""What a charge point's transaction is to a session: rules without I/O."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from ocpp.v16.enums import Reason as OcppReason

from central.rules.records import Session
from central.rules.transactions import (
    AHEAD_MS,
    EARLIEST_MS,
    MOST_ENERGY,
    REASONS,
    awaits,
    begun,
    completion_of,
    displaced,
    energy_between,
    fits,
    moment,
    not_begun,
    reason_of,
    request_of_end,
    request_of_start,
    start_key,
    started,
    taken_back,
    unplaced,
)
from common.errors import Reason
from common.gateway_messages import ChargeStarted, TransactionCompletion
from common.messages import Role
from common.states import EndReason, SessionState
from common.units import Price, WattHours
from tests.central.rules.examples import AUTHORISED

_S = SessionState
NOW_MS = 1_790_000_000_000

START = ChargeStarted(
    message_id="gw-1",
    cp_id="CP-1",
    connector_id=2,
    id_tag="Tag",
    meter_start_wh=1_000,
    at_ms=NOW_MS - 5_000,
)
END = TransactionCompletion(
    cp_id="CP-1", transaction_id=7, meter_stop_wh=3_500, at_ms=NOW_MS + 60_000
)
AWAITING = replace(AUTHORISED, id_tag="TAG")


def transaction(start: ChargeStarted = START) -> Session:
    return started(
        start,
        session_id="s-1",
        transaction_id=7,
        driver_id="ana",
        price=Price(3_500),
        currency="EUR",
        holds_driver=True,
        now_ms=NOW_MS,
    )


def test_a_start_is_the_same_one_whatever_its_message_id() -> None:
    """By point, connector, id tag in any case, time and meter; by nothing else."""
    same = replace(START, message_id="gw-2", trace_id="t", id_tag="TAG", reservation_id=5)
    assert start_key(same) == start_key(START)
    for other in (
        replace(START, cp_id="CP-2"),
        replace(START, connector_id=1),
        replace(START, id_tag="Tag2"),
        replace(START, meter_start_wh=1_001),
        replace(START, at_ms=NOW_MS),
    ):
        assert start_key(other) != start_key(START)
        assert request_of_start(other) != request_of_start(START)


def test_an_end_is_the_same_one_by_its_transaction() -> None:
    """Where its id was never told, by its time and its meter."""
    key = request_of_end(END)
    assert (key.role, key.sender) == (Role.GATEWAY, "CP-1")
    assert request_of_end(replace(END, meter_stop_wh=1, at_ms=1)) == key
    assert request_of_end(replace(END, cp_id="CP-2")) != key
    untold = replace(END, transaction_id=-1)
    assert request_of_end(replace(untold, meter_stop_wh=1)) != request_of_end(untold)


@pytest.mark.parametrize(
    ("at_ms", "sane"),
    [
        (EARLIEST_MS - 1, False),
        (EARLIEST_MS, True),
        (NOW_MS + AHEAD_MS, True),
        (NOW_MS + AHEAD_MS + 1, False),
    ],
)
def test_a_clock_is_believed_between_2010_and_tomorrow(at_ms: int, sane: bool) -> None:
    assert moment(at_ms, NOW_MS) == (at_ms if sane else None)


@given(st.integers(-(2**53), 2**53 - 1), st.integers(-(2**53), 2**53 - 1))
def test_energy_is_never_negative_nor_beyond_what_can_be(start: int, stop: int) -> None:
    energy = energy_between(start, stop)
    possible = 0 <= stop - start <= MOST_ENERGY
    assert (energy is not None) == possible
    assert energy is None or energy == stop - start


def test_a_transaction_that_began_there_charges_at_once() -> None:
    session = transaction()
    assert (session.state, session.confirmed, session.holds_connector) == (_S.CHARGING, True, True)
    assert (session.requested_ms, session.started_at) == (NOW_MS - 5_000, NOW_MS // 1000 - 5)
    assert (session.meter_start_wh, session.start_key) == (1_000, start_key(START))
    ahead = transaction(replace(START, at_ms=NOW_MS + 60_000))
    assert ahead.requested_ms == NOW_MS, "it has begun, whatever its clock says"


def test_a_session_awaits_its_own_id_tag() -> None:
    assert awaits(AWAITING, "tag")
    assert not awaits(AWAITING, "other")
    assert not awaits(replace(AWAITING, transaction_id=1), "tag")
    assert not awaits(replace(AWAITING, settled=True), "tag")
    assert not awaits(AUTHORISED, "tag"), "it is an engine's"


def test_a_session_that_awaited_its_transaction_is_it() -> None:
    after = begun(AWAITING, START, 7, NOW_MS)
    assert (after.state, after.transaction_id, after.connector_id) == (_S.CHARGING, 7, 2)
    assert (after.session_id, after.request) == (AWAITING.session_id, AWAITING.request)
    assert after.holds_connector


@pytest.mark.parametrize(
    "session",
    [
        replace(AWAITING, transaction_id=1),
        taken_back(AWAITING, EndReason.DRIVER_REQUEST, 5),
        not_begun(AWAITING, 5),
        AUTHORISED,
    ],
)
def test_no_other_session_becomes_it(session: Session) -> None:
    assert begun(session, START, 7, NOW_MS) is session


def test_a_start_that_is_taken_back_may_still_begin() -> None:
    """So it is not settled; nothing is held for it."""
    after = taken_back(AWAITING, EndReason.DRIVER_REQUEST, 5)
    assert (after.state, after.settled) == (_S.FAILED, False)
    assert (after.holds_connector, after.holds_driver) == (False, False)
    assert (after.reason, after.ended_at) == (EndReason.DRIVER_REQUEST, 5)
    assert awaits(after, "tag")
    assert taken_back(after, EndReason.CP_STOPPED, 6) is after
    going_on = begun(AWAITING, START, 7, NOW_MS)
    assert taken_back(going_on, EndReason.DRIVER_REQUEST, 5) is going_on


def test_a_start_that_does_not_begin_is_over_for_good() -> None:
    """Why its request failed is said where it was not answered yet."""
    after = not_begun(AWAITING, 5)
    assert (after.state, after.settled, after.refusal) == (_S.FAILED, True, Reason.TIMED_OUT)
    assert after.reason is EndReason.NOT_PLUGGED_IN
    assert not_begun(replace(AWAITING, confirmed=True), 5).refusal is None
    back = not_begun(taken_back(AWAITING, EndReason.DRIVER_REQUEST, 5), 9)
    assert (back.reason, back.ended_at, back.settled) == (EndReason.DRIVER_REQUEST, 5, True)
    assert not_begun(after, 9) is after
    going_on = begun(AWAITING, START, 7, NOW_MS)
    assert not_begun(going_on, 9) is going_on


def test_a_session_whose_connector_was_given_away_holds_nothing() -> None:
    """One that has begun waits for its end; one that has not is over."""
    finishing = displaced(transaction(), 5)
    assert (finishing.state, finishing.settled) == (_S.FINISHING, False)
    failed = displaced(AWAITING, 5)
    assert (failed.state, failed.settled) == (_S.FAILED, True)
    for session in (finishing, failed):
        assert (session.holds_connector, session.holds_driver) == (False, False)


def test_every_reason_of_ocpp_is_one_of_ours() -> None:
    """The eleven of a StopTransaction; only two say no more than that something was asked."""
    assert sorted(REASONS) == sorted(each.value for each in OcppReason)
    assert [word for word, reason in REASONS.items() if reason is None] == ["Other", "Remote"]


def test_remote_is_what_was_asked_for() -> None:
    """Where nothing was, an operator sent the bare call."""
    assert reason_of("Remote", EndReason.TARGET_REACHED) is EndReason.TARGET_REACHED
    assert reason_of("Remote", None) is EndReason.OPERATOR_REQUEST
    assert reason_of("Local", EndReason.CP_STOPPED) is EndReason.DRIVER_REQUEST
    assert reason_of("Other", EndReason.CP_STOPPED) is EndReason.CP_STOPPED
    assert reason_of("Nonsense", None) is None


def test_the_last_word_is_the_difference_of_the_meter() -> None:
    completion, impossible = completion_of(transaction(), END, None, NOW_MS)
    assert (completion.energy_consumed_kwh, impossible) == (2_500, False)
    assert (completion.meter_start_wh, completion.meter_stop_wh) == (1_000, 3_500)
    assert completion.ended_at == NOW_MS // 1000 + 60
    assert completion.started_at is None, "its session knows"


@pytest.mark.parametrize("meter", [999, -1, 1_000 + MOST_ENERGY + 1])
def test_a_meter_that_cannot_be_bills_nothing(meter: int) -> None:
    completion, impossible = completion_of(
        transaction(), replace(END, meter_stop_wh=meter), None, NOW_MS
    )
    assert (completion.energy_consumed_kwh, impossible) == (0, True)
    assert (completion.meter_stop_wh is None) == (meter < 0)


def test_nothing_ends_before_it_began() -> None:
    early = replace(END, at_ms=EARLIEST_MS)
    assert completion_of(transaction(), early, None, NOW_MS)[0].ended_at == NOW_MS // 1000 - 5
    assert completion_of(transaction(), replace(END, at_ms=0), None, NOW_MS)[0].ended_at == (
        NOW_MS // 1000
    )


def test_an_end_that_belongs_nowhere_is_kept_without_energy() -> None:
    kept = unplaced(replace(END, message_id="gw-9"), "tx-1", NOW_MS)
    assert (kept.session_id, kept.energy_consumed_kwh, kept.trace_id) == ("tx-1", 0, "gw-9")
    assert kept.ended_at == NOW_MS // 1000 + 60
    assert unplaced(replace(END, at_ms=1), "tx-1", NOW_MS).ended_at == NOW_MS // 1000


def test_an_end_without_an_id_fits_by_meter_and_time() -> None:
    session = replace(transaction(), energy=WattHours(2_000))
    end = replace(END, transaction_id=-1)
    assert fits(session, end, NOW_MS)
    assert fits(session, replace(end, at_ms=0), NOW_MS), "without a clock the meter counts"
    assert fits(session, replace(end, meter_stop_wh=3_000), NOW_MS)
    for other in (
        replace(end, meter_stop_wh=2_999),
        replace(end, meter_stop_wh=10**15),
        replace(end, at_ms=NOW_MS - 60_000),
    ):
        assert not fits(session, other, NOW_MS)
    for over in (replace(session, settled=True), AWAITING):
        assert not fits(over, end, NOW_MS)
