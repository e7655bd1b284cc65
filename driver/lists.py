"""Central's lists, with their pages joined: the available points, and the history."""

from msgspec.structs import replace

from common.messages import (
    AvailableCpsRequest,
    AvailableCpsResponse,
    ChargingHistoryRequest,
    ChargingHistoryResponse,
    SessionRow,
)
from common.states import OPEN_STATES
from driver.client import Client

MAX_PAGES = 1_000
"""Pages that are joined at most: a list that never ends is none."""


async def available(client: Client, driver_id: str) -> AvailableCpsResponse:
    """All points at which a charge can start now; raises what `Client.ask` does."""
    request = AvailableCpsRequest(driver_id=driver_id)
    answer = await client.ask(request)
    rows, after = [*answer.charging_points], answer.next
    for _ in range(MAX_PAGES):
        if after is None:
            break
        page = await client.ask(replace(request, after=after))
        rows += page.charging_points
        after = page.next
    return replace(answer, charging_points=tuple(rows), next=None)


async def history(client: Client, driver_id: str) -> ChargingHistoryResponse:
    """All of a driver's sessions, newest first; raises what `Client.ask` does."""
    request = ChargingHistoryRequest(driver_id=driver_id)
    answer = await client.ask(request)
    rows, after = [*answer.sessions], answer.next
    for _ in range(MAX_PAGES):
        if after is None:
            break
        page = await client.ask(replace(request, after=after))
        rows += page.sessions
        after = page.next
    return replace(answer, sessions=tuple(rows), next=None)


async def find_session(client: Client, driver_id: str, session_id: str) -> SessionRow | None:
    """A session in the history, from its newest page on; None if it is in none."""
    request = ChargingHistoryRequest(driver_id=driver_id)
    for _ in range(MAX_PAGES):
        page = await client.ask(request)
        for row in page.sessions:
            if row.session_id == session_id:
                return row
        if page.next is None:
            return None
        request = replace(request, after=page.next)
    return None


async def find_open(client: Client, driver_id: str) -> SessionRow | None:
    """The driver's running session; it is among the newest, since there is one at a time."""
    page = await client.ask(ChargingHistoryRequest(driver_id=driver_id))
    return next((row for row in page.sessions if row.state in OPEN_STATES), None)
