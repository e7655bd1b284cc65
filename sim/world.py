"""One history: a network begins, lives with faults, has peace, and must then be in order."""

import gc
import io
import logging
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Any, cast

import structlog

import common.clock
import common.stream.publisher as publisher
from common.listen import Bind
from common.stream import Record
from engine.keys import KeyCommand
from sim import programs
from sim.broker import Broker
from sim.database import SimulatedDatabase
from sim.disk import JournalDisk, Killed
from sim.drivers import Wishes
from sim.faults import FAULTS, Chance, Trap
from sim.invariants import Invariants
from sim.loop import SimulatedLoop, Stuck
from sim.network import End, Network
from sim.nodes import Node, Nodes
from sim.operators import Orders
from sim.process import Process
from sim.story import Story
from sim.witness import Witness

POINTS = 3
"""Charge points, and drivers."""

CALM = 5.0
"""Seconds before the first fault: all programs begin."""

TROUBLED = (25.0, 70.0)
"""Seconds in which faults begin."""

MOST_FAULTS = 8

SETTLED_WITHIN = 300.0 + programs.SETTLE_TIMEOUT
"""Seconds after the last fault in which everything must be settled."""

LOOK_EVERY = 1.0
"""Seconds between two looks at all that must be true."""

POLL_EVERY = 0.01
"""Seconds between two looks of a publisher at its producer: nothing here waits for the processor,
and 2 ms would be most of the work."""

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


@dataclass(slots=True)
class Outcome:
    """What became of one history.

    Attributes:
        seconds: How long it was.
        faults: By kind.
        wrong: What must not be, and was.
        digest: Of all of it.
        chronicle: For people, where one was asked for.
    """

    seed: int
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    charges: int = 0
    tickets: int = 0
    energy: int = 0
    wrong: list[str] = field(default_factory=list)
    digest: str = ""
    chronicle: str = ""


class World:
    """All that is in one history.

    Args:
        told: Whether a chronicle is kept.
        only: The faults that are chosen from, by name; all of them if none is named.
    """

    def __init__(self, seed: int, *, told: bool, only: Sequence[str] = ()) -> None:
        self._seed = seed
        self._kinds = {f: often for f, often in FAULTS.items() if not only or f.__name__ in only}
        self._random = self._dice("faults")
        self._story = Story(lambda: self.loop.now, told=told)
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
        self._keys = [programs.Keys() for _ in range(POINTS)]
        self._disks = [
            JournalDisk(f"journal of CP-{i}", self._dice(f"disk {i}"), self._written)
            for i in range(1, POINTS + 1)
        ]
        self.witness = Witness(
            self.database,
            {f"CP-{i}": _content_of(disk) for i, disk in enumerate(self._disks, 1)},
            self._broken,
        )
        self.invariants = Invariants(self.witness)
        self._chance = Chance(self.nodes, self._random, self._traps, self._press, self.witness)
        self._wishes: list[Wishes] = []
        self._orders = Orders(self._dice("operator"), [f"CP-{n}" for n in range(1, POINTS + 1)])
        self._is_still = False
        self._bind = cast(Bind, self.network.bind)  # a `Port` stands for a socket
        self._half_heard: dict[End, bytes] = {}

    def _dice(self, what: str) -> Random:
        return Random(f"{self._seed} {what}")

    # -- The history --

    def play(self) -> Outcome:
        """Let it happen."""
        common.clock.seed(self._seed)
        self._begin()
        try:
            self._run(CALM)
            self._trouble()
            self._peace()
            self._complain(self.invariants.at_the_end())
            for i, wishes in enumerate(self._wishes, 1):
                self._complain(self.invariants.was_shown(f"D-{i}", wishes.seen))
        except _Over:
            pass
        except Stuck as stuck:
            self._broken(str(stuck))
        return self._outcome()

    def _begin(self) -> None:
        centrals = ("central-a", "central-b")[: self._random.choice((1, 2, 2))]
        for name in centrals:
            self.nodes.add(name, self._central)
        for i, disk in enumerate(self._disks, 1):
            self.nodes.add(f"engine-{i}", self._engine(i, disk), disk=disk)
            self.nodes.add(f"monitor-{i}", self._monitor(i, centrals))
        for i in range(1, POINTS + 1):
            wishes = Wishes(self._dice(f"driver {i}"), [f"CP-{n}" for n in range(1, POINTS + 1)])
            self._wishes.append(wishes)
            self.nodes.add(f"driver-{i}", self._driver(i, wishes, centrals), for_ever=False)
        self.nodes.add("operator", self._operator(centrals), for_ever=False)

    def _trouble(self) -> None:
        ends = CALM + self._random.uniform(*TROUBLED)
        times = sorted(
            self._random.uniform(CALM, ends) for _ in range(self._random.randint(1, MOST_FAULTS))
        )
        for at in times:
            self._run(at)
            fault = self._random.choices(list(self._kinds), list(self._kinds.values()))[0]
            self._faults[fault.__name__] += 1
            self._story.happened(f"FAULT {fault(self._chance)}")
        self._run(ends)

    def _peace(self) -> None:
        self._story.happened("PEACE no more faults")
        self._chance.undo_all()
        self.database.kills_at_commit = None
        for node in self.nodes.of("engine"):
            assert node.disk is not None
            node.disk.dies_at_write = None
        for node in self.nodes.of("central", "engine", "monitor", "driver"):
            if node.process is not None:
                node.process.dies_in = None
        for wishes in self._wishes:
            wishes.enough()
        self._orders.enough()
        until = self.loop.now + SETTLED_WITHIN
        while self.loop.now < until:
            self._run(self.loop.now + LOOK_EVERY)
            if all(node.is_done for node in self.nodes.of("driver", "operator")):
                if self._is_still and self.invariants.settled():
                    return
                self._is_still = True

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
            energy=query("SELECT coalesce(sum(energy), 0) FROM tickets")[0][0],
            wrong=list(self._wrong),
            digest=self._story.digest,
            chronicle=self._story.chronicle() if self._story.told else "",
        )

    def close(self) -> None:
        """Let go of everything."""
        self.loop.close()
        self.nodes.bury()
        self.database.close()

    # -- Programs --

    async def _central(self, node: Node) -> None:
        await programs.run_central(node.name, self.database, self.broker, self._bind, node.machine)

    def _engine(self, i: int, disk: JournalDisk) -> Callable[[Node], Any]:
        return lambda node: programs.run_engine(
            f"CP-{i}", node.name, disk, self._keys[i - 1], self._bind, node.machine
        )

    def _monitor(self, i: int, centrals: tuple[str, ...]) -> Callable[[Node], Any]:
        order = centrals if i % 2 else centrals[::-1]
        return lambda node: programs.run_monitor(
            f"CP-{i}", f"engine-{i}", order, self.broker, node.machine
        )

    def _driver(self, i: int, wishes: Wishes, centrals: tuple[str, ...]) -> Callable[[Node], Any]:
        files: dict[str, bytes] = {}
        return lambda node: programs.run_driver(
            f"D-{i}", files, centrals, self.broker, node.machine, wishes.live
        )

    def _operator(self, centrals: tuple[str, ...]) -> Callable[[Node], Any]:
        return lambda node: programs.run_operator(centrals, node.machine, self._orders.give)

    def _press(self, name: str, command: KeyCommand) -> None:
        node = self.nodes[name]
        if node.process is not None and node.process.alive and not node.process.paused:
            with self.loop.acting(node.process):
                self._keys[int(name.partition("-")[2]) - 1].press(command)

    # -- What is heard of --

    def _said(self, end: End, data: bytes) -> None:
        self._story.went(end.label, data)
        kind = _kind(data)
        who, to = end.process.machine.name, end.peer.process.machine.name
        self.witness.said(kind, who, to, data[1:-2])
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

    def _written(self, disk: JournalDisk, data: bytes) -> None:
        self._story.went(disk.name, data)

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
        if self._story.told and level != "debug":
            details = " ".join(f"{k}={v}" for k, v in event.items() if k != "event")
            self._story.note(f"{process}: {level}: {text} {details}")
        raise structlog.DropEvent


