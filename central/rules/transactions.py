"""What a transaction at an OCPP charge point is to a session: how it begins, is metered, and ends.

Theory of operation. A charge point of OCPP 1.6 keeps no journal that could be asked about. What it
says of a transaction it says until it is answered, so the same thing comes again, late, and after
both sides have started anew: a start is known by `start_key`, an end by its transaction. What has
happened there is a fact, whatever central thinks of it: a start makes a session also where its id
tag is refused, and an end is billed by the meter.

A session whose start was ordered from here *awaits* its transaction while it is authorised. One
that was taken back, or never answered, awaits it too for a while: the charge point may begin all
the same. What begins then is another session, and is stopped.
"""

from msgspec.structs import replace

from central.rules.id_tags import folded
from central.rules.records import RequestKey, Session
from central.rules.sessions import moved
from common.errors import Reason
from common.gateway_messages import ChargeStarted, TransactionCompletion
from common.messages import ChargeCompletion, Role
from common.states import EndReason, SessionEvent, SessionState, step
from common.units import Money, Price, WattHours

HIGHEST_TRANSACTION_ID = 2**31 - 1
"""Charge points keep a transaction id in 31 bits."""

EARLIEST_MS = 1_262_304_000_000
"""The year 2010: a charge point that says less has lost its clock."""

AHEAD_MS = 24 * 3_600_000
"""How far a charge point's clock may be ahead of ours."""

MOST_ENERGY = WattHours.maximum * 1_000
"""What no charge takes, in Wh."""

_R = EndReason

REASONS: dict[str, EndReason | None] = {
    "DeAuthorized": _R.CANCELLED,
    "EmergencyStop": _R.FAULT,
    "EVDisconnected": _R.UNPLUGGED,
    "HardReset": _R.ENGINE_RESTARTED,
    "Local": _R.DRIVER_REQUEST,
    "Other": None,
    "PowerLoss": _R.FAULT,
    "Reboot": _R.ENGINE_RESTARTED,
    "Remote": None,
    "SoftReset": _R.ENGINE_RESTARTED,
    "UnlockCommand": _R.OPERATOR_REQUEST,
}
"""Why a transaction ended, by OCPP's word; None: for what was asked of the charge point, if
anything was."""


def start_key(start: ChargeStarted) -> str:
    """Equal for the same start said again, whatever its message id."""
    where = f"{start.cp_id}/{start.connector_id}"
    return f"{where}/{start.at_ms}/{start.meter_start_wh}/{folded(start.id_tag)}"


def request_of_start(start: ChargeStarted) -> RequestKey:
    """What the answer to a start is remembered under."""
    return _key(start.cp_id, f"start/{start_key(start)}")


def request_of_end(end: TransactionCompletion) -> RequestKey:
    """What the answer to an end is remembered under.

    A transaction ends once. Of those whose charge point never heard their ids there may be many.
    """
    told = end.transaction_id > 0
    which = "" if told else f"/{end.at_ms}/{end.meter_stop_wh}"
    return _key(end.cp_id, f"stop/{end.transaction_id}{which}")


def _key(cp_id: str, what: str) -> RequestKey:
    return RequestKey(role=Role.GATEWAY, sender=cp_id, message_id=what)


def moment(at_ms: int, now_ms: int) -> int | None:
    """The Unix millisecond that a charge point's clock says; None where that cannot be."""
    return at_ms if EARLIEST_MS <= at_ms <= now_ms + AHEAD_MS else None


def energy_between(meter_start: int, meter: int) -> WattHours | None:
    """What a meter counted between two readings in Wh; None where no charge can have used that."""
    used = meter - meter_start
    return WattHours(used) if 0 <= used <= MOST_ENERGY else None


# ---- Start ------------------------------------------------------------------------------------


def started(
    start: ChargeStarted,
    *,
    session_id: str,
    transaction_id: int,
    driver_id: str,
    price: Price,
    currency: str,
    holds_driver: bool,
    now_ms: int,
) -> Session:
    """The session of a transaction that began at the charge point itself."""
    at_ms = min(moment(start.at_ms, now_ms) or now_ms, now_ms)
    return Session(
        session_id=session_id,
        cp_id=start.cp_id,
        connector_id=start.connector_id,
        driver_id=driver_id,
        state=SessionState.CHARGING,
        price=price,
        currency=currency,
        target=None,
        requested_ms=at_ms,
        started_at=at_ms // 1000,
        confirmed=True,
        holds_driver=holds_driver,
        id_tag=start.id_tag,
        transaction_id=transaction_id,
        start_key=start_key(start),
        meter_start_wh=start.meter_start_wh,
        request=request_of_start(start),
        digest="",
        trace_id=start.trace_id or start.message_id,
    )


