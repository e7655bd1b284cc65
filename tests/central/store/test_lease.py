"""Whose database it is: taken as it was seen, by one of those that want it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from central.store import RenewLease, Store
from central.store.database import Database, opened
from central.store.lease import give_back, look, take, take_at_once
from common.errors import CannotStart, StoreUnavailable
from tests.central.store.samples import CLOCK


@pytest.fixture
def database(url: str) -> Database:
    """An empty database."""
    return opened(url)


def test_nobody_leads_at_first(database: Database) -> None:
    """And then whoever takes the lease, with epoch 1."""
    assert look(database) is None
    assert take(database, "here:1", CLOCK, None) == 1
    leader = look(database)
    assert leader is not None
    assert (leader.address, leader.epoch) == ("here:1", 1)
    assert 0 <= leader.age < 5, "not renewed by the database's own clock"


def test_one_of_many_takes_it(database: Database) -> None:
    """Those that saw the same lease want the same epoch, and one of them gets it."""
    take_at_once(database, "here:1", CLOCK)
    seen = look(database)
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda n: take(database, f"there:{n}", CLOCK, seen), range(8)))
    assert sorted(epoch or 0 for epoch in taken) == [0] * 7 + [2]
    leader = look(database)
    assert leader is not None
    assert leader.address == f"there:{taken.index(2)}"


async def test_what_was_renewed_since_is_not_taken(database: Database) -> None:
    """A renewal between the look and the take keeps the lease."""
    store = Store(database, take_at_once(database, "here:1", CLOCK), b"")
    seen = look(database)
    await asyncio.sleep(0.002)  # the clock of SQLite has milliseconds
    await store.write(RenewLease())
    assert take(database, "there:1", CLOCK, seen) is None
    renewed = look(database)
    assert seen is not None
    assert renewed is not None
    assert renewed.epoch == seen.epoch == 1
    assert renewed.renewed_at > seen.renewed_at
    await store.close()


async def test_who_was_overtaken_renews_nothing(database: Database) -> None:
    """Its epoch is not the lease's any more."""
    store = Store(database, take_at_once(database, "here:1", CLOCK), b"")
    assert take_at_once(database, "there:1", CLOCK) == 2
    before = look(database)
    with pytest.raises(StoreUnavailable, match="another central has taken over"):
        await store.write(RenewLease())
    after = look(database)
    assert before is not None
    assert after is not None
    assert (after.epoch, after.address, after.renewed_at) == (2, "there:1", before.renewed_at)
    await store.close()


def test_a_lease_that_was_given_back_is_nobodys(database: Database) -> None:
    """Only its holder gives it back."""
    take_at_once(database, "here:1", CLOCK)
    give_back(database, 7)
    leader = look(database)
    assert leader is not None
    assert leader.address == "here:1"
    give_back(database, 1)
    leader = look(database)
    assert leader is not None
    assert (leader.address, leader.epoch) == ("", 1)
    assert leader.age > 1_000_000


def test_a_database_that_does_not_answer_says_so(database: Database) -> None:
    """In a sentence, whatever is asked of it."""
    with database.writing.begin() as connection:
        connection.execute(text("DROP TABLE lease"))
    for ask in (
        lambda: look(database),
        lambda: take(database, "here:1", CLOCK, None),
        lambda: give_back(database, 1),
    ):
        with pytest.raises(StoreUnavailable, match="lease"):
            ask()
    with pytest.raises(CannotStart, match="cannot take the database over"):
        take_at_once(database, "here:1", CLOCK)
