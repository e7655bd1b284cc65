"""A driver's history, page by page."""

import asyncio
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.store import SavePoint, SaveSession, Store, queries
from tests.central.store.base import Base
from tests.central.store.samples import NOW, over, point, session

fresh = count()


@given(times=st.lists(st.integers(0, 5), max_size=12), limit=st.integers(1, 5))
def test_pages_have_every_session_once_newest_first(
    base: Base, times: list[int], limit: int
) -> None:
    """Also where many began in the same millisecond, and whatever the size of a page."""
    n = next(fresh)
    driver = f"D-{n}"
    mine = [
        over(session(f"{n}-{i}", driver_id=driver, requested_ms=NOW + ms))
        for i, ms in enumerate(times)
    ]
    other = over(session(f"{n}-x", driver_id=f"{driver}x", requested_ms=NOW))
    base.write(SavePoint(point()), *map(SaveSession, mine), SaveSession(other))
    seen = []
    cursor: str | None = None
    with base.reading() as connection:
        while True:
            place = None if cursor is None else queries.place_of(cursor)
            page, cursor = queries.session_list(connection, None, driver, None, None, place, limit)
            seen += page
            if cursor is None:
                break
            assert len(page) == limit
            assert len(cursor) <= 150
    assert seen == sorted(mine, key=lambda s: (s.requested_ms, s.session_id), reverse=True)


async def test_a_session_that_begins_meanwhile_moves_no_page(store: Store) -> None:
    """A cursor is a place in time, not a count of rows."""
    old = [over(session(f"s-{n}", requested_ms=NOW + n)) for n in range(4)]
    await store.write(SavePoint(point()), *map(SaveSession, old))
    first, cursor = await store.session_list(driver_id="D-1", after=None, limit=2)
    await store.write(SaveSession(session("new", requested_ms=NOW + 99)))
    second, end = await store.session_list(driver_id="D-1", after=cursor, limit=2)
    assert [s.session_id for s in first + second] == ["s-3", "s-2", "s-1", "s-0"]
    assert end is None


async def test_a_page_is_bounded_whatever_is_asked_for(store: Store) -> None:
    """200 rows at most; none for a limit of 0, and then there is no next page."""
    many = [over(session(f"s-{n}", requested_ms=NOW + n)) for n in range(201)]
    await store.write(SavePoint(point()), *map(SaveSession, many))
    page, cursor = await store.session_list(driver_id="D-1", after=None, limit=1_000_000)
    assert len(page) == 200
    assert cursor is not None
    assert await store.session_list(driver_id="D-1", after=None, limit=0) == ([], None)


@pytest.mark.parametrize(
    "cursor", ["", "/", "12", "12/", "x/s-1", "-1/s-1", "1_0/s", "9" * 19 + "/s"]
)
async def test_a_cursor_that_is_none_is_a_value_error(store: Store, cursor: str) -> None:
    """It came from a peer, so it is validated; nothing is read."""
    with pytest.raises(ValueError, match="no cursor of this list"):
        await asyncio.wait_for(store.session_list(driver_id="D-1", after=cursor, limit=10), 1)
