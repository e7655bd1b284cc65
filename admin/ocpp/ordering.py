"""Calls to OCPP charge points: ordered, waited for, shown; and those that were ordered before."""

import asyncio

import click
import msgspec
from msgspec.structs import replace

from admin.app import App, say
from admin.commands import FAILURE, SUCCESS, shown_as
from admin.moments import shown
from admin.ocpp import tables
from admin.pages import joined
from common.clock import new_id
from common.errors import Reason
from common.gateway_messages import (
    CommandRequest,
    CommandRequestResponse,
    CommandRow,
    CommandsRequest,
    CommandState,
    SamplesRequest,
)
from common.messages import Outcome

OPEN = (CommandState.QUEUED, CommandState.SENT)

SILENT_FOR = 1.0
"""Seconds of waiting after which somebody at a terminal is told what is waited for."""

MEANINGS: dict[CommandState, str] = {
    CommandState.QUEUED: "it waits for the charge point to connect",
    CommandState.SENT: "it was sent, and is not answered yet",
    CommandState.REJECTED: "the charge point said no",
    CommandState.FAILED: "the charge point, or its gateway, could not do it",
    CommandState.TIMED_OUT: "no answer came before its deadline",
    CommandState.UNKNOWN: "the connection went before the answer: it may have been done",
    CommandState.SUPERSEDED: "a later command took its place",
}


async def command(app: App, request: CommandRequest, *, wait: bool) -> int:
    """Order a call, wait for its end, and show it; without `wait` it is only ordered."""
    order = replace(request, message_id=new_id(), wait=False)
    answer = await app.client.ask(order)
    row = answer.command
    assert row is not None
    if wait:
        row = await _over(app, row)
    app.print_json(CommandRequestResponse(status=Outcome.SUCCESS, command=row))
    if not app.settings.as_json:
        _show(row)
    if row.state is CommandState.ACCEPTED:
        return SUCCESS
    click.echo(f"ev-admin: {row.action}: {_meaning(row)}", err=True)
    return SUCCESS if row.state in OPEN and not wait else FAILURE


def _meaning(row: CommandRow) -> str:
    if row.error_code == Reason.INVALID_MESSAGE:
        return "the payload is not as OCPP wants it; nothing was sent"
    return MEANINGS[row.state]


async def _over(app: App, row: CommandRow) -> CommandRow:
    """The command once it is over."""
    told: CommandState | None = None
    while row.state in OPEN:
        question = CommandsRequest(command_id=row.command_id, wait=True)
        asking = asyncio.ensure_future(app.client.ask(question))
        try:
            await asyncio.wait((asking,), timeout=SILENT_FOR)
            if not asking.done() and told is not row.state:
                told = row.state
                say(f"{row.action}: {MEANINGS[row.state]}, until {shown(row.expires_at)}")
            answer = await asking
        finally:
            asking.cancel()
        if not answer.commands:  # forgotten meanwhile: central's database was replaced
            return replace(row, state=CommandState.UNKNOWN)
        (row,) = answer.commands
    return row


def _show(row: CommandRow) -> None:
    """The command's id and state, and what the charge point answered."""
    click.echo(f"{row.cp_id} {row.action}: {row.state}  ({row.command_id})")
    if row.answer:
        click.echo(msgspec.json.format(tables.as_json(row.answer), indent=2))
    elif error := tables.what_was_said(row) if row.error_code or row.error_description else "":
        click.echo(error)


async def commands(app: App, request: CommandsRequest, most: int | None) -> int:
    """List commands."""
    answer = await joined(app.client, request, most)
    return shown_as(app, answer, lambda: tables.commands(answer.commands))


async def samples(app: App, request: SamplesRequest, most: int | None) -> int:
    """List meter values."""
    answer = await joined(app.client, request, most)
    return shown_as(app, answer, lambda: tables.samples(answer.samples))
