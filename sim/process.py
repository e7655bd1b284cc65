"""A running program, which can be killed or paused between any two of its steps."""

import asyncio
from collections.abc import Callable
from typing import Any

from sim.clocks import Machine


class Process:
    """One run of a program on a machine.

    Attributes:
        machine: Whose time it has.
        begun: When, in the history's time.
        alive: It has not been killed, and has not ended.
        dies_in: Steps of its own after which it is killed; None: it is not about to be.
        deaths: Called once when it is gone, in this order: what its machine then does for it.
    """

    def __init__(
        self,
        machine: Machine,
        resume: Callable[[list[Any]], None],
        on_doom: Callable[["Process"], None],
        begun: float,
    ) -> None:
        self.begun = begun
        self.machine = machine
        self.alive = True
        self.paused = False
        self.dies_in: int | None = None
        self.deaths: list[Callable[[], None]] = []
        self._resume = resume
        self._on_doom = on_doom
        self._waiting: list[Any] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    def __str__(self) -> str:
        return self.machine.name

    def takes(self, handle: Any) -> bool:
        """Whether it may do this now; what it may not do while paused it does afterwards."""
        if self.paused and self.alive:
            self._waiting.append(handle)
            return False
        return self.alive

    def step(self) -> None:
        """It has taken one of the steps that are left to it."""
        assert self.dies_in is not None
        self.dies_in -= 1
        if self.dies_in <= 0 and self.alive:
            self.dies_in = None
            self._on_doom(self)

    def keep(self, task: "asyncio.Task[Any]") -> None:
        """Hold one of its tasks: what was killed is not cleaned up before the history is over."""
        self._tasks.add(task)
        if len(self._tasks) > 2_000:
            self._tasks = {each for each in self._tasks if not each.done()}

    def die(self) -> None:
        """From now on nothing of it runs."""
        self.alive = False
        self._waiting.clear()
        deaths, self.deaths = self.deaths, []
        for done in deaths:
            done()

    def pause(self) -> None:
        """SIGSTOP: what it has to do waits."""
        self.paused = True

    def go_on(self) -> None:
        """SIGCONT."""
        self.paused = False
        waiting, self._waiting = self._waiting, []
        self._resume(waiting)

    def bury(self) -> None:
        """The history is over: let go of its tasks without a word about those that were pending."""
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._tasks.clear()
