"""The one-shot commands: each does one thing, shows it, and says by its exit code how it went.

With `--json` stdout holds one JSON document and nothing else; what is for people goes to stderr.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence

import click
from msgspec.structs import replace
from rich.console import Console, RenderableType

from admin import tables, words
from admin.app import App
from admin.client import Client
from admin.pages import joined, pages
from admin.tickets import TicketWriter
from common.errors import Refused
from common.messages import (
    AuditRequest,
    CommandResult,
    HealthRequest,
    ManualCommand,
    ManualCommandName,
    ManualCommandResponse,
    Outcome,
    PointsRequest,
    Response,
    SessionsRequest,
    TicketsRequest,
)

SUCCESS = 0
FAILURE = 1

EVERY_POINT = "*"

AT_ONCE = 16
"""Commands that wait for their answers at once: central takes 32 of one link."""

WIDE = 240
"""Columns of a table that goes to a pipe or a file: wide enough to cut no id."""


def show(table: RenderableType) -> None:
    """Print a table to stdout."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    console.print(table)


async def status(app: App, cp_id: str | None, search: str | None) -> int:
    """Show the charge points, or one of them."""
    answer = await joined(app.client, PointsRequest(search=cp_id or search))
    if cp_id is not None:
        found = tuple(row for row in answer.points if row.cp_id == cp_id)
        answer = type(answer)(status=answer.status, points=found)
        if not found:
            click.echo(f"ev-admin: there is no charge point {cp_id}", err=True)
            return FAILURE
    return shown_as(app, answer, lambda: tables.points(answer.points))


async def order(app: App, command: ManualCommand, cp_ids: Sequence[str]) -> int:
    """Give a command to each of these points, and show what became of it."""
    answers = await ordered_at(app.client, command, cp_ids)
    answer = together(answers)
    app.print_json(answer)
    everywhere = EVERY_POINT in cp_ids
    if not app.settings.as_json:
        if everywhere:
            click.echo(f"{command.command}: {answer.succeeded} succeeded, {answer.failed} failed")
        if answer.results:
            show(tables.results(answer.results))
        if not_shown := answer.failed - len(answer.results) if everywhere else 0:
            click.echo(f"and {not_shown} further failures")
    for said in dict.fromkeys(a.message for a in answers if a.message):
        click.echo(f"ev-admin: {said}", err=True)
    return SUCCESS if answer.status is Outcome.SUCCESS else FAILURE


async def ordered_at(
    client: Client, command: ManualCommand, cp_ids: Sequence[str]
) -> list[ManualCommandResponse]:
    """Give a command to each of these points; what became of each.

    Raises:
        Refused: Central takes no commands now.
        NotAnswered: No answer came in time.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def at(cp_id: str) -> ManualCommandResponse:
        async with gate:
            return await _answer(client, replace(command, cp_id=cp_id))

    return await asyncio.gather(*map(at, cp_ids))


async def _answer(client: Client, command: ManualCommand) -> ManualCommandResponse:
    try:
        return await client.ask(command)
    except Refused as no:
        if isinstance(no.answer, ManualCommandResponse):
            return no.answer
        raise


def together(answers: Sequence[ManualCommandResponse]) -> ManualCommandResponse:
    """Several answers as one: counts and results of all."""
    if len(answers) == 1:
        return answers[0]
    results: list[CommandResult] = [result for answer in answers for result in answer.results]
    failed = [answer for answer in answers if answer.status is Outcome.FAILURE]
    return ManualCommandResponse(
        status=Outcome.FAILURE if failed else Outcome.SUCCESS,
        error=failed[0].error if failed else None,
        succeeded=sum(answer.succeeded for answer in answers),
        failed=sum(answer.failed for answer in answers),
        results=tuple(results),
    )


async def sessions(app: App, request: SessionsRequest, most: int | None) -> int:
    """List sessions."""
    answer = await joined(app.client, request, most)
    return shown_as(app, answer, lambda: tables.sessions(answer.sessions))


async def tickets(app: App, request: TicketsRequest, most: int | None, as_csv: bool) -> int:
    """List tickets."""
    if as_csv:
        return await _tickets_as_csv(app, request, most)
    answer = await joined(app.client, request, most)
    return shown_as(app, answer, lambda: tables.tickets(answer.tickets))


async def _tickets_as_csv(app: App, request: TicketsRequest, most: int | None) -> int:
    left = most
    writer: TicketWriter | None = None
    async for page in pages(app.client, request):
        # Not before the first answer: a file without tickets is not one of no tickets.
        writer = writer or TicketWriter(sys.stdout)
        writer.write(page.tickets[:left])
        if left is not None:
            left -= len(page.tickets)
            if left <= 0:
                break
    return SUCCESS


async def audit(app: App, request: AuditRequest, most: int | None) -> int:
    """List what operators ordered."""
    answer = await joined(app.client, request, most)
    return shown_as(app, answer, lambda: tables.audit(answer.entries))


async def health(app: App) -> int:
    """Show how central is; a failure if something is wrong."""
    answer = await app.client.ask(HealthRequest())
    shown_as(app, answer, lambda: tables.health(answer))
    return SUCCESS if answer.kafka == answer.database == "ok" else FAILURE


def shown_as(app: App, answer: Response, table: Callable[[], RenderableType]) -> int:
    """Show a list, as JSON or as its table."""
    app.print_json(answer)
    if not app.settings.as_json:
        show(table())
    return SUCCESS


def refused(no: Refused) -> int:
    """Say why central refused."""
    click.echo(f"ev-admin: {words.refusal(no.reason, no.text)}", err=True)
    return FAILURE


def named(command: ManualCommandName, **fields: object) -> ManualCommand:
    """A command whose points are still to be named."""
    return ManualCommand(command=command, cp_id=EVERY_POINT, **fields)  # type: ignore[arg-type]
