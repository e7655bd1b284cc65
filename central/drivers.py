"""What drivers ask of central, and a charge point's own menu on a driver's behalf."""

from collections.abc import Iterator

from central.charging import Charging
from central.network import Network
from central.rules.rows import available, fitting, history_row
from central.stopping import Stopping
from central.store import Store, cursor_of
from common.dispatch import Peer, handler
from common.errors import Reason, Refused
from common.messages import (
    AvailableCpsRequest,
    AvailableCpsResponse,
    AvailablePoint,
    ChargeRequest,
    ChargeRequestResponse,
    ChargingHistoryRequest,
    ChargingHistoryResponse,
    Outcome,
    Role,
    StopChargingRequest,
    StopChargingResponse,
)
from common.protocol import DRIVER_REQUESTS, MONITOR


class Drivers:
    """Handles what drivers ask, by TCP and by Kafka alike.

    A driver link that has not proved who it is may speak for any driver, one that has only for
    its own; a record speaks for its key.
    """

    def __init__(
        self, network: Network, store: Store, charging: Charging, stopping: Stopping
    ) -> None:
        self._network = network
        self._store = store
        self._charging = charging
        self._stopping = stopping

    @handler
    async def charge(self, request: ChargeRequest, peer: Peer) -> ChargeRequestResponse:
        """Start a charge for a driver, or from a charge point's own menu."""
        if peer.role is MONITOR:
            if request.cp_id != peer.id:
                raise Refused(Reason.NOT_ALLOWED, f"this link is {peer.id}'s")
            return await self._charging.start(Role.MONITOR, request.cp_id, request)
        driver_id = self._speaker(request.driver_id, peer)
        return await self._charging.start(Role.DRIVER, driver_id, request)

    @handler
    async def stop(self, request: StopChargingRequest, peer: Peer) -> StopChargingResponse:
        """End a driver's own session."""
        driver_id = self._speaker(request.driver_id, peer)
        return await self._stopping.request(Role.DRIVER, driver_id, request)

    @handler
    def available(self, request: AvailableCpsRequest, peer: Peer) -> AvailableCpsResponse:
        """The points at which a charge can start now."""
        self._speaker(request.driver_id, peer)
        page, more = fitting(self._available(request.after), request.limit)
        following = page[-1].cp_id if page else request.after or ""
        return AvailableCpsResponse(
            status=Outcome.SUCCESS,
            charging_points=tuple(page),
            next=following if more else None,
        )

    def _available(self, after: str | None) -> Iterator[AvailablePoint]:
        for cp_id in self._network.ids_after(after):
            point = available(self._network.row(self._network.points[cp_id]))
            if point is not None:
                yield point

    @handler
    async def history(self, request: ChargingHistoryRequest, peer: Peer) -> ChargingHistoryResponse:
        """A driver's sessions, newest first, the running one as it is now."""
        driver_id = self._speaker(request.driver_id, peer)
        running = self._network.of_driver(driver_id)
        if running is not None:
            await self._network.applied(running.session.cp_id)
        try:
            stored, following = await self._store.session_list(
                driver_id=driver_id, after=request.after, limit=request.limit
            )
        except ValueError as error:
            raise Refused(Reason.INVALID_MESSAGE, f"{error} - at `$.after`") from None
        sessions = self._network.sessions
        latest = [sessions[s.session_id].latest if s.session_id in sessions else s for s in stored]
        page, cut = fitting(map(history_row, latest), request.limit)
        if cut:
            following = cursor_of(stored[len(page) - 1]) if page else request.after or ""
        return ChargingHistoryResponse(status=Outcome.SUCCESS, sessions=tuple(page), next=following)

    def _speaker(self, named: str | None, peer: Peer) -> str:
        """The driver on whose behalf this is.

        Raises:
            Refused: A record's key, or the link, is another driver's; or nobody is named, and
                nobody was before.
        """
        if peer.transport == DRIVER_REQUESTS.name:
            if named not in (None, peer.id):
                raise Refused(Reason.NOT_ALLOWED, f"the record is {peer.id}'s")
            named = peer.id
        if peer.proved and named not in (None, peer.id):
            raise Refused(Reason.NOT_ALLOWED, f"this link is {peer.id}'s")
        driver_id = named or peer.id
        if driver_id is None:
            raise Refused(
                Reason.NOT_YOUR_SESSION, "which driver asks? no driver_id, and none before"
            )
        peer.id = driver_id
        return driver_id
