"""A charge point of the PyPI package `ocpp`: nothing that it speaks was written here."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.ocpp.calls import DOWN

SUBPROTOCOL = Subprotocol("ocpp1.6")

ANSWERED_WITHIN = 15.0
"""Seconds: central has 10 s, and then the gateway says so itself."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that came down to the charge point."""

    message_id: str
    action: str
    payload: dict[str, Any]


class Point(ChargePoint):  # type: ignore[misc]  # the package has no types
    """A charge point that answers each call from `answers`, and records it in `asked`.

    Attributes:
        asked: The calls that came, in order.
        silent: The actions that it leaves unanswered.
    """

    def __init__(self, cp_id: str, socket: ClientConnection) -> None:
        super().__init__(cp_id, socket, response_timeout=ANSWERED_WITHIN)
        self.socket = socket
        self.asked: list[Asked] = []
        self.silent: set[str] = set()
        self.answers: dict[str, Any] = {row.action: row.answer for row in DOWN}

    async def route_message(self, raw_msg: str) -> None:
        """Record a call, and let the package do the rest."""
        frame = json.loads(raw_msg)
        if frame[0] == 2:
            self.asked.append(Asked(frame[1], frame[2], frame[3]))
            if frame[2] in self.silent:
                return
        await super().route_message(raw_msg)

    async def serve(self) -> None:
        """Read until the connection ends."""
        with suppress(ConnectionClosed):
            await self.start()

    async def boot(self) -> Any:
        """Say that it has started; returns the answer."""
        return await self.say(
            call.BootNotification(charge_point_model="Model", charge_point_vendor="Vendor")
        )

    async def status(self, connector_id: int = 1, status: str = "Available") -> Any:
        """Tell a connector's status."""
        return await self.say(
            call.StatusNotification(
                connector_id=connector_id,
                error_code="NoError",
                status=status,
                timestamp=now(),
            )
        )

    async def up(self, connectors: int = 1) -> None:
        """Boot, and tell that every connector is free."""
        answer = await self.boot()
        assert answer.status == "Accepted", answer
        for connector_id in range(connectors + 1):
            await self.status(connector_id)

    async def say(self, payload: Any, **options: Any) -> Any:
        """Its answer.

        Raises:
            ocpp.exceptions.OCPPError: It is a CALLERROR.
            ConnectionError: The connection ended before it came.
        """
        calling = asyncio.ensure_future(self.call(payload, suppress=False, **options))
        closing = asyncio.ensure_future(self.socket.wait_closed())
        try:
            await asyncio.wait((calling, closing), return_when=asyncio.FIRST_COMPLETED)
            if not calling.done():
                raise ConnectionError("closed before the answer")
            return calling.result()
        finally:
            calling.cancel()
            closing.cancel()


def _answering(action: str) -> Any:
    def handler(self: Point, **_: object) -> Any:
        return self.answers[action]

    handler.__name__ = f"on_{action}"
    return on(action)(handler)


for _row in DOWN:
    # The package finds handlers by their names.
    setattr(Point, f"on_{_row.action}", _answering(_row.action))


@asynccontextmanager
async def charge_point(url: str, **options: Any) -> AsyncIterator[Point]:
    """A charge point that is connected; its id is the end of the URL."""
    async with connect(
        url, subprotocols=[SUBPROTOCOL], ping_interval=None, close_timeout=1, **options
    ) as socket:
        point = Point(url.rpartition("/")[2], socket)
        serving = asyncio.create_task(point.serve())
        try:
            yield point
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving


def now() -> str:
    """The time as OCPP writes it, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
