"""What waits for Kafka."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from common.messages import ChargeCompletion, ChargingData
from common.units import WattHours
from monitor.buffer import MAX_READINGS, MAX_TICKETS, WINDOW, Buffer, Record


def reading(sequence: int, session_id: str = "s") -> ChargingData:
    return ChargingData(
        cp_id="CP",
        session_id=session_id,
        sequence=sequence,
        energy_consumed_kwh=WattHours(sequence),
    )


def ticket(session_id: str = "s") -> ChargeCompletion:
    return ChargeCompletion(cp_id="CP", session_id=session_id, energy_consumed_kwh=WattHours(9))


def drained(buffer: Buffer) -> list[ChargingData | ChargeCompletion]:
    """All that is in it, acknowledged as it comes."""
    found = []
    while record := buffer.next():
        buffer.done(record)
        found.append(record.message)
    return found


def sequences(messages: list[ChargingData | ChargeCompletion]) -> list[int | None]:
    return [m.sequence for m in messages if isinstance(m, ChargingData)]


def test_records_leave_in_the_order_in_which_they_came() -> None:
    """A session's ticket after its readings."""
    buffer = Buffer()
    messages: list[ChargingData | ChargeCompletion]
    messages = [reading(1), reading(2), ticket(), reading(1, "t")]
    for message in messages:
        assert buffer.add(message)
    assert drained(buffer) == messages
    assert len(buffer) == 0


def test_at_the_limit_the_oldest_reading_goes() -> None:
    """The newest say all that the oldest said."""
    buffer = Buffer()
    for number in range(1, MAX_READINGS + 6):
        buffer.add(reading(number))
    assert buffer.dropped == 5
    assert sequences(drained(buffer)) == list(range(6, MAX_READINGS + 6))


def test_readings_with_the_publisher_count_and_stay() -> None:
    """They cannot be taken back, so the oldest of the waiting ones goes."""
    buffer = Buffer()
    for number in range(1, MAX_READINGS + 1):
        buffer.add(reading(number))
    sent = buffer.next()
    buffer.add(reading(0xFFFF))
    assert sent is not None
    assert sequences([sent.message]) == [1]
    assert buffer.dropped == 1
    assert sequences(drained(buffer))[0] == 3


def test_a_ticket_is_never_dropped_for_readings() -> None:
    """However many readings come after it."""
    buffer = Buffer()
    buffer.add(ticket())
    for number in range(1, 3 * MAX_READINGS):
        buffer.add(reading(number))
    assert drained(buffer)[0] == ticket()


def test_one_ticket_of_a_session_is_on_its_way() -> None:
    """A repeat is not taken while the first waits or is unacknowledged, and is afterwards."""
    buffer = Buffer()
    assert buffer.add(ticket())
    assert not buffer.add(ticket())
    record = buffer.next()
    assert record is not None
    assert not buffer.add(ticket())
    buffer.done(record)
    assert buffer.add(ticket())


def test_at_the_limit_of_tickets_a_further_one_is_not_taken() -> None:
    """The engine keeps it, and it is asked for again."""
    buffer = Buffer()
    assert all(buffer.add(ticket(f"s{number}")) for number in range(MAX_TICKETS))
    assert not buffer.add(ticket("one more"))
    assert buffer.add(reading(1))


def test_the_window_bounds_what_the_publisher_has() -> None:
    """The next leaves when one is acknowledged."""
    buffer = Buffer()
    for number in range(WINDOW + 2):
        buffer.add(reading(number + 1))
    sent = [buffer.next() for _ in range(WINDOW)]
    assert buffer.next() is None
    assert sent[7] is not None
    buffer.done(sent[7])
    assert buffer.next() is not None
    assert buffer.next() is None


def test_a_failed_record_is_the_next_to_leave() -> None:
    """In its old place, so that order is kept."""
    buffer = Buffer()
    for number in (1, 2, 3):
        buffer.add(reading(number))
    first, second = buffer.next(), buffer.next()
    assert first is not None
    assert second is not None
    buffer.failed(second)
    buffer.failed(first)
    assert sequences(drained(buffer)) == [1, 2, 3]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("reading"), st.integers(1, 5)),
        st.tuples(st.just("ticket"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["next", "done", "failed"]), st.just(0)),
    ),
    max_size=60,
)


@given(steps)
def test_whatever_happens_nothing_is_lost_below_the_limits(taken: list[tuple[str, int]]) -> None:
    """All that was taken leaves, each session's tickets included, once it can."""
    buffer, added, left = Buffer(), 0, 0
    sent: list[Record] = []
    for step, session in taken:
        if step == "reading":
            added += buffer.add(reading(1, f"s{session}"))
        elif step == "ticket":
            added += buffer.add(ticket(f"s{session}"))
        elif step == "next" and (record := buffer.next()):
            sent.append(record)
        elif step == "done" and sent:
            buffer.done(sent.pop())
            left += 1
        elif step == "failed" and sent:
            buffer.failed(sent.pop())
        assert len(buffer) == added - left
    for record in sent:
        buffer.failed(record)
    assert len(drained(buffer)) == added - left
    assert buffer.dropped == 0


@pytest.mark.parametrize("count", [0, 1, MAX_READINGS, MAX_READINGS + 1, 2 * MAX_READINGS])
def test_the_number_of_readings_is_bounded(count: int) -> None:
    """Whatever comes, no more than the limit are here."""
    buffer = Buffer()
    for number in range(count):
        buffer.add(reading(number + 1))
    assert len(buffer) == min(count, MAX_READINGS)
    assert buffer.dropped == max(0, count - MAX_READINGS)


def test_a_ticket_that_finds_no_room_is_remembered_by_its_time() -> None:
    """The earliest end counts; one that does not say when it ended counts from the beginning."""
    buffer = Buffer()
    for number in range(MAX_TICKETS):
        assert buffer.add(ticket(str(number)))
    assert buffer.turned_away is None
    assert not buffer.has_room
    for ended_at, since in ((70, 70), (50, 50), (60, 50), (None, 0)):
        assert not buffer.add(replace(ticket(f"at {ended_at}"), ended_at=ended_at))
        assert buffer.turned_away == since
    drained(buffer)
    assert buffer.has_room
