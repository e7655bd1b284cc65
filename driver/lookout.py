"""Asks the history where Kafka is silent, so that a charge shows and ends all the same."""

import asyncio
from typing import Protocol

from common.clock import Clock
from common.errors import ChargingError
from common.states import SessionState
from driver.charge import Charge
from driver.client import Client
from driver.lists import find_session
from driver.screen import Screen
from driver.watch import Watch

LOOK_EVERY = 2.0
"""Seconds between two looks at the history."""

QUIET = 3.0
"""Seconds without a word by Kafka that call for a look: readings come every second."""


class LiveData(Protocol):
    """What comes by Kafka, once it has been asked to come."""

    @property
    def following(self) -> bool: ...

    def start(self) -> None: ...


class Lookout:
    """Keeps a watch supplied from the history: at once, then whenever Kafka brings nothing."""

    def __init__(
        self,
        driver_id: str,
        client: Client,
        watch: Watch,
        live: LiveData,
        screen: Screen,
        clock: Clock,
    ) -> None:
        self._driver_id = driver_id
        self._client = client
        self._watch = watch
        self._live = live
        self._screen = screen
        self._clock = clock

    async def run(self) -> None:
        """Look until cancelled."""
        # The first look makes up for what was told before anybody listened.
        caught_up, said = await self._look(), False
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if not caught_up:
                caught_up = await self._look()
                continue
            if not self._needed():
                continue
            before = self._watch.charge
            await self._look()
            if not said and self._was_missed(before):
                text = f"no live data by Kafka: asking CENTRAL every {LOOK_EVERY:g} s"
                self._screen.say(text, "yellow")
                said = True

    def _needed(self) -> bool:
        charge = self._watch.charge
        quiet = self._clock.monotonic() - self._watch.heard_at >= QUIET
        unfinished = (
            charge is not None and charge.state is SessionState.COMPLETED and not charge.over
        )
        return quiet or unfinished or not self._live.following

    def _was_missed(self, before: Charge | None) -> bool:
        """Whether a look showed what Kafka should have told; an end has nothing more to say."""
        now = self._watch.charge
        return now is not None and now != before and not now.over

    async def _look(self) -> bool:
        """Whether the session was found in the history, and told to the watch."""
        charge = self._watch.charge
        if charge is None or self._client.link is None:
            return False
        try:
            row = await find_session(self._client, self._driver_id, charge.session_id)
        except ChargingError:
            return False  # asked again in a moment
        if row is not None:
            self._watch.told(row)
        return row is not None
