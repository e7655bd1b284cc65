"""The programs' own publisher and subscription on a simulated broker."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from random import Random
from typing import Any

import pytest

from common.protocol import CHARGING, TOPICS
from common.stream import KafkaSettings, Publisher, Record, Subscription, ensure_topics
from sim.broker import Broker
from sim.process import Process
from tests.sim.parts import Lab

GROUP = "readers"


class Site:
    """A broker, who publishes to it, and who reads."""

    def __init__(self) -> None:
        self.lab = Lab()
        self._tasks: list[tuple[Process, asyncio.Task[Any]]] = []
        self.appended: list[Record] = []
        self.read: list[bytes] = []
        self.acknowledged: list[bytes] = []
        self.broker = Broker(self.lab.loop, Random(1), self.appended.append)
        self.settings = KafkaSettings("kafka:9092", clients=self.broker)

    def run(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> Process:
        """Let a new process do this."""
        process = self.lab.process(name)
        self._tasks.append((process, self.lab.loop.begin(process, work())))
        return process

    def close(self) -> None:
        """Let everything end as it should, also what was killed: nothing is left for later."""
        for process, task in self._tasks:
            process.alive = True
            with self.lab.loop.acting(process):
                task.cancel()
        self.until(20)

    def until(self, seconds: float) -> None:
        """Let this much time of the history go by."""
        self.lab.loop.run_until(self.lab.loop.now + seconds)

    async def make_topics(self) -> None:
        """As central does."""
        await ensure_topics(self.settings, TOPICS)

    async def publish(self) -> None:
        """Ten records, one each second; says which were acknowledged."""
        async with Publisher(self.settings) as publisher:
            for number in range(10):
                value = str(number).encode()
                done = publisher.publish(CHARGING, "CP-1", value)
                done.add_done_callback(partial(self._stored, value))
                await asyncio.sleep(1.0)
            while publisher.queued:  # noqa: ASYNC110 -- nothing says when
                await asyncio.sleep(0.1)

    def _stored(self, value: bytes, _: object) -> None:
        self.acknowledged.append(value)

    async def follow(self) -> None:
        """Read, and commit what was read, for ever."""
        async with Subscription(self.settings, CHARGING, group=GROUP) as records:
            async for batch in records:
                self.read += [record.value for record in batch]
                records.done(batch)
                await records.commit()


TEN = [str(number).encode() for number in range(10)]


@pytest.fixture
def site() -> Iterator[Site]:
    """With its topics."""
    made = Site()
    made.run("central", made.make_topics)
    made.until(1)
    yield made
    made.close()


def test_what_is_published_is_read_in_order_and_once(site: Site) -> None:
    """While nothing goes wrong."""
    site.run("reader", site.follow)
    site.run("writer", site.publish)
    site.until(15)
    assert site.read == site.acknowledged == TEN


def test_a_reader_goes_on_where_the_last_one_committed(site: Site) -> None:
    """What was not committed comes again."""
    first = site.run("reader", site.follow)
    site.run("writer", site.publish)
    site.until(4.5)
    first.die()
    site.until(2)
    site.run("reader", site.follow)
    site.until(15)
    assert sorted(set(site.read)) == TEN
    assert site.read[-5:] == TEN[-5:]


def test_a_broker_that_is_down_delays_and_loses_nothing(site: Site) -> None:
    """Nothing is acknowledged meanwhile."""
    site.run("reader", site.follow)
    site.run("writer", site.publish)
    site.until(3.5)
    site.broker.up = False
    site.until(5)
    assert site.acknowledged == TEN[:4]
    site.broker.came_back()
    site.until(15)
    assert site.acknowledged == TEN
    assert sorted(set(site.read)) == TEN


def test_an_empty_broker_in_its_place_has_what_was_not_acknowledged(site: Site) -> None:
    """And what was, is lost with the old one unless it was read."""
    site.run("reader", site.follow)
    site.run("writer", site.publish)
    site.until(3.5)
    site.broker.up = False
    site.broker.replace()
    site.until(3)
    site.broker.came_back()
    site.run("central", site.make_topics)
    site.until(30)
    assert site.acknowledged == TEN
    assert sorted(set(site.read)) == TEN
    assert [record.offset for record in site.appended[4:]] == list(range(len(site.appended) - 4))


def test_what_a_killed_publisher_held_is_lost_with_it(site: Site) -> None:
    """It was not acknowledged."""
    writer = site.run("writer", site.publish)
    site.broker.up = False
    site.until(4.5)
    writer.die()
    site.broker.came_back()
    site.until(10)
    assert site.appended == []
    assert site.acknowledged == []
