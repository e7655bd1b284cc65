"""Nonsense as Kafka records, into central's own intake: applied, answered or set aside."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from central.dead import DeadLetters
from central.intake import ChargingIntake, RequestIntake
from common.errors import ChargingError
from common.protocol import CENTRAL, CHARGING, DRIVER, DRIVER_REQUESTS, MONITOR, Topic
from common.stream import Record, Subscription
from tests.central.parts import Parts, serving
from tests.fuzz.mutations import edited, edits
from tests.fuzz.nonsense import documents

WITHIN = 12.0

keys = st.sampled_from([b"A-1", b"A-1", b"A-1", b"", b"other", b"\xff", b"A-1\0", None])
headers = st.lists(
    st.tuples(st.sampled_from(["proof", "", "epoch", "é"]), st.none() | st.binary(max_size=70)),
    max_size=3,
).map(tuple)
times = st.sampled_from([-1, 0, 10**15]) | st.just(0).map(lambda _: int(time.time() * 1000))


def records(topic: Topic, way: Any) -> st.SearchStrategy[list[Record]]:
    """Records of a topic, as they may lie in it."""
    values = documents(way) | documents(way).flatmap(
        lambda data: edits.map(lambda edit: edited(data, edit))
    )
    return st.lists(st.tuples(keys, values, headers, times), max_size=6).map(
        lambda drawn: [
            Record(topic.name, 0, offset, _text(key), value, stamp, True, beside, key)
            for offset, (key, value, beside, stamp) in enumerate(drawn)
        ]
    )


def _text(key: bytes | None) -> str | None:
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        return None


class Source:
    """A topic that holds what a test has written, and notes what becomes of it."""

    def __init__(self, written: list[Record]) -> None:
        self._batches = [written]
        self.finished: set[int] = set()

    def __aiter__(self) -> AsyncIterator[list[Record]]:
        return self

    async def __anext__(self) -> list[Record]:
        if not self._batches:
            raise StopAsyncIteration
        return self._batches.pop()

    def done(self, finished: list[Record]) -> None:
        self.finished |= {record.offset for record in finished}

    async def commit(self) -> None:
        """Nothing is kept."""


class Aside(DeadLetters):
    """Takes what fails by itself, and fails itself if that was a defect of ours."""

    def __init__(self) -> None:
        self.letters: list[int] = []
        self.defects: list[BaseException] = []

    def set_aside(self, source: Subscription, record: Record, error: BaseException) -> None:
        self.letters.append(record.offset)
        if not isinstance(error, ChargingError):
            self.defects.append(error)
        source.done([record])


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, Parts]]:
    """Central, in a loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        stack = AsyncExitStack()

        async def begin() -> Parts:
            return await stack.enter_async_context(serving(tmp_path_factory.mktemp("central")))

        yield loop, loop.run(begin())
        loop.run(stack.aclose())


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(records(CHARGING, (MONITOR, CENTRAL, CHARGING)))
def test_readings_and_tickets_are_applied_or_set_aside(
    runner: tuple[asyncio.Runner, Parts], written: list[Record]
) -> None:
    """Each is done in the end, and none for a defect of ours."""
    loop, parts = runner
    source, aside = Source(written), Aside()

    async def take() -> None:
        central = parts.central
        subscription = cast(Subscription, source)
        intake = ChargingIntake(subscription, central.dispatcher, central.readings, aside)
        async with asyncio.timeout(WITHIN):
            await intake.run()
            await intake.flush()

    loop.run(take())
    assert aside.defects == []
    assert source.finished == {record.offset for record in written}


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(records(DRIVER_REQUESTS, (DRIVER, CENTRAL, DRIVER_REQUESTS)))
def test_requests_are_answered_or_set_aside(
    runner: tuple[asyncio.Runner, Parts], written: list[Record]
) -> None:
    """Each is done in the end: what is set aside has no answer, all else has one."""
    loop, parts = runner
    source, aside = Source(written), Aside()
    parts.publisher.to_drivers.clear()

    async def take() -> None:
        central = parts.central
        intake = RequestIntake(
            cast(Subscription, source),
            central.dispatcher,
            central.charging,
            central.credentials,
            cast(Any, parts.publisher),
            parts.clock,
            aside,
            central.store.epoch,
        )
        work = asyncio.ensure_future(intake.run())
        async with asyncio.timeout(WITHIN):
            while len(source.finished) < len(written):  # noqa: ASYNC110 -- nothing says so
                await asyncio.sleep(0)
        work.cancel()
        await asyncio.wait([work])

    loop.run(take())
    assert aside.defects == []
    assert len(parts.publisher.to_drivers) == len(written) - len(aside.letters)
