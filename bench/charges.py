"""Charge requests to success, all durable: how many in a second, and how fast at a fixed rate.

A success is a session that is stored, whose engine was told and said yes, and whose answer is
remembered: two transactions. Each session is then ended by a ticket through Kafka, as a monitor
would send it, so that its point is free again when its turn comes; central's work for that is
part of what is measured. A refusal, or a request without an answer, spoils the run.
"""

import asyncio
import time
from collections import deque
from typing import Self

from bench.drivers import LINKS, Drivers
from bench.machine import percentile
from bench.points import Points
from bench.server import Server

POINTS = 4_000
"""So many that a point's ticket is long settled before its next turn."""

CALLERS = 200
"""Requests under way at once under full load."""

ENERGY = 1_000
"""Of a charge, in Wh."""


class Charges:
    """Drivers, and the points at which they charge. An async context manager.

    Args:
        points: How many; each is used again only after all the others.
        heartbeats: Whether the points send any: needed where they would be silent for long.
        links: Over how many links the drivers ask.

    Attributes:
        successes: Charges that have begun.
        refused: What was answered to the others, or that nothing was.
    """

    def __init__(
        self,
        server: Server,
        points: int | None = None,
        links: int = LINKS,
        *,
        heartbeats: bool = False,
    ) -> None:
        self._server = server
        self._free = deque(range(points or POINTS))
        self._points = Points(
            [server.where],
            server.kafka,
            [f"BENCH-{number}" for number in self._free],
            heartbeats=heartbeats,
            read_every=None,
        )
        self._drivers = Drivers(server.address, links)
        self.successes = 0
        self.refused: list[str] = []

    async def __aenter__(self) -> Self:
        await self._points.__aenter__()
        await self._points.registered()
        await self._drivers.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._drivers.__aexit__()
        await self._points.__aexit__()

    @property
    def wrong(self) -> list[str]:
        """What went wrong, in words."""
        tally = self._points.tally
        met = [f"{tally.lost} links lost"] if tally.lost else []
        met += [f"{tally.not_stored} tickets not stored"] if tally.not_stored else []
        return [*self.refused, *tally.refused, *met]

    async def full_load(self, warm_up: float, seconds: float) -> dict[str, float]:
        """Successes in a second with `CALLERS` requests always under way."""
        running = True

        async def caller() -> None:
            while running:
                await self.charge()

        callers = [asyncio.ensure_future(caller()) for _ in range(CALLERS)]
        await asyncio.sleep(warm_up)
        before, cpu, began = self.successes, self._server.cpu_seconds(), time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        rate = (self.successes - before) / took
        busy = (self._server.cpu_seconds() - cpu) / took
        running = False
        await asyncio.gather(*callers)
        return {"rate": rate, "wrong": float(len(self.wrong)), "server_cpu": busy}

    async def at_rate(self, per_second: float, warm_up: float, seconds: float) -> dict[str, float]:
        """Latency at a given rate, each from when its request was due: waiting counts."""
        took: list[float] = []
        asked: list[asyncio.Task[None]] = []
        begin = time.perf_counter()
        cpu = 0.0

        async def one(due: float) -> None:
            await self.charge()
            if due >= begin + warm_up:
                took.append(time.perf_counter() - due)

        for number in range(int(per_second * (warm_up + seconds))):
            due = begin + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if not cpu and due >= begin + warm_up:
                cpu = self._server.cpu_seconds()
            asked.append(asyncio.ensure_future(one(due)))
        busy = (self._server.cpu_seconds() - cpu) / seconds
        await asyncio.gather(*asked)
        return {
            "p50_ms": percentile(took, 50) * 1000,
            "p99_ms": percentile(took, 99) * 1000,
            "wrong": float(len(self.wrong)),
            "server_cpu": busy,
        }

    async def charge(self) -> str:
        """One charge from request to ticket; the reason for which it was refused, if it was."""
        if not self._free:
            self.refused.append("no point is free")
            return self.refused[-1]
        number = self._free.popleft()
        cp_id = f"BENCH-{number}"
        why = await self._ask(cp_id, f"D-{number}")
        if why:
            self._free.appendleft(number)
            self.refused.append(why)
        else:
            self._free.append(number)
            self.successes += 1
            self._points.end(cp_id, ENERGY)
        return why

    async def _ask(self, cp_id: str, driver_id: str) -> str:
        try:
            heard = await self._drivers.charge(cp_id, driver_id)
        except TimeoutError:
            return "unanswered"
        except ConnectionError:
            return "link lost"
        return "" if heard.status == "success" else heard.error or heard.type
