"""An empty database, and a store on it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from central.store import Store
from tests.central.store.base import Base
from tests.central.store.samples import CLOCK

KINDS = ("sqlite",)
"""The kinds of database that the store's promises are tested on."""

BUSY_TIMEOUT = 0.05
"""Seconds that a write waits for another program's transaction in these tests."""


def empty_database(kind: str, folder: Path) -> str:
    """The URL of a new database without tables."""
    assert kind == "sqlite"
    return f"sqlite:///{folder / 'central.db'}"


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    return empty_database(request.param, tmp_path)


@pytest.fixture(params=KINDS, scope="module")
def base(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Base]:
    """The store without its threads, the same one for a whole module."""
    base = Base(empty_database(request.param, tmp_path_factory.mktemp("base")))
    yield base
    base.close()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """A store on an empty database."""
    store = await asyncio.to_thread(Store.open, url, CLOCK, busy_timeout=BUSY_TIMEOUT)
    yield store
    await store.close()
