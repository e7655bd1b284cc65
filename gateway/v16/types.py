"""What the fields of OCPP 1.6 are made of: bounded texts, times, decimals.

They follow the JSON schemas, which are stricter than the text in some places and looser in others:
no connector or meter has a bound there. We add two rules that every sender keeps: an integer fits
53 bits, as JSON programs can exchange it (RFC 8259, section 6), and no text holds NUL.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

if TYPE_CHECKING:
    _T = TypeVar("_T")
    Maybe: TypeAlias = _T | None
else:

    class Maybe:
        """A field that may be left out and is `None` then; `null` is no value of it on the wire."""

        def __class_getitem__(cls, present: Any) -> Any:
            return present


class Payload(
    Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,  # it cannot be part of a cycle: it is frozen, and decoded from text
):
    """The payload of a CALL or a CALLRESULT, or an object in one."""


CiString20 = Annotated[str, Meta(max_length=20)]
CiString25 = Annotated[str, Meta(max_length=25)]
CiString50 = Annotated[str, Meta(max_length=50)]
CiString255 = Annotated[str, Meta(max_length=255)]
CiString500 = Annotated[str, Meta(max_length=500)]
IdToken = CiString20

Integer = Annotated[int, Meta(ge=-(2**53), lt=2**53)]


# ---- Time (3.15) ------------------------------------------------------------------------------

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND

NO_TIME = "no ISO 8601 date and time"
"""What is wrong with a text that is none."""


MAX_KEPT = 40
"""Characters of a text whose moment is kept; a hostile one may have 64 KiB."""


def parse_time(text: str) -> int:
    """The Unix milliseconds of a date and time by RFC 3339, or a looser one that ISO 8601 allows.

    Without an offset it is UTC; seconds may be missing; a leap second is the next second. A
    time before 1970 is 1970: a clock that was never set must not stop a charge.

    Raises:
        ValueError: It is none.
    """
    # The same moments are said again and again: by the clock, and of each connector.
    return _parse_kept(text) if len(text) <= MAX_KEPT else _parse(text)


def _parse(text: str) -> int:
    if text[10:11] not in ("T", "t"):
        raise ValueError(NO_TIME)
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        moment = _unusual(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0, (moment - _EPOCH) // _MILLISECOND), _LAST)


_parse_kept = lru_cache(maxsize=1024)(_parse)

# Not by datetime.fromisoformat: that of Python 3.11 takes `10:30:100Z` for a time, and others.
_ISO_8601 = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:(Z)|([+-]\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)


def _unusual(text: str) -> datetime:
    """What msgspec does not take: no seconds, second 60, a comma, hours of offset, the year 0."""
    found = _ISO_8601.fullmatch(text.upper())
    if found is None:
        raise ValueError(NO_TIME)
    date, minute, second, fraction, utc, hours, minutes = found.groups("")
    if date.startswith("0000"):
        date = "0004" + date[4:]  # a leap year, too; long before 1970 in any case
    leap = timedelta(seconds=second == "60")
    second = "59" if leap else second or "00"
    offset = utc or (hours and f"{hours}:{minutes or '00'}")
    usual = f"{date}T{minute}:{second}.{fraction or '0'}{offset}"
    try:
        return msgspec.convert(usual, datetime) + leap
    except (msgspec.ValidationError, OverflowError):
        raise ValueError(NO_TIME) from None


def format_time(milliseconds: int) -> str:
    """`2026-11-21T10:30:00.000Z`, from Unix milliseconds; what is beyond 9999 is its end."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    # Heartbeats are answered by the ten thousand within the same second.
    moment = _EPOCH + timedelta(seconds=min(seconds, _LAST // 1000))
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


class Timestamp(int):
    """A moment in Unix milliseconds; an ISO 8601 date and time on the wire."""

    @classmethod
    def parse(cls, text: object) -> Self:
        """See `parse_time`.

        Raises:
            TypeError: It is no text.
            ValueError: It is no date and time.
        """
        if type(text) is not str:  # not Digits, either
            raise TypeError("expected a date and time")
        return cls(parse_time(text))

    def __str__(self) -> str:
        return format_time(self)


# ---- Decimals ---------------------------------------------------------------------------------


class Tenths(Decimal):
    """A number with one decimal at most, such as a limit in A or W."""

    @classmethod
    def parse(cls, number: object) -> Self:
        """The number that a JSON number says.

        Raises:
            TypeError: It is no number.
            ValueError: It has more decimals, or more digits than anything can need.
        """
        if isinstance(number, bool) or not isinstance(number, int | Digits):
            raise TypeError("expected a number")
        try:
            exact = Decimal(number)
        except InvalidOperation:  # an exponent beyond even Decimal's
            raise ValueError("out of range") from None
        if not -(2**53) <= exact < 2**53:
            raise ValueError("out of range")
        rounded = cls.rounded(exact)
        if rounded != exact:
            raise ValueError("more than one decimal")
        return rounded

    @classmethod
    def rounded(cls, number: Decimal) -> Self:
        """The nearest; of a number of 53 bits at most."""
        return cls(number.quantize(Decimal("0.1"), ROUND_HALF_UP))

    def as_json(self) -> bytes:
        """The JSON number."""
        return str(self).removesuffix(".0").encode()


class Digits(str):
    """A JSON number that is no integer, as it was written."""

    __slots__ = ()


def from_wire(kind: type, value: Any) -> Any:
    """msgspec's `dec_hook`."""
    if kind is Timestamp or kind is Tenths:
        return kind.parse(value)
    raise AssertionError(f"unexpected type {kind} in a payload")


def to_wire(value: Any) -> Any:
    """msgspec's `enc_hook`."""
    if isinstance(value, Timestamp):
        return format_time(value)
    if isinstance(value, Tenths):
        return Raw(value.as_json())
    raise AssertionError(f"unexpected {type(value)} in a payload")
