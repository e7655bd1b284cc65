"""How the engine is, from its answers and from its silence, and what of that is news to central.

Theory of operation. Every health answer becomes a `Condition`: the engine as central is to see it.
Silence makes one too: when the engine has said nothing for `UNREACHABLE_AFTER` seconds it has the
fault `EngineUnreachable`, and its connectors are faulted and name no session, because nothing is
known of them any more. `news` is what central must be told when one condition follows another.

No time passes here but what `Health.passed` is told.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from common.errors import Reason, Refused
from common.messages import (
    ConnectorEntry,
    FaultNotification,
    HealthCheckResponse,
    Message,
    Outcome,
    RecoveryNotification,
    StatusUpdate,
)
from common.states import EngineStatus, read_status
from common.units import Watts

UNREACHABLE = "EngineUnreachable"
OTHER_ERROR = "OtherError"

UNREACHABLE_AFTER = 1.5
"""Seconds of silence that are a fault: more than a health check's interval, and so that central
knows it within 2 s."""

LONGEST_LOOK = 0.5
"""The most seconds that one look can add to the silence: while this program itself was held up,
the engine's answers waited unread."""

SERVING = frozenset({EngineStatus.AVAILABLE, EngineStatus.PREPARING, EngineStatus.CHARGING})
"""Words that no connector of a stopped point has."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The engine as central is to see it.

    Attributes:
        heard: The engine has answered at least once.
        status: The whole point in an engine's word.
        fault_type: Why it cannot serve; None if it is well.
        connectors: Every connector.
        held_sessions: Ended sessions in its journal; None while it cannot be asked.
        max_charging_rate_kw: Its maximum power; None until it is known, as the next.
        time_scale: Its simulated seconds in a second.
    """

    heard: bool = False
    status: str = EngineStatus.FAULTED
    fault_type: str | None = None
    connectors: tuple[ConnectorEntry, ...] = ()
    held_sessions: tuple[str, ...] | None = None
    max_charging_rate_kw: Watts | None = None
    time_scale: float | None = None

    @property
    def decided(self) -> bool:
        """It is known how the engine is: it answered, or was silent for too long."""
        return self.heard or self.fault_type is not None

    @property
    def shape(self) -> tuple[object, ...]:
        """What only a registration tells central."""
        numbers = tuple(entry.connector_id for entry in self.connectors)
        return self.max_charging_rate_kw, self.time_scale, numbers

    @property
    def running(self) -> frozenset[str]:
        """The sessions that the engine shows as running, or waiting for the plug."""
        return self.sessions(EngineStatus.CHARGING) | self.sessions(EngineStatus.PREPARING)

    def sessions(self, status: EngineStatus) -> frozenset[str]:
        """The sessions of the connectors that have this status."""
        return frozenset(
            entry.session_id
            for entry in self.connectors
            if entry.session_id and read_status(entry.status) is status
        )

    @property
    def stopped(self) -> bool | None:
        """Whether the engine shows itself as stopped; None where its words do not say."""
        words = {read_status(entry.status) for entry in self.connectors}
        if EngineStatus.STOPPED in words:
            return True
        return False if words & SERVING else None


def knocked_out(refused: Refused) -> HealthCheckResponse | None:
    """The answer of a broken engine (KO); None for any other refusal, which says nothing of it."""
    answer = refused.answer
    if not isinstance(answer, HealthCheckResponse):
        return None
    return answer if answer.error in (None, Reason.CHARGE_POINT_FAULTED) else None


def read(answer: HealthCheckResponse, before: Condition) -> Condition:
    """The condition that a health answer shows; what it leaves out is as `before`."""
    broken = (
        answer.status is Outcome.FAILURE
        or answer.fault_type is not None
        or read_status(answer.engine_status) is EngineStatus.FAULTED
    )
    status = answer.engine_status or ("charging" if answer.is_charging else "available")
    status = EngineStatus.FAULTED if broken else status
    connectors = answer.connectors
    if not connectors and broken and before.connectors:
        connectors = _faulted(before.connectors)
    elif not connectors:
        connectors = (ConnectorEntry(connector_id=1, status=status, session_id=answer.session_id),)
    return Condition(
        heard=True,
        status=status,
        fault_type=(answer.fault_type or OTHER_ERROR) if broken else None,
        connectors=connectors,
        held_sessions=answer.held_sessions,
        max_charging_rate_kw=answer.max_charging_rate_kw or before.max_charging_rate_kw,
        time_scale=answer.time_scale or before.time_scale,
    )


def unreachable(before: Condition) -> Condition:
    """The condition of an engine that says nothing any more."""
    return replace(
        before,
        status=EngineStatus.FAULTED,
        fault_type=UNREACHABLE,
        connectors=_faulted(before.connectors),
        held_sessions=None,
    )


def _faulted(connectors: tuple[ConnectorEntry, ...]) -> tuple[ConnectorEntry, ...]:
    faulted = EngineStatus.FAULTED
    return tuple(ConnectorEntry(connector_id=e.connector_id, status=faulted) for e in connectors)


def news(cp_id: str, before: Condition, after: Condition) -> Iterator[Message]:
    """What central must be told when `after` follows `before`.

    A recovery is followed by every connector, for it clears their faults too. A fault is said
    again after a connector's word that sounds well: the latest message decides whether there is
    one.
    """
    known = {entry.connector_id: entry for entry in before.connectors}
    changed = [entry for entry in after.connectors if entry != known.get(entry.connector_id)]
    fault = FaultNotification(cp_id=cp_id, fault_type=after.fault_type or OTHER_ERROR)
    if after.fault_type is None and before.fault_type is not None:
        yield RecoveryNotification(cp_id=cp_id)
        changed = list(after.connectors)
    elif after.fault_type != before.fault_type:
        yield fault
    for entry in changed:
        yield StatusUpdate(
            cp_id=cp_id,
            connector_id=entry.connector_id,
            status=entry.status,
            session_id=entry.session_id,
        )
    well = any(read_status(entry.status) not in (None, EngineStatus.FAULTED) for entry in changed)
    if after.fault_type is not None and well:
        yield fault


class Health:
    """Follows one engine.

    Attributes:
        condition: How it is now.
    """

    def __init__(self, cp_id: str) -> None:
        self.condition = Condition()
        self._cp_id = cp_id
        self._silence = 0.0

    def answered(self, answer: HealthCheckResponse) -> list[Message]:
        """The engine answered; returns the news."""
        self._silence = 0.0
        return self._become(read(answer, self.condition))

    def passed(self, seconds: float) -> list[Message]:
        """So much time went by since the last look; returns the news."""
        self._silence += min(seconds, LONGEST_LOOK)
        if self._silence < UNREACHABLE_AFTER:
            return []
        return self._become(unreachable(self.condition))

    def _become(self, condition: Condition) -> list[Message]:
        before, self.condition = self.condition, condition
        return list(news(self._cp_id, before, condition))
