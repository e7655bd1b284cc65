"""Commands on a real store; what is around them, gateways too, is moved by tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from central.auditing import Auditing
from central.board import Board
from central.gateways.commands import Commands
from central.gateways.lines import Lines
from central.network import Network
from central.store import Store
from common.codec import decoder
from common.connection import HEADER, Connection
from common.errors import Reason, Refused
from common.gateway_messages import OcppCommand
from common.messages import CommandOutcome, CommandResponse, Message, Outcome
from common.protocol import CENTRAL, DOWN, GATEWAY, Topic
from common.stream import Headers, Publisher
from common.units import Payload
from tests.central.parts import MovedClock, Outage

HERE = Connection("gw-1", 3, 100)
THERE = Connection("gw-2", 5, 200)
_commands = decoder(CENTRAL, GATEWAY, DOWN)


@dataclass
class Sent:
    """A record of `ev.down`."""

    key: str
    message: Message
    connection: Connection | None
    partition: int | None
    value: bytes


class Down:
    """`ev.down` in memory.

    Attributes:
        full: Whether nothing is taken now.
    """

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.queued = 0
        self.full = False

    def publish(
        self,
        topic: Topic,
        key: str,
        value: bytes,
        headers: Headers | None = None,
        *,
        partition: int | None = None,
    ) -> asyncio.Future[None]:
        if self.full:
            raise Refused(Reason.OVERLOADED, "full")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        if topic is DOWN:
            header = cast(dict[str, bytes], headers)[HEADER]
            connection = Connection.of(header)
            self.sent.append(Sent(key, _commands.decode(value), connection, partition, value))
        return done

    @property
    def ids(self) -> list[str]:
        """What was sent, by its message ids."""
        return [each.message.message_id for each in self.sent]


class Commanding:
    """A `Commands`, and what a test does to what is around it.

    Attributes:
        connections: Of each charge point; one without is not connected.
    """

    def __init__(self, store: Store, clock: MovedClock) -> None:
        self.store = store
        self.clock = clock
        self.down = Down()
        self.connections: dict[str, Connection] = {"CP-1": HERE}
        publisher = cast(Publisher, self.down)
        network = Network(clock, currency="EUR", epoch=store.epoch)
        self.board = Board(network, publisher)
        lines = Lines(store, publisher, clock, self.board)
        self.commands = Commands(
            lines, store, clock, Auditing(clock, store.epoch), self.connections.get
        )
        lines.restore(store.snapshot().commands)

    async def state(self, command_id: str) -> str:
        """Where a command is, as the database has it."""
        command = await self.store.command(command_id)
        assert command is not None
        return command.state.value

    async def answer(
        self, command_id: str, outcome: CommandOutcome, by: Connection = HERE, **said: object
    ) -> None:
        """A gateway says what became of a command."""
        status = Outcome.SUCCESS if outcome is CommandOutcome.ACCEPTED else Outcome.FAILURE
        response = CommandResponse(
            message_id=command_id,
            status=status,
            outcome=outcome,
            **said,  # type: ignore[arg-type]
        )
        await self.commands.answered(response, by)

    async def moved(self, cp_id: str, connection: Connection | None) -> None:
        """The charge point has another connection, or none."""
        before = self.connections.pop(cp_id, None)
        if before is not None:
            self.commands.disconnected(cp_id, before.epoch)
        if connection is not None:
            self.connections[cp_id] = connection
            self.commands.connected(cp_id)
        await self.agreed()

    async def agreed(self) -> None:
        """What was begun for a connection is done."""
        if self.commands.agreeing:
            await asyncio.wait(self.commands.agreeing)


def call(action: str, message_id: str = "", cp_id: str = "CP-1", **payload: object) -> OcppCommand:
    """A command as an operator's console orders it."""
    return OcppCommand(message_id=message_id, cp_id=cp_id, action=action, payload=Payload(payload))


@asynccontextmanager
async def commanding(folder: Path, clock: MovedClock | None = None) -> AsyncIterator[Commanding]:
    """Commands on an empty database, or on the one that is in the folder."""
    clock = clock or MovedClock()
    store = await asyncio.to_thread(Store.open, f"sqlite:///{folder / 'central.db'}", clock)
    try:
        yield Commanding(store, clock)
    finally:
        await store.close()


__all__ = ["HERE", "THERE", "Commanding", "Outage", "call", "commanding"]
