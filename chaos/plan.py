"""Which faults are injected, when, and into what: drawn from a seed before anything starts.

The same seed, points and minutes give the same plan, so the same faults are injected in the same
order; how the network happens to stand at each of them is the machine's doing. Two faults never
meet at one target: a fault ends, and its target has `REST` to itself, before the next begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

CENTRAL, BROKER, DATABASE, DRIVERS = "central", "broker", "database", "drivers"
APP = "app"
"""Targets that all charge points share. Where there are two centrals, they are `central-1` and
`central-2`, and several drivers' apps are `app-1`, `app-2` …; the others are the only ones of
their kind."""

REST = 5.0
"""Seconds without a fault after the last one of a shared target, so that all can come back."""


class Kind(StrEnum):
    """What is done to a target."""

    KILL_ENGINE = "kill engine"
    KILL_MONITOR = "kill monitor"
    KILL_POINT = "kill engine and monitor"
    PAUSE_ENGINE = "pause engine"
    PAUSE_MONITOR = "pause monitor"
    CUT_ENGINE = "cut monitor from engine"
    CUT_CENTRAL = "cut monitor from central"
    HALF_OPEN_ENGINE = "half-open to engine"
    HALF_OPEN_CENTRAL = "half-open to central"
    DEAF_MONITOR = "lose what central tells a monitor"
    MUTE_MONITOR = "lose what a monitor tells central"
    SLOW_CENTRAL = "latency to central"
    KILL_CENTRAL = "kill central"
    PAUSE_CENTRAL = "pause central"
    KILL_BROKER = "kill broker"
    PAUSE_BROKER = "pause broker"
    EMPTY_BROKER = "an empty broker in place of the old one"
    HALF_OPEN_BROKER = "half-open to broker"
    KILL_DATABASE = "kill database"
    KILL_APP = "kill a driver's app"
    CUT_DRIVERS = "cut drivers"
    HALF_OPEN_DRIVERS = "half-open to drivers"


@dataclass(frozen=True, slots=True)
class Draw:
    """How often a kind of fault is drawn, and how long it lasts.

    Attributes:
        weight: Against the other kinds' weights.
        target: A shared one; None for a charge point, drawn too.
        shortest, longest: Seconds between which it lasts. A program that was killed is started
            again after them.
    """

    weight: int
    shortest: float
    longest: float
    target: str | None = None


DRAWS: dict[Kind, Draw] = {
    Kind.KILL_ENGINE: Draw(20, 0.0, 4.0),
    Kind.KILL_MONITOR: Draw(20, 0.0, 8.0),
    Kind.KILL_POINT: Draw(8, 0.0, 4.0),
    Kind.PAUSE_ENGINE: Draw(6, 0.5, 8.0),
    Kind.PAUSE_MONITOR: Draw(6, 0.5, 20.0),
    Kind.CUT_ENGINE: Draw(5, 0.0, 3.0),
    Kind.CUT_CENTRAL: Draw(5, 0.0, 3.0),
    Kind.HALF_OPEN_ENGINE: Draw(5, 1.0, 8.0),
    Kind.HALF_OPEN_CENTRAL: Draw(5, 1.0, 20.0),
    Kind.DEAF_MONITOR: Draw(4, 1.0, 10.0),
    Kind.MUTE_MONITOR: Draw(4, 1.0, 10.0),
    Kind.SLOW_CENTRAL: Draw(4, 2.0, 10.0),
    Kind.KILL_CENTRAL: Draw(6, 0.0, 3.0, CENTRAL),
    Kind.PAUSE_CENTRAL: Draw(2, 1.0, 12.0, CENTRAL),
    Kind.KILL_BROKER: Draw(2, 0.0, 3.0, BROKER),
    Kind.PAUSE_BROKER: Draw(2, 1.0, 8.0, BROKER),
    Kind.EMPTY_BROKER: Draw(1, 0.0, 1.0, BROKER),
    Kind.HALF_OPEN_BROKER: Draw(2, 1.0, 8.0, BROKER),
    Kind.KILL_DATABASE: Draw(2, 0.0, 3.0, DATABASE),
    Kind.KILL_APP: Draw(4, 0.0, 3.0, APP),
    Kind.CUT_DRIVERS: Draw(2, 0.0, 2.0, DRIVERS),
    Kind.HALF_OPEN_DRIVERS: Draw(2, 1.0, 8.0, DRIVERS),
}
"""What a charge point suffers most is its own programs' death."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a plan.

    Attributes:
        at: Seconds since the first charge at which it begins.
        lasts: Seconds after which it is undone.
        target: A charge point's id, or a shared target.
    """

    at: float
    lasts: float
    kind: Kind
    target: str

    def __str__(self) -> str:
        return f"{self.at:7.1f} s  {self.kind}: {self.target}, for {self.lasts:.1f} s"


def names(kind: str, count: int) -> list[str]:
    """What so many of a kind are called: `central`, or `central-1` and `central-2`."""
    return [kind] if count == 1 else [f"{kind}-{number}" for number in range(1, count + 1)]


def plan(
    seed: int,
    points: Sequence[str],
    seconds: float,
    every: float,
    *,
    centrals: int = 1,
    apps: int = 1,
    database: bool,
) -> list[Fault]:
    """The faults of a run, in their order.

    Args:
        points: The charge points' ids.
        seconds: For how long faults begin; each is over by then.
        every: Seconds between two of them, on average, before those that would meet are left out.
        centrals: How many there are.
        apps: How many drivers' apps there are.
        database: Whether central's database is a server that can be killed.
    """
    random = Random(seed)
    kinds = [kind for kind in Kind if database or DRAWS[kind].target != DATABASE]
    weights = [DRAWS[kind].weight for kind in kinds]
    free_at: dict[str, float] = {}
    faults: list[Fault] = []
    at = 0.0
    while True:
        at += random.expovariate(1 / every)
        (kind,) = random.choices(kinds, weights)
        draw = DRAWS[kind]
        target = draw.target or random.choice(points)
        if target in (CENTRAL, APP):
            target = random.choice(names(target, centrals if target == CENTRAL else apps))
        lasts = random.uniform(draw.shortest, draw.longest)
        if at >= seconds:
            return faults
        if at < free_at.get(target, 0.0) or at + lasts > seconds:
            continue
        free_at[target] = at + lasts + REST
        faults.append(Fault(at, lasts, kind, target))
