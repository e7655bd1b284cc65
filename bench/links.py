"""Thousands of charge points on one central: its memory, and how fast heartbeats are answered."""

import asyncio
import time

from bench.machine import percentile
from bench.points import Points
from bench.server import Server

LINKS = 10_000


async def with_links(server: Server, warm_up: float, seconds: float) -> dict[str, float]:
    """What central takes for `LINKS` points, each with a heartbeat every 5 s, as they come.

    A heartbeat's latency counts from when it was due; one without an answer, and a lost link, spoil
    the run.
    """
    ids = [f"BENCH-{number}" for number in range(LINKS)]
    async with Points([server.where], server.kafka, ids) as points:
        await points.registered()
        await asyncio.sleep(warm_up)
        points.tally.beats.clear()
        cpu, began = server.cpu_seconds(), time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        beats = list(points.tally.beats)
        return {
            "mib": server.peak_mib(),
            "p50_ms": percentile(beats, 50) * 1000,
            "p99_ms": percentile(beats, 99) * 1000,
            "rate": len(beats) / took,
            "wrong": float(points.tally.wrong),
            "server_cpu": (server.cpu_seconds() - cpu) / took,
        }
