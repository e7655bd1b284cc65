"""When a PostgreSQL server goes: nothing is acknowledged that is not stored, and it heals."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import count

import pytest

from central.store import AddToOutbox, Store, migrate_database
from common.errors import CannotStart, StoreUnavailable
from tests.central.store.samples import CLOCK, answer, entry
from tests.postgres.proxy import Proxy
from tests.postgres.server import Server, new_database


@pytest.fixture
async def store(own_postgres: Server) -> AsyncIterator[Store]:
    """A store on a server of this test's own."""
    url = own_postgres.database()
    migrate_database(url)
    store = await asyncio.to_thread(Store.open, url, CLOCK)
    yield store
    await store.close()


async def test_a_server_that_is_killed_is_an_outage_and_heals(
    store: Store, own_postgres: Server
) -> None:
    """Reads and writes are refused at once meanwhile; what was acknowledged is there afterwards."""
    await store.write(AddToOutbox(entry(1)))
    assert await store.outbox(0, 10) == [entry(1)]
    own_postgres.kill()
    for _ in range(3):
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.write(AddToOutbox(entry(2)))
        with pytest.raises(StoreUnavailable):
            await store.answer(answer().key)
        assert time.monotonic() - begun < 5
    assert store.trouble is not None
    own_postgres.start()
    await store.write(AddToOutbox(entry(3)))
    assert store.trouble is None
    assert await store.outbox(0, 10) == [entry(1), entry(3)]


async def test_writes_during_kills_are_stored_exactly_if_they_were_acknowledged(
    store: Store, own_postgres: Server
) -> None:
    """Whatever the moment of the kill was."""
    acknowledged: set[int] = set()
    refused: set[int] = set()
    numbers = count(1)

    async def write_some(enough: int) -> None:
        while len(acknowledged) < enough:
            number = next(numbers)
            try:
                await store.write(AddToOutbox(entry(number)))
            except StoreUnavailable:
                refused.add(number)
                await asyncio.sleep(0.01)
            else:
                acknowledged.add(number)

    for round_ in range(1, 4):
        async with asyncio.TaskGroup() as writing:
            for _ in range(20):
                writing.create_task(write_some(round_ * 1_000))
            await write_some(round_ * 1_000 - 500)
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.to_thread(own_postgres.start)
    stored = {each.number for each in await store.outbox(0, 10_000)}
    assert not stored ^ acknowledged
    assert refused


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
async def test_a_commit_whose_end_is_not_heard_is_looked_up(postgres: str, committed: bool) -> None:
    """The connection is cut while it commits: it is acknowledged if, and only if, it did."""
    url = new_database(postgres)
    migrate_database(url)
    port = int(url.rpartition("/")[0].rpartition(":")[2])
    with Proxy(port) as proxy:
        through = url.replace(f":{port}/", f":{proxy.port}/")
        store = await asyncio.to_thread(Store.open, through, CLOCK)
        await store.write(AddToOutbox(entry(1)))
        proxy.passed_on, proxy.cut_at = committed, b"COMMIT"
        if committed:
            await store.write(AddToOutbox(entry(2)))
        else:
            with pytest.raises(StoreUnavailable):
                await store.write(AddToOutbox(entry(2)))
        assert proxy.cuts == 1
        await store.write(AddToOutbox(entry(3)))
        numbers = [each.number for each in await store.outbox(0, 10)]
        assert numbers == ([1, 2, 3] if committed else [1, 3])
        await store.close()


async def test_a_commit_is_in_doubt_for_as_long_as_the_server_is_away(
    own_postgres: Server,
) -> None:
    """Its caller waits; the server's word decides when it is back."""
    url = own_postgres.database()
    migrate_database(url)
    with Proxy(own_postgres.port) as proxy:
        through = url.replace(f":{own_postgres.port}/", f":{proxy.port}/")
        store = await asyncio.to_thread(Store.open, through, CLOCK)
        await store.write(AddToOutbox(entry(1)))
        proxy.passed_on, proxy.cut_at = False, b"COMMIT"
        proxy.on_cut = own_postgres.kill
        writing = asyncio.create_task(store.write(AddToOutbox(entry(2))))
        done, _ = await asyncio.wait([writing], timeout=1.0)
        assert not done
        own_postgres.start()
        with pytest.raises(StoreUnavailable):
            await writing
        assert [each.number for each in await store.outbox(0, 10)] == [1]
        await store.close()


def test_a_server_that_is_not_there_is_a_sentence_at_the_start(own_postgres: Server) -> None:
    """Without a traceback, and without the password."""
    url = own_postgres.database().replace("postgres@", "postgres:secret@")
    own_postgres.stop()
    with pytest.raises(CannotStart) as refused:
        Store.open(url, CLOCK)
    assert str(refused.value).startswith("cannot open the database postgresql")
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)
