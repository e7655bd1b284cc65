"""Who may charge by which id tag, and whose charge it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert

from central.rules.id_tags import (
    MAX_LENGTH,
    are_one_group,
    driver_of,
    folded,
    info_of,
    status_of,
    tag_of,
)
from common.gateway_messages import IdTagInfo, IdTagRow, IdTagStatus
from common.units import DriverId

_T = IdTagStatus
NOW = 1_790_000_000.0

texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20)
drivers = st.from_regex(r"[A-Za-z0-9_.-]{1,36}", fullmatch=True)


def tag(id_tag: str = "TAG", **more: object) -> IdTagRow:
    return IdTagRow(id_tag=id_tag, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "running", "status"),
    [
        (tag(), 0, _T.ACCEPTED),
        (tag(expires_at=int(NOW) + 1), 0, _T.ACCEPTED),
        (tag(expires_at=int(NOW)), 0, _T.EXPIRED),
        (tag(blocked=True, expires_at=1), 5, _T.BLOCKED),
        (tag(expires_at=1), 5, _T.EXPIRED),
        (tag(), 1, _T.CONCURRENT_TX),
        (tag(max_concurrent=2), 1, _T.ACCEPTED),
        (tag(max_concurrent=2), 2, _T.CONCURRENT_TX),
        (None, 0, _T.INVALID),
    ],
)
def test_the_first_reason_against_an_id_tag_counts(
    row: IdTagRow | None, running: int, status: IdTagStatus
) -> None:
    assert status_of(row, now=NOW, running=running) is status


def test_an_unknown_id_tag_is_accepted_once_at_a_time_where_that_is_wanted() -> None:
    assert status_of(None, now=NOW, accept_unknown=True) is _T.ACCEPTED
    assert status_of(None, now=NOW, running=1, accept_unknown=True) is _T.CONCURRENT_TX


def test_a_charge_point_is_told_when_it_expires_and_its_parent() -> None:
    """An empty parent is none."""
    known = tag(expires_at=7, parent_id_tag="FAMILY")
    assert info_of(known, _T.ACCEPTED) == IdTagInfo(
        status=_T.ACCEPTED, expires_at=7, parent_id_tag="FAMILY"
    )
    assert info_of(tag(parent_id_tag=""), _T.BLOCKED) == IdTagInfo(status=_T.BLOCKED)
    assert info_of(None, _T.INVALID) == IdTagInfo(status=_T.INVALID)


def test_a_charge_is_of_the_driver_that_the_id_tag_was_given_to() -> None:
    """Else of the id tag itself, as it was stored; else of an id that is always the same."""
    assert driver_of("tag", tag("TAG", driver_id="ana")) == "ana"
    assert driver_of("tag", tag("TAG")) == "TAG"
    assert driver_of("tag", None) == "tag"
    assert driver_of("a card!", None) == driver_of("A CARD!", None) != driver_of("b card!", None)


@given(texts)
def test_every_id_tag_has_a_driver(id_tag: str) -> None:
    """Whose id can be one."""
    convert(driver_of(id_tag, None), DriverId)


@given(drivers, st.lists(st.booleans(), max_size=3))
def test_every_driver_has_an_id_tag(driver_id: str, blocked: list[bool]) -> None:
    """One that fits OCPP, and his own where one of his is not blocked."""
    own = [tag(f"T-{n}", blocked=is_blocked) for n, is_blocked in enumerate(blocked)]
    told = tag_of(driver_id, own)
    assert 1 <= len(told) <= MAX_LENGTH
    assert told == tag_of(driver_id, own)
    usable = [each.id_tag for each in own if not each.blocked]
    assert told in usable if usable else (told == driver_id or len(driver_id) > MAX_LENGTH)


def test_a_driver_without_id_tags_is_known_by_his_own_id() -> None:
    assert tag_of("ana", []) == "ana"


@pytest.mark.parametrize(
    ("one", "other", "parents", "same"),
    [
        ("A", "a", (None, None), True),
        ("A", "B", (None, None), False),
        ("A", "B", ("F", "f"), True),
        ("A", "B", ("F", "G"), False),
        ("A", "F", ("F", None), True),
        ("A", "a", ("F", "G"), True),
        ("A", "B", ("", ""), False),
    ],
)
def test_id_tags_are_of_one_group_by_their_parent(
    one: str, other: str, parents: tuple[str | None, str | None], same: bool
) -> None:
    """The parent itself is of the group as well."""
    assert are_one_group(one, other, parents) is same
    assert are_one_group(other, one, (parents[1], parents[0])) is same


@given(texts)
def test_an_id_tag_is_the_same_in_any_case(id_tag: str) -> None:
    assert folded(id_tag) == folded(folded(id_tag))
