"""How lists about OCPP charge points look on a terminal."""

from collections.abc import Iterable

import msgspec
from rich.table import Table
from rich.text import Text

from admin.moments import shown, shown_ms
from admin.tables import plain_table
from admin.words import printable
from common.gateway_messages import CommandRow, CommandState, IdTagRow, SampleRow

STATE_COLOURS = {
    CommandState.QUEUED: "yellow",
    CommandState.SENT: "yellow",
    CommandState.ACCEPTED: "green",
    CommandState.REJECTED: "red",
    CommandState.FAILED: "red",
    CommandState.TIMED_OUT: "red",
    CommandState.UNKNOWN: "magenta",
    CommandState.SUPERSEDED: "",
}

MOST = 60
"""Characters of a payload in a list; all of it is in the JSON."""


def commands(rows: Iterable[CommandRow]) -> Table:
    """Commands, the latest first."""
    table = plain_table(
        "ordered", "charge point", "action", "payload", "state", "answer", "who", "command"
    )
    for row in rows:
        table.add_row(
            shown_ms(row.at_ms),
            row.cp_id,
            row.action,
            short(as_json(row.payload)),
            Text(row.state, style=STATE_COLOURS[row.state]),
            short(what_was_said(row)),
            row.by,
            row.command_id,
        )
    return table


def what_was_said(row: CommandRow) -> str:
    """The charge point's answer, or why there is none."""
    error = ": ".join(filter(None, (row.error_code, row.error_description)))
    return error or ("" if row.answer is None else as_json(row.answer))


def id_tags(rows: Iterable[IdTagRow]) -> Table:
    """Id tags, in their order."""
    table = plain_table("id tag", "driver", "parent", "status", "expires", "at once", "note")
    for row in rows:
        status = Text("blocked", style="red") if row.blocked else Text("valid", style="green")
        table.add_row(
            short(row.id_tag),
            row.driver_id or "",
            short(row.parent_id_tag or ""),
            status,
            shown(row.expires_at),
            str(row.max_concurrent),
            short(row.note or ""),
        )
    return table


def samples(rows: Iterable[SampleRow]) -> Table:
    """Sampled values, the latest first."""
    table = plain_table("when", "connector", "transaction", "measurand")
    table.add_column("value", justify="right", no_wrap=True)
    for name in ("unit", "phase", "location", "context"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        sample = row.sample
        table.add_row(
            shown_ms(sample.at_ms),
            str(row.connector_id),
            "" if row.transaction_id is None else str(row.transaction_id),
            short(sample.measurand),
            short(sample.value),
            *map(short, (sample.unit, sample.phase or "", sample.location, sample.context)),
        )
    return table


def as_json(payload: dict[str, object]) -> str:
    """A payload in one line."""
    return msgspec.json.encode(payload).decode()


def short(text: str) -> Text:
    """A text that a charge point wrote, cut to what a column takes; nothing in it is markup."""
    text = printable(text)
    return Text(text if len(text) <= MOST else f"{text[: MOST - 1]}…")
