"""When the database does not take writes: nothing is acknowledged, and it recovers by itself."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from central.store import AddToOutbox, Store, sqlite
from central.store.store import CALLERS_WAITING
from common.errors import Reason, Refused, StoreUnavailable
from tests.central.store.conftest import BUSY_TIMEOUT
from tests.central.store.samples import CLOCK, answer, entry


@pytest.fixture
async def store(sqlite_url: str) -> AsyncIterator[Store]:
    """A store on SQLite: what fails here fails in its own ways."""
    store = await asyncio.to_thread(Store.open, sqlite_url, CLOCK, busy_timeout=BUSY_TIMEOUT)
    yield store
    await store.close()


@pytest.fixture
def other(sqlite_url: str) -> "closing[sqlite3.Connection]":
    """Another program's connection to the same file."""
    return closing(sqlite3.connect(make_url(sqlite_url).database or "", isolation_level=None))


async def test_while_another_program_writes_callers_wait_and_then_fail(
    store: Store, other: "closing[sqlite3.Connection]"
) -> None:
    """They wait as long as they were told to, nothing is written, and afterwards all is well."""
    with other as connection:
        connection.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        failures = await asyncio.gather(
            *(store.write(AddToOutbox(entry(number))) for number in range(1, 11)),
            return_exceptions=True,
        )
        assert time.monotonic() - begun < 5
        assert [type(failure) for failure in failures] == [StoreUnavailable] * 10
        assert "locked" in str(failures[0])
        assert store.trouble is not None
        assert "locked" in store.trouble
        assert await store.outbox(0, 10) == [], "reads go on meanwhile"
        connection.execute("ROLLBACK")
    await store.write(AddToOutbox(entry(1)))
    assert store.trouble is None
    assert await store.outbox(0, 10) == [entry(1)]


async def test_a_full_disk_is_an_outage_and_not_the_end(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit is refused whole; once there is room again, it is taken."""
    store = Store.open(sqlite_url, CLOCK)
    await store.write(AddToOutbox(entry(1)))
    await store.close()
    pages = 80  # what the empty tables take, and a few more
    with monkeypatch.context() as full:
        full.setitem(sqlite.PRAGMAS, "max_page_count", pages)
        store = Store.open(sqlite_url, CLOCK)
        many = [AddToOutbox(entry(number)) for number in range(2, 10_000)]
        with pytest.raises(StoreUnavailable, match="full"):
            await store.write(*many)
        assert await store.outbox(0, 10) == [entry(1)]
    await store.write(*many)
    assert len(await store.outbox(0, 10_000)) == 9_999
    await store.close()


async def test_a_read_that_fails_is_an_outage_for_its_caller_only(
    store: Store, sqlite_url: str
) -> None:
    """Another caller, a moment later, has its answer."""
    await store.write(AddToOutbox(entry(1)))
    await store.outbox(0, 1)
    with closing(sqlite3.connect(make_url(sqlite_url).database or "")) as connection:
        connection.execute("ALTER TABLE answers RENAME TO mislaid")
        with pytest.raises(StoreUnavailable, match="no such table"):
            await store.answer(answer().key)
        connection.execute("ALTER TABLE mislaid RENAME TO answers")
    assert await store.answer(answer().key) is None
    assert await store.outbox(0, 10) == [entry(1)]


async def test_too_many_writers_are_refused(
    store: Store, other: "closing[sqlite3.Connection]"
) -> None:
    """What waits for the database is bounded; the one too many is told so at once."""
    with other as connection:
        connection.execute("BEGIN IMMEDIATE")
        tasks = [
            asyncio.create_task(store.write(AddToOutbox(entry(number))))
            for number in range(CALLERS_WAITING)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await store.write(AddToOutbox(entry(CALLERS_WAITING)))
        assert refused.value.reason is Reason.OVERLOADED
        connection.execute("ROLLBACK")
    await asyncio.gather(*tasks, return_exceptions=True)
    await store.write(AddToOutbox(entry(CALLERS_WAITING)))


def test_the_pragmas_are_in_force(tmp_path: Path) -> None:
    """WAL, a sync with each commit, references that are checked, and no writing by readers."""
    url = make_url(f"sqlite:///{tmp_path}/central.db")
    for writes in (True, False):
        with sqlite.engine(url, writes=writes, busy_timeout=0.2).connect() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in (*sqlite.PRAGMAS, "busy_timeout", "query_only")
            }
        assert found == sqlite.PRAGMAS | {"busy_timeout": 200, "query_only": int(not writes)}
    assert sqlite.PRAGMAS["journal_mode"] == "wal"
    assert sqlite.PRAGMAS["synchronous"] == 2, "FULL"
