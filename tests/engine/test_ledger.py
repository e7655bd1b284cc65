"""What is known of all sessions."""

from common.states import EndReason
from common.units import MAX_LISTED_SESSIONS
from engine.ledger import KEEP_SECONDS, Ledger
from engine.session import Tombstone
from tests.engine.fakes import BEGAN, a_session

ENDED = EndReason.DRIVER_REQUEST


def test_the_last_record_of_a_session_counts() -> None:
    """Only the newest is kept, and it is the last in the order."""
    old, other, new = a_session("a"), a_session("b"), a_session("a", sequence=11)
    ledger = Ledger([old, other, new])
    assert list(ledger) == [other, new]
    assert len(ledger) == 2
    assert ledger["a"] == new
    assert ledger["c"] is None


def test_held_are_ended_sessions_that_are_not_settled_oldest_end_first() -> None:
    """Not those that run, not those that were settled, not those that never began."""
    ledger = Ledger(
        [
            a_session("runs"),
            a_session("first begun"),
            a_session("second begun"),
            a_session("second begun", reason=ENDED),
            a_session("first begun", reason=ENDED),
            a_session("settled", reason=ENDED, settled_at=BEGAN),
            Tombstone(session_id="never", at=BEGAN),
        ]
    )
    assert ledger.held() == ["second begun", "first begun"]


def test_held_lists_no_more_than_a_message_may() -> None:
    """The oldest 100; the others follow once these are settled."""
    ledger = Ledger(a_session(str(n), reason=ENDED) for n in range(MAX_LISTED_SESSIONS + 1))
    assert ledger.held() == [str(n) for n in range(MAX_LISTED_SESSIONS)]


def test_what_ran_when_the_engine_died_is_ended_at_its_last_entry() -> None:
    """It becomes a ticket with the energy of the last entry; all else stays as it is."""
    ended = a_session("ended", reason=ENDED)
    ledger = Ledger([a_session("ran"), ended, Tombstone(session_id="never", at=BEGAN)])
    expected = a_session("ran", reason=EndReason.ENGINE_RESTARTED)
    assert ledger.end_open(EndReason.ENGINE_RESTARTED) == [expected]
    assert ledger["ran"] == expected
    assert ledger.held() == ["ended", "ran"]
    assert ledger.end_open(EndReason.ENGINE_RESTARTED) == []


def test_settled_tickets_and_tombstones_are_kept_for_seven_days() -> None:
    """Then they are forgotten; what is not settled, never."""
    assert KEEP_SECONDS == 7 * 86_400
    ledger = Ledger(
        [
            a_session("settled", reason=ENDED, settled_at=BEGAN, settled_age=1_000),
            Tombstone(session_id="never", at=BEGAN, age=1_000),
            a_session("held", reason=ENDED),
            a_session("runs"),
        ]
    )
    ledger.forget_old(1_000 + KEEP_SECONDS - 1)
    assert len(ledger) == 4
    ledger.forget_old(1_000 + KEEP_SECONDS)
    assert [record.session_id for record in ledger] == ["held", "runs"]


def test_the_last_session_of_a_connector_is_the_one_that_ended_last() -> None:
    """Settling an older one later changes nothing about that, nor does a clock that went back."""
    ledger = Ledger(
        [
            a_session("new", at=BEGAN - 900_000, reason=ENDED, meter_wh=1_100),
            a_session("old", at=BEGAN + 10, reason=ENDED, settled_at=BEGAN + 30),
            a_session("elsewhere", at=BEGAN + 40, connector_id=2),
            Tombstone(session_id="never", at=BEGAN + 50),
        ]
    )
    assert ledger.last_on(1) == "new"
    assert ledger.last_on(2) == "elsewhere"
    assert ledger.last_on(3) is None
