"""The words and colours of the console: what a status is called, and what a refusal means."""

from common.errors import Reason
from common.messages import ConnectorRow, PointRow
from common.states import PANEL_COLOURS, Status
from common.units import Money, Price, Watts

WORDS: dict[Status, str] = {
    Status.AVAILABLE: "Available",
    Status.PREPARING: "Preparing",
    Status.CHARGING: "Charging",
    Status.SUSPENDED_EV: "SuspendedEV",
    Status.SUSPENDED_EVSE: "SuspendedEVSE",
    Status.FINISHING: "Finishing",
    Status.RESERVED: "Reserved",
    Status.UNAVAILABLE: "Out of Order",
    Status.FAULTED: "Faulted",
    Status.OFFLINE: "DISCONNECTED",
}
"""What an operator reads; every word is another one, so that none needs its colour."""

_TERMINAL = {"green": "green", "orange": "orange3", "red": "red", "grey": "bright_black"}

COLOURS: dict[Status, str] = {s: _TERMINAL[colour] for s, colour in PANEL_COLOURS.items()}
"""The protocol's colours as terminals have them."""

REFUSALS: dict[Reason, str] = {
    Reason.UNKNOWN_CHARGE_POINT: "there is no such charge point",
    Reason.CHARGE_POINT_BUSY: "every connector is held",
    Reason.CHARGE_POINT_OFFLINE: "the charge point is offline",
    Reason.CHARGE_POINT_FAULTED: "the charge point has a fault",
    Reason.CHARGE_POINT_STOPPED: "the charge point is stopped",
    Reason.DRIVER_BUSY: "the driver already has a charge",
    Reason.UNKNOWN_SESSION: "no charge is running there",
    Reason.ENGINE_REFUSED: "the charge point said no",
    Reason.TIMED_OUT: "the charge point did not answer in time",
    Reason.OVERLOADED: "CENTRAL has too much to do; try again later",
    Reason.INTERNAL: "CENTRAL has a problem of its own; try again later",
    Reason.NOT_AUTHENTICATED: "CENTRAL wants another --admin-id or --credential",
}


def refusal(reason: Reason, text: str = "") -> str:
    """Why something was refused: a sentence, with the reason's name to search for."""
    return f"{REFUSALS.get(reason) or text or 'refused'} ({reason})"


def status(row: PointRow) -> str:
    """A point's status, with its fault where it has one."""
    word = WORDS[row.status]
    if row.status is Status.FAULTED and row.fault_type:
        return f"{word}: {row.fault_type}"
    if row.stopped and row.status is not Status.UNAVAILABLE:
        return f"{word}, stopped"
    return word


def device(row: PointRow) -> str:
    """What an OCPP point says of itself; empty for a point with a monitor."""
    if row.ocpp_version is None:
        return ""
    made = " ".join(filter(None, (row.vendor, row.model)))
    firmware = f"firmware {row.firmware_version}" if row.firmware_version else ""
    return printable(", ".join(filter(None, (f"OCPP {row.ocpp_version}", made, firmware))))


def printable(text: str) -> str:
    """A text that others wrote, safe to be shown: what would move a terminal is a U+FFFD."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def power(row: PointRow | ConnectorRow) -> Watts:
    """What flows now."""
    connectors = row.connectors if isinstance(row, PointRow) else (row,)
    return Watts(sum(c.charging_rate or 0 for c in connectors if c.status is Status.CHARGING))


def price(of_a_kwh: Price, currency: str) -> str:
    """A price with its two decimals, and further ones where it has them."""
    digits = str(of_a_kwh)
    return f"{digits[:-2]}{digits[-2:].rstrip('0')} {currency}"


def money(cost: Money, currency: str) -> str:
    return f"{cost} {currency}"
