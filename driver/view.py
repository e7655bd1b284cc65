"""How a charge, a ticket and the lists look: texts and tables, without a terminal."""

from collections.abc import Iterable
from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from common.errors import Reason
from common.messages import AvailablePoint, SessionRow
from common.states import EndReason, SessionState
from common.units import Money, Price, WattHours, Watts
from driver.charge import Charge

STATES = {
    SessionState.AUTHORISED: "waiting for the charge point",
    SessionState.CHARGING: "charging",
    SessionState.FINISHING: "finishing, the ticket is on its way",
    SessionState.COMPLETED: "completed",
    SessionState.FAILED: "failed",
}

COLOURS = {
    SessionState.AUTHORISED: "yellow",
    SessionState.CHARGING: "green",
    SessionState.FINISHING: "cyan",
    SessionState.COMPLETED: "green",
    SessionState.FAILED: "red",
}

ENDS = {
    EndReason.DRIVER_REQUEST: "you stopped it",
    EndReason.OPERATOR_REQUEST: "an operator stopped it",
    EndReason.UNPLUGGED: "the car was unplugged",
    EndReason.NOT_PLUGGED_IN: "no car was plugged in",
    EndReason.TARGET_REACHED: "target reached, or the car is full",
    EndReason.CP_STOPPED: "an operator stopped the charge point",
    EndReason.FAULT: "the charge point broke",
    EndReason.MONITOR_LOST: "the charge point lost its monitor",
    EndReason.ENGINE_RESTARTED: "the charge point restarted",
    EndReason.CANCELLED: "the start was taken back",
    EndReason.LOST: "its ticket never came",
}

REFUSALS = {
    Reason.UNKNOWN_CHARGE_POINT: "there is no such charge point",
    Reason.CHARGE_POINT_BUSY: "somebody else is charging there",
    Reason.CHARGE_POINT_OFFLINE: "the charge point is offline",
    Reason.CHARGE_POINT_FAULTED: "the charge point is out of order",
    Reason.CHARGE_POINT_STOPPED: "the charge point has been stopped by an operator",
    Reason.DRIVER_BUSY: "you already have a charge running",
    Reason.UNKNOWN_SESSION: "there is no such charge",
    Reason.NOT_YOUR_SESSION: "that charge is another driver's",
    Reason.ENGINE_REFUSED: "the charge point said no",
    Reason.TIMED_OUT: "the charge point did not answer in time",
    Reason.OVERLOADED: "CENTRAL has too much to do; try again later",
    Reason.INTERNAL: "CENTRAL has a problem of its own; try again later",
}


def refusal(reason: Reason, text: str = "") -> str:
    """Why something was refused: a sentence, with the reason's name to search for."""
    return f"{REFUSALS.get(reason) or text or 'refused'} ({reason})"


def end(reason: EndReason | None) -> str:
    """Why a charge ended."""
    return ENDS[reason] if reason else ""


def money(cost: Money, currency: str | None) -> str:
    return f"{cost} {currency}" if currency else str(cost)


def power(charge: Charge) -> str:
    """What flows now, in kW; a dash where only the history tells of the charge."""
    if charge.state is not SessionState.CHARGING:
        return f"{Watts(0)} kW"
    return "- kW" if charge.power is None else f"{charge.power} kW"


def place(cp_id: str, connector_id: int) -> str:
    return cp_id if connector_id == 1 else f"{cp_id}, connector {connector_id}"


def aim(charge: Charge) -> str:
    """What the progress is measured by."""
    return f"of {charge.target} kWh" if charge.target else "of a usual charge"


def line(charge: Charge) -> str:
    """A charge in one line, for where nothing can be drawn."""
    parts = [place(charge.cp_id, charge.connector_id), STATES[charge.state]]
    if not charge.over:
        parts += [f"{charge.energy} kWh", power(charge), money(charge.cost, charge.currency)]
        parts += [f"{charge.progress} %"]
    return "  ".join(parts)


