"""The states of a session and of a connector. All that decides them is in this file.

Theory of operation. A session moves by *events*: what an engine, a monitor or Kafka lets central
know about it. They come late, twice and out of order, so `STEPS` names, for every state, the
events that move it; any other event changes nothing there. `step` is the only way to move.

A connector has no state of its own: its status is a function of `Facts`, first row that fits, so
that no combination can be forgotten and nothing can drift from the facts.

This file knows no message, no time and no database.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class SessionState(StrEnum):
    """Where a session is between its request and its ticket."""

    AUTHORISED = "authorised"
    """Stored; the engine was told to start, or is about to be. Holds connector and driver."""
    CHARGING = "charging"
    """Energy flows. Holds connector and driver."""
    FINISHING = "finishing"
    """The supply has ended, the ticket has not come yet. Holds nothing."""
    COMPLETED = "completed"
    """A ticket is committed."""
    FAILED = "failed"
    """It ended before any energy flowed, as far as is known."""


class SessionEvent(StrEnum):
    """What central may learn about a session."""

    SUPPLYING = "supplying"
    """A reading, or a connector's word `charging` that names it."""
    ENDED = "ended"
    """A report `ended`, or a connector's word `finishing` or `available` that names it."""
    REFUSED = "refused"
    """The engine said no to its start, or never answered."""
    NEVER_SEEN = "never_seen"
    """Its engine knows nothing of it, and will never start it."""
    TICKET = "ticket"
    """A ticket with energy, or one without that the driver wished for."""
    EMPTY_TICKET = "empty_ticket"
    """A ticket without energy that the driver did not ask for: no bill."""


_S, _E = SessionState, SessionEvent

STEPS: dict[SessionState, dict[SessionEvent, SessionState]] = {
    _S.AUTHORISED: {
        _E.SUPPLYING: _S.CHARGING,
        _E.ENDED: _S.FINISHING,
        _E.REFUSED: _S.FAILED,
        _E.NEVER_SEEN: _S.FAILED,
        _E.TICKET: _S.COMPLETED,
        _E.EMPTY_TICKET: _S.FAILED,
    },
    _S.CHARGING: {
        _E.ENDED: _S.FINISHING,
        # It ran, so its engine has lost its journal: over, and what it used is still to be settled.
        _E.NEVER_SEEN: _S.FINISHING,
        _E.TICKET: _S.COMPLETED,
        _E.EMPTY_TICKET: _S.FAILED,
    },
    _S.FINISHING: {
        _E.TICKET: _S.COMPLETED,
        _E.EMPTY_TICKET: _S.FAILED,
    },
    _S.COMPLETED: {},
    _S.FAILED: {_E.TICKET: _S.COMPLETED},
}
"""Every legal step. An event that a state does not list changes nothing there."""

OPEN_STATES = frozenset({_S.AUTHORISED, _S.CHARGING})
"""States that hold the connector and the driver."""


def step(state: SessionState, event: SessionEvent) -> SessionState:
    """Where `event` takes a session that is in `state`."""
    return STEPS[state].get(event, state)


class EndReason(StrEnum):
    """Why a supply ended."""

    DRIVER_REQUEST = "driver_request"
    """Its driver stopped it."""
    OPERATOR_REQUEST = "operator_request"
    """An operator stopped this session."""
    UNPLUGGED = "unplugged"
    """The car was unplugged while charging."""
    NOT_PLUGGED_IN = "not_plugged_in"
    """No car was plugged in within 60 s."""
    TARGET_REACHED = "target_reached"
    """It took the energy asked for, or the car was full."""
    CP_STOPPED = "cp_stopped"
    """An operator stopped the charge point."""
    FAULT = "fault"
    """The charge point broke."""
    MONITOR_LOST = "monitor_lost"
    """Nothing came from its monitor any more."""
    ENGINE_RESTARTED = "engine_restarted"
    """The engine died meanwhile; billed up to its last journal entry."""
    CANCELLED = "cancelled"
    """The start was taken back before it was confirmed."""
    LOST = "lost"
    """Its ticket never came."""


class EngineStatus(StrEnum):
    """A connector in its engine's words."""

    AVAILABLE = "available"
    PREPARING = "preparing"
    """Waits for the plug."""
    CHARGING = "charging"
    FINISHING = "finishing"
    STOPPED = "stopped"
    FAULTED = "faulted"


