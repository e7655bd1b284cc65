"""What a fault may be about, and how it is undone."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from engine.keys import KeyCommand
from sim.nodes import Node, Nodes
from sim.process import Process
from sim.witness import Witness

SPOKEN = (
    "charge_request",
    "charge_request_response",
    "start_charging_command",
    "command_response",
    "stop_charging_command",
    "charge_completion",
    "report_sessions_command",
    "session_report",
    "settle_sessions_command",
    "register_request",
    "register_response",
)
"""Messages at which somebody may be killed: the moments that matter in a charge."""


@dataclass(slots=True)
class Trap:
    """Somebody is to be killed at a message.

    Attributes:
        kind: Which.
        sender: Who dies: who has just written it, or who is about to read it.
    """

    kind: str
    sender: bool


class Chance:
    """One throw of the dice, and what it may be about.

    Attributes:
        traps: Kills that wait for their message.
    """

    def __init__(
        self,
        nodes: Nodes,
        random: Random,
        traps: list[Trap],
        press: Callable[[str, KeyCommand], None],
        witness: Witness,
    ) -> None:
        self.witness = witness
        self.nodes = nodes
        self.random = random
        self.traps = traps
        self.press = press
        self._undo: dict[Callable[[], None], None] = {}

    def one(self, *kinds: str) -> Node:
        """Any program of these kinds."""
        return self.random.choice(self.nodes.of(*kinds))

    def running(self, *kinds: str) -> Process | None:
        """Any run of these programs, if the one that was chosen runs."""
        process = self.one(*kinds).process
        return process if process is not None and process.alive else None

    def until(self, low: float, high: float, undo: Callable[[], None]) -> float:
        """Undo it after that many seconds, or when all faults end."""
        seconds = self.random.uniform(low, high)

        def over() -> None:
            if undo in self._undo:
                del self._undo[undo]
                undo()

        self._undo[undo] = None
        self.nodes.loop.do(None, seconds, over)
        return seconds

    def undo_all(self) -> None:
        """The faults are over."""
        undo, self._undo = self._undo, {}
        for each in undo:
            each()
        self.traps.clear()
