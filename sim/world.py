"""One history: a network begins, lives with faults, has peace, and must then be in order."""

from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from random import Random
from typing import Any

import structlog

import common.clock
from common.stream import Record
from engine.keys import Action, KeyCommand
from sim.broker import Broker
from sim.chance import Chance, Trap
from sim.connection import End
from sim.database import SimulatedDatabase
from sim.disk import Calls, Killed, SimulatedDisk
from sim.faults import FAULTS
from sim.invariants import Invariants
from sim.isolation import Listen, isolated, within
from sim.loop import SimulatedLoop, Stuck
from sim.network import Network
from sim.nodes import Nodes
from sim.outcome import Outcome
from sim.population import Population
from sim.process import Process
from sim.programs import SETTLE_TIMEOUT
from sim.story import Detail, Story
from sim.witness import Witness

CALM = 5.0
"""Seconds before the first fault: all programs begin."""

TROUBLED = (25.0, 70.0)
"""Seconds in which faults begin."""

FAULTS_IN_A_HISTORY = ((1, 8), (1, 8), (1, 8), (1, 8), (8, 24))
"""From how many to how many; one in five is full of them."""

SETTLED_WITHIN = 300.0 + SETTLE_TIMEOUT
"""Seconds after the last fault in which everything must be settled."""

LOOK_EVERY = 1.0
"""Seconds between two looks at all that must be true."""

LONGEST = 60.0
"""Real seconds that a history may take, of a usual third of a second."""

_BUGS = frozenset(
    {
        "handler failed",
        "a loop of central failed",
        "record not applied",
        "answer too long",
        "ticket not stored",
    }
)
"""What a program says in its log that no fault excuses."""


