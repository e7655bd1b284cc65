"""The tracker never lets an offset be committed over a record that is not done."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from common.stream.offsets import OffsetTracker


@dataclass(frozen=True)
class At:
    offset: int


def test_nothing_is_committable_before_the_first_record() -> None:
    """A partition that handed out nothing has no offset of its own."""
    assert OffsetTracker[At]().committable is None


def test_what_is_in_work_holds_back_what_is_done_behind_it() -> None:
    """Out of order: the oldest record in work is where a restart would begin."""
    tracker: OffsetTracker[At] = OffsetTracker()
    first, second = At(5), At(6)
    tracker.begin(first)
    tracker.begin(second)
    assert tracker.committable == 5
    assert tracker.done(second)
    assert tracker.committable == 5
    assert tracker.done(first)
    assert tracker.committable == 7
    assert tracker.in_work == 0


def test_gaps_between_offsets_are_stepped_over() -> None:
    """Compacted topics and transactions leave gaps; nothing waits for them."""
    tracker: OffsetTracker[At] = OffsetTracker()
    for record in (At(2), At(9)):
        tracker.begin(record)
        tracker.done(record)
    assert tracker.committable == 10


def test_a_record_is_done_once() -> None:
    """A repeat, or a record that was never handed out, changes nothing."""
    tracker: OffsetTracker[At] = OffsetTracker()
    record = At(0)
    tracker.begin(record)
    assert not tracker.done(At(0))
    assert tracker.committable == 0
    assert tracker.done(record)
    assert not tracker.done(record)


def test_a_log_that_lost_its_end_is_followed_back() -> None:
    """An offset that comes again is another record; the former one's end says nothing about it."""
    tracker: OffsetTracker[At] = OffsetTracker()
    former, again = At(8), At(3)
    tracker.begin(former)
    tracker.begin(again)
    assert not tracker.done(former)
    assert tracker.committable == 3
    assert tracker.done(again)
    assert tracker.committable == 4


@given(st.sets(st.integers(0, 200), min_size=1), st.data())
def test_the_committable_offset_is_that_of_the_oldest_in_work(
    offsets: set[int], data: st.DataObject
) -> None:
    """Whatever the order in which records are done."""
    tracker: OffsetTracker[At] = OffsetTracker()
    records = [At(offset) for offset in sorted(offsets)]
    for record in records:
        tracker.begin(record)
    left = {record.offset for record in records}
    for record in data.draw(st.permutations(records)):
        tracker.done(record)
        left.discard(record.offset)
        assert tracker.committable == min(left, default=records[-1].offset + 1)
        assert tracker.in_work == len(left)


def test_what_is_left_is_never_committed_and_holds_up_nothing() -> None:
    """What is behind it is done, and counts for the limit; the offset stays before it."""
    tracker: OffsetTracker[At] = OffsetTracker()
    records = [At(offset) for offset in range(4)]
    for record in records:
        tracker.begin(record)
    assert tracker.leave(records[2])
    assert tracker.leave(records[1])
    assert not tracker.leave(records[1])
    assert tracker.in_work == 2
    for record in (records[0], records[3]):
        assert tracker.done(record)
    assert (tracker.in_work, tracker.committable) == (0, 1)


def test_what_was_left_in_an_end_that_was_lost_is_forgotten() -> None:
    """There is another record at that offset now."""
    tracker: OffsetTracker[At] = OffsetTracker()
    for offset in (5, 6):
        tracker.begin(record := At(offset))
        tracker.leave(record)
    assert tracker.committable == 5
    again = At(5)
    tracker.begin(again)
    tracker.done(again)
    assert tracker.committable == 6
