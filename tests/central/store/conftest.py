"""An empty database, and a store on it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from central.store import Store, migrate_database
from tests.central.store.base import Base
from tests.central.store.samples import CLOCK
from tests.postgres.server import new_database

KINDS = ("sqlite", "postgresql")
"""The kinds of database that the store's promises are tested on."""

BUSY_TIMEOUT = 0.05
"""Seconds that a write waits for another program's transaction in these tests."""


def empty_database(request: pytest.FixtureRequest, folder: Path) -> str:
    """The URL of a new database of this kind, which a central may open."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'central.db'}"
    url = new_database(request.getfixturevalue("postgres"))
    migrate_database(url)  # a central does not do that by itself
    return url


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    return empty_database(request, tmp_path)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An empty SQLite database, for what is SQLite's own."""
    return f"sqlite:///{tmp_path / 'central.db'}"


@pytest.fixture(params=KINDS, scope="module")
def base(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Base]:
    """The store without its threads, the same one for a whole module."""
    base = Base(empty_database(request, tmp_path_factory.mktemp("base")))
    yield base
    base.close()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """A store on an empty database."""
    store = await asyncio.to_thread(Store.open, url, CLOCK, busy_timeout=BUSY_TIMEOUT)
    yield store
    await store.close()
