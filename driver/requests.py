"""What a driver asks for, and the session that comes of it: messages made, and read."""

from common.clock import new_id, ordered_id
from common.errors import Reason, Refused
from common.messages import (
    ChargeRequest,
    ChargeRequestResponse,
    SessionRow,
    StopChargingRequest,
)
from common.units import WattHours
from driver.charge import Charge
from driver.state import Held


def new_charge(
    driver_id: str,
    cp_id: str,
    connector_id: int | None,
    target: WattHours | None,
    now: int,
) -> ChargeRequest:
    """A request for a charge. Its id is the trace of all that follows from it."""
    request_id = ordered_id(now)
    return ChargeRequest(
        message_id=request_id,
        trace_id=request_id,
        timestamp=now,
        cp_id=cp_id,
        connector_id=connector_id,
        driver_id=driver_id,
        target_kwh=target,
    )


def new_stop(driver_id: str, session: Held, now: int) -> StopChargingRequest:
    """A request to end this session, in the trace of the charge where that is known."""
    return StopChargingRequest(
        message_id=new_id(),
        trace_id=session.trace_id,
        timestamp=now,
        cp_id=session.cp_id,
        connector_id=session.connector_id,
        session_id=session.session_id,
        driver_id=driver_id,
    )


def asks_for(
    request: ChargeRequest, cp_id: str, connector_id: int | None, target: WattHours | None
) -> bool:
    """Whether this is the request for that charge."""
    asked = (request.cp_id, request.connector_id, request.target_kwh)
    return asked == (cp_id, connector_id, target)


def held_by(request: ChargeRequest, answer: ChargeRequestResponse) -> Held:
    """The session that began with this answer.

    Raises:
        Refused: The answer names none.
    """
    if answer.session_id is None:
        raise Refused(Reason.INTERNAL, "CENTRAL named no session", answer)
    return Held(
        session_id=answer.session_id,
        cp_id=answer.cp_id or request.cp_id,
        connector_id=answer.connector_id or request.connector_id or 1,
        target_kwh=request.target_kwh,
        trace_id=request.message_id,
    )


def held_of(session: Charge | SessionRow) -> Held:
    """The session as far as it is known from elsewhere."""
    return Held(
        session_id=session.session_id, cp_id=session.cp_id, connector_id=session.connector_id
    )


def begun(session: Held) -> Charge:
    """The charge as it begins to be watched."""
    return Charge(session.session_id, session.cp_id, session.connector_id, session.target_kwh)
