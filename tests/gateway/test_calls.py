"""One open call per direction: order is kept, and every call ends once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec import Raw

from gateway.calls import (
    MAX_WAITING_OWN_CALLS,
    MAX_WAITING_PEER_CALLS,
    OwnCalls,
    PeerCalls,
    TooManyCalls,
    Unanswered,
)
from gateway.ocppj import Call, CallErrorCode, CallResult, call_error


def call(message_id: str) -> Call:
    return Call(message_id, "Heartbeat", Raw(b"{}"))


def result(message_id: str) -> CallResult:
    return CallResult(message_id, Raw(b"{}"))


# ---- The charge point's -----------------------------------------------------------------------


def test_a_call_that_comes_early_waits_its_turn_and_is_counted() -> None:
    """It is neither lost nor handled beside the other."""
    calls = PeerCalls()
    first, second = call("1"), call("2")
    assert calls.receive(first)
    assert not calls.receive(second)
    assert (calls.open, len(calls), calls.early) == (first, 2, 1)
    assert calls.answered(first) is second
    assert calls.answered(second) is None
    assert (calls.open, len(calls)) == (None, 0)


def test_a_repeated_id_is_handled_and_answered_again() -> None:
    """Whether the first one is answered yet or not."""
    calls = PeerCalls()
    first, again = call("1"), call("1")
    calls.receive(first)
    calls.receive(again)
    assert calls.answered(first) is again
    assert calls.answered(again) is None
    assert calls.receive(call("1"))


def test_a_call_is_answered_once() -> None:
    """Also if the one after it has the same id."""
    calls = PeerCalls()
    first, again = call("1"), call("1")
    calls.receive(first)
    calls.receive(again)
    calls.answered(first)
    with pytest.raises(ValueError, match="call 1 is not open"):
        calls.answered(first)
    assert calls.open is again


def test_a_charge_point_with_many_unanswered_calls_is_not_to_be_read() -> None:
    """What was read by then is taken still, and it may be read again once some are answered."""
    calls = PeerCalls()
    for number in range(MAX_WAITING_PEER_CALLS):
        assert not calls.full
        calls.receive(call(str(number)))
    calls.receive(call("last"))
    assert calls.full
    calls.receive(call("read already"))
    for _ in range(2):
        assert calls.open is not None
        calls.answered(calls.open)
    assert not calls.full


@given(st.lists(st.booleans(), max_size=60))
def test_calls_are_handled_one_at_a_time_in_the_order_in_which_they_came(steps: list[bool]) -> None:
    """However receiving (True) and answering (False) alternate."""
    calls = PeerCalls()
    received: list[Call] = []
    handled: list[Call] = []
    for receive in steps:
        if receive:
            received.append(call(str(len(received))))
            if calls.receive(received[-1]):
                handled.append(received[-1])
        elif calls.open is not None:
            following = calls.answered(calls.open)
            handled += [following] if following else []
        assert calls.open is None or calls.open is handled[-1]
        assert handled == received[: len(handled)]
        assert len(calls) == len(received) - len(handled) + (calls.open is not None)


# ---- Ours -------------------------------------------------------------------------------------


def test_ours_are_written_one_at_a_time() -> None:
    """The second when the first is settled."""
    calls = OwnCalls()
    first, second = call("1"), call("2")
    assert calls.add(first, 10.0) is first
    assert calls.add(second, 10.0) is None
    assert calls.next() is None
    assert calls.settle(result("1")) is first
    assert calls.next() is second
    assert calls.settle(call_error("2", CallErrorCode.NOT_SUPPORTED)) is second
    assert len(calls) == 0


@pytest.mark.parametrize("message_id", ["2", "3", ""])
def test_an_answer_to_a_call_that_is_not_open_is_dropped_and_counted(message_id: str) -> None:
    """Never made, or made and not written yet."""
    calls = OwnCalls()
    calls.add(call("1"), 10.0)
    calls.add(call("2"), 10.0)
    assert calls.settle(result(message_id)) is None
    assert calls.strays == 1
    assert calls.open is not None
    assert calls.open.id == "1"


def test_an_answer_that_comes_twice_settles_once() -> None:
    """The second is a stray, also while the next call is open."""
    calls = OwnCalls()
    calls.add(call("1"), 10.0)
    calls.add(call("2"), 10.0)
    calls.settle(result("1"))
    calls.next()
    assert calls.settle(result("1")) is None
    assert calls.strays == 1


def test_what_is_not_answered_in_time_is_given_up_sent_or_not() -> None:
    """An answer after that is a stray, and the next call has its turn."""
    calls = OwnCalls()
    first, second, third = call("1"), call("2"), call("3")
    for each, deadline in ((first, 10.0), (second, 5.0), (third, 20.0)):
        calls.add(each, deadline)
    assert calls.deadline == 5.0
    assert calls.expire(4.9) == []
    assert calls.expire(10.0) == [Unanswered(first, sent=True), Unanswered(second, sent=False)]
    assert calls.deadline == 20.0
    assert calls.settle(result("1")) is None
    assert calls.next() is third


def test_when_the_connection_goes_all_are_given_up_in_their_order() -> None:
    """The open one may have been done; the others were never sent."""
    calls = OwnCalls()
    first, second = call("1"), call("2")
    calls.add(first, 10.0)
    calls.add(second, 5.0)
    assert calls.close() == [Unanswered(first, sent=True), Unanswered(second, sent=False)]
    assert (calls.open, calls.deadline, len(calls)) == (None, None, 0)


def test_an_id_is_taken_until_its_call_is_settled() -> None:
    """Two calls with one id could not be told apart."""
    calls = OwnCalls()
    calls.add(call("1"), 10.0)
    assert "1" in calls
    with pytest.raises(ValueError, match="call 1 is not answered yet"):
        calls.add(call("1"), 10.0)
    calls.settle(result("1"))
    assert "1" not in calls
    assert calls.add(call("1"), 10.0) is not None


def test_no_more_than_so_many_wait() -> None:
    """A further one is refused, and changes nothing."""
    calls = OwnCalls()
    for number in range(MAX_WAITING_OWN_CALLS + 1):
        calls.add(call(str(number)), 10.0)
    with pytest.raises(TooManyCalls):
        calls.add(call("one too many"), 10.0)
    assert len(calls) == MAX_WAITING_OWN_CALLS + 1


class OwnCallsModel(RuleBasedStateMachine):
    """Calls of ours against a list of them: any order of adding, answering and giving up."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = OwnCalls()
        self.expected: list[tuple[str, float]] = []
        self.written: list[str] = []
        self.added = 0
        self.now = 0.0

    @rule(wait=st.floats(0.1, 9))
    def add(self, wait: float) -> None:
        self.added += 1
        message_id = str(self.added)
        self.expected.append((message_id, self.now + wait))
        self._write(self.calls.add(call(message_id), self.now + wait))

    @precondition(lambda self: self.calls.open)
    @rule()
    def answer(self) -> None:
        message_id, _ = self.expected.pop(0)
        settled = self.calls.settle(result(message_id))
        assert settled is not None
        assert settled.id == message_id
        self._write(self.calls.next())

    @rule(seconds=st.floats(0, 5))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds
        gone = [message_id for message_id, deadline in self.expected if deadline <= self.now]
        given_up = self.calls.expire(self.now)
        assert [each.call.id for each in given_up] == gone
        assert all(each.sent == (each.call.id in self.written) for each in given_up)
        self.expected = [each for each in self.expected if each[1] > self.now]
        self._write(self.calls.next())

    def _write(self, opened: Call | None) -> None:
        if opened is not None:
            assert opened.id not in self.written
            self.written.append(opened.id)

    @invariant()
    def the_oldest_is_open(self) -> None:
        assert len(self.calls) == len(self.expected)
        assert self.calls.deadline == min((at for _, at in self.expected), default=None)
        if self.expected:
            assert self.calls.open is not None
            assert self.calls.open.id == self.expected[0][0] == self.written[-1]
        else:
            assert self.calls.open is None


TestOwnCalls = OwnCallsModel.TestCase
