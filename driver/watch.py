"""The charge that is being watched: moved by what central tells, waited for by who shows it.

What central tells of a session may come before the answer that names the session, for they take
different ways. So what is not of the charge that is watched is kept for a while.
"""

import asyncio
from collections import deque
from functools import reduce

from common.clock import Clock
from common.messages import SessionRow
from driver.charge import Charge, Event, seen, told

KEPT = 100
"""Messages about other sessions that are kept: far more than come before an answer does."""


class Watch:
    """At most one charge at a time.

    Attributes:
        charge: The one that is watched; None while there is none.
        heard_at: When something of it last came by Kafka, by the clock's monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self.charge: Charge | None = None
        self.heard_at = clock.monotonic()
        self._clock = clock
        self._early: deque[Event] = deque(maxlen=KEPT)
        self._moved = asyncio.Event()

    def follow(self, charge: Charge) -> None:
        """Watch this charge, and no other any more."""
        self.charge = reduce(seen, self._early, charge)
        self._early.clear()
        self.heard_at = self._clock.monotonic()
        self._moved.set()

    def seen(self, event: Event) -> None:
        """Central told something by Kafka."""
        if self.charge is None or event.session_id != self.charge.session_id:
            self._early.append(event)
            return
        self.heard_at = self._clock.monotonic()
        self._move(seen(self.charge, event))

    def told(self, row: SessionRow) -> bool:
        """The history says this; whether that was news."""
        return self.charge is not None and self._move(told(self.charge, row))

    async def moved(self) -> Charge:
        """The charge, once it has changed since the last call."""
        await self._moved.wait()
        self._moved.clear()
        assert self.charge is not None
        return self.charge

    def _move(self, charge: Charge) -> bool:
        if charge == self.charge:
            return False
        self.charge = charge
        self._moved.set()
        return True
