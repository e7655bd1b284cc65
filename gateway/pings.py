"""Signs of life: a WebSocket ping to each charge point now and then, and an end to who is silent.

Theory of operation. Links are in slots, and each slot is looked at once in a turn. A link that was
heard of since the last look gets a ping and goes to another slot, about the interval later: by
chance, so that pings come neither all at once nor in step with heartbeats. One that was not heard
of is given up; so the death of a peer is noticed within two intervals. Of a socket that we do not
read nothing can be heard: its death the kernel tells (TCP_USER_TIMEOUT).
"""

import asyncio
import random

from gateway.ending import Ending
from gateway.link import Hold, Link

SLOTS = 64
"""Slots in a turn; the longest wait must be less than all of them."""

INTERVAL_SLOTS = 40
"""Slots from one ping to the next, on average."""

SPREAD = 0.1
"""The part of the interval by which a ping may come earlier or later."""


class Pings:
    """Pings links until they have ended.

    Args:
        interval: Seconds between two pings of a link, on average.
    """

    def __init__(self, interval: float) -> None:
        self._tick = interval / INTERVAL_SLOTS
        self._slots: list[list[Link]] = [[] for _ in range(SLOTS)]
        self._now = 0
        self._chance = random.Random()  # noqa: S311 -- when to ping is no secret

    def add(self, link: Link) -> None:
        """Ping this link from now on."""
        # The first one is spread over the whole interval: many connect at the same time.
        self._put(link, self._chance.randint(1, INTERVAL_SLOTS))

    async def run(self) -> None:
        """Do so, for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self._tick, loop.time())
            await asyncio.sleep(due - loop.time())
            self.turn()

    def turn(self) -> None:
        """Look at the next slot."""
        self._now = (self._now + 1) % SLOTS
        links, self._slots[self._now] = self._slots[self._now], []
        for link in links:
            if link.ending is not None:
                continue
            if not link.heard and not link.holds:
                link.close(Ending.SILENT)
            elif not link.heard and link.holds is Hold.WRITING:
                link.close(Ending.SLOW_READER)
            else:
                link.heard = False
                link.ping()
                low, high = 1 - SPREAD, 1 + SPREAD
                wait = self._chance.uniform(low, high) * INTERVAL_SLOTS
                self._put(link, round(wait))

    def _put(self, link: Link, slots: int) -> None:
        self._slots[(self._now + slots) % SLOTS].append(link)
