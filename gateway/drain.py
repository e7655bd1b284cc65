"""The orderly end of a node's connections: not all at once, and none in the middle of a call."""

import asyncio
from collections import deque

from gateway.connections import Connections
from gateway.ending import Ending
from gateway.link import Link

LOOK_EVERY = 0.05
"""Seconds between two looks whether a call that was under way is answered."""


async def drain(connections: Connections, seconds: float) -> None:
    """Close all connections, spread over so many seconds, in which their calls may be answered.

    A charge point that is told to go comes back at once, elsewhere: who is there is not to get all
    of them in the same moment.
    """
    loop = asyncio.get_running_loop()
    begin = loop.time()
    waiting = deque(connections)
    total = len(waiting)
    while waiting:
        passed = loop.time() - begin
        over = passed >= seconds
        due = total if over else int(total * passed / seconds) + 1
        busy: list[Link] = []
        while waiting and total - len(waiting) - len(busy) < due:
            link = waiting.popleft()
            if link.unanswered and link.ending is None and not over:
                busy.append(link)
            else:
                link.close(Ending.DRAINED)
        waiting.extend(busy)
        if waiting:
            await asyncio.sleep(min(LOOK_EVERY, max(0.0, seconds - passed)))
