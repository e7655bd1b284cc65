"""What a car draws: a ramp, then all that it may, then less and less until it has what it wants.

The power is a function of nothing but the time since the supply began, the energy that has flowed,
the limit and the energy wanted.
"""

from common.units import WattHours, Watts

FULL = WattHours(50_000)
"""What a car takes until it is full, where its driver asked for no amount."""

RAMP_SECONDS = 10
"""How long a car takes to draw all that it may."""

TAPER_PART = 5
"""The last fifth of the energy wanted is drawn with less and less power."""

LEAST_PART = 4
"""At the very end a car still draws a quarter of what it may."""


def wanted_energy(target: WattHours | None) -> WattHours:
    """How much a car takes: what its driver asked for, or until it is full."""
    return FULL if target is None else target


def power(limit: Watts, seconds: int, delivered: int, wanted: int) -> Watts:
    """The power that a car draws.

    Args:
        limit: The most that it may draw.
        seconds: Since the supply began, in whole seconds.
        delivered: Wh that have flowed.
        wanted: Wh that it takes in all.
    """
    left = wanted - delivered
    if left <= 0:
        return Watts(0)
    ramp = limit * min(seconds + 1, RAMP_SECONDS) // RAMP_SECONDS
    taper = limit * left * TAPER_PART // wanted
    least = limit // LEAST_PART
    return Watts(min(limit, max(1, min(ramp, max(taper, least)))))
