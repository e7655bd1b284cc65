"""Drivers who ask for charges: a few links that speak for any driver."""

import asyncio
import time
from itertools import count

from bench.peers import Heard, Peer, connect
from common.clock import ordered_id
from common.messages import ChargeRequest
from common.units import WattHours

LINKS = 64

LINKS_OF_AN_ADDRESS = 50
"""Links that come from one address: central bears so many that have not said who they are."""

ANSWERED_WITHIN = 30.0
"""Seconds after which a request counts as unanswered: far more than central's own deadline."""


class Drivers:
    """Links to central over which requests are made. An async context manager.

    Args:
        address: Where central listens.
        links: Over how many links the requests are spread.
    """

    def __init__(self, address: tuple[str, int], links: int = LINKS) -> None:
        self._address = address
        self._count = links
        self._links: list[Peer] = []
        self._numbers = count()
        self._waiting: dict[str, asyncio.Future[Heard]] = {}

    async def __aenter__(self) -> "Drivers":
        for number in range(self._count):
            source = f"127.8.{number // LINKS_OF_AN_ADDRESS}.1"
            self._links.append(await connect(self._address, self._answered, source=source))
        return self

    async def __aexit__(self, *_: object) -> None:
        for link in self._links:
            link.close()

    async def charge(self, cp_id: str, driver_id: str, target_wh: int | None = None) -> Heard:
        """Ask for a charge; whatever is answered.

        Raises:
            TimeoutError: Nothing was.
            ConnectionError: The link is gone.
        """
        message_id = ordered_id(time.time())
        request = ChargeRequest(
            message_id=message_id,
            cp_id=cp_id,
            driver_id=driver_id,
            target_kwh=None if target_wh is None else WattHours(target_wh),
        )
        answer: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        self._waiting[message_id] = answer
        link = self._links[next(self._numbers) % len(self._links)]
        if not link.is_open:
            raise ConnectionError("central has closed a driver's link")
        link.send(request)
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                return await answer
        finally:
            self._waiting.pop(message_id, None)

    def _answered(self, _: Peer, heard: Heard) -> None:
        waiting = self._waiting.get(heard.message_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(heard)
