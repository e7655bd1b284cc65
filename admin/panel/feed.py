"""What central tells the panel: the watch, begun anew on each link, and its health."""

import asyncio

from admin.app import Settings
from admin.client import Client
from admin.handlers import Handlers, News
from admin.panel.board import Board
from common.dispatch import Dispatcher
from common.errors import ChargingError
from common.link import Link
from common.messages import (
    EventLogged,
    HealthRequest,
    HealthResponse,
    PointChanged,
    Role,
    WatchReady,
    WatchRequest,
)

HEALTH_EVERY = 3.0
"""Seconds between two questions how central is."""


class Feed:
    """Keeps the board as central has it.

    Attributes:
        client: The link to central.
        health: How central was last; None while that is not known.
    """

    def __init__(self, settings: Settings, board: Board) -> None:
        self.board = board
        self.client: Client = settings.client(greet=self._watch, on_trouble=self._away)
        self.health: HealthResponse | None = None
        self._dispatcher = Dispatcher(Role.ADMIN, Handlers(self.client, self._take))

    async def run(self) -> None:
        """Follow central, until cancelled."""
        await self.client.run(self._dispatcher)

    async def ask_health(self) -> None:
        """Ask how central is every few seconds, until cancelled."""
        while True:
            link = await self._link()
            try:
                self.health = await link.ask(HealthRequest())
                self.board.changes += 1
            except ChargingError:
                self.health = None
            await asyncio.sleep(HEALTH_EVERY)

    async def _link(self) -> Link:
        while True:
            try:
                return await self.client.connected()
            except ChargingError:  # it is not let in; it tries on, and says so
                await asyncio.sleep(HEALTH_EVERY)

    async def _watch(self, link: Link) -> None:
        link.closed.add_done_callback(lambda _: self.board.lost())
        self.board.begin()
        await link.ask(WatchRequest())

    def _away(self, trouble: str) -> None:
        self.health = None
        self.board.lost()
        self.board.changes += 1

    def _take(self, news: News) -> None:
        match news:
            case PointChanged():
                self.board.take(news)
            case WatchReady():
                self.board.ready()
            case EventLogged():
                self.board.happened(news)
