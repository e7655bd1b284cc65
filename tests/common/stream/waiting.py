"""Waits for what comes about, and fails when it does not."""

import asyncio
from collections.abc import Callable

from common.stream import Record, Subscription

PATIENCE = 40.0
"""Seconds for anything to happen: a killed broker takes 5 to be back, a loaded machine more."""


async def eventually(condition: Callable[[], object], within: float = PATIENCE) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  # what is waited for sets no event
            await asyncio.sleep(0.01)


async def take(subscription: Subscription, count: int, within: float = PATIENCE) -> list[Record]:
    """The next records, at least that many."""
    records: list[Record] = []
    async with asyncio.timeout(within):
        while len(records) < count:
            records += await anext(subscription)
    return records


def values(records: list[Record]) -> list[bytes]:
    """What the records say."""
    return [record.value for record in records]
