"""What a session becomes by what is learned about it."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from central.rules import sessions
from central.rules.records import Session
from common.errors import Reason
from common.messages import ChargingData
from common.states import OPEN_STATES, EndReason, SessionEvent, SessionState, step
from common.units import WattHours
from tests.central.rules.examples import AUTHORISED, completion

NOW = 2000
LEARNED = [SessionEvent.SUPPLYING, SessionEvent.ENDED, SessionEvent.NEVER_SEEN]


def in_state(state: SessionState) -> Session:
    """The session in this state, holding what that state holds."""
    holds = state in OPEN_STATES
    return replace(AUTHORISED, state=state, holds_connector=holds, holds_driver=holds)


@pytest.mark.parametrize(("state", "event"), list(product(SessionState, LEARNED)))
def test_a_session_goes_where_the_one_table_says(state: SessionState, event: SessionEvent) -> None:
    """Nothing but the table of steps moves a session."""
    assert sessions.moved(in_state(state), event, NOW).state is step(state, event)


@pytest.mark.parametrize(("state", "event"), list(product(SessionState, LEARNED)))
def test_only_open_sessions_hold_anything(state: SessionState, event: SessionEvent) -> None:
    """A session that is no longer open lets go of connector and driver."""
    after = sessions.moved(in_state(state), event, NOW)
    assert after.holds_connector == after.holds_driver == (after.state in OPEN_STATES)


def test_a_session_that_ends_knows_when() -> None:
    """Finishing notes its own time and the session's end."""
    after = sessions.moved(in_state(SessionState.CHARGING), SessionEvent.ENDED, NOW)
    assert (after.finishing_at, after.ended_at) == (NOW, NOW)


def test_a_session_never_seen_is_settled_by_that_word() -> None:
    """An engine that never saw a session has said its last word about it."""
    after = sessions.moved(AUTHORISED, SessionEvent.NEVER_SEEN, NOW)
    assert after.state is SessionState.FAILED
    assert after.settled


def test_a_cancelled_start_never_seen_is_settled_and_frees_its_connector() -> None:
    """A start that timed out holds its connector until the engine says that it never saw it."""
    waiting = sessions.unanswered(AUTHORISED, NOW)
    after = sessions.moved(waiting, SessionEvent.NEVER_SEEN, NOW)
    assert (after.settled, after.holds_connector) == (True, False)


def test_a_running_session_that_its_engine_forgot_is_not_settled() -> None:
    """Energy flowed, so its engine's `never seen` is not the last word."""
    after = sessions.moved(in_state(SessionState.CHARGING), SessionEvent.NEVER_SEEN, NOW)
    assert after.state is SessionState.FINISHING
    assert not after.settled


def test_an_event_that_changes_nothing_returns_the_same_session() -> None:
    """Repeats and late words cost no write."""
    done = in_state(SessionState.COMPLETED)
    assert sessions.moved(done, SessionEvent.SUPPLYING, NOW) is done


def test_a_driver_released_while_offline_is_not_held_again() -> None:
    """What was let go of stays let go of while the session goes on."""
    released = sessions.driver_released(AUTHORISED)
    after = sessions.moved(released, SessionEvent.SUPPLYING, NOW)
    assert (after.holds_connector, after.holds_driver) == (True, False)
    assert sessions.driver_released(released) is released


def test_confirming_twice_changes_nothing() -> None:
    """The engine's yes, repeated, costs no write."""
    once = sessions.confirmed(AUTHORISED)
    assert once.confirmed
    assert sessions.confirmed(once) is once


def test_a_refused_start_fails_settled_and_holds_nothing() -> None:
    """The engine's no is its last word."""
    after = sessions.refused(AUTHORISED, NOW)
    assert after.state is SessionState.FAILED
    assert after.refusal is Reason.ENGINE_REFUSED
    assert (after.settled, after.holds_connector, after.holds_driver) == (True, False, False)


def test_an_unanswered_start_holds_its_connector_until_the_end_is_confirmed() -> None:
    """It may still begin, so nobody else gets the connector; the driver is free."""
    after = sessions.unanswered(AUTHORISED, NOW)
    assert after.refusal is Reason.TIMED_OUT
    assert (after.settled, after.holds_connector, after.holds_driver) == (False, True, False)
    freed = sessions.end_confirmed(after)
    assert not freed.holds_connector
    assert sessions.end_confirmed(freed) is freed


def test_a_refusal_does_not_move_a_session_that_runs() -> None:
    """A no that contradicts a reading changes nothing."""
    running = in_state(SessionState.CHARGING)
    assert sessions.refused(running, NOW) is running
    assert sessions.unanswered(running, NOW) is running


def test_confirming_the_end_of_an_open_session_does_not_free_its_connector() -> None:
    """Its ticket, or a report, is what ends it."""
    assert sessions.end_confirmed(AUTHORISED) is AUTHORISED


def reading(wh: int, sequence: int | None) -> ChargingData:
    """A reading of the session."""
    return ChargingData(
        cp_id="CP-1", session_id="s-1", sequence=sequence, energy_consumed_kwh=WattHours(wh)
    )


@given(known=st.integers(0, 50), new=st.integers(1, 50), wh=st.integers(0, 9000))
def test_a_reading_counts_by_its_sequence(known: int, new: int, wh: int) -> None:
    """A repeat and a late one count for nothing, whatever energy they tell."""
    session = replace(in_state(SessionState.CHARGING), sequence=known, energy=WattHours(5000))
    assert sessions.counts(session, reading(wh, new)) == (new > known)


@given(wh=st.integers(0, 9000))
def test_a_reading_without_sequence_counts_if_its_energy_is_higher(wh: int) -> None:
    """Programs written to the first version of the protocol take part."""
    session = replace(in_state(SessionState.CHARGING), energy=WattHours(5000))
    assert sessions.counts(session, reading(wh, None)) == (wh > 5000)


def test_no_reading_counts_once_there_is_a_ticket() -> None:
    """The bill is made; a late reading changes nothing."""
    assert not sessions.counts(replace(AUTHORISED, revision=1), reading(9000, 99))


@pytest.mark.parametrize(
    ("wh", "reason", "event"),
    [
        (1, EndReason.FAULT, SessionEvent.TICKET),
        (0, EndReason.DRIVER_REQUEST, SessionEvent.TICKET),
        (0, EndReason.NOT_PLUGGED_IN, SessionEvent.EMPTY_TICKET),
        (0, None, SessionEvent.EMPTY_TICKET),
    ],
)
def test_a_completion_bills_energy_or_the_drivers_wish(
    wh: int, reason: EndReason | None, event: SessionEvent
) -> None:
    """A session that ends before any energy flowed has no ticket, unless its driver ended it."""
    assert sessions.ticket_event(AUTHORISED, completion(wh), reason) is event


def test_a_failed_session_without_energy_stays_failed() -> None:
    """There was no charge that its driver could have ended."""
    failed = in_state(SessionState.FAILED)
    event = sessions.ticket_event(failed, completion(0), EndReason.DRIVER_REQUEST)
    assert event is SessionEvent.EMPTY_TICKET


def test_an_estimate_is_final_once_its_engine_has_forgotten_the_session() -> None:
    """An engine that never saw what was billed has lost its journal: no ticket will come."""
    estimate = replace(in_state(SessionState.COMPLETED), revision=1, estimated=True)
    after = sessions.moved(estimate, SessionEvent.NEVER_SEEN, NOW)
    assert after == replace(estimate, settled=True, ended_at=NOW)
