"""Readings and tickets on their way to Kafka."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from common.messages import ChargeCompletion, ChargingData
from common.units import WattHours
from monitor import records as module
from monitor.buffer import MAX_READINGS, WINDOW
from monitor.records import Records
from tests.monitor.fakes import FakePublisher
from tests.monitor.peers import eventually


def reading(sequence: int) -> ChargingData:
    return ChargingData(
        cp_id="CP",
        session_id="s",
        sequence=sequence,
        energy_consumed_kwh=WattHours(sequence),
        message_id=f"m-{sequence}",
    )


def ticket(session_id: str = "s") -> ChargeCompletion:
    return ChargeCompletion(
        cp_id="CP", session_id=session_id, energy_consumed_kwh=WattHours(9), message_id="t"
    )


@pytest.fixture
def kafka() -> FakePublisher:
    """A Kafka that acknowledges at once, until told otherwise."""
    return FakePublisher()


@pytest.fixture
async def records(kafka: FakePublisher, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Records]:
    """Records on their way, with short rests."""
    monkeypatch.setattr(module, "RETRY_AFTER", 0.01)
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    records = Records("CP", kafka)
    work = [asyncio.ensure_future(records.pump()), asyncio.ensure_future(records.watch())]
    yield records
    for task in work:
        task.cancel()
    await asyncio.wait(work)
    assert all(task.cancelled() for task in work)


async def test_records_are_published_in_order(records: Records, kafka: FakePublisher) -> None:
    """As they were taken."""
    messages: list[ChargingData | ChargeCompletion] = [reading(1), reading(2), ticket()]
    for message in messages:
        assert records.take(message)
    await eventually(lambda: kafka.records == messages)


async def test_taking_never_waits_for_kafka(records: Records, kafka: FakePublisher) -> None:
    """However slow it is, what is unacknowledged stays within the window."""
    kafka.holds = True
    for number in range(1, 2 * WINDOW):
        records.take(reading(number))
    await eventually(lambda: len(kafka.records) == WINDOW)
    kafka.holds = False
    kafka.acknowledge()
    await eventually(lambda: len(kafka.records) == 2 * WINDOW - 1)


async def test_what_the_publisher_gives_up_is_published_again(
    records: Records, kafka: FakePublisher
) -> None:
    """In its place, before what came later."""
    kafka.holds = True
    records.take(reading(1))
    records.take(ticket())
    await eventually(lambda: len(kafka.records) == 2)
    kafka.fail(TimeoutError("message timed out"))
    await eventually(lambda: len(kafka.records) == 4)
    assert kafka.records[2:] == [reading(1), ticket()]


async def test_a_full_publisher_is_tried_again(records: Records, kafka: FakePublisher) -> None:
    """Nothing is lost by its refusal."""
    kafka.full = True
    records.take(reading(1))
    await asyncio.sleep(0)
    kafka.full = False
    await eventually(lambda: kafka.records == [reading(1)])


async def test_a_ticket_on_its_way_is_not_taken_twice(
    records: Records, kafka: FakePublisher
) -> None:
    """Central asks for it again as long as it has not come; then it is taken again."""
    kafka.holds = True
    assert records.take(ticket())
    assert not records.take(ticket())
    await eventually(lambda: len(kafka.records) == 1)
    kafka.acknowledge()
    await eventually(lambda: records.take(ticket()))


async def test_dropped_readings_are_counted_in_the_log(
    kafka: FakePublisher, records: Records
) -> None:
    """A line when the first goes, and one with their number when it is over."""
    kafka.holds = True
    with capture_logs() as lines:
        for number in range(MAX_READINGS + WINDOW + 7):
            records.take(reading(number + 1))
        said = "no reading is dropped any more"
        await eventually(lambda: any(line["event"] == said for line in lines))
    dropped = [line for line in lines if "dropped" in line["event"]]
    assert len(dropped) == 2
    assert dropped[1]["dropped"] == WINDOW + 7


async def test_each_record_is_a_line_in_the_wire_log(
    kafka: FakePublisher,
) -> None:
    """With its ids, as a message by TCP has it."""
    with capture_logs() as lines:
        records = Records("CP", kafka)
        records.take(reading(1))
        pump = asyncio.ensure_future(records.pump())
        await eventually(lambda: kafka.records)
        pump.cancel()
    sent = [line for line in lines if line["event"] == "sent"]
    assert [(line["type"], line["message_id"]) for line in sent] == [("charging_data", "m-1")]
    assert "ev.charging" in sent[0]["peer"]
