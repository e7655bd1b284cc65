"""`python -m bench.gateway_load WORK JSON`: one process of the load, which the bench starts.

It says `ready` when its charge points are connected, begins when it reads a line, and prints what
it found as JSON. Times are of the machine's monotonic clock, which all processes share.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import uvloop

from bench.gateway_points import (
    AVAILABLE,
    HEARTBEAT,
    METER_VALUES,
    Point,
    all_booted,
    all_dialled,
)
from bench.machine import percentile

Options = dict[str, Any]
Found = dict[str, Any]

LATE = 5.0
"""Seconds after which a heartbeat's answer counts as late."""

JITTER = 2.0
"""Seconds over which charge points spread their return after their gateway died."""


async def ready() -> None:
    """Say so, and wait to be told to begin."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)


def points_of(options: Options) -> list[Point]:
    """As many as asked for."""
    return [Point(f"{options['name']}-{number}") for number in range(options["points"])]


async def flood(options: Options) -> Found:
    """Each charge point makes the same call again when it is answered."""
    points = points_of(options)
    await all_dialled(points, options["urls"])
    call = {"heartbeat": HEARTBEAT, "meter": METER_VALUES}[options["call"]]
    await ready()
    for point in points:
        point.repeat(call)
    await asyncio.sleep(options["warm_up"])
    began, before = time.monotonic(), sum(point.answered for point in points)
    await asyncio.sleep(options["seconds"])
    answered = sum(point.answered for point in points) - before
    return {
        "answered": answered,
        "rate": answered / (time.monotonic() - began),
        "wrong": sum(point.wrong + (not point.is_open) for point in points),
    }


async def idle(options: Options) -> Found:
    """Connections, and a heartbeat on each now and then; late ones are counted."""
    points = points_of(options)
    began = time.monotonic()
    await all_dialled(points, options["urls"], options["sources"])
    took = time.monotonic() - began
    await ready()
    late = beats = lost = 0

    async def beat(point: Point, first: float) -> None:
        nonlocal late, beats, lost
        await asyncio.sleep(first)
        while True:
            due = time.monotonic()
            try:
                await point.ask(HEARTBEAT)
            except ConnectionError:
                lost += 1
                return
            beats += 1
            late += time.monotonic() - due > LATE
            await asyncio.sleep(options["interval"])

    beating = [asyncio.create_task(beat(p, random.uniform(0, options["interval"]))) for p in points]
    await asyncio.sleep(options["seconds"])
    for task in beating:
        task.cancel()
    await asyncio.gather(*beating, return_exceptions=True)
    is_open = sum(point.is_open for point in points)
    return {
        "open": is_open,
        "dialled_s": took,
        "heartbeats": beats,
        "late": late,
        "wrong": lost + len(points) - is_open + sum(point.wrong for point in points),
    }


async def transactions(options: Options) -> Found:
    """Transactions begun at a rate; each start's latency counts from when it was due."""
    points = points_of(options)
    await all_dialled(points, options["urls"])
    await all_booted(points)
    await ready()
    free = asyncio.Queue[Point]()
    for point in points:
        free.put_nowait(point)
    took: list[float] = []
    wrong = 0
    until = time.monotonic() + options["warm_up"] + options["seconds"]
    measured = until - options["seconds"]

    async def charge(due: float) -> None:
        nonlocal wrong
        point = await free.get()
        answer = await point.ask(
            b'"StartTransaction",{"connectorId":1,"idTag":"%s","meterStart":0,"timestamp":"%s"}'
            % (point.cp_id.encode(), now())
        )
        if due >= measured:
            took.append(time.monotonic() - due)
        found = json.loads(answer)
        if found[0] != 3 or found[2]["idTagInfo"]["status"] != "Accepted":
            wrong += 1
        else:
            answer = await point.ask(
                b'"StopTransaction",{"transactionId":%d,"meterStop":1,"timestamp":"%s"}'
                % (found[2]["transactionId"], now())
            )
            wrong += not answer.startswith(b"[3,")
        free.put_nowait(point)

    async with asyncio.TaskGroup() as tasks:
        due = time.monotonic()
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.create_task(charge(due))
            due += 1 / options["rate"]
    return {
        "started": len(took),
        "p50_ms": percentile(took, 50) * 1000,
        "p99_ms": percentile(took, 99) * 1000,
        "wrong": wrong,
    }


def now() -> bytes:
    """The time, as OCPP writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")[:-6].encode() + b"Z"


async def commanded(options: Options) -> Found:
    """Charge points that accept each call, and note when it came; they return when they are lost.

    A second line ends it.
    """
    came: dict[str, float] = {}
    back: list[float] = []
    ended = asyncio.Event()
    returning: set[asyncio.Task[None]] = set()

    def called(message_id: bytes, at: float) -> None:
        came[message_id.decode()] = at

    def lost(point: Point) -> None:
        if not ended.is_set():
            task = asyncio.get_running_loop().create_task(come_back(point))
            returning.add(task)
            task.add_done_callback(returning.discard)

    async def come_back(point: Point) -> None:
        wait = random.uniform(0, JITTER)
        while not point.is_open:
            await asyncio.sleep(wait)
            try:
                await point.dial(random.choice(options["back"]))
                await point.ask(AVAILABLE)
            except Exception:
                wait = random.uniform(0.2, JITTER)
            else:
                back.append(time.monotonic())

    points = [Point(f"{options['name']}-{number}", called) for number in range(options["points"])]
    for point in points:
        point.on_lost = lost
    await all_dialled(points, options["urls"])
    await all_booted(points)
    await ready()
    await asyncio.to_thread(sys.stdin.readline)
    ended.set()
    for task in returning:
        task.cancel()
    return {
        "came": came,
        "open": sum(point.is_open for point in points),
        "returned": len(back),
        "last_back": max(back, default=0.0),
        "wrong": sum(point.wrong for point in points),
    }


WORKS: dict[str, Callable[[Options], Awaitable[Found]]] = {
    "flood": flood,
    "idle": idle,
    "transactions": transactions,
    "commanded": commanded,
}


async def main() -> None:
    """Do what the command line says."""
    work, options = sys.argv[1:]
    found = await WORKS[work](json.loads(options))
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
