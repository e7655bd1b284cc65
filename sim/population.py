"""Who lives in a history: the centrals, the charge points, the drivers and an operator."""

from collections.abc import Callable
from random import Random
from typing import Any, cast

from common.listen import Bind
from engine.keys import KeyCommand
from sim import programs
from sim.disk import SimulatedDisk, Written
from sim.drivers import Wishes
from sim.nodes import Node, Nodes
from sim.operators import Orders

CONNECTORS = (2, 1, 1)
"""Of each charge point; there are as many drivers as points."""

NUMBERS = range(1, len(CONNECTORS) + 1)
CP_IDS = [f"CP-{number}" for number in NUMBERS]

Dice = Callable[[str], Random]


class Population:
    """All programs of one history, and what people want of them.

    Args:
        dice: Chance of its own for whatever is named.
        on_write: Told of what engines write to their disks.

    Attributes:
        disks: The engines', by charge point.
        wishes: The drivers', by id.
    """

    def __init__(self, nodes: Nodes, dice: Dice, on_write: Written) -> None:
        self._nodes = nodes
        self._dice = dice
        self._keys = {f"engine-{i}": programs.Keys() for i in NUMBERS}
        self._bind = cast(Bind, nodes.network.bind)  # a `Port` stands for a socket
        self.disks = {
            cp_id: SimulatedDisk(f"journal of {cp_id}", dice(f"disk of {cp_id}"), on_write)
            for cp_id in CP_IDS
        }
        self.wishes = {f"D-{i}": Wishes(dice(f"driver {i}"), CP_IDS) for i in NUMBERS}
        self._orders = Orders(dice("operator"), CP_IDS)

    def begin(self) -> None:
        """Let all programs begin."""
        count = self._dice("centrals").choice((1, 2, 2))
        centrals = ("central-a", "central-b")[:count]
        for name in centrals:
            self._nodes.add(name, self._central)
        for i, cp_id in enumerate(CP_IDS, 1):
            self._nodes.add(f"engine-{i}", self._engine(i, cp_id), disk=self.disks[cp_id])
            self._nodes.add(f"monitor-{i}", self._monitor(i, cp_id, centrals))
        for i, driver_id in enumerate(self.wishes, 1):
            self._nodes.add(f"driver-{i}", self._driver(driver_id, centrals), for_ever=False)
        self._nodes.add("operator", self._operator(centrals), for_ever=False)

    def enough(self) -> None:
        """Nobody wants anything new; what was begun is brought to its end."""
        for wishes in self.wishes.values():
            wishes.enough()
        self._orders.enough()

    @property
    def is_content(self) -> bool:
        """Whether everybody has had what they wanted."""
        return all(node.is_done for node in self._nodes.of("driver", "operator"))

    def press(self, name: str, command: KeyCommand) -> None:
        """Press a key of an engine, if it runs."""
        process = self._nodes[name].process
        if process is not None and process.alive and not process.paused:
            with self._nodes.loop.acting(process):
                self._keys[name].press(command)

    # -- How each begins --

    async def _central(self, node: Node) -> None:
        nodes = self._nodes
        await programs.run_central(
            node.name, nodes.database, nodes.broker, self._bind, node.machine
        )

    def _engine(self, i: int, cp_id: str) -> Callable[[Node], Any]:
        connectors, disk, keys = CONNECTORS[i - 1], self.disks[cp_id], self._keys[f"engine-{i}"]
        return lambda node: programs.run_engine(
            cp_id, node.name, connectors, disk, keys, self._bind, node.machine
        )

    def _monitor(self, i: int, cp_id: str, centrals: tuple[str, ...]) -> Callable[[Node], Any]:
        order = centrals if i % 2 else centrals[::-1]
        return lambda node: programs.run_monitor(
            cp_id, f"engine-{i}", order, self._nodes.broker, node.machine
        )

    def _driver(self, driver_id: str, centrals: tuple[str, ...]) -> Callable[[Node], Any]:
        files: dict[str, bytes] = {}
        live = self.wishes[driver_id].live
        return lambda node: programs.run_driver(
            driver_id, files, centrals, self._nodes.broker, node.machine, live
        )

    def _operator(self, centrals: tuple[str, ...]) -> Callable[[Node], Any]:
        return lambda node: programs.run_operator(centrals, node.machine, self._orders.give)
