"""Rows of charge points, for tests that show them."""

from common.messages import ConnectorRow, PointChanged
from common.states import Status
from common.units import Money, Price, WattHours, Watts


def connector(status: Status, number: int = 1, *, driver: str | None = None) -> ConnectorRow:
    """A connector; a session holds it where it charges, or where a driver is named."""
    if status is not Status.CHARGING and driver is None:
        return ConnectorRow(connector_id=number, status=status)
    return ConnectorRow(
        connector_id=number,
        status=status,
        session_id=f"s-{number}",
        driver_id=driver or "D-1",
        charging_rate=Watts(7_400),
        energy_consumed_kwh=WattHours(1_234),
        total_cost=Money(43),
        started_at=1_790_000_000,
    )


def point(
    cp_id: str,
    status: Status = Status.AVAILABLE,
    *,
    location: str = "Alcoi, C/ Major 1",
    connectors: tuple[ConnectorRow, ...] | None = None,
    fault_type: str | None = None,
    stopped: bool = False,
) -> PointChanged:
    """A point with this status."""
    return PointChanged(
        cp_id=cp_id,
        location=location,
        price_per_kwh=Price(3_500),
        currency="EUR",
        max_charging_rate_kw=Watts(11_000),
        status=status,
        stopped=stopped or status is Status.UNAVAILABLE,
        fault_type=fault_type,
        last_seen=1_790_000_000,
        epoch=1,
        connectors=connectors or (connector(status),),
    )