_WORDS: dict[str, EngineStatus] = {status.value: status for status in EngineStatus} | {
    "suspendedev": EngineStatus.CHARGING,
    "suspendedevse": EngineStatus.CHARGING,
    "unavailable": EngineStatus.STOPPED,
}


def read_status(word: str) -> EngineStatus | None:
    """An engine's or OCPP's status word in any case; None for any other: a sign of life only."""
    return _WORDS.get(word.casefold())


class Status(StrEnum):
    """A connector's, and a charge point's, status: OCPP 1.6's words and `Offline`."""

    OFFLINE = "Offline"
    FAULTED = "Faulted"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    PREPARING = "Preparing"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    AVAILABLE = "Available"


PANEL_COLOURS: dict[Status, str] = {
    Status.OFFLINE: "grey",
    Status.FAULTED: "red",
    Status.CHARGING: "green",
    Status.SUSPENDED_EV: "green",
    Status.SUSPENDED_EVSE: "green",
    Status.PREPARING: "green",
    Status.FINISHING: "green",
    Status.RESERVED: "orange",
    Status.UNAVAILABLE: "orange",
    Status.AVAILABLE: "green",
}

REPORTED: dict[str, Status] = {
    status.casefold(): status for status in Status if status not in (Status.OFFLINE, Status.FAULTED)
}

IN_USE = frozenset(
    {
        Status.CHARGING,
        Status.SUSPENDED_EV,
        Status.SUSPENDED_EVSE,
        Status.PREPARING,
        Status.FINISHING,
    }
)
"""Words of a connector at which a car is, or is about to be."""

TAKEN = (IN_USE | {Status.RESERVED, Status.UNAVAILABLE}) - {Status.PREPARING}
"""Words by which a charge point says that nobody else may begin to charge there. While it is
`Preparing` one may: the car was plugged in first."""


def read_reported(word: str) -> Status | None:
    """An OCPP status word in any case; None for `Faulted`, which is a fault, and for any other."""
    return REPORTED.get(word.casefold())


FINISHING_SHOWN_FOR = 60.0
"""Seconds for which a connector shows `Finishing` while its ticket is awaited."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that decides a connector's status.

    Attributes:
        link_up: Its point's monitor is connected and registered; of an OCPP point, it is connected
            to a gateway.
        fault: The point, or this connector, has a fault.
        stopped: An operator stopped the point.
        session: The state of the session that holds it, or held it last; None without one.
            A cancelled start that the engine has not confirmed counts as authorised.
        finishing_for: Seconds since that session began to finish.
        reported: What an OCPP charge point itself says of it; None where it, or its monitor, says
            nothing of the kind.
    """

    link_up: bool
    fault: bool = False
    stopped: bool = False
    session: SessionState | None = None
    finishing_for: float = 0.0
    reported: Status | None = None


def connector_status(facts: Facts) -> Status:
    """A connector's status: the first row that fits."""
    if not facts.link_up:
        return Status.OFFLINE
    if facts.fault:
        return Status.FAULTED
    if facts.session in OPEN_STATES:
        if facts.reported in IN_USE:
            return facts.reported
        charging = facts.session is SessionState.CHARGING
        return Status.CHARGING if charging else Status.PREPARING
    if facts.reported is not None and facts.reported is not Status.AVAILABLE:
        return facts.reported
    if (
        facts.reported is None
        and facts.session is SessionState.FINISHING
        and facts.finishing_for < FINISHING_SHOWN_FOR
    ):
        return Status.FINISHING
    return Status.UNAVAILABLE if facts.stopped else Status.AVAILABLE


_POINT_ORDER = (
    Status.FAULTED,
    Status.CHARGING,
    Status.SUSPENDED_EV,
    Status.SUSPENDED_EVSE,
    Status.PREPARING,
    Status.FINISHING,
    Status.AVAILABLE,
    Status.RESERVED,
    Status.UNAVAILABLE,
)


def point_status(connectors: Iterable[Status]) -> Status:
    """A charge point's status: the first of its connectors' words in the order of importance."""
    words = set(connectors)
    return next((word for word in _POINT_ORDER if word in words), Status.OFFLINE)
