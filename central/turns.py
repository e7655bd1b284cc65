"""Taking turns: how central keeps serving when more is asked of it than it can do.

Theory of operation. Whatever is begun slows down all that is in work already, so under overload
everything would be begun and nothing would be done in time. A bounded number is in work; some more
wait, which costs nothing; the rest is refused at once, which costs little. How fast central is need
not be known for that.
"""

import asyncio

from common.errors import Reason, Refused

TURNS = 256
"""Charges that are being admitted and stored at once: enough to fill the groups that a disk commits
together."""

MOST_WAITING = 512
"""Requests that wait for a turn; a further one is `overloaded`. Under full load they wait for a
third of a second."""

TURN_WITHIN = 1.0
"""Seconds for which a request waits for its turn; then it is `overloaded`: the database hangs."""


class Turns:
    """A block that so many may be in at once: `async with turns: ...`.

    Entering waits for a turn, first come, first served. Cancelling it is safe.

    Raises:
        Refused: `overloaded`, on entering: too many wait already, or the turn does not come.
    """

    def __init__(self, turns: int = TURNS, most_waiting: int = MOST_WAITING) -> None:
        self._turns = asyncio.Semaphore(turns)
        self._most_waiting = most_waiting
        self._waiting = 0

    def check(self) -> None:
        """Refuse at once what would have to wait behind too many.

        Raises:
            Refused: `overloaded`.
        """
        if self._waiting >= self._most_waiting:
            raise _too_much()

    async def __aenter__(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()  # at once
            return
        self.check()
        self._waiting += 1
        try:
            async with asyncio.timeout(TURN_WITHIN):
                await self._turns.acquire()
        except TimeoutError:
            raise _too_much() from None
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._turns.release()


def _too_much() -> Refused:
    return Refused(Reason.OVERLOADED, "central has more to do than it can; try again later")