class World:
    """All that is in one history.

    Args:
        detail: How much of it is told.
        only: The faults that are chosen from, by name; all of them if none is named.
    """

    def __init__(self, seed: int, detail: Detail, only: Sequence[str] = ()) -> None:
        self._seed = seed
        self._kinds = {f: often for f, often in FAULTS.items() if not only or f.__name__ in only}
        self._random = self._dice("faults")
        self._story = Story(lambda: self.loop.now, detail)
        self._wrong: list[str] = []
        self._traps: list[Trap] = []
        self._faults: Counter[str] = Counter()
        self.loop = SimulatedLoop(self._on_error)
        self.network = Network(self.loop, self._dice("network"), self._said, self._heard)
        self.loop.network = self.network
        self.broker = Broker(self.loop, self._dice("broker"), self._published)
        self.database = SimulatedDatabase(self.loop, self._dice("database"), self._committed)
        self.nodes = Nodes(
            self.loop,
            self.network,
            self.broker,
            self.database,
            self._story,
            self._dice("nodes"),
            self._broken,
        )
        self._people = Population(self.nodes, self._dice, self._written)
        self.witness = Witness(
            self.database,
            {cp_id: _content_of(disk) for cp_id, disk in self._people.disks.items()},
            self._broken,
        )
        self.invariants = Invariants(self.witness)
        self._chance = Chance(
            self.nodes, self._random, self._traps, self._people.press, self.witness
        )
        self._half_heard: dict[End, bytes] = {}
        self.calls = Calls(self._disk)

    def _dice(self, what: str) -> Random:
        return Random(f"{self._seed} {what}")

    # -- The history --

    def play(self) -> Outcome:
        """Let it happen."""
        common.clock.seed(self._seed)
        self._people.begin()
        try:
            self._run(CALM)
            self._trouble()
            self._peace()
            self._complain(self.invariants.at_the_end())
            for driver_id, wishes in self._people.wishes.items():
                self._complain(self.invariants.was_shown(driver_id, wishes.seen))
        except _Over:
            pass
        except Stuck as stuck:
            self._broken(str(stuck))
        return self._outcome()

    def _trouble(self) -> None:
        ends = CALM + self._random.uniform(*TROUBLED)
        count = self._random.randint(*self._random.choice(FAULTS_IN_A_HISTORY))
        times = sorted(self._random.uniform(CALM, ends) for _ in range(count))
        for at in times:
            self._run(at)
            fault = self._random.choices(list(self._kinds), list(self._kinds.values()))[0]
            self._faults[fault.__name__] += 1
            self._story.happened(f"FAULT {fault(self._chance)}")
        self._run(ends)

    def _peace(self) -> None:
        self._story.happened("PEACE no more faults")
        self._chance.undo_all()
        for node in self.nodes.of("engine"):
            self._people.press(node.name, KeyCommand(Action.REPAIR))
        self.database.kills_at_commit = None
        for node in self.nodes.of("engine"):
            assert node.disk is not None
            node.disk.dies_at_write = None
        for node in self.nodes.of("central", "engine", "monitor", "driver"):
            if node.process is not None:
                node.process.dies_in = None
        self._people.enough()
        until = self.loop.now + SETTLED_WITHIN
        while self.loop.now < until:
            self._run(self.loop.now + LOOK_EVERY)
            if self._people.is_content and self.invariants.settled():
                return

    def _run(self, until: float) -> None:
        """Let everything happen up to this time, and look at it every second."""
        while self.loop.now < until:
            self.loop.run_until(min(until, self.loop.now + LOOK_EVERY), lambda: bool(self._wrong))
            if not self._wrong:
                self._complain(self.invariants.always())
            if self._wrong:
                raise _Over

    def _outcome(self) -> Outcome:
        self._story.add(self.database.dump())
        query = self.database.query
        return Outcome(
            seed=self._seed,
            seconds=self.loop.now,
            faults=self._faults,
            charges=query("SELECT count(*) FROM sessions")[0][0],
            tickets=query("SELECT count(*) FROM tickets")[0][0],
            corrected=query("SELECT count(*) FROM tickets WHERE revision = 2")[0][0],
            energy=query("SELECT coalesce(sum(energy), 0) FROM tickets")[0][0],
            wrong=list(self._wrong),
            digest=self._story.digest,
            chronicle=self._story.chronicle(),
        )

    def close(self) -> None:
        """Let go of everything."""
        self.loop.close()
        self.nodes.bury()
        self.database.close()

    # -- What is heard of --

    def _said(self, end: End, data: bytes) -> None:
        self._story.went(end.label, data)
        kind = _kind(data)
        who, to = end.process.machine.name, end.peer.process.machine.name
        self.witness.said(kind, who, to, data[1:-2])
        if who.startswith("central") and end.process.machine.is_sound:
            self.witness.spoke(self.broker.wall(), kind, who, data)
        for trap in self._traps:
            if trap.kind == kind:
                self._traps.remove(trap)
                if trap.sender:
                    self.network.carry(end, data)
                    self.nodes.kill(end.process)
                    raise Killed
                process = end.peer.process
                self.loop.do(None, self._random.uniform(0.0, 0.02), self._kill, process)
                break

    def _kill(self, process: Process) -> None:
        self.nodes.kill(process)

    def _heard(self, end: End, data: bytes) -> None:
        name = end.process.machine.name
        if not name.startswith("monitor"):
            return
        data = self._half_heard.pop(end, b"") + data
        if data.find(b"\x03") in (-1, len(data) - 1):  # the frame is not whole yet
            self._half_heard[end] = data
        else:
            self.witness.heard(_kind(data), name, data[1:-2])

    def _published(self, record: Record) -> None:
        self._story.went(f"Kafka {record.topic} {record.key}", record.value)
        self.witness.published(self.loop.now, record.topic, record.value)

    def _committed(self, process: Process) -> None:
        self.witness.committed(process.machine.name)

    def _written(self, disk: SimulatedDisk, data: bytes) -> None:
        self._story.went(disk.name, data)

    def _disk(self) -> SimulatedDisk:
        """The disk of the process that runs now."""
        assert self.loop.process is not None
        disk = self.nodes[self.loop.process.machine.name].disk
        assert disk is not None
        return disk

    def _on_error(self, process: Process | None, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Killed) or (process is not None and not process.alive):
            return
        self._broken(f"{process}: {context.get('message')}: {error!r}")

    def _broken(self, what: str) -> None:
        self._story.note(f"WRONG {what}")
        self._wrong.append(what)

    def _complain(self, wrong: Iterator[str]) -> None:
        for what in wrong:
            self._broken(what)

    def log(self, _: Any, level: str, event: MutableMapping[str, Any]) -> str:
        """A line of a program's log."""
        text = str(event.get("event"))
        process = self.loop.process
        if text in _BUGS and process is not None and process.alive:
            self._broken(f"{process}: {text}: {event.get('exc_info') or event}")
        if self._story.detail and level != "debug":
            details = " ".join(f"{k}={v}" for k, v in event.items() if k != "event")
            self._story.note(f"{process}: {level}: {text} {details}")
        raise structlog.DropEvent


class _Over(Exception):
    """Something was wrong."""


def _content_of(disk: SimulatedDisk) -> Callable[[], bytes]:
    return lambda: disk.durable


def _kind(data: bytes) -> str:
    """A message's type, from its frame."""
    if not data.startswith(b'\x02{"type":"'):
        return ""
    return data[10 : data.index(b'"', 10)].decode()


def play(seed: int, *, detail: Detail = Detail.NOTHING, only: Sequence[str] = ()) -> Outcome:
    """The history of this seed; with `only` some faults, another one than with all."""
    with isolated(told=bool(detail)) as listen:
        return _played(seed, detail, only, listen)


def _played(seed: int, detail: Detail, only: Sequence[str], listen: Listen) -> Outcome:
    world = World(seed, detail, only)
    listen(world.log, world.calls)
    try:
        with within(LONGEST):
            return world.play()
    finally:
        world.close()