def live(charge: Charge, trouble: str = "", hint: str = "") -> RenderableType:
    """A charge under way: state, energy, power, cost, progress; and what is wrong, if anything."""
    figures = Table.grid(padding=(0, 3))
    figures.add_row(
        Text(f"{charge.energy} kWh", style="bold"),
        Text(power(charge)),
        Text(money(charge.cost, charge.currency), style="bold"),
    )
    progress = Table.grid(padding=(0, 1))
    progress.add_row(
        ProgressBar(total=100, completed=charge.progress, width=40),
        Text(f"{charge.progress} % {aim(charge)}"),
    )
    head = Text.assemble(
        (place(charge.cp_id, charge.connector_id), "bold"),
        "  ",
        (STATES[charge.state], COLOURS[charge.state]),
    )
    rows: list[RenderableType] = [head, figures, progress]
    if trouble:
        rows.append(Text(trouble, style="yellow"))
    if hint:
        rows.append(Text(hint, style="dim"))
    return Group(*rows)


def ticket(charge: Charge) -> Table:
    """The ticket of a charge that is over."""
    table = Table(title="Ticket", box=box.ROUNDED, show_header=False, title_justify="left")
    table.add_column(style="dim")
    table.add_column()
    came_to = charge.ticket
    assert came_to is not None
    table.add_row("charge point", place(charge.cp_id, charge.connector_id))
    table.add_row("energy", f"{came_to.energy} kWh")
    if came_to.price is not None:
        table.add_row("price", f"{price(came_to.price, came_to.currency)} per kWh")
    cost = money(came_to.cost, came_to.currency)
    table.add_row("cost", Text(f"{cost} (estimated)" if came_to.estimated else cost, style="bold"))
    if came_to.started_at is not None:
        table.add_row("from", moment(came_to.started_at))
    if came_to.ended_at is not None:
        table.add_row("to", moment(came_to.ended_at))
    if came_to.reason is not None:
        table.add_row("ended", f"{end(came_to.reason)} ({came_to.reason})")
    if came_to.revision > 1:
        table.add_row("corrected", f"revision {came_to.revision}")
    table.add_row("session", charge.session_id)
    return table


def points(available: Iterable[AvailablePoint]) -> Table:
    """The charge points at which a charge can start now."""
    table = Table(title="Available charge points", box=box.SIMPLE, title_justify="left")
    table.add_column("charge point")
    table.add_column("location")
    table.add_column("kW", justify="right")
    table.add_column("price per kWh", justify="right")
    for point in available:
        table.add_row(
            point.cp_id,
            point.location,
            str(point.max_charging_rate_kw),
            price(point.price_per_kwh, point.currency),
        )
    return table


def history(rows: Iterable[SessionRow]) -> Table:
    """A driver's sessions, newest first, with the sums."""
    table = Table(title="Charges", box=box.SIMPLE, title_justify="left", show_footer=True)
    table.add_column("begun", footer="in all")
    table.add_column("charge point")
    table.add_column("state")
    table.add_column("kWh", justify="right")
    table.add_column("cost", justify="right")
    table.add_column("ended")
    rows = list(rows)
    for row in rows:
        table.add_row(
            moment(row.started_at),
            place(row.cp_id, row.connector_id),
            Text(str(row.state), style=COLOURS[row.state]),
            str(row.energy_consumed_kwh),
            money(row.total_cost, row.currency) + (" *" if row.estimated else ""),
            end(row.reason),
        )
    table.columns[3].footer = str(WattHours(sum(row.energy_consumed_kwh for row in rows)))
    table.columns[4].footer = sums((row.total_cost, row.currency) for row in rows)
    if any(row.estimated for row in rows):
        table.caption = "* estimated, to be corrected"
    return table


def sums(costs: Iterable[tuple[Money, str | None]]) -> str:
    """The total of these costs, one for each currency."""
    totals: dict[str | None, int] = {}
    for cost, currency in costs:
        totals[currency] = totals.get(currency, 0) + cost
    shown = [money(Money(total), currency) for currency, total in totals.items()]
    return " + ".join(shown) or str(Money(0))


def price(of_a_kwh: Price, currency: str | None) -> str:
    """A price with its two decimals, and further ones where it has them."""
    digits = str(of_a_kwh)
    digits = digits[:-2] + digits[-2:].rstrip("0")
    return f"{digits} {currency}" if currency else digits


def moment(unix_seconds: int) -> str:
    """Local time, for people."""
    return datetime.fromtimestamp(unix_seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
