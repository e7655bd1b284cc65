"""Lists that central gives in pages: page by page, or joined."""

from collections.abc import AsyncIterator
from typing import TypeVar

from msgspec.structs import replace

from admin.client import Client
from common.gateway_messages import CommandsResponse, IdTagsResponse, SamplesResponse
from common.messages import (
    AuditResponse,
    PointsResponse,
    Request,
    Response,
    SessionsResponse,
    TicketsResponse,
)
from common.units import MAX_ROWS

Page = TypeVar(
    "Page",
    PointsResponse,
    SessionsResponse,
    TicketsResponse,
    AuditResponse,
    CommandsResponse,
    IdTagsResponse,
    SamplesResponse,
)

ROWS: dict[type[Response], str] = {
    PointsResponse: "points",
    SessionsResponse: "sessions",
    TicketsResponse: "tickets",
    AuditResponse: "entries",
    CommandsResponse: "commands",
    IdTagsResponse: "id_tags",
    SamplesResponse: "samples",
}
"""The field in which each answer has its rows."""


async def pages(client: Client, request: Request[Page]) -> AsyncIterator[Page]:
    """Each page of a list, as central gives it.

    Raises (as `joined` does):
        Refused: Central said no.
        NotAnswered: No answer came in time.
    """
    asked = replace(request, limit=MAX_ROWS)
    while True:
        page = await client.ask(asked)
        yield page
        if page.next is None:
            return
        asked = replace(asked, after=page.next)


async def joined(client: Client, request: Request[Page], most: int | None = None) -> Page:
    """The whole list in one answer; `most` rows of it at most."""
    rows: list[object] = []
    async for page in pages(client, request):
        rows += getattr(page, ROWS[type(page)])
        if most is not None and len(rows) >= most:
            break
    return replace(page, next=None, **{ROWS[type(page)]: tuple(rows[:most])})
