"""Id tags in the database: changed beside a central that serves, on every kind of database."""

import asyncio

import pytest

from central.rules.records import StoredTag
from central.store import SaveIdTag, Store, id_tags
from common.errors import CannotStart
from common.gateway_messages import IdTagRow


def tag(id_tag: str, **more: object) -> IdTagRow:
    return IdTagRow(id_tag=id_tag, **more)  # type: ignore[arg-type]


async def seen(store: Store, after: int = 0) -> list[tuple[str, bool, int]]:
    """What a serving central finds that is new: id tag, whether it was removed, and its number."""
    return [(s.tag.id_tag, s.removed, s.change) for s in await store.id_tags(after)]


async def test_a_serving_central_finds_what_is_done_beside_it(store: Store, url: str) -> None:
    """Each with the next number, whoever did it."""
    await asyncio.to_thread(id_tags.save, url, [tag("A"), tag("B")])
    await store.write(SaveIdTag(StoredTag(tag=tag("C"))))
    blocked = await asyncio.to_thread(id_tags.change, url, "b", lambda _: tag("B", blocked=True))
    assert blocked.blocked
    assert await seen(store) == [("A", False, 1), ("C", False, 3), ("B", False, 4)]
    assert await asyncio.to_thread(id_tags.remove, url, "a")
    assert not await asyncio.to_thread(id_tags.remove, url, "a"), "it is not there any more"
    assert await seen(store, after=4) == [("A", True, 5)]
    assert id_tags.listed(url) == [tag("B", blocked=True), tag("C")]


async def test_two_changes_at_a_time_get_two_numbers(store: Store, url: str) -> None:
    """No change is seen before a lower one."""
    await asyncio.gather(*(asyncio.to_thread(id_tags.save, url, [tag(f"T-{n}")]) for n in range(5)))
    await asyncio.gather(*(store.write(SaveIdTag(StoredTag(tag=tag(f"S-{n}")))) for n in range(5)))
    assert [change for _, _, change in await seen(store)] == list(range(1, 11))


def test_what_is_refused_is_not_stored(store: Store, url: str) -> None:
    """The rule's own error comes through."""

    def no(_: IdTagRow | None) -> IdTagRow:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        id_tags.change(url, "A", no)
    assert id_tags.listed(url) == []


def test_a_database_that_cannot_be_used_is_a_sentence() -> None:
    with pytest.raises(CannotStart, match="cannot open the database"):
        id_tags.listed("postgresql://nobody@127.0.0.1:1/x")
