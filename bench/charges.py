"""Row 2: charge requests to success, all durable.

A success is a session that is stored, whose engine was told and said yes, and whose answer is
remembered: two transactions. Each session is then ended by a ticket through Kafka, as a monitor
would send it, so that its point is free again when its turn comes; central's work for that is
part of what is measured. A refusal, or a request without an answer, spoils the run.
"""

import asyncio
import time
from itertools import count

from confluent_kafka import Producer

from bench.machine import percentile
from bench.peers import Heard, Peer, connect
from bench.server import Server
from common.codec import encode
from common.messages import (
    ChargeCompletion,
    ChargeRequest,
    CommandResponse,
    Outcome,
    RegisterRequest,
)
from common.protocol import CHARGING
from common.states import EndReason
from common.units import WattHours

POINTS = 4_000
"""So many that a point's ticket is long settled before its next turn."""

DRIVER_LINKS = 64

CALLERS = 200
"""Requests under way at once under full load."""


class Charges:
    """Drivers, and the monitors of the points at which they charge."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._numbers = count()
        self._waiting: dict[str, asyncio.Future[Heard]] = {}
        self._monitors: dict[Peer, str] = {}
        self._registered = 0
        self._all_registered = asyncio.Event()
        self._drivers: list[Peer] = []
        self._wrong = 0
        self._first_wrong = ""
        self._producer = Producer(
            {
                "bootstrap.servers": server.kafka,
                "linger.ms": 5,
                "partitioner": "murmur2_random",
                "log_level": 0,
            }
        )

    async def prepare(self) -> None:
        """Register the points, and connect the drivers."""
        for number in range(POINTS):
            peer = await connect(self._server.address, self._commanded)
            self._monitors[peer] = f"BENCH-{number}"
            peer.send(RegisterRequest(message_id=f"r-{number}", cp_id=f"BENCH-{number}"))
        await self._all_registered.wait()
        for _ in range(DRIVER_LINKS):
            self._drivers.append(await connect(self._server.address, self._answered))

    def close(self) -> None:
        """Close every link."""
        self._producer.flush(10)
        for peer in (*self._monitors, *self._drivers):
            peer.close()

    async def full_load(self, warm_up: float, seconds: float) -> dict[str, float]:
        """Successes in a second with `CALLERS` requests always under way."""
        successes = 0
        running = True

        async def caller() -> None:
            nonlocal successes
            while running:
                await self._charge()
                successes += 1

        callers = [asyncio.ensure_future(caller()) for _ in range(CALLERS)]
        await asyncio.sleep(warm_up)
        before, cpu, began = successes, self._server.cpu_seconds(), time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        rate = (successes - before) / took
        busy = (self._server.cpu_seconds() - cpu) / took
        running = False
        await asyncio.gather(*callers)
        return {"rate": rate, "wrong": float(self._wrong), "server_cpu": busy}

    async def at_rate(self, per_second: float, warm_up: float, seconds: float) -> dict[str, float]:
        """Latency at a given rate, each from when its request was due: waiting counts."""
        took: list[float] = []
        asked: list[asyncio.Task[None]] = []
        begin = time.perf_counter()
        total = int(per_second * (warm_up + seconds))

        async def one(due: float) -> None:
            await self._charge()
            if due >= begin + warm_up:
                took.append(time.perf_counter() - due)

        for number in range(total):
            due = begin + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked.append(asyncio.ensure_future(one(due)))
        await asyncio.gather(*asked)
        return {
            "p50_ms": percentile(took, 50) * 1000,
            "p99_ms": percentile(took, 99) * 1000,
            "wrong": float(self._wrong),
        }

    async def _charge(self) -> None:
        number = next(self._numbers)
        message_id = f"c-{self._server.pid}-{number}"
        request = ChargeRequest(
            message_id=message_id,
            cp_id=f"BENCH-{number % POINTS}",
            driver_id=f"D-{number % POINTS}",
        )
        answer = self._waiting[message_id] = asyncio.get_running_loop().create_future()
        self._drivers[number % DRIVER_LINKS].send(request)
        async with asyncio.timeout(30):
            heard = await answer
        if heard.status != "success":
            self._wrong += 1
            self._first_wrong = self._first_wrong or f"{heard.type} {heard.error}"
            return
        self._end(heard)

    def _end(self, heard: Heard) -> None:
        ticket = ChargeCompletion(
            message_id=f"t-{heard.session_id}",
            cp_id=heard.cp_id,
            session_id=heard.session_id,
            energy_consumed_kwh=WattHours(1000),
            reason=EndReason.TARGET_REACHED,
        )
        self._producer.produce(CHARGING.name, encode(ticket), heard.cp_id)
        self._producer.poll(0)

    @property
    def first_wrong(self) -> str:
        """What went wrong first; empty if nothing did."""
        return self._first_wrong

    def _answered(self, _: Peer, heard: Heard) -> None:
        waiting = self._waiting.pop(heard.message_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(heard)

    def _commanded(self, peer: Peer, heard: Heard) -> None:
        if heard.type == "start_charging_command":
            peer.send(
                CommandResponse(
                    message_id=heard.message_id,
                    status=Outcome.SUCCESS,
                    session_id=heard.session_id,
                )
            )
        elif heard.type == "register_response":
            self._registered += 1
            if self._registered == POINTS:
                self._all_registered.set()
