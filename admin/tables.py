"""How lists look on a terminal: one table for each."""

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from admin import words
from admin.moments import shown
from common.messages import (
    AuditRow,
    CommandResult,
    ConnectorRow,
    HealthResponse,
    OperatorSessionRow,
    Outcome,
    PointRow,
    TicketRow,
)
from common.states import SessionState, Status
from common.units import Money, WattHours

STATE_COLOURS = {
    SessionState.AUTHORISED: "yellow",
    SessionState.CHARGING: "green",
    SessionState.FINISHING: "cyan",
    SessionState.COMPLETED: "",
    SessionState.FAILED: "red",
}


def points(rows: Iterable[PointRow]) -> Table:
    """The charge points, one a line; one with several connectors has a line for each below it."""
    table = plain_table("charge point", "place", "status", "driver")
    for name in ("kW", "kWh", "cost", "price per kWh"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        only = row.connectors[0] if len(row.connectors) == 1 else None
        word = Text(words.status(row), style=words.COLOURS[row.status])
        cost = words.price(row.price_per_kwh, row.currency)
        table.add_row(row.cp_id, row.location, word, *_live(only, row.currency), cost)
        if only is None:
            for connector in row.connectors:
                style = words.COLOURS[connector.status]
                status = Text(words.WORDS[connector.status], style=style)
                name = f"  connector {connector.connector_id}"
                table.add_row(name, "", status, *_live(connector, row.currency), "")
    return table


def _live(connector: ConnectorRow | None, currency: str) -> tuple[str, str, str, str]:
    """A connector's driver, power, energy and cost."""
    if connector is None or connector.session_id is None:
        return "", "", "", ""
    power = str(connector.charging_rate) if connector.status is Status.CHARGING else ""
    return (
        connector.driver_id or "",
        power,
        str(connector.energy_consumed_kwh or WattHours(0)),
        words.money(connector.total_cost or Money(0), currency),
    )


def sessions(rows: Iterable[OperatorSessionRow]) -> Table:
    """Sessions, newest first."""
    table = plain_table("begun", "charge point", "driver", "state")
    for name in ("kWh", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("ended", "why", "flags", "session"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(
            shown(row.started_at),
            place(row.cp_id, row.connector_id),
            row.driver_id,
            Text(row.state, style=STATE_COLOURS[row.state]),
            str(row.energy_consumed_kwh),
            words.money(row.total_cost, row.currency),
            shown(row.ended_at),
            row.reason or "",
            flags(row),
            row.session_id,
        )
    return table


def sessions_in_short(rows: Iterable[OperatorSessionRow]) -> Table:
    """Sessions of one point, newest first, on a narrow screen."""
    table = plain_table("begun", "driver", "state")
    for name in ("kWh", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why")
    for row in rows:
        table.add_row(
            shown(row.started_at),
            row.driver_id,
            Text(row.state, style=STATE_COLOURS[row.state]),
            str(row.energy_consumed_kwh),
            words.money(row.total_cost, row.currency),
            ", ".join(filter(None, (row.reason, flags(row)))),
        )
    return table


def flags(row: OperatorSessionRow) -> str:
    """What is strange about a session's ticket."""
    names = ("suspect", "disputed", "estimated")
    found = [name for name in names if getattr(row, name)]
    return ", ".join([*found, *([f"revision {row.revision}"] if row.revision > 1 else [])])


def tickets(rows: Iterable[TicketRow]) -> Table:
    """Bills, the latest first, and their sum for each currency."""
    rows = list(rows)
    table = plain_table("ended", "charge point", "driver")
    for name in ("kWh", "price per kWh", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("why", "session"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(
            shown(row.ended_at),
            place(row.cp_id, row.connector_id),
            row.driver_id,
            str(row.energy_consumed_kwh),
            words.price(row.price_per_kwh, row.currency),
            words.money(row.total_cost, row.currency) + (" *" if row.estimated else ""),
            row.reason or "",
            row.session_id,
        )
    table.show_footer = True
    table.columns[0].footer = "1 ticket" if len(rows) == 1 else f"{len(rows)} tickets"
    table.columns[3].footer = str(WattHours(sum(row.energy_consumed_kwh for row in rows)))
    totals: dict[str, int] = {}
    for row in rows:
        totals[row.currency] = totals.get(row.currency, 0) + row.total_cost
    table.columns[5].footer = " + ".join(words.money(Money(t), c) for c, t in totals.items())
    if any(row.estimated for row in rows):
        table.caption = "* estimated, to be corrected"
    return table


def audit(rows: Iterable[AuditRow]) -> Table:
    """What operators ordered, the latest first."""
    table = plain_table("when", "who", "command", "charge point")
    for name in ("succeeded", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why")
    for row in rows:
        outcome = str(row.succeeded), str(row.failed)
        if not row.succeeded and not row.failed:
            outcome = "?", "?"
        table.add_row(
            shown(row.at), row.admin_id, row.command, row.cp_id, *outcome, row.reason or ""
        )
    return table


def results(rows: Iterable[CommandResult]) -> Table:
    """What became of a command, point by point."""
    table = plain_table("charge point", "outcome", "")
    for row in rows:
        if row.status is Outcome.FAILURE:
            why = words.refusal(row.error) if row.error else ""
            table.add_row(row.cp_id, Text("failed", style="red"), why)
        elif row.applied:
            table.add_row(row.cp_id, Text("done", style="green"), "")
        else:
            why = "stored; it takes effect when the charge point can be reached"
            table.add_row(row.cp_id, Text("stored", style="yellow"), why)
    return table


def health(answer: HealthResponse) -> Table:
    """How central is."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, said in (("Kafka", answer.kafka), ("database", answer.database)):
        table.add_row(name, Text(said, style="green" if said == "ok" else "red"))
    table.add_row("leader", f"{answer.leader or '?'}, epoch {answer.epoch}")
    if answer.links is not None:
        counts = {name: getattr(answer.links, name) for name in answer.links.__struct_fields__}
        table.add_row("links", ", ".join(f"{count} {role}" for role, count in counts.items()))
    table.add_row("lag", f"{answer.lag} records")
    return table


def place(cp_id: str, connector_id: int) -> str:
    """Where a session is; the first connector is not named."""
    return cp_id if connector_id == 1 else f"{cp_id}/{connector_id}"


def plain_table(*columns: str) -> Table:
    """A table with these columns, none of which is wrapped."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table
