"""Times and decimals: what is read, what is written, and what is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.v16.types import (
    Digits,
    Tenths,
    Timestamp,
    format_time,
    from_wire,
    parse_time,
    to_wire,
)

MS = 1_795_257_000_123

LAST = "9999-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T10:30:00.123Z",
        "2026-11-21t10:30:00.123z",
        "2026-11-21T10:30:00.123",
        "2026-11-21T10:30:00,123Z",
        "2026-11-21T10:30:00.123456789Z",
        "2026-11-21T11:30:00.123+01:00",
        "2026-11-21T11:30:00.123+0100",
        "2026-11-21T11:30:00.123+01",
        "2026-11-20T23:00:00.123-11:30",
    ],
)
def test_a_moment_is_the_same_however_it_is_written(text: str) -> None:
    """With any offset or none, and with more digits than are kept."""
    assert parse_time(text) == MS


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", 0),
        ("0001-01-01T00:00:00Z", 0),
        ("0001-01-01T00:00:00+14:00", 0),
        ("0000-02-29T00:00:00Z", 0),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2016-12-31T23:59:60.5z", 1_483_228_800_500),
        ("2026-11-21T10:30Z", 1_795_257_000_000),
        (LAST, 253_402_300_799_999),
        ("9999-12-31T23:59:59-14:00", 253_402_300_799_999),
    ],
)
def test_the_ends_of_time_are_moments_too(text: str, milliseconds: int) -> None:
    """Clocks that were never set, leap seconds, and years that nobody will see."""
    assert parse_time(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "T", "x", "2026-11-21", "10:30:00Z", "2026-11-21 10:30:00Z", "1795257000123"),
        *("2026-11-21T10:30:100Z", "2026-11-21T10:30:00wZ", "2026-11-21T10:30:00 Z"),
        *("2026-11-21T10:30:00.Z", "2026-11-21T10:30Z:00", "2026-11-21T10:30:00:00"),
        *("2026-13-21T10:30:00Z", "2026-02-29T10:30:00Z", "2026-11-21T25:00:00Z"),
        *("2026-11-21T10:30:61Z", "9999-12-31T23:59:60Z", "2026-11-21T10:30:00+25:00"),
        *(
            "2026-11-21T10:30:00Zulu",
            "+2026-11-21T10:30:00Z",
            "2026-11-21T",
            "\u0662026-11-21T10:30:00Z",
        ),
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    """By one error with one sentence, whatever is wrong."""
    with pytest.raises(ValueError, match="no ISO 8601 date and time"):
        parse_time(text)


@given(st.text(max_size=30) | st.text(alphabet="0123456789-:.TtZz+ ", max_size=30))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    """Nothing else is raised, and every moment can be written."""
    try:
        milliseconds = parse_time(text)
    except ValueError:
        return
    assert parse_time(format_time(milliseconds)) == milliseconds


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30)),
    st.integers(-24 * 60 + 1, 24 * 60 - 1),
)
def test_a_moment_is_read_as_the_calendar_has_it(moment: datetime, minutes: int) -> None:
    """To the millisecond, at any offset."""
    there = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    expected = (there - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert parse_time(there.isoformat()) == max(0, expected)


@given(st.integers(0, parse_time(LAST)))
def test_a_moment_that_is_written_is_read_again(milliseconds: int) -> None:
    """With milliseconds and `Z`, always in the same 24 characters."""
    text = format_time(milliseconds)
    assert len(text) == 24
    assert parse_time(text) == milliseconds
    assert str(Timestamp(milliseconds)) == text
    assert to_wire(Timestamp(milliseconds)) == text


def test_a_moment_that_no_calendar_has_is_written_as_the_last() -> None:
    """An id tag that expires in the year 30000 is one that does not."""
    assert format_time(2**40 * 1000) == "9999-12-31T23:59:59.000Z"


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, b"0"),
        (32, b"32"),
        (Digits("21.4"), b"21.4"),
        (Digits("21.40"), b"21.4"),
        (Digits("32.0"), b"32"),
        (Digits("0e20"), b"0"),
        (Digits("-0.1"), b"-0.1"),
        (Digits("1e3"), b"1000"),
        (Digits("3.2E1"), b"32"),
    ],
)
def test_a_number_with_one_decimal_is_kept_exactly(number: object, written: bytes) -> None:
    """From the digits, never by way of a binary float."""
    tenths = Tenths.parse(number)
    assert tenths.as_json() == written
    assert bytes(to_wire(tenths)) == written


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (Digits("21.45"), "one decimal"),
        (Digits("21.400000000000001"), "one decimal"),
        (Digits("21.4" + "0" * 40 + "1"), "one decimal"),
        (Digits("1e-999999999"), "one decimal"),
        (Digits("1e16"), "range"),
        (Digits("1e999999999"), "range"),
        (Digits("1e9999999999999999999"), "range"),
        (2**53, "range"),
        (-(2**53) - 1, "range"),
    ],
)
def test_a_number_with_more_is_refused(number: object, why: str) -> None:
    """More decimals, or more digits than any current has."""
    with pytest.raises(ValueError, match=why):
        Tenths.parse(number)


@pytest.mark.parametrize("value", [None, True, "21.4", [], {}])
def test_what_is_no_number_is_no_decimal(value: object) -> None:
    """Nor is a text that looks like one."""
    with pytest.raises(TypeError, match="expected a number"):
        Tenths.parse(value)


@pytest.mark.parametrize("value", [None, True, 7, Digits("1.5"), [], {}])
def test_what_is_no_text_is_no_moment(value: object) -> None:
    """Nor are Unix seconds, which say their unit to nobody."""
    with pytest.raises(TypeError, match="expected a date and time"):
        Timestamp.parse(value)


def test_the_hooks_know_these_two_alone() -> None:
    """A type that no payload has is our own mistake."""
    with pytest.raises(AssertionError, match="complex"):
        from_wire(complex, 1)
    with pytest.raises(AssertionError, match="complex"):
        to_wire(1j)
