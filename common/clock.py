"""Time and fresh ids, from one place each, so that both can be replaced."""

import os
import time
from random import Random
from typing import Protocol


class Clock(Protocol):
    """Where a program gets its time from."""

    def wall(self) -> float:
        """Unix seconds. For people and for stamps; may jump, so it never measures anything."""

    def monotonic(self) -> float:
        """Seconds that only ever grow, from an arbitrary zero. For every wait and every age."""


class SystemClock:
    """The machine's own clocks."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


_random = Random()  # noqa: S311 -- for ids, which name things, and for waits: no secrets
os.register_at_fork(after_in_child=_random.seed)


def seed(number: int) -> None:
    """Begin all chance anew from this number, so that a simulation can be played again."""
    _random.seed(number)


def jitter(longest: float) -> float:
    """Chance seconds from 0 to so many, so that many do not do the same at the same time."""
    return _random.uniform(0.0, longest)


def ordered_id(now: float) -> str:
    """A version 7 UUID (RFC 9562), greater than those of earlier milliseconds.

    For what a database keeps by its id: ids by chance touch a page of the disk each, those of the
    same moment share one.

    Args:
        now: Unix seconds.
    """
    chance = f"{_random.getrandbits(80):020x}"
    time = f"{int(now * 1000) & 0xFFFF_FFFF_FFFF:012x}"
    variant = "89ab"[int(chance[0], 16) & 3]
    return f"{time[:8]}-{time[8:]}-7{chance[1:4]}-{variant}{chance[4:7]}-{chance[7:19]}"


def new_id() -> str:
    """A version 4 UUID (RFC 9562) for a new message or session.

    Not `uuid4`: a system call for each id was a seventh of central's work for a charge.
    """
    digits = f"{_random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
