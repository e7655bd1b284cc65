"""Who may charge where, now: the refusals of a charge request, in the order in which they count."""

from collections.abc import Collection
from dataclasses import dataclass, field

from common.errors import Reason, Refused


@dataclass(frozen=True, slots=True)
class Situation:
    """What a charge request meets.

    Attributes:
        known: The charge point has registered at least once.
        online: Its monitor is connected and registered.
        fault: Its fault; None without one.
        stopped: An operator stopped it.
        connectors: How many it has.
        faulted_connectors: Connectors that have a fault of their own.
        held_connectors: Connectors that a session holds, or is about to.
        driver_busy: The driver holds a session already, or is about to.
    """

    known: bool = True
    online: bool = True
    fault: str | None = None
    stopped: bool = False
    connectors: int = 1
    faulted_connectors: Collection[int] = field(default_factory=frozenset)
    held_connectors: Collection[int] = field(default_factory=frozenset)
    driver_busy: bool = False


def admit(cp_id: str, connector_id: int | None, situation: Situation) -> int:
    """The connector on which the charge may start.

    Args:
        connector_id: The one asked for; None for any that is free.

    Raises:
        Refused: It may not, with the first reason that holds.
    """
    s = situation
    if not s.known:
        raise Refused(Reason.UNKNOWN_CHARGE_POINT, f"no charge point {cp_id}")
    if connector_id is not None and connector_id > s.connectors:
        raise Refused(Reason.UNKNOWN_CHARGE_POINT, f"{cp_id} has no connector {connector_id}")
    if not s.online:
        raise Refused(Reason.CHARGE_POINT_OFFLINE, f"{cp_id} is not connected")
    wanted = [connector_id] if connector_id else list(range(1, s.connectors + 1))
    sound = [c for c in wanted if c not in s.faulted_connectors]
    if s.fault is not None or not sound:
        raise Refused(Reason.CHARGE_POINT_FAULTED, f"{cp_id} has a fault: {s.fault or 'connector'}")
    if s.stopped:
        raise Refused(Reason.CHARGE_POINT_STOPPED, f"{cp_id} is out of order")
    if s.driver_busy:
        raise Refused(Reason.DRIVER_BUSY, "you have a session already")
    free = [c for c in sound if c not in s.held_connectors]
    if not free:
        raise Refused(Reason.CHARGE_POINT_BUSY, f"{cp_id} is in use")
    return free[0]
