"""A charge point that delivers what it metered, however often it must try; and the books of it.

It is what OCPP asks of a charge point (3.7.1): messages about transactions are kept while it is
offline and delivered in order, each again until it is answered. The books are kept at the charge
point, by what was answered; what central says afterwards is compared with them.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import cycle
from typing import Any

from ocpp.exceptions import OCPPError
from ocpp.v16 import call
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.ocpp.network import OcppNetwork, away, until
from tests.ocpp.point import Point, charge_point, now
from tests.programs.network import SOON

PAUSE = 0.2
"""Seconds before it dials again, or says again what failed."""


@dataclass(slots=True)
class Transaction:
    """What a charge point knows of a transaction.

    Attributes:
        id: Central's, once it is known.
        stop_wh: None while it runs.
        acknowledged: The meter's values that were told and answered.
    """

    connector_id: int
    id_tag: str
    start_wh: int
    id: int | None = None
    stop_wh: int | None = None
    acknowledged: list[int] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


class Keeper:
    """A charge point with a queue. Run `serve` in a task.

    Args:
        urls: Where it dials, one after the other.

    Attributes:
        transactions: All of them, in order.
        deliveries: How many messages it sent, repeats included.
        connected: Whether it has booted on its present connection.
    """

    def __init__(self, *urls: str) -> None:
        self._urls = cycle(urls)
        self.cp_id = urls[0].rpartition("/")[2]
        self.transactions: list[Transaction] = []
        self.deliveries = 0
        self.connected = asyncio.Event()
        self.point: Point | None = None
        self._queue: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
        self._more = asyncio.Event()

    # -- What happens at it, connected or not --

    def begin(self, connector_id: int, id_tag: str, start_wh: int) -> Transaction:
        """Begin a transaction."""
        transaction = Transaction(connector_id, id_tag, start_wh)
        self.transactions.append(transaction)
        told = call.StartTransaction(
            connector_id=connector_id, id_tag=id_tag, meter_start=start_wh, timestamp=now()
        )

        def started(answer: Any) -> None:
            transaction.id = answer.transaction_id
            transaction.answers.append(answer.id_tag_info["status"])

        self._add(lambda: told, started)
        return transaction

    def meter(self, transaction: Transaction, wh: int) -> None:
        """Take a meter value."""
        values = [{"timestamp": now(), "sampledValue": [{"value": str(wh), "unit": "Wh"}]}]
        self._add(
            lambda: call.MeterValues(
                connector_id=transaction.connector_id,
                transaction_id=transaction.id,
                meter_value=values,
            ),
            lambda _: transaction.acknowledged.append(wh),
        )

    def end(self, transaction: Transaction, wh: int) -> None:
        """End a transaction."""
        at = now()

        def ended(_: Any) -> None:
            transaction.stop_wh = wh

        self._add(
            lambda: call.StopTransaction(
                transaction_id=transaction.id, meter_stop=wh, timestamp=at, reason="Local"
            ),
            ended,
        )

    def charge(self, connector_id: int, id_tag: str, start_wh: int, *meters: int) -> Transaction:
        """A whole transaction; the last of `meters` is its end."""
        transaction = self.begin(connector_id, id_tag, start_wh)
        for wh in meters[:-1]:
            self.meter(transaction, wh)
        self.end(transaction, meters[-1])
        return transaction

    @property
    def pending(self) -> int:
        """How many messages are not answered yet."""
        return len(self._queue)

    # -- Delivering --

    async def serve(self) -> None:
        """Dial, boot, deliver; again and again, until it is cancelled."""
        while True:
            with suppress(OSError, WebSocketException, InvalidHandshake, TimeoutError, OCPPError):
                async with charge_point(next(self._urls), open_timeout=5) as point:
                    self.point = point
                    await self._deliver(point)
            self.point = None
            self.connected.clear()
            await asyncio.sleep(PAUSE)

    async def _deliver(self, point: Point) -> None:
        """Until the connection ends, or central cannot be asked."""
        closed = asyncio.create_task(point.socket.wait_closed())
        working = asyncio.create_task(self._work(point))
        try:
            await asyncio.wait((closed, working), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (closed, working):
                task.cancel()
            results = await asyncio.gather(closed, working, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _work(self, point: Point) -> None:
        await point.up()
        self.connected.set()
        while True:
            while not self._queue:
                self._more.clear()
                await self._more.wait()
            payload, done = self._queue[0]
            self.deliveries += 1
            try:
                answer = await point.say(payload())
            except OCPPError:
                await asyncio.sleep(PAUSE)
                continue
            done(answer)
            self._queue.pop(0)

    def _add(self, payload: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._queue.append((payload, done))
        self._more.set()


async def are_conserved(network: OcppNetwork, *points: Keeper) -> None:
    """Return once all is delivered, billed once and stored; what is under way may take a while.

    Raises:
        AssertionError: It is not so in the end; says where.
    """
    await until(lambda: not any(point.pending for point in points), "all is delivered")
    deadline = time.monotonic() + SOON
    while True:
        try:
            await away(assert_conserved, network, *points)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(PAUSE)
        else:
            return


def assert_conserved(network: OcppNetwork, *points: Keeper) -> None:
    """Every watt-hour that a charge point metered is billed once, and every value is stored.

    Raises:
        AssertionError: It is not so; says where.
    """
    for point in points:
        assert not point.pending, f"{point.cp_id} has not delivered all"
        metered = sorted(
            (t.connector_id, t.start_wh, t.stop_wh) for t in point.transactions if t.stop_wh
        )
        tickets = network.tickets(point.cp_id)
        billed = sorted(
            (t["connector_id"], t["meter_start_wh"], t["meter_stop_wh"]) for t in tickets
        )
        assert billed == metered, f"{point.cp_id}: metered {metered}, billed {billed}"
        energy = sum(Decimal(t["energy_consumed_kwh"]) * 1000 for t in tickets)
        assert energy == sum(stop - start for _, start, stop in metered), point.cp_id
        stored = [
            (row["transaction_id"], int(row["sample"]["value"]))
            for row in network.samples(point.cp_id)
        ]
        told = [(t.id, wh) for t in point.transactions for wh in t.acknowledged]
        assert sorted(stored) == sorted(told), f"{point.cp_id}: meter values are lost or doubled"