def awaits(session: Session, id_tag: str) -> bool:
    """Whether a transaction with this id tag at its charge point is the one it waits for."""
    waits = session.transaction_id is None and not session.settled
    return waits and session.id_tag is not None and folded(session.id_tag) == folded(id_tag)


def begun(session: Session, start: ChargeStarted, transaction_id: int, now_ms: int) -> Session:
    """A session that awaited its transaction, which is this one; the same object if it does not.

    It is where the charge point says, which is mostly the connector that was asked for.
    """
    if session.state is not SessionState.AUTHORISED or not awaits(session, start.id_tag):
        return session
    at_ms = min(moment(start.at_ms, now_ms) or now_ms, now_ms)
    after = moved(session, SessionEvent.SUPPLYING, now_ms // 1000)
    return replace(
        after,
        connector_id=start.connector_id,
        started_at=at_ms // 1000,
        confirmed=True,
        transaction_id=transaction_id,
        start_key=start_key(start),
        meter_start_wh=start.meter_start_wh,
    )


def displaced(session: Session, now: int) -> Session:
    """A session whose connector its charge point has given to another transaction."""
    if session.transaction_id is None:
        return not_begun(session, now)
    return moved(session, SessionEvent.ENDED, now)


def taken_back(session: Session, reason: EndReason, now: int) -> Session:
    """A start that was ordered from here is not wanted any more; the same object if it has begun.

    It is not settled by that: the charge point may begin all the same.
    """
    if session.transaction_id is not None or session.state is not SessionState.AUTHORISED:
        return session
    return replace(
        session,
        state=step(session.state, SessionEvent.REFUSED),
        holds_connector=False,
        holds_driver=False,
        reason=reason,
        ended_at=now,
    )


def not_begun(session: Session, now: int) -> Session:
    """A transaction is awaited no longer: over, and settled; the same object if it has begun."""
    if session.transaction_id is not None or session.settled:
        return session
    return replace(
        session,
        state=step(session.state, SessionEvent.NEVER_SEEN),
        settled=True,
        holds_connector=False,
        holds_driver=False,
        reason=session.reason or EndReason.NOT_PLUGGED_IN,
        refusal=session.refusal or (None if session.confirmed else Reason.TIMED_OUT),
        ended_at=session.ended_at or now,
    )


# ---- End --------------------------------------------------------------------------------------


def reason_of(word: str, asked: EndReason | None) -> EndReason | None:
    """Why a transaction ended.

    Args:
        asked: Why its charge point was told to end it, if it was.
    """
    if word == "Remote" and asked is None:
        return EndReason.OPERATOR_REQUEST  # as a bare call
    return REASONS.get(word) or asked


def completion_of(
    session: Session, end: TransactionCompletion, asked: EndReason | None, now_ms: int
) -> tuple[ChargeCompletion, bool]:
    """The last word about a session, from its transaction's end; whether its energy cannot be.

    Then it is 0: below a meter's beginning nothing was used.
    """
    meter_start = session.meter_start_wh or 0
    energy = energy_between(meter_start, end.meter_stop_wh)
    ended_ms = moment(end.at_ms, now_ms) or now_ms
    registers = (meter_start, end.meter_stop_wh)
    meters = (None, None) if min(registers) < 0 else registers  # a register below 0 is none
    completion = ChargeCompletion(
        trace_id=end.trace_id,
        cp_id=session.cp_id,
        connector_id=session.connector_id,
        session_id=session.session_id,
        energy_consumed_kwh=WattHours(0) if energy is None else energy,
        total_cost=Money(0),
        reason=reason_of(end.stop_reason, asked),
        ended_at=max(ended_ms // 1000, session.started_at),
        meter_start_wh=meters[0],
        meter_stop_wh=meters[1],
    )
    return completion, energy is None


def unplaced(end: TransactionCompletion, session_id: str, now_ms: int) -> ChargeCompletion:
    """What is kept of the end of a transaction that is not this charge point's, as far as is known.

    What it used cannot be known without its beginning.
    """
    ended_ms = moment(end.at_ms, now_ms) or now_ms
    return ChargeCompletion(
        trace_id=end.trace_id or end.message_id,
        cp_id=end.cp_id,
        session_id=session_id,
        energy_consumed_kwh=WattHours(0),
        total_cost=Money(0),
        reason=REASONS.get(end.stop_reason),
        ended_at=ended_ms // 1000,
    )


def fits(session: Session, end: TransactionCompletion, now_ms: int) -> bool:
    """Whether an end without a transaction id may be this session's: by its meter and its time.

    Args:
        session: With its latest reading.
    """
    if session.transaction_id is None or session.settled or session.meter_start_wh is None:
        return False
    used = energy_between(session.meter_start_wh, end.meter_stop_wh)
    at_ms = moment(end.at_ms, now_ms)
    late_enough = at_ms is None or at_ms // 1000 >= session.started_at
    return used is not None and used >= session.energy and late_enough
