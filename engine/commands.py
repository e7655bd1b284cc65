"""The answers to the monitor's commands: the protocol's rules at the charge point.

Every command may be repeated. Once the engine has said no to a session, or that it never saw it,
that is journaled, and the session never begins, however late its start arrives.
"""

from collections.abc import Iterable
from itertools import accumulate

from msgspec.json import encode

from common.errors import Reason, Refused
from common.messages import (
    CommandResponse,
    ConnectorEntry,
    HealthCheckResponse,
    Outcome,
    StartChargingCommand,
    StopChargingCommand,
)
from common.states import EndReason, EngineStatus
from common.units import Watts
from engine.charge_point import ChargePoint
from engine.moment import Moment
from engine.session import Session, Tombstone

FAULT_TYPE = "InternalError"
"""What a broken charge point is said to have: OCPP 1.6's word for a fault inside."""


MAX_LISTS = 60_000
"""Bytes of connectors and held sessions that an answer may have, so that a frame holds it, and that
of the monitor which says so to central. Only ids that nobody's central makes come near it."""


class Commands:
    """What a charge point answers.

    Args:
        power_limit: The most that each connector supplies.
        time_scale: Simulated seconds in a real one.
    """

    def __init__(self, point: ChargePoint, power_limit: Watts, time_scale: float) -> None:
        self._point = point
        self._power_limit = power_limit
        self._time_scale = time_scale

    def health(self) -> HealthCheckResponse:
        """How the engine is: KO if all its connectors are broken."""
        point = self._point
        status = point.status
        broken = status is EngineStatus.FAULTED
        running = [c for c in point.connectors.values() if c.session is not None]
        running.sort(key=lambda connector: connector.status is not EngineStatus.CHARGING)
        connectors = tuple(
            ConnectorEntry(connector_id=i, status=c.status, session_id=c.last_session_id)
            for i, c in point.connectors.items()
        )
        return HealthCheckResponse(
            status=Outcome.FAILURE if broken else Outcome.SUCCESS,
            error=Reason.CHARGE_POINT_FAULTED if broken else None,
            message=point.book.objection or ("KO" if broken else "OK"),
            engine_status=status,
            is_charging=status is EngineStatus.CHARGING,
            session_id=running[0].last_session_id if running else None,
            fault_type=FAULT_TYPE if broken else None,
            connectors=connectors,
            held_sessions=_fitting(point.book.held(), MAX_LISTS - len(encode(connectors))),
            max_charging_rate_kw=self._power_limit,
            time_scale=self._time_scale,
        )

    def start(self, command: StartChargingCommand, now: Moment) -> CommandResponse:
        """Begin a session; a success also if it runs already.

        Raises:
            Refused: It has ended, or cannot begin; it will then never begin.
        """
        known = self._point.book[command.session_id]
        if isinstance(known, Tombstone):
            raise _refused("the session was taken back or refused before")
        if known is not None and known.reason is not None:
            raise _refused(f"the session has ended: {known.reason}")
        if known is None:
            self._begin(command, now)
        return CommandResponse(status=Outcome.SUCCESS, session_id=command.session_id)

    def _begin(self, command: StartChargingCommand, now: Moment) -> None:
        objection = self._objection(command)
        if objection:
            self._point.bury([command.session_id], now)
            raise _refused(objection)
        if not self._point.begin(self._point.connectors[command.connector_id], command, now):
            raise _refused(self._point.book.objection)

    def _objection(self, command: StartChargingCommand) -> str:
        """Why this session cannot begin; empty if it can."""
        connector = self._point.connectors.get(command.connector_id)
        if connector is None:
            return f"there is no connector {command.connector_id}"
        if self._point.book.objection:
            return self._point.book.objection
        if not command.max_charging_rate_kw:
            return "nothing can be supplied at 0 kW"
        objection = connector.objection()
        return f"connector {connector.connector_id} {objection}" if objection else ""

    def stop(self, command: StopChargingCommand, now: Moment) -> CommandResponse:
        """End a session; a success also if it has ended, or will now never begin.

        Raises:
            Refused: It is unknown, and that cannot be journaled.
        """
        point, session_id = self._point, command.session_id
        known = point.book[session_id]
        if isinstance(known, Session):
            if known.reason is None:
                point.end(known, command.reason or EndReason.DRIVER_REQUEST, now)
        elif known is None:
            point.bury([session_id], now)
        if not isinstance(known, Session) and not point.book.is_saved(session_id):
            raise _refused(point.book.objection)
        return CommandResponse(status=Outcome.SUCCESS, session_id=session_id)

    def stop_point(self, now: Moment, why: str = "") -> CommandResponse:
        """Take the whole point out of order; what runs ends first."""
        self._point.stop(now, why)
        return CommandResponse(status=Outcome.SUCCESS)

    def resume_point(self) -> CommandResponse:
        """Put the whole point back in order."""
        self._point.resume()
        return CommandResponse(status=Outcome.SUCCESS)

    def report(self, session_ids: Iterable[str], now: Moment) -> CommandResponse:
        """Name those never seen; the others' tickets, or latest readings, are told after that.

        One that is not in the journal, which has failed, is neither named nor told: whoever asks
        will ask again.
        """
        book = self._point.book
        asked = list(dict.fromkeys(session_ids))
        unknown = [session_id for session_id in asked if book[session_id] is None]
        if unknown:
            self._point.bury(unknown, now)
        known = [book[session_id] for session_id in asked if book.is_saved(session_id)]
        for record in known:
            if isinstance(record, Session):
                self._point.tell_of(record)
        never_seen = tuple(r.session_id for r in known if isinstance(r, Tombstone))
        return CommandResponse(status=Outcome.SUCCESS, never_seen=never_seen)

    def settle(self, session_ids: Iterable[str], now: Moment) -> CommandResponse:
        """Central has the tickets of these for good: hold them no longer.

        Raises:
            Refused: That cannot be journaled; they are still held.
        """
        book = self._point.book
        known = [book[session_id] for session_id in dict.fromkeys(session_ids)]
        ended = [s for s in known if isinstance(s, Session) and s.reason is not None]
        held = [s for s in ended if s.settled_at is None or not book.is_saved(s.session_id)]
        if held and (book.trouble or not self._point.settle(held, now)):
            raise _refused(book.objection)
        return CommandResponse(status=Outcome.SUCCESS)

    def recollect(self, since: int) -> CommandResponse:
        """All tickets of sessions that have ended since are told again, after this answer.

        Args:
            since: Unix seconds.
        """
        count = self._point.tell_again(since)
        return CommandResponse(status=Outcome.SUCCESS, message=f"tickets to come: {count}")


def _fitting(session_ids: Iterable[str], room: int) -> tuple[str, ...]:
    """As many of these, from the first on, as take no more bytes; the rest follow later."""
    lengths = accumulate(len(encode(session_id)) + 1 for session_id in session_ids)
    return tuple(s for s, length in zip(session_ids, lengths, strict=True) if length <= room)


def _refused(text: str) -> Refused:
    return Refused(Reason.ENGINE_REFUSED, text)
