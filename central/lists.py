"""What operators look back at: sessions, tickets, their own commands; and how central is."""

from collections import Counter
from collections.abc import Callable, Iterable

from central.network import Network
from central.rules.records import Session
from central.rules.rows import audit_row, fitting, operator_row, ticket_row
from central.store import Store, audit_cursor, cursor_of, ticket_cursor
from common.dispatch import Peer, handler
from common.errors import Reason, Refused
from common.link import Link
from common.messages import (
    AuditRequest,
    AuditResponse,
    HealthRequest,
    HealthResponse,
    LinkCounts,
    Outcome,
    Role,
    SessionsRequest,
    SessionsResponse,
    TicketsRequest,
    TicketsResponse,
)
from common.protocol import ADMIN, DRIVER, MONITOR

OK = "ok"
"""What `health_response` says of a part that works."""


class Lists:
    """Handles what consoles ask about what was."""

    def __init__(self, network: Network, store: Store) -> None:
        self._network = network
        self._store = store

    @handler
    async def sessions(self, request: SessionsRequest, peer: Peer) -> SessionsResponse:
        """A page of sessions, each as it is now."""
        if request.cp_id is not None:
            await self._network.applied(request.cp_id)
        try:
            stored, following = await self._store.session_list(
                cp_id=request.cp_id,
                driver_id=request.driver_id,
                state=request.state,
                since=request.since,
                after=request.after,
                limit=request.limit,
            )
        except ValueError as error:
            raise _bad_cursor(error) from None
        page, cut = fitting(map(operator_row, map(self._latest, stored)), request.limit)
        if cut:
            following = cursor_of(stored[len(page) - 1]) if page else request.after or ""
        return SessionsResponse(status=Outcome.SUCCESS, sessions=tuple(page), next=following)

    def _latest(self, session: Session) -> Session:
        live = self._network.sessions.get(session.session_id)
        return live.latest if live else session

    @handler
    async def tickets(self, request: TicketsRequest, peer: Peer) -> TicketsResponse:
        """A page of tickets."""
        try:
            stored, following = await self._store.ticket_list(
                cp_id=request.cp_id,
                driver_id=request.driver_id,
                since=request.since,
                until=request.until,
                after=request.after,
                limit=request.limit,
            )
        except ValueError as error:
            raise _bad_cursor(error) from None
        page, cut = fitting(map(ticket_row, stored), request.limit)
        if cut:
            following = ticket_cursor(stored[len(page) - 1]) if page else request.after or ""
        return TicketsResponse(status=Outcome.SUCCESS, tickets=tuple(page), next=following)

    @handler
    async def audit(self, request: AuditRequest, peer: Peer) -> AuditResponse:
        """A page of what operators ordered."""
        try:
            stored, following = await self._store.audit(
                since=request.since, after=request.after, limit=request.limit
            )
        except ValueError as error:
            raise _bad_cursor(error) from None
        page, cut = fitting(map(audit_row, stored), request.limit)
        if cut:
            following = audit_cursor(stored[len(page) - 1]) if page else request.after or ""
        return AuditResponse(status=Outcome.SUCCESS, entries=tuple(page), next=following)


class Health:
    """Handles the question how central is.

    Args:
        leader: Where this central is, as others are told.
        kafka, database: What is wrong with them; empty or None where nothing is.
        links: Those that are open.
        lag: Records in Kafka that were not taken up yet.
    """

    def __init__(
        self,
        *,
        leader: Callable[[], str],
        epoch: int,
        kafka: Callable[[], str | None],
        database: Callable[[], str | None],
        links: Callable[[], Iterable[Link]],
        lag: Callable[[], int],
    ) -> None:
        self._leader = leader
        self._epoch = epoch
        self._kafka = kafka
        self._database = database
        self._links = links
        self._lag = lag

    @handler
    def health(self, request: HealthRequest, peer: Peer) -> HealthResponse:
        """What works, and what does not."""
        count = Counter[Role | None](link.peer.role for link in self._links())
        return HealthResponse(
            status=Outcome.SUCCESS,
            kafka=(self._kafka() or OK)[:1000],
            database=(self._database() or OK)[:1000],
            leader=self._leader(),
            epoch=self._epoch,
            links=LinkCounts(
                monitor=count[MONITOR],
                driver=count[DRIVER],
                admin=count[ADMIN],
                unknown=count[None],
            ),
            lag=self._lag(),
        )


def _bad_cursor(error: ValueError) -> Refused:
    return Refused(Reason.INVALID_MESSAGE, f"{error} - at `$.after`")
