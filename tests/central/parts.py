"""Central in one process: a real store, a real listener, a clock and a Kafka that tests move."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from central.app import Central, Settings
from central.store import Change, Store
from common.codec import decoder
from common.connection import HEADER, Connection
from common.dispatch import Peer
from common.errors import StoreUnavailable
from common.link import Link
from common.messages import (
    ChargeRequest,
    ChargeRequestResponse,
    CommandResponse,
    ConnectorEntry,
    Message,
    Outcome,
    RegisterRequest,
    Role,
    StartChargingCommand,
)
from common.program import Address
from common.protocol import CENTRAL, DOWN, DRIVER, DRIVER_EVENTS, GATEWAY, MONITOR, Topic
from common.stream import Headers, Publisher
from common.units import Price
from tests.common.complete import dispatcher, typed

SOON = 5.0
_events = decoder(CENTRAL, DRIVER, DRIVER_EVENTS)
_commands = decoder(CENTRAL, GATEWAY, DOWN)


class MovedClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class MemoryPublisher:
    """A Kafka in memory, for central's side.

    Attributes:
        to_drivers: What was published to drivers: key and message.
        to_gateways: What was published to gateways: partition, connection and message.
        failing: How many of the next records are given up.
    """

    def __init__(self) -> None:
        self.to_drivers: list[tuple[str, Message]] = []
        self.to_gateways: list[tuple[int | None, Connection | None, Message]] = []
        self.failing = 0
        self.queued = 0

    def publish(
        self,
        topic: Topic,
        key: str,
        value: bytes,
        headers: Headers | None = None,
        *,
        partition: int | None = None,
    ) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.failing:
            self.failing -= 1
            done.set_exception(OSError("given up"))
            return done
        if topic is DRIVER_EVENTS:
            self.to_drivers.append((key, _events.decode(value)))
        elif topic is DOWN:
            connection = dict(headers or ())[HEADER]
            assert isinstance(connection, bytes)
            message = _commands.decode(value)
            self.to_gateways.append((partition, Connection.of(connection), message))
        done.set_result(None)
        return done


class Outage:
    """Makes writes to a store fail.

    Attributes:
        after: How many of the next writes still succeed.
        writes_to_fail: How many fail then.
    """

    def __init__(self, store: Store) -> None:
        self.after = 0
        self.writes_to_fail = 0
        self._write = store.write
        store.write = self._failing  # type: ignore[method-assign]

    async def _failing(self, *changes: Change) -> None:
        if self.after:
            self.after -= 1
        elif self.writes_to_fail:
            self.writes_to_fail -= 1
            raise StoreUnavailable("the disk is full")
        await self._write(*changes)


class Parts:
    """A serving central, and what a test does to it."""

    def __init__(self, central: Central, publisher: MemoryPublisher, clock: MovedClock) -> None:
        self.central = central
        self.publisher = publisher
        self.clock = clock
        self.outage = Outage(central.store)

    async def monitor(self, cp_id: str) -> Link:
        """A registered point whose engine says yes to everything."""

        async def yes(self: object, message: Message, peer: Peer) -> CommandResponse:
            return CommandResponse(status=Outcome.SUCCESS)

        started = typed(yes, takes=StartChargingCommand, returns=CommandResponse)
        answering, _ = dispatcher(MONITOR, StartChargingCommand=started)
        loop, listener = asyncio.get_running_loop(), self.central.listener
        _, link = await loop.create_connection(
            lambda: Link(MONITOR, answering, self.clock, peer_role=CENTRAL),
            listener.host,
            listener.port,
        )
        entries = (ConnectorEntry(connector_id=1, status="available"),)
        await link.ask(RegisterRequest(cp_id=cp_id, connectors=entries))
        return link

    async def charge(self, driver_id: str, cp_id: str) -> ChargeRequestResponse:
        """A charge that succeeds; raises `Refused` otherwise."""
        request = ChargeRequest(message_id=f"{driver_id}-{cp_id}", cp_id=cp_id, driver_id=driver_id)
        return await self.central.charging.start(Role.DRIVER, driver_id, request)

    def events(self, driver_id: str) -> list[Message]:
        """What this driver was told by Kafka."""
        return [message for key, message in self.publisher.to_drivers if key == driver_id]


@asynccontextmanager
async def serving(folder: Path, now: float = 1_000_000.0) -> AsyncIterator[Parts]:
    """Central on an empty database, or on the one that is in the folder."""
    clock, publisher = MovedClock(now), MemoryPublisher()
    store = await asyncio.to_thread(Store.open, f"sqlite:///{folder / 'central.db'}", clock)
    settings = Settings(
        listen=Address("127.0.0.1", 0), kafka=(), database="", price=Price(3500), currency="EUR"
    )
    central = Central(settings, store, cast(Publisher, publisher), clock)
    await central.restore()
    await central.listener.open("127.0.0.1", 0)
    outbox = asyncio.ensure_future(central.outbox.run())
    try:
        yield Parts(central, publisher, clock)
    finally:
        outbox.cancel()
        await asyncio.wait([outbox])
        await central.listener.close()
        await central.dispatcher.settle(SOON)
        await store.close()


async def eventually(condition: object) -> None:
    """Return as soon as the condition, a callable, holds."""
    assert callable(condition)
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110 -- nothing says when it comes to hold
            await asyncio.sleep(0.005)
