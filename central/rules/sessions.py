"""What a session becomes by what is learned about it.

Each function takes the session as it is stored and returns it as it is to be stored; the same
object where nothing changes. Which state it goes to is `states.step`'s to say; here is what else
changes with it: what it holds, whether it is settled, when and why it ended.
"""

from typing import Protocol

from msgspec.structs import replace

from central.rules.records import Session
from common.errors import Reason
from common.messages import ChargeCompletion, ChargingData
from common.states import OPEN_STATES, EndReason, SessionEvent, SessionState, step
from common.units import WattHours


def is_decided(session: Session) -> bool:
    """Whether it is known how its start went: its request was answered with whatever said so."""
    return session.confirmed or session.state is not SessionState.AUTHORISED


def confirmed(session: Session) -> Session:
    """Its engine said yes, or was seen to run it."""
    return session if session.confirmed else replace(session, confirmed=True)


def moved(session: Session, event: SessionEvent, now: int) -> Session:
    """The session after `event`, which is neither a refusal nor a ticket, at Unix second `now`."""
    state = step(session.state, event)
    # An engine that never saw what it charged has lost its journal: its ticket will never come.
    final = state is SessionState.FAILED or session.estimated
    settled = session.settled or (event is SessionEvent.NEVER_SEEN and final)
    if state is session.state and settled == session.settled:
        return session
    still_open = state in OPEN_STATES
    return replace(
        session,
        state=state,
        settled=settled,
        confirmed=session.confirmed or event in (SessionEvent.SUPPLYING, SessionEvent.ENDED),
        # A cancelled start holds its connector until its engine has confirmed the end.
        holds_connector=still_open and session.holds_connector,
        holds_driver=still_open and session.holds_driver,
        finishing_at=now if state is SessionState.FINISHING else session.finishing_at,
        ended_at=session.ended_at if still_open else session.ended_at or now,
    )


def refused(session: Session, now: int) -> Session:
    """Its engine said no: over, and settled by that word."""
    return _not_started(session, now, Reason.ENGINE_REFUSED, engine_knows=True)


def unanswered(session: Session, now: int) -> Session:
    """Its start was never answered: over, but its connector is held until the engine confirms."""
    return _not_started(session, now, Reason.TIMED_OUT, engine_knows=False)


def _not_started(session: Session, now: int, refusal: Reason, *, engine_knows: bool) -> Session:
    state = step(session.state, SessionEvent.REFUSED)
    if state is session.state:
        return session
    return replace(
        session,
        state=state,
        settled=engine_knows,
        holds_connector=not engine_knows,
        holds_driver=False,
        refusal=refusal,
        ended_at=now,
    )


def end_confirmed(session: Session) -> Session:
    """Its engine confirmed that a cancelled start runs no more: the connector is free."""
    if session.state in OPEN_STATES or not session.holds_connector:
        return session
    return replace(session, holds_connector=False)


def driver_released(session: Session) -> Session:
    """Its point has been offline for too long: the driver may charge elsewhere."""
    return replace(session, holds_driver=False) if session.holds_driver else session


class Known(Protocol):
    """What is known of a session's supply."""

    @property
    def revision(self) -> int: ...
    @property
    def sequence(self) -> int: ...
    @property
    def energy(self) -> WattHours: ...


def counts(known: Known, reading: ChargingData) -> bool:
    """Whether a reading is newer than what is known: by sequence, without one by energy."""
    if known.revision:
        return False
    if reading.sequence is not None:
        return reading.sequence > known.sequence
    return reading.energy_consumed_kwh > known.energy


def ticket_event(
    session: Session, completion: ChargeCompletion, reason: EndReason | None
) -> SessionEvent:
    """Whether an engine's completion makes a bill: energy flowed, or the driver ended the charge.

    A session that has failed is billed for energy only: there was no charge to end.
    """
    wished = reason is EndReason.DRIVER_REQUEST and session.state is not SessionState.FAILED
    if completion.energy_consumed_kwh > 0 or wished:
        return SessionEvent.TICKET
    return SessionEvent.EMPTY_TICKET
