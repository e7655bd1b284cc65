"""A panel whose central is played: what it is told, and what it orders."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot

import admin.panel.app as module
from admin.app import Settings
from admin.panel.app import Panel
from admin.panel.board import Board
from common.errors import Reason, Refused
from common.messages import (
    CommandResult,
    HealthResponse,
    ManualCommand,
    ManualCommandResponse,
    Message,
    Outcome,
    SessionsRequest,
    SessionsResponse,
)
from common.program import Address

SOON = 10.0
"""Seconds in which what was done must be seen; it takes far less."""

NARROW, WIDE = (80, 24), (200, 50)


class PlayedClient:
    """Answers what the panel asks.

    Attributes:
        asked: All that was asked, in order.
        fails: Points at which commands fail.
    """

    def __init__(self) -> None:
        self.trouble = ""
        self.where = "127.0.0.1:7000"
        self.asked: list[Message] = []
        self.fails: set[str] = set()

    async def ask(self, request: Message) -> Message:
        self.asked.append(request)
        if isinstance(request, ManualCommand):
            return self._ordered(request)
        assert isinstance(request, SessionsRequest)
        return SessionsResponse(status=Outcome.SUCCESS)

    def _ordered(self, command: ManualCommand) -> ManualCommandResponse:
        if command.cp_id in self.fails:
            result = CommandResult(
                cp_id=command.cp_id,
                status=Outcome.FAILURE,
                applied=False,
                error=Reason.ENGINE_REFUSED,
            )
            answer = ManualCommandResponse(
                status=Outcome.FAILURE, error=result.error, failed=1, results=(result,)
            )
            raise Refused(Reason.ENGINE_REFUSED, "no", answer)
        done = CommandResult(cp_id=command.cp_id, status=Outcome.SUCCESS, applied=True)
        results = () if command.cp_id == "*" else (done,)
        return ManualCommandResponse(status=Outcome.SUCCESS, succeeded=1, results=results)

    @property
    def orders(self) -> list[tuple[str, str, str | None]]:
        """The commands that were given: what, where, why."""
        return [
            (each.command.value, each.cp_id, each.reason)
            for each in self.asked
            if isinstance(each, ManualCommand)
        ]


class PlayedFeed:
    """In the place of `Feed`: the test tells the board by itself."""

    def __init__(self, settings: Settings, board: Board) -> None:
        self.board = board
        self.client = PlayedClient()
        self.health: HealthResponse | None = HealthResponse(
            status=Outcome.SUCCESS, kafka="ok", database="ok"
        )

    async def run(self) -> None:
        """Nothing comes by itself."""

    async def ask_health(self) -> None:
        """It is as it is."""


class Played:
    """A panel at work, and its central."""

    def __init__(self, panel: Panel, pilot: Pilot[None]) -> None:
        self.panel = panel
        self.pilot = pilot
        feed: object = panel.feed
        assert isinstance(feed, PlayedFeed)
        self.feed = feed
        self.client = feed.client

    async def tell(self, *rows: object) -> None:
        """These are all the points that there are."""
        board = self.panel.board
        board.begin()
        for row in rows:
            board.take(row)  # type: ignore[arg-type]
        board.ready()
        await self.drawn()

    async def drawn(self) -> None:
        """Returns when what has changed is on the screen."""
        self.panel.draw()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        """Type these, and wait for what comes of it."""
        await self.pilot.press(*keys)
        await self.panel.workers.wait_for_complete(
            [worker for worker in self.panel.workers if worker.group == "default"]
        )
        await self.drawn()

    def screen(self) -> str:
        """The text on the screen, line by line."""
        width, height = self.panel.size
        lines = self.panel.screen._compositor.render_strips()
        assert len(lines) <= height
        return "\n".join(strip.text[:width].rstrip() for strip in lines)

    async def shows(self, text: str) -> None:
        """Returns when this text is on the screen."""
        async with asyncio.timeout(SOON):
            while text not in self.screen():
                await self.pilot.pause(0.02)

    def line_of(self, text: str) -> str:
        """The line of the screen with this text."""
        return next(line for line in self.screen().splitlines() if text in line)


@asynccontextmanager
async def played(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int] = NARROW
) -> AsyncIterator[Played]:
    """A panel on a screen of this size."""
    monkeypatch.setattr(module, "Feed", PlayedFeed)
    panel = Panel(Settings(central=(Address("127.0.0.1", 7000),)))
    async with panel.run_test(size=size, notifications=True) as pilot:
        yield Played(panel, pilot)
