"""Only the central that was started last writes."""

import asyncio

import pytest

from central.store import AddToOutbox, Store, queries
from common.errors import StoreUnavailable
from tests.central.store.base import Base
from tests.central.store.samples import CLOCK, entry


async def test_the_epoch_grows_with_every_start(url: str) -> None:
    """From 1, durably, also where nothing else is ever written."""
    for expected in (1, 2, 3):
        store = Store.open(url, CLOCK)
        assert store.epoch == expected
        await store.close()


def test_nothing_is_written_under_an_old_epoch(url: str) -> None:
    """A central that was taken over from writes nothing any more, whenever it wakes."""
    old = Base(url)
    old.write(AddToOutbox(entry(1)))
    new = Base(url)
    for _ in range(2):
        (outcome,) = old.write_group([[AddToOutbox(entry(2))]])
        assert isinstance(outcome, StoreUnavailable)
        assert "another central has taken over" in str(outcome)
    new.write(AddToOutbox(entry(3)))
    with new.reading() as connection:
        assert [e.number for e in queries.outbox_page(connection, 0, 10)] == [1, 3]
    old.close()
    new.close()


async def test_a_store_that_was_taken_over_says_so(store: Store, url: str) -> None:
    """`lost_lead` is set with the first write that is refused for it."""
    await store.write(AddToOutbox(entry(1)))
    assert not store.lost_lead.is_set()
    later = Store.open(url, CLOCK)
    assert later.epoch == store.epoch + 1
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="another central has taken over"):
            await store.write(AddToOutbox(entry(2)))
    await asyncio.wait_for(store.lost_lead.wait(), 1)
    assert await later.outbox(0, 10) == [entry(1)]
    await later.close()
