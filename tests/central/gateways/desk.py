"""A serving central whose `ev.up` a test writes itself: what gateways say in, the answers out."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from msgspec.structs import replace

from central.dead import DeadLetters
from central.gateways.intake import GatewayIntake
from central.network import LivePoint
from common.codec import encode, read_message_id
from common.connection import HEADER, Connection
from common.gateway_messages import BootRequest, LinkDown, LinkUp
from common.messages import Message
from common.protocol import UP, key_of
from common.stream import Publisher, Record, Subscription
from tests.central.parts import SOON, Parts, eventually, serving

HERE = Connection("gw-1", 3, 1)
"""The connection that is meant where a test names none."""


class Reports:
    """An `ev.up` of one partition: what is written is handed out; what is done is counted.

    Attributes:
        handed_out: Records that were written so far.
        finished: Offsets that were said to be done.
        left: Offsets that were left where they are.
    """

    def __init__(self) -> None:
        self.handed_out = 0
        self.finished: list[int] = []
        self.left: list[int] = []
        self._batches: asyncio.Queue[list[Record]] = asyncio.Queue()

    def write(self, records: Iterable[Record]) -> None:
        """Hand these out in one batch."""
        self._batches.put_nowait(list(records))

    def __aiter__(self) -> AsyncIterator[list[Record]]:
        return self

    async def __anext__(self) -> list[Record]:
        return await self._batches.get()

    def done(self, records: Iterable[Record]) -> None:
        self.finished += [record.offset for record in records]

    def leave(self, record: Record) -> None:
        self.left.append(record.offset)

    async def commit(self) -> None:
        pass


class Desk:
    """Central, and the pen of its gateways.

    Attributes:
        dead: What was set aside, and why.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.central = parts.central
        self.reports = Reports()
        self.dead: list[tuple[Record, BaseException]] = []
        self._numbers: Counter[str] = Counter()
        central = parts.central
        self.intake = GatewayIntake(
            cast(Subscription, self.reports),
            central.dispatcher,
            central.connections,
            central.points,
            central.commands,
            central.unsaved,
            central.store,
            cast(Publisher, parts.publisher),
            parts.clock,
            cast(DeadLetters, self),
        )

    def begin(self) -> None:
        """Let the intake run."""
        self._work = asyncio.ensure_future(self.intake.run())

    async def end(self) -> None:
        """Let the intake run no more."""
        self._work.cancel()
        await asyncio.wait([self._work])

    async def restart_intake(self) -> None:
        """As after a defect: what it had begun is left to the next run."""
        await self.end()
        self.begin()

    def set_aside(self, source: object, record: Record, error: BaseException) -> None:
        """As `DeadLetters` does, at once."""
        self.dead.append((record, error))
        self.reports.done([record])

    def record(
        self,
        message: Message,
        connection: Connection | None = HERE,
        *,
        key: str | None = "",
        value: bytes | None = None,
    ) -> Record:
        """The record of a message; with a key or a value of its own where one is given."""
        if not message.message_id:
            self._numbers["message"] += 1
            message = replace(message, message_id=f"gw-{self._numbers['message']}")
        self._numbers["offset"] += 1
        whose = key_of(UP, message) if key == "" else key
        return Record(
            topic=UP.name,
            partition=0,
            offset=self._numbers["offset"] - 1,
            key=whose,
            value=encode(message) if value is None else value,
            timestamp_ms=int(self.parts.clock.wall() * 1000),
            stamped_by_broker=False,
            headers=((HEADER, connection.header()),) if connection else (),
            key_bytes=None if whose is None else whose.encode(),
        )

    def say(self, *messages: Message, connection: Connection | None = HERE) -> list[Record]:
        """Let a gateway say these, one after another."""
        records = [self.record(message, connection) for message in messages]
        self.reports.write(records)
        return records

    async def ask(self, request: Message, *, connection: Connection = HERE) -> Message:
        """The answer to a request, as the gateway of this connection gets it."""
        (record,) = self.say(request, connection=connection)
        return await self.answer(record, connection)

    async def answer(self, record: Record, connection: Connection = HERE) -> Message:
        """What a record was answered, at that connection."""
        await eventually(lambda: self.answers(record, connection))
        return self.answers(record, connection)[0]

    def answers(self, record: Record, connection: Connection = HERE) -> list[Message]:
        """All that a record was answered so far, at that connection."""
        message_id = read_message_id(record.value)
        return [
            message
            for partition, where, message in self.parts.publisher.to_gateways
            if (partition, where) == (connection.partition, connection)
            and message.message_id == message_id
        ]

    async def handled(self, *records: Record) -> None:
        """Return once these are durable, and said to be done."""
        wanted = {record.offset for record in records}
        async with asyncio.timeout(SOON):
            while not wanted <= set(self.reports.finished):
                await self.intake.flush()
                await asyncio.sleep(0.002)

    async def connect(self, cp_id: str, connection: Connection = HERE) -> None:
        """Let a charge point connect."""
        await self.handled(*self.say(up(cp_id, connection), connection=connection))

    async def boot(self, cp_id: str, connection: Connection = HERE) -> LivePoint:
        """Let a charge point connect and boot; the point that it is then."""
        boot = BootRequest(cp_id=cp_id, vendor="ACME", model="One")
        await self.handled(*self.say(up(cp_id, connection), boot, connection=connection))
        return self.central.network.points[cp_id]


def up(cp_id: str, connection: Connection = HERE) -> LinkUp:
    """What a gateway says of this new connection."""
    return LinkUp(
        cp_id=cp_id,
        node=connection.node,
        partition=connection.partition,
        epoch=connection.epoch,
    )


def down(cp_id: str, connection: Connection = HERE) -> LinkDown:
    """What a gateway says of this connection when it is closed."""
    return LinkDown(cp_id=cp_id, node=connection.node, epoch=connection.epoch)


@asynccontextmanager
async def desk(folder: Path, now: float = 1_000_000.0) -> AsyncIterator[Desk]:
    """Central on an empty database, or on the one that is in the folder, taking `ev.up` in."""
    async with serving(folder, now) as parts:
        one = Desk(parts)
        one.begin()
        try:
            yield one
        finally:
            await one.end()
            await one.intake.flush()
