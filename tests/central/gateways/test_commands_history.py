"""Whatever happens to commands, none that may do harm is sent twice, and each comes to an end."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from central.rules.ocpp_commands import OPEN
from central.store import Store
from common.connection import Connection
from common.errors import Refused, StoreUnavailable
from common.gateway_messages import CommandState
from common.messages import CommandOutcome
from tests.central.gateways.commanding import Commanding, Outage, Sent, call
from tests.central.parts import MovedClock

ACTIONS = ("Reset", "ClearCache", "GetConfiguration", "ChangeAvailability")
HARMFUL = ACTIONS[:2]
STEPS = (
    "order",
    "connect",
    "leave",
    "answer",
    "answer",
    "answer",
    "restart",
    "wait",
    "look",
    "fail",
)
ANSWERED = {
    CommandOutcome.ACCEPTED: CommandState.ACCEPTED,
    CommandOutcome.REJECTED: CommandState.REJECTED,
    CommandOutcome.FAILED: CommandState.FAILED,
}

_numbers = count()


@dataclass
class Base:
    """What outlives a central."""

    store: Store
    clock: MovedClock
    outage: Outage


@dataclass
class World:
    """A central, and all that its gateways were sent by any start of it."""

    it: Commanding
    base: Base
    cp_id: str
    sent: list[Sent] = field(default_factory=list)
    ordered: dict[str, str] = field(default_factory=dict)
    not_sent: Counter[str] = field(default_factory=Counter)
    answered: dict[str, CommandState] = field(default_factory=dict)

    def restart(self) -> None:
        """Central dies and starts again, on the same database."""
        connections = self.it.connections
        self.it = Commanding(self.it.store, self.it.clock)
        self.it.connections.clear()
        self.it.connections.update(connections)

    async def step(self, name: str, chance: int) -> None:
        match name:
            case "order":
                action = ACTIONS[chance % len(ACTIONS)]
                command_id = f"{self.cp_id}-{len(self.ordered)}"
                self.ordered[command_id] = action
                order = call(action, command_id, self.cp_id, connectorId=1)
                await self.it.commands.order(order, lasts=30)
            case "connect":
                number = next(_numbers)
                await self.it.moved(self.cp_id, Connection("gw", number % 7, 1_000 + number))
            case "leave":
                await self.it.moved(self.cp_id, None)
            case "answer" if self.sent:
                which, what = divmod(chance, len(CommandOutcome))
                record = self.sent[-1 - which % len(self.sent)]
                await self.answer(record, list(CommandOutcome)[what])
            case "restart":
                self.restart()
            case "wait":
                self.it.clock.now += 1 + chance % 20
            case "look":
                await self.it.commands.look()
            case "fail":
                self.base.outage.writes_to_fail = 1

    async def answer(self, record: Sent, outcome: CommandOutcome) -> None:
        """A gateway says what became of a record; one that sent it never says that it did not."""
        command_id, connection = record.message.message_id, record.connection
        assert connection is not None
        before = await self.it.store.command(command_id)
        await self.it.answer(command_id, outcome, connection)
        assert before is not None
        if outcome is CommandOutcome.NOT_SENT and before.connection == connection.header().decode():
            self.not_sent[command_id] += 1
        if outcome in ANSWERED and before.state is not CommandState.SUPERSEDED:
            self.answered.setdefault(command_id, ANSWERED[outcome])

    def collect(self) -> None:
        self.sent += self.it.down.sent
        self.it.down.sent.clear()

    async def check(self) -> None:
        """What must hold after every step."""
        times = Counter(record.message.message_id for record in self.sent)
        for command_id, action in self.ordered.items():
            stored = await self.it.store.command(command_id)
            if stored is None:
                assert not times[command_id]  # nothing was sent that is not stored
                continue
            if action in HARMFUL:
                assert times[command_id] <= 1 + self.not_sent[command_id]
            if command_id in self.answered:
                assert stored.state is self.answered[command_id]
        line = self.it.commands.lines.busy(self.cp_id)
        for command in line.commands.values() if line else ():
            assert await self.it.store.command(command.command_id) == command


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    """One database for all histories, each of which has a charge point of its own."""
    clock = MovedClock()
    folder: Path = tmp_path_factory.mktemp("history")
    store = Store.open(f"sqlite:///{folder / 'central.db'}", clock)
    yield Base(store, clock, Outage(store))
    asyncio.run(store.close())


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 17)), min_size=5, max_size=25))
def test_no_command_is_lost_or_done_twice(base: Base, steps: list[tuple[str, int]]) -> None:
    """Through restarts, reconnects, a database that fails, and gateways that say anything."""

    async def play() -> None:
        world = World(Commanding(base.store, base.clock), base, f"H-{next(_numbers)}")
        for name, chance in [("connect", 0), ("order", 0), ("order", 2), *steps]:
            try:
                await world.step(name, chance)
            except (StoreUnavailable, Refused):
                continue
            finally:
                world.collect()
            await world.check()
        base.outage.writes_to_fail = 0
        base.clock.now += 31
        await world.it.commands.look()
        world.collect()
        await world.check()
        for command_id in world.ordered:
            stored = await base.store.command(command_id)
            assert stored is None or stored.state not in OPEN

    asyncio.run(play())
