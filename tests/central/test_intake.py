"""The intake of `ev.charging`: each partition by itself, its batches whole, poison set aside."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, cast

import pytest

from central import intake as intake_module
from central.dead import DeadLetters
from central.intake import ChargingIntake
from central.readings import Readings
from common.codec import encode
from common.dispatch import Dispatcher, Peer
from common.errors import StoreUnavailable
from common.messages import ChargeCompletion, ChargingData, Message
from common.stream import Record, Subscription
from common.units import WattHours

SOON = 5.0


class Batches:
    """What is read; ends never."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[list[Record]] = asyncio.Queue()

    def __aiter__(self) -> AsyncIterator[list[Record]]:
        return self

    async def __anext__(self) -> list[Record]:
        return await self.queue.get()


class Central:
    """Handles readings at once and tickets by a database that can be down for some sessions.

    Attributes:
        down: Sessions whose transaction fails.
        handled: What was handled, in order, repeats too.
    """

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.broken: set[str] = set()
        self.handled: list[str] = []

    def call(self, message: Message, peer: Peer) -> Coroutine[Any, Any, None] | None:
        assert isinstance(message, ChargingData | ChargeCompletion)
        if isinstance(message, ChargingData):
            self.handled.append(message.session_id)
            return None
        return self.ticket(message.session_id)

    async def ticket(self, session_id: str) -> None:
        await asyncio.sleep(0)
        if session_id in self.down:
            raise StoreUnavailable("the disk is full")
        if session_id in self.broken:
            raise ZeroDivisionError
        self.handled.append(session_id)


class Set:
    """Takes what is set aside."""

    def __init__(self) -> None:
        self.records: list[tuple[int, int]] = []

    def set_aside(self, source: object, record: Record, error: BaseException) -> None:
        self.records.append((record.partition, record.offset))


class Flushed:
    """Takes what was applied."""

    def __init__(self) -> None:
        self.records: list[tuple[int, int]] = []

    async def flush(self, subscription: object, applied: list[Record]) -> None:
        self.records += [(record.partition, record.offset) for record in applied]


class Desk:
    """An intake that runs between fakes."""

    def __init__(self) -> None:
        self.batches, self.central, self.aside, self.flushed = (
            Batches(),
            Central(),
            Set(),
            Flushed(),
        )
        self.intake = ChargingIntake(
            cast(Subscription, self.batches),
            cast(Dispatcher, self.central),
            cast(Readings, self.flushed),
            cast(DeadLetters, self.aside),
        )

    async def until(self, *applied: tuple[int, int]) -> None:
        """Return once these were applied, in whatever order of the partitions, and no other."""
        async with asyncio.timeout(SOON):
            while sorted(self.flushed.records) != sorted(applied):
                await self.intake.flush()
                await asyncio.sleep(0.002)


def reading(partition: int, offset: int, session_id: str, key: str = "CP") -> Record:
    message = ChargingData(
        message_id="m", cp_id="CP", session_id=session_id, energy_consumed_kwh=WattHours(1)
    )
    return record(partition, offset, encode(message), key)


def ticket(partition: int, offset: int, session_id: str) -> Record:
    message = ChargeCompletion(
        message_id="m", cp_id="CP", session_id=session_id, energy_consumed_kwh=WattHours(1)
    )
    return record(partition, offset, encode(message))


def record(partition: int, offset: int, value: bytes, key: str | None = "CP") -> Record:
    return Record("ev.charging", partition, offset, key, value, 0, False)


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """One that tries again soon."""
    monkeypatch.setattr(intake_module, "TRY_AGAIN", 0.005)
    one = Desk()
    work = asyncio.create_task(one.intake.run())
    yield one
    work.cancel()
    await asyncio.wait([work])


async def test_a_batch_that_is_not_stored_holds_back_its_partition_alone(desk: Desk) -> None:
    """It is tried again as a whole, before anything behind it; the others go on meanwhile."""
    desk.central.down = {"b"}
    desk.batches.queue.put_nowait(
        [ticket(0, 0, "a"), ticket(0, 1, "b"), reading(1, 0, "c"), ticket(1, 1, "d")]
    )
    await desk.until((1, 0), (1, 1))
    desk.batches.queue.put_nowait([reading(0, 2, "e"), reading(1, 2, "f"), reading(2, 0, "g")])
    await desk.until((1, 0), (1, 1), (1, 2), (2, 0))
    assert "e" not in desk.central.handled
    desk.central.down = set()
    await desk.until((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0))
    handled = desk.central.handled
    assert handled.index("b") < handled.index("e")
    assert handled.count("a") > 1  # the whole batch was tried again
    assert desk.aside.records == []


async def test_poison_in_a_batch_that_is_tried_again_is_set_aside_once(desk: Desk) -> None:
    """And is not said to be applied; what is around it is."""
    desk.central.down, desk.central.broken = {"b"}, {"broken"}
    desk.batches.queue.put_nowait(
        [
            record(0, 0, b"poison"),
            ticket(0, 1, "b"),
            reading(0, 2, "x", key="another"),
            ticket(0, 3, "broken"),
            record(0, 4, reading(0, 4, "x").value, key=None),
            reading(0, 5, "c"),
        ]
    )
    await asyncio.sleep(0.05)
    await desk.until()
    desk.central.down = set()
    await desk.until((0, 1), (0, 5))
    assert sorted(desk.aside.records) == [(0, 0), (0, 2), (0, 3), (0, 4)]


async def test_records_of_a_partition_are_applied_in_their_order(desk: Desk) -> None:
    """However the batches fall, and though tickets wait for the database."""
    expected: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for batch in range(20):
        records = []
        for place in range(9):
            partition, offset = place % 3, batch * 3 + place // 3
            session_id = f"{partition}-{offset}"
            expected[partition].append(session_id)
            kind = ticket if place >= 6 else reading
            records.append(kind(partition, offset, session_id))
        desk.batches.queue.put_nowait(records)
    await desk.until(*((p, n) for p in range(3) for n in range(60)))
    for partition, sessions in expected.items():
        handled = [s for s in desk.central.handled if s.startswith(f"{partition}-")]
        readings = [s for s in sessions if int(s.split("-")[1]) % 3 != 2]
        assert [s for s in handled if s in readings] == readings
        assert sorted(handled) == sorted(sessions)
