"""A clock that goes when told, a disk in memory that fails when told, and usual messages."""

import errno
from typing import Any

from common.messages import Message, StartChargingCommand, StopChargingCommand
from common.states import EndReason
from common.units import Price, WattHours, Watts
from engine.moment import NS, Moment, Timepiece
from engine.session import Session

CP = "ALC-001"
BEGAN = 1_700_000_000
"""Unix seconds when a fake clock begins."""


class FakeClock:
    """Time passes only by `pass_`."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.jumped = 0.0

    def wall(self) -> float:
        return BEGAN + self.passed + self.jumped

    def monotonic(self) -> float:
        return 1_000.0 + self.passed

    def pass_(self, seconds: float) -> None:
        self.passed += seconds


def at(seconds: float, *, scale: float = 1.0) -> Moment:
    """The moment so many real seconds after the engine began."""
    clock = FakeClock()
    timepiece = Timepiece(clock, scale)
    clock.pass_(seconds)
    return timepiece.now()


def exactly(ns: int) -> Moment:
    """The moment so many nanoseconds after the engine began, in real time."""
    return Moment(BEGAN + ns // NS, ns, ns)


class MemoryDisk:
    """A disk in memory.

    Attributes:
        data: What would be found after a kill.
        failing: Why it takes nothing now; empty while it does.
        part: How many bytes of what it does not take it has all the same.
        writes: How often something was put on it.
    """

    name = "in memory"

    def __init__(self, data: bytes | None = None) -> None:
        self.data = data
        self.failing = ""
        self.part = 0
        self.writes = 0

    def read(self) -> bytes | None:
        if self.failing:
            raise OSError(errno.EIO, self.failing)
        return self.data

    def append(self, data: bytes) -> None:
        assert self.data is not None
        self.data += data[: self.part] if self.failing else data
        self._check()

    def replace(self, data: bytes) -> None:
        self._check()
        self.data = data

    def _check(self) -> None:
        if self.failing:
            raise OSError(errno.ENOSPC, self.failing)
        self.writes += 1


class Told:
    """Gets what the monitor would be told."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def __call__(self, message: Message) -> None:
        self.messages.append(message)

    def take(self) -> list[Any]:
        """What was told since the last call."""
        taken, self.messages = self.messages, []
        return taken


def start(session_id: str = "s1", **changes: Any) -> StartChargingCommand:
    """A usual start: 11 kW at 0.35, until the car is full."""
    fields: dict[str, Any] = {
        "message_id": f"m-{session_id}",
        "trace_id": f"t-{session_id}",
        "cp_id": CP,
        "session_id": session_id,
        "driver_id": "D-1",
        "price_per_kwh": Price(3_500),
        "max_charging_rate_kw": Watts(11_000),
    }
    return StartChargingCommand(**fields | changes)


def stop(session_id: str = "s1", reason: EndReason | None = None) -> StopChargingCommand:
    """A usual stop."""
    return StopChargingCommand(cp_id=CP, session_id=session_id, reason=reason)


def a_session(session_id: str = "s1", **changes: Any) -> Session:
    """A usual session as the journal has it."""
    fields: dict[str, Any] = {
        "session_id": session_id,
        "connector_id": 1,
        "driver_id": "D-1",
        "price": Price(3_500),
        "limit": Watts(11_000),
        "target": WattHours(7_500),
        "trace_id": "t1",
        "started_at": BEGAN,
        "at": BEGAN + 10,
        "meter_start_wh": 1_000,
        "meter_wh": 1_030,
        "sequence": 10,
        "rate": Watts(11_000),
    }
    return Session(**fields | changes)
