"""Readings from Kafka, applied and forwarded to drivers.

Every point has a session. Its readings come by Kafka as fast as central takes them, with a
bounded number under way; a consumer counts what central publishes to drivers. A reading that is
not forwarded spoils the run.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from threading import Event, Thread

from confluent_kafka import Consumer, TopicPartition

from bench.drivers import Drivers
from bench.points import Points
from bench.server import Server
from common.protocol import DRIVER_EVENTS

POINTS = 2_000

UNDER_WAY = 20_000
"""Readings that are published and not forwarded, at most: so many that central never waits."""

AT_ONCE = 500
"""Readings published between two looks at how many were forwarded."""

LOOKS, LOOK_EVERY = 200, 0.1
"""After the last reading one looks so often, so many seconds apart, whether all were forwarded."""


class Forwarded:
    """Counts the readings that central publishes to drivers, in a thread of its own."""

    def __init__(self, kafka: str) -> None:
        self.count = 0
        self._stopping = Event()
        self._consumer = Consumer(
            {"bootstrap.servers": kafka, "group.id": "bench", "enable.auto.commit": False}
        )
        topic = DRIVER_EVENTS.name
        partitions = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
        places = [TopicPartition(topic, number) for number in partitions]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=10)[1]
        self._consumer.assign(places)
        self._thread = Thread(target=self._run, name="forwarded")

    @contextmanager
    def counting(self) -> Iterator[None]:
        """While inside."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join()
            self._consumer.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            for record in self._consumer.consume(2_000, timeout=0.05):
                self.count += (record.value() or b"").startswith(b'{"type":"charging_data"')


async def forwarded(server: Server, warm_up: float, seconds: float) -> dict[str, float]:
    """Readings forwarded in a second, after the warm-up."""
    ids = [f"BENCH-{number}" for number in range(POINTS)]
    counter = Forwarded(server.kafka)
    points = Points([server.where], server.kafka, ids, read_every=None)
    with counter.counting():
        async with points, Drivers(server.address) as drivers:
            await points.registered()
            answers = [drivers.charge(cp_id, f"D-{cp_id}") for cp_id in ids]
            refused = sum(heard.status != "success" for heard in await asyncio.gather(*answers))
            running = asyncio.Event()
            running.set()
            telling = asyncio.ensure_future(_tell(points, counter, running))
            await asyncio.sleep(warm_up)
            before, cpu, began = counter.count, server.cpu_seconds(), time.perf_counter()
            await asyncio.sleep(seconds)
            took = time.perf_counter() - began
            figures = {
                "rate": (counter.count - before) / took,
                "server_cpu": (server.cpu_seconds() - cpu) / took,
            }
            running.clear()
            await telling
            lost = await _lost(points, counter)
    return {**figures, "wrong": float(refused + points.tally.wrong + lost)}


async def _tell(points: Points, counter: Forwarded, running: asyncio.Event) -> None:
    """Publish readings of all points in turn, with `UNDER_WAY` of them under way at most."""
    ids = cycle(points.points)
    while running.is_set():
        if points.tally.readings - counter.count > UNDER_WAY:
            await asyncio.sleep(0.001)
            continue
        for _ in range(AT_ONCE):
            points.read(next(ids), 1.0)
        await asyncio.sleep(0)


async def _lost(points: Points, counter: Forwarded) -> int:
    """How many readings were not forwarded, once there was time enough for all."""
    for _ in range(LOOKS):
        if counter.count >= points.tally.readings:
            break
        await asyncio.sleep(LOOK_EVERY)  # it is another thread that counts
    return abs(points.tally.readings - counter.count)
