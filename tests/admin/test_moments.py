"""Times as an operator writes them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.moments import parse, shown

NOW = 1_790_000_000.9


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 1_790_000_000),
        ("90s", 1_789_999_910),
        ("2h", 1_789_992_800),
        ("7d", 1_789_395_200),
        ("1w", 1_789_395_200),
        ("999999999w", 0),
        ("1790000000", 1_790_000_000),
        ("2026-09-21T12:26:40Z", 1_789_993_600),
        ("2026-09-21T14:26:40+02:00", 1_789_993_600),
    ],
)
def test_a_time_is_a_duration_ago_a_date_or_unix_seconds(text: str, seconds: int) -> None:
    assert parse(text, NOW) == seconds


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)))
def test_a_time_without_a_zone_is_a_local_one(moment: datetime) -> None:
    """As the tables show it."""
    whole = moment.replace(microsecond=0, fold=0)
    assert parse(whole.isoformat(), NOW) == int(whole.astimezone(UTC).timestamp())


@pytest.mark.parametrize("text", ["", "soon", "2x", "h", "-1h", "2026-13-01", "1e9", "1969-12-30"])
def test_what_is_no_time_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no time: write 2h|before 1970"):
        parse(text, NOW)


def test_no_time_is_shown_as_nothing() -> None:
    assert shown(None) == shown(0) == ""
    assert shown(1_790_000_000).startswith("2026-09-2")
