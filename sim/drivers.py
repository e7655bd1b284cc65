"""What drivers want: a few charges, one after the other, some of them stopped before their end."""

import asyncio
from contextlib import suppress
from random import Random

from common.errors import Refused
from common.units import WattHours
from driver.app import App
from driver.charge import Charge
from driver.client import NotAnswered
from driver.state import NotRemembered


class Wishes:
    """One driver's; they outlive its app.

    Args:
        points: Where to charge.

    Attributes:
        seen: The charges whose end was shown.
    """

    def __init__(self, random: Random, points: list[str]) -> None:
        self.seen: list[Charge] = []
        self._random = random
        self._points = points
        self._left = random.randint(2, 5)
        self._enough = asyncio.Event()

    def enough(self) -> None:
        """No new charge; what has begun is seen to its end."""
        self._left = 0
        self._enough.set()

    async def live(self, app: App) -> int:
        """Charge, in this run of the app, until nothing is wanted any more."""
        while (unfinished := app.charging.unfinished()) or self._left > 0:
            if unfinished is not None:
                cp_id, target = unfinished.cp_id, unfinished.target_kwh
            else:
                await asyncio.sleep(self._random.uniform(0.1, 4.0))
                if self._left <= 0:
                    break
                self._left -= 1
                cp_id = self._random.choice(self._points)
                target = WattHours(self._random.choice((50, 300, 800, 1_500)))
            await self._charge(app, cp_id, target)
        return 0

    async def _charge(self, app: App, cp_id: str, target: WattHours | None) -> None:
        stopping = None
        if self._random.random() < 0.3:
            stopping = asyncio.ensure_future(self._stop(app, self._random.uniform(0.5, 9.0)))
        try:
            self.seen.append(await app.charging.charge(cp_id, None, target))
        except (Refused, NotAnswered, NotRemembered):
            await asyncio.sleep(self._random.uniform(0.5, 3.0))
        finally:
            if stopping is not None:
                stopping.cancel()

    async def _stop(self, app: App, after: float) -> None:
        await asyncio.sleep(after)
        with suppress(Refused, NotAnswered, NotRemembered):
            session = await app.charging.running()
            if session is not None:
                await app.charging.stop(session)
