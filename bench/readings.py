"""Readings from Kafka, applied and forwarded to drivers.

Every point has a session. Its readings come by Kafka as fast as central takes them, with a
bounded number under way; a consumer counts what central publishes to drivers. A reading that is
not forwarded spoils the run.
"""

import asyncio
import time
from contextlib import closing
from itertools import cycle
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from typing import Self

import click

from bench.drivers import Drivers
from bench.points import Points
from bench.records import reading
from bench.server import Server
from common.protocol import DRIVER_EVENTS

POINTS = 2_000

STARTED_AT_ONCE = 200

UNDER_WAY = 15_000
"""Readings that are published and not forwarded, at most: so many that central never waits, and
fewer than those for which it drops live data because Kafka does not keep up."""

AT_ONCE = 500
"""Readings published between two looks at how many were forwarded."""

LOOKS, LOOK_EVERY = 200, 0.1
"""After the last reading one looks so often, so many seconds apart, whether all were forwarded."""


class Forwarded:
    """Counts the readings that central publishes to drivers, in a process of its own.

    Use as a context manager.
    """

    def __init__(self, kafka: str) -> None:
        spawn = get_context("spawn")  # a copy of this process would have its threads' locks
        self._count = spawn.Value("q", 0)
        self._stopping = spawn.Event()
        self._process = spawn.Process(target=_counting, args=(kafka, self._count, self._stopping))

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._process.join()

    @property
    def count(self) -> int:
        """How many so far."""
        return int(self._count.value)


def _counting(kafka: str, count: "Synchronized[int]", stopping: Event) -> None:
    with closing(reading(kafka, DRIVER_EVENTS)) as consumer:
        while not stopping.is_set():
            values = [record.value() or b"" for record in consumer.consume(2_000, timeout=0.05)]
            found = sum(value.startswith(b'{"type":"charging_data"') for value in values)
            with count.get_lock():
                count.value += found


async def forwarded(server: Server, warm_up: float, seconds: float) -> dict[str, float]:
    """Readings forwarded in a second, after the warm-up."""
    ids = [f"BENCH-{number}" for number in range(POINTS)]
    points = Points([server.where], server.kafka, ids, read_every=None)
    with Forwarded(server.kafka) as counter:
        async with points, Drivers(server.address) as drivers:
            await points.registered()
            refused = 0
            for begun in range(0, len(ids), STARTED_AT_ONCE):
                some = ids[begun : begun + STARTED_AT_ONCE]
                answers = [drivers.charge(cp_id, f"D-{cp_id}") for cp_id in some]
                refused += sum(h.status != "success" for h in await asyncio.gather(*answers))
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
            figures["forwarded"] = float(counter.count)
    if refused or lost or points.tally.wrong:
        click.echo(f"refused {refused}, lost {lost}, {points.tally.amiss()}", err=True)
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
