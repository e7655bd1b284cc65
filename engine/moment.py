"""The engine's time: one reading of all its clocks, taken once per event.

Meter, curve and the wait for the plug run on simulated time, which passes `--time-scale` times as
fast as real time; readings, the monitor's silence and the times on a ticket are real.
"""

from dataclasses import dataclass

from common.clock import Clock

NS = 1_000_000_000
"""Nanoseconds in a second."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happens.

    Attributes:
        unix: Unix seconds; for people, may jump.
        real_ns: Real nanoseconds since the engine began; only ever grows.
        ns: Simulated nanoseconds since the engine began; only ever grows.
    """

    unix: int
    real_ns: int
    ns: int

    def seconds_since(self, earlier: "Moment") -> int:
        """Whole real seconds that have passed since then."""
        return (self.real_ns - earlier.real_ns) // NS


class Timepiece:
    """Reads the clocks.

    Attributes:
        scale: Simulated seconds in a real one.
    """

    def __init__(self, clock: Clock, scale: float = 1.0) -> None:
        self.scale = scale
        self._clock = clock
        self._zero = clock.monotonic()

    def now(self) -> Moment:
        """What all clocks say now."""
        return self.at(self._clock.monotonic())

    def at(self, monotonic: float) -> Moment:
        """What all clocks say, or said, at this second of the monotonic one."""
        ago = self._clock.monotonic() - monotonic
        real_ns = round((monotonic - self._zero) * NS)
        return Moment(int(self._clock.wall() - ago), real_ns, round(real_ns * self.scale))
