"""The table: what is measured, how, and what it must come to."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from bench.charges import Charges
from bench.frames import Frames
from bench.links import with_links
from bench.overload import LINKS, POINTS, overloaded
from bench.readings import forwarded
from bench.screen import to_the_screen
from bench.server import Server

Figures = dict[str, float]
"""What one run found; `wrong` says how often something went wrong: only 0 counts."""

Measure = Callable[[Server, float, float], Coroutine[Any, Any, Figures]]
"""Measures a new central, after a warm-up, for some seconds."""


STEADY = 500
"""Charges asked for in a second, where it is the latency that is measured."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A row of the table.

    Attributes:
        name: What is measured.
        figure: Which of the measurement's figures.
        kind: Whether it is to be at least, or below, `limit`.
        unit: Of both.
    """

    name: str
    figure: str
    kind: Literal["at least", "below"]
    limit: float
    unit: str

    def reached(self, figure: float) -> bool:
        """Whether a figure is as good as this goal."""
        return figure >= self.limit if self.kind == "at least" else figure < self.limit


@dataclass(frozen=True, slots=True)
class Work:
    """A measurement, which may give several rows.

    Attributes:
        name: How it is called on the command line.
    """

    name: str
    measure: Measure
    goals: tuple[Goal, ...]


async def _frames(server: Server, warm_up: float, seconds: float) -> Figures:
    return await Frames(server).run(warm_up, seconds)


async def _charges(server: Server, warm_up: float, seconds: float) -> Figures:
    async with Charges(server) as charges:
        return await charges.full_load(warm_up, seconds)


async def _steady(server: Server, warm_up: float, seconds: float) -> Figures:
    async with Charges(server) as charges:
        return await charges.at_rate(STEADY, warm_up, seconds)


async def _overload(server: Server, warm_up: float, seconds: float) -> Figures:
    async with Charges(server, POINTS, LINKS, heartbeats=True) as charges:
        return await overloaded(charges, warm_up, seconds)


WORKS = (
    Work(
        "frames",
        _frames,
        (Goal("frames answered", "rate", "at least", 50_000, "/s"),),
    ),
    Work(
        "charges",
        _charges,
        (Goal("charges started", "rate", "at least", 5_000, "/s"),),
    ),
    Work(
        "steady",
        _steady,
        (Goal("charge p99 at 500/s", "p99_ms", "below", 50, "ms"),),
    ),
    Work(
        "readings",
        forwarded,
        (Goal("readings forwarded", "rate", "at least", 50_000, "/s"),),
    ),
    Work(
        "links",
        with_links,
        (
            Goal("memory with 10,000 links", "mib", "below", 1024, "MiB"),
            Goal("heartbeat p99 with 10,000 links", "p99_ms", "below", 50, "ms"),
        ),
    ),
    Work(
        "screen",
        to_the_screen,
        (Goal("reading to screen p99", "p99_ms", "below", 500, "ms"),),
    ),
    Work(
        "overload",
        _overload,
        (
            Goal("served under twice the load", "served", "at least", 70, "%"),
            Goal("back to normal after that", "normal_s", "below", 10, "s"),
        ),
    ),
)
