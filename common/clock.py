"""Time and fresh ids, from one place each, so that both can be replaced."""

import time
from typing import Protocol
from uuid import uuid4


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


def new_id() -> str:
    """A UUID for a new message or session."""
    return str(uuid4())
