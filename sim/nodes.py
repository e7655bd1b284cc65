"""The programs of one history: begun, killed, begun again."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from common.errors import ChargingError
from sim.broker import Broker
from sim.clocks import Machine
from sim.database import SimulatedDatabase
from sim.disk import Killed, SimulatedDisk
from sim.loop import SimulatedLoop
from sim.network import Network
from sim.process import Process
from sim.story import Story

Start = Callable[["Node"], Coroutine[Any, Any, Any]]

DRIFTS = (0.0, 1e-4, -1e-4, 5e-3, -5e-3)
"""By how much of a second clocks run wrong in a second."""

BROKEN_CLOCKS = 0.05
"""How many centrals have a useless clock, so that they misjudge the age of their lease."""

RESTARTED_WITHIN = (0.2, 8.0)
"""Seconds after which a program that was killed is begun again."""

RESTARTED_LATE = (15.0, 40.0)
LATE = 0.15
"""The same, and how often, where somebody has to go there first: long enough for an estimate."""

RESTART_AFTER_EXIT = 1.0
"""Seconds after which a program that gave up is begun again."""


class Node:
    """A program that is to run, and the machine on which it does.

    Attributes:
        process: Its present run; None while there is none.
        disk: An engine's.
        for_ever: It is begun again whenever it ends; else only if it was killed.
    """

    def __init__(
        self,
        name: str,
        machine: Machine,
        start: Start,
        disk: SimulatedDisk | None,
        *,
        for_ever: bool,
    ) -> None:
        self.name = name
        self.machine = machine
        self.start = start
        self.disk = disk
        self.for_ever = for_ever
        self.process: Process | None = None
        self.is_done = False

    @property
    def kind(self) -> str:
        """Which program it is."""
        return self.name.partition("-")[0]


class Nodes:
    """All of them, and what they run on.

    Args:
        broken: Told of a program that fails by itself.
    """

    def __init__(
        self,
        loop: SimulatedLoop,
        network: Network,
        broker: Broker,
        database: SimulatedDatabase,
        story: Story,
        random: Random,
        broken: Callable[[str], None],
    ) -> None:
        self.loop = loop
        self.network = network
        self.broker = broker
        self.database = database
        self.story = story
        self._random = random
        self._broken = broken
        self._all: dict[str, Node] = {}
        self._processes: list[Process] = []

    def __getitem__(self, name: str) -> Node:
        return self._all[name]

    def of(self, *kinds: str) -> list[Node]:
        """The programs of these kinds."""
        return [node for node in self._all.values() if node.kind in kinds]

    def add(
        self,
        name: str,
        start: Start,
        *,
        disk: SimulatedDisk | None = None,
        for_ever: bool = True,
    ) -> Node:
        """A program that is to run from now on."""
        rate = 1.0 + self._random.choice(DRIFTS)
        if name.startswith("central") and self._random.random() < BROKEN_CLOCKS:
            rate = self._random.choice((0.6, 1.5))
        machine = Machine(name, rate, self._random.uniform(-0.5, 0.5))
        node = self._all[name] = Node(name, machine, start, disk, for_ever=for_ever)
        self.loop.do(None, self._random.uniform(0.0, 1.5), self.begin, node)
        return node

    def begin(self, node: Node) -> None:
        """Begin it, unless it runs or is done."""
        if node.is_done or (node.process is not None and node.process.alive):
            return
        self.network.lit(node.name)
        process = node.process = Process(node.machine, self.loop.resume, self.kill, self.loop.now)
        self._processes.append(process)
        if node.disk is not None:
            node.disk.process = process
            node.disk.dies_at_write = None
        self.story.happened(f"{node.name} begins")
        self.loop.begin(process, self._main(node, process))

    async def _main(self, node: Node, process: Process) -> None:
        why = "it is done"
        try:
            await node.start(node)
        except (ChargingError, OSError, BaseExceptionGroup) as error:
            why = _sentence(error)
            _, bugs = _split(error)
            if bugs is not None:
                self._failed(node, process, bugs)
        except Killed:
            return
        except Exception as error:
            self._failed(node, process, error)
        if process.alive:
            self.story.happened(f"{node.name} ends: {why}")
            node.is_done = not node.for_ever
            process.die()
            self.network.killed(process)
            self.loop.do(None, RESTART_AFTER_EXIT, self.begin, node)

    def _failed(self, node: Node, process: Process, error: BaseException) -> None:
        if process.alive:
            self._broken(f"{node.name} failed: {error!r}")

    # -- How it dies --

    def kill(self, process: Process) -> None:
        """SIGKILL; it is begun again after a while."""
        if process.alive:
            self.story.happened(f"{process} is killed")
            process.die()
            self.network.killed(process)
            self._again_later(self._all[process.machine.name])

    def unplug(self, process: Process) -> None:
        """Its machine loses its power, which comes back after a while."""
        if process.alive:
            self.story.happened(f"{process} loses its power")
            node = self._all[process.machine.name]
            process.die()
            self.network.went_dark(process)
            if node.disk is not None:
                node.disk.lose_power()
            self._again_later(node)

    def _again_later(self, node: Node) -> None:
        within = RESTARTED_LATE if self._random.random() < LATE else RESTARTED_WITHIN
        self.loop.do(None, self._random.uniform(*within), self.begin, node)

    def bury(self) -> None:
        """The history is over."""
        for process in self._processes:
            process.alive = False
        for process in self._processes:
            process.bury()


def _split(
    error: BaseException,
) -> tuple[BaseException | None, BaseException | None]:
    if isinstance(error, BaseExceptionGroup):
        return error.split((ChargingError, OSError, Killed, asyncio.CancelledError))
    return error, None


def _sentence(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    with contextlib.suppress(Exception):
        return str(error)
    return type(error).__name__
