"""What an operator does: now and then an order; in the end everything is back in order."""

import asyncio
from contextlib import suppress
from random import Random

from admin.client import Client, NotAnswered
from common.errors import ChargingError, Refused
from common.messages import ManualCommand, ManualCommandName
from common.units import Price

ORDERS = (
    ManualCommandName.STOP_CP,
    ManualCommandName.RESUME_CP,
    ManualCommandName.RESUME_CP,
    ManualCommandName.STOP_CHARGING,
    ManualCommandName.SET_PRICE,
)


class Orders:
    """An operator's; they outlive the console.

    Args:
        points: Which charge points there are.
    """

    def __init__(self, random: Random, points: list[str]) -> None:
        self._random = random
        self._points = points
        self._left = random.choice((0, 0, 1, 3, 5))
        self._enough = asyncio.Event()

    def enough(self) -> None:
        """No more orders, but that every point is to serve."""
        self._enough.set()

    async def give(self, client: Client) -> None:
        """Give orders, and in the end the last one."""
        while not self._enough.is_set():
            wait = self._random.uniform(1.0, 15.0) if self._left else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._enough.wait()
            if self._left and not self._enough.is_set():
                self._left -= 1
                with suppress(Refused, NotAnswered):
                    await client.ask(self._order())
        await self._resume_all(client)

    def _order(self) -> ManualCommand:
        command = self._random.choice(ORDERS)
        priced = command is ManualCommandName.SET_PRICE
        return ManualCommand(
            command=command,
            cp_id=self._random.choice(self._points),
            price_per_kwh=Price(self._random.randrange(1_000, 9_000)) if priced else None,
        )

    async def _resume_all(self, client: Client) -> None:
        while True:
            with suppress(ChargingError):
                answer = await client.ask(
                    ManualCommand(command=ManualCommandName.RESUME_CP, cp_id="*")
                )
                if answer.succeeded >= len(self._points):
                    return
            await asyncio.sleep(1.0)
