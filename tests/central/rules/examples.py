"""Records that tests begin with."""

from central.rules.records import RequestKey, Session
from common.messages import ChargeCompletion, Role
from common.states import EndReason, SessionState
from common.units import Money, Price, WattHours

REQUEST = RequestKey(role=Role.DRIVER, sender="D-1", message_id="m-1")

AUTHORISED = Session(
    session_id="s-1",
    cp_id="CP-1",
    connector_id=1,
    driver_id="D-1",
    state=SessionState.AUTHORISED,
    price=Price(3500),
    currency="EUR",
    target=None,
    requested_ms=1_000_000,
    started_at=1000,
    request=REQUEST,
    digest="d",
    trace_id="m-1",
)


def completion(
    wh: int,
    reason: EndReason | None = None,
    *,
    started_at: int | None = None,
    ended_at: int | None = None,
) -> ChargeCompletion:
    """An engine's last word about `AUTHORISED`."""
    return ChargeCompletion(
        cp_id="CP-1",
        session_id="s-1",
        energy_consumed_kwh=WattHours(wh),
        total_cost=Money(1),
        reason=reason,
        started_at=started_at,
        ended_at=ended_at,
        meter_start_wh=10,
        meter_stop_wh=10 + wh,
    )
