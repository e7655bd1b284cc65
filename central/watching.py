"""What operators see of the charge points: pages of rows, and rows as they change."""

import asyncio
from collections.abc import Iterator

from central.board import Board
from central.network import Network
from central.rules.rows import bare, fitting
from common.dispatch import Peer, handler
from common.link import Link
from common.messages import (
    CommandResponse,
    Outcome,
    PointRow,
    PointsRequest,
    PointsResponse,
    WatchRequest,
)


class Watching:
    """Handles what consoles ask about charge points."""

    def __init__(self, network: Network, board: Board) -> None:
        self._network = network
        self._board = board

    @handler
    def points(self, request: PointsRequest, peer: Peer) -> PointsResponse:
        """A page of rows."""
        page, more = fitting(self._rows(request), request.limit)
        following = page[-1].cp_id if page else request.after or ""
        return PointsResponse(
            status=Outcome.SUCCESS, points=tuple(page), next=following if more else None
        )

    def _rows(self, request: PointsRequest) -> Iterator[PointRow]:
        wanted = (request.search or "").casefold()
        for cp_id in self._network.ids_after(request.after):
            live = self._network.points[cp_id]
            if wanted in f"{cp_id}\n{live.point.location}".casefold():
                yield bare(self._network.row(live))

    @handler
    def watch(self, request: WatchRequest, peer: Peer) -> CommandResponse:
        """Begin to tell this link what there is and what changes, after the answer."""
        link = peer.link
        assert isinstance(link, Link)
        asyncio.get_running_loop().call_soon(self._begin_watch, link)
        return CommandResponse(status=Outcome.SUCCESS)

    def _begin_watch(self, link: Link) -> None:
        if not link.is_closing:
            self._board.watch(link)
