"""Id tags: found in any case, changed by operators, and beside a central that serves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from central.__main__ import main
from central.rules.records import StoredTag
from central.store import SaveIdTag
from central.store import id_tags as beside
from common.dispatch import Peer
from common.errors import Reason, Refused
from common.gateway_messages import (
    IdTagChange,
    IdTagChangeResponse,
    IdTagRow,
    IdTagsRequest,
    IdTagsResponse,
    IdTagStatus,
)
from common.messages import Message, Role
from tests.central.gateways.charge_point import NOW, ChargePoint, tag
from tests.central.gateways.desk import Desk, desk
from tests.central.parts import eventually

_T = IdTagStatus


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, NOW) as made:
        yield made


async def asked(one: Desk, message: Message) -> Message:
    """What an operator's console is answered."""
    outcome = one.central.dispatcher.call(message, Peer(role=Role.ADMIN, id="op"))
    answer = await outcome if asyncio.iscoroutine(outcome) else outcome
    assert isinstance(answer, Message)
    return answer


async def page(one: Desk, request: IdTagsRequest) -> tuple[list[str], str | None]:
    answer = await asked(one, request)
    assert isinstance(answer, IdTagsResponse)
    return [row.id_tag for row in answer.id_tags], answer.next


async def change(one: Desk, row: IdTagRow, *, remove: bool = False) -> None:
    answer = await asked(one, IdTagChange(id_tag=row, remove=remove))
    assert isinstance(answer, IdTagChangeResponse)


async def said(cp: ChargePoint, id_tag: str) -> IdTagStatus:
    info = (await cp.authorize(id_tag)).id_tag_info
    assert info is not None
    return info.status


async def test_what_an_operator_changes_counts_at_once(one: Desk) -> None:
    """And is in the audit log."""
    cp = await ChargePoint(one).boot()
    statuses = [await said(cp, "TAG")]
    for step in (tag("TAG"), tag("tag", blocked=True), tag("TAG", expires_at=1), tag("TAG")):
        await change(one, step)
        statuses.append(await said(cp, "TAG"))
    await change(one, tag("Tag"), remove=True)
    statuses.append(await said(cp, "TAG"))
    assert statuses == [
        _T.INVALID,
        _T.ACCEPTED,
        _T.BLOCKED,
        _T.EXPIRED,
        _T.ACCEPTED,
        _T.INVALID,
    ]
    entries, _ = await one.central.store.audit(limit=10)
    assert [(e.admin_id, e.command, e.reason) for e in entries[:2]] == [
        ("op", "remove_id_tag", "id tag Tag"),
        ("op", "save_id_tag", "id tag TAG"),
    ]


async def test_what_is_changed_beside_a_central_counts_within_a_second(
    one: Desk, tmp_path: Path
) -> None:
    """It looks twice a second; nobody has to tell it."""
    url = f"sqlite:///{tmp_path / 'central.db'}"
    looking = asyncio.ensure_future(one.central.id_tags.run())
    try:
        await asyncio.to_thread(beside.save, url, [tag("NEW", driver_id="ana"), tag("OLD")])
        await eventually(lambda: one.central.id_tags.find("new"))
        assert one.central.id_tags.driver_of("new") == "ana"
        assert one.central.id_tags.tag_of("ana") == "NEW"
        await asyncio.to_thread(beside.remove, url, "new")
        await eventually(lambda: one.central.id_tags.find("new") is None)
        assert one.central.id_tags.tag_of("ana") == "ana"
    finally:
        looking.cancel()
        await asyncio.wait([looking])


async def test_id_tags_survive_a_restart(tmp_path: Path) -> None:
    """Also that one was removed."""
    rows = [tag("A", driver_id="ana", parent_id_tag="P", expires_at=NOW, note="n"), tag("B")]
    async with desk(tmp_path, NOW) as one:
        for row in rows:
            await change(one, row)
        await change(one, tag("B"), remove=True)
    async with desk(tmp_path, NOW) as one:
        assert list(one.central.id_tags.after(None)) == rows[:1]


async def test_a_removed_id_tag_may_come_back(one: Desk) -> None:
    await change(one, tag("A", driver_id="ana"))
    await change(one, tag("A"), remove=True)
    await change(one, tag("A", driver_id="bo"))
    assert (one.central.id_tags.driver_of("a"), one.central.id_tags.tag_of("ana")) == ("bo", "ana")
    assert await page(one, IdTagsRequest()) == (["A"], None)


async def test_a_page_goes_on_where_the_last_one_ended(one: Desk) -> None:
    """In the order of the id tags, whatever their case."""
    for each in ("b", "C", "A", "d"):
        await change(one, tag(each))
    first, following = await page(one, IdTagsRequest(limit=3))
    assert (first, following) == (["A", "b", "C"], "C")
    assert await page(one, IdTagsRequest(limit=3, after=following)) == (["d"], None)
    assert await page(one, IdTagsRequest(id_tag="B")) == (["b"], None)
    assert await page(one, IdTagsRequest(id_tag="X")) == ([], None)


async def test_every_id_tag_is_on_one_page(one: Desk) -> None:
    """However many there are, and however long their notes."""
    tags = [tag(f"T-{n:04}", note="x" * 900) for n in range(300)]
    await one.central.store.write(*(SaveIdTag(StoredTag(tag=each)) for each in tags))
    await one.central.id_tags.refresh()
    seen: list[str] = []
    after = None
    while True:
        some, after = await page(one, IdTagsRequest(after=after, limit=200))
        seen += some
        if after is None:
            break
    assert seen == [each.id_tag for each in tags]


@pytest.mark.parametrize(
    ("row", "remove"), [(tag(""), False), (tag("x" * 21), False), (tag("NOBODY"), True)]
)
async def test_what_can_be_no_id_tag_is_refused(one: Desk, row: IdTagRow, remove: bool) -> None:
    with pytest.raises(Refused) as refused:
        await change(one, row, remove=remove)
    assert refused.value.reason is Reason.INVALID_MESSAGE
    assert "`$.id_tag.id_tag`" in refused.value.text


async def test_changes_get_numbers_that_grow(one: Desk) -> None:
    """Whoever looks for what is new finds all of it, once."""
    for each in ("A", "B", "A"):
        await change(one, tag(each))
    stored = await one.central.store.id_tags(0)
    assert [(each.tag.id_tag, each.change) for each in stored] == [("B", 2), ("A", 3)]
    assert await one.central.store.id_tags(3) == []


def test_id_tags_are_for_trying_out_accepted_where_central_is_told_so() -> None:
    """Its help says what for."""
    text = CliRunner().invoke(main, ["--help"]).output
    assert "--accept-unknown-id-tags" in text
    assert "for trying out" in " ".join(text.split())