class _Over(Exception):
    """Something was wrong."""


def _content_of(disk: JournalDisk) -> Callable[[], bytes]:
    return lambda: disk.content


def _kind(data: bytes) -> str:
    """A message's type, from its frame."""
    if not data.startswith(b'\x02{"type":"'):
        return ""
    return data[10 : data.index(b'"', 10)].decode()


def play(seed: int, *, told: bool = False, only: Sequence[str] = ()) -> Outcome:
    """The history of this seed; with `only` some faults, another one than with all."""
    with _alone(told=told) as listen, _within(LONGEST):
        world = World(seed, told=told, only=only)
        listen(world)
        try:
            return world.play()
        finally:
            # What was killed is cleaned up now, in a world that is no more.
            sys.unraisablehook = lambda _: None
            world.close()


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise `Stuck` where it takes longer: a program does not let go of the processor."""

    def stuck(*_: object) -> None:
        raise Stuck(f"a program did not let go of the processor for {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stuck)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    began = monotonic()
    try:
        yield
    finally:
        signal.setitimer(
            signal.ITIMER_REAL, max(0.001, left - (monotonic() - began)) if left else 0
        )
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _alone(*, told: bool) -> Iterator[Callable[[World], None]]:
    """Nothing of the machine's comes in, and nothing goes out: no log, no line, no garbage."""
    logs = structlog.get_config()
    poll, hook, collects = publisher.POLL_BUSY, sys.unraisablehook, gc.isenabled()
    publisher.POLL_BUSY = POLL_EVERY
    gc.disable()

    def listen(world: World) -> None:
        level = logging.INFO if told else logging.ERROR
        structlog.configure(
            processors=[world.log],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            cache_logger_on_first_use=False,
        )

    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield listen
            gc.unfreeze()
            gc.collect()
    finally:
        publisher.POLL_BUSY = poll
        sys.unraisablehook = hook
        structlog.configure(**logs)
        if collects:
            gc.enable()
