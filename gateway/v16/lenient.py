"""Charge points that do not keep to the schemas, understood as far as they can be.

For charge points that an operator has named, a payload that is refused is read once more: field by
field along its struct, each faulty value mended if it is clear what is meant. Nothing is invented:
what a charge point must say and does not stays an error, the one that it is without leniency. Each
fault has a name, to be counted by.

What is mended need not fit the schema: a text may be longer than its bound, a word none of its
list, a list empty. Words are kept as they were sent, because to leave one out would give it its
default's meaning: a measurand nobody knows is not energy.
"""

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw
from msgspec import inspect as types

from gateway.ocppj import CallFailed
from gateway.v16.payloads import PayloadDecoder, request_decoder, response_decoder
from gateway.v16.types import Digits, Payload, Tenths, Timestamp, parse_time
from gateway.v16.violations import decode_untyped, shape

MAX_TEXT = 500
"""Characters of a text that are kept of one that is too long: what the network's messages hold."""

MAX_WORD = 50
"""Characters of a word that is none of its list; a longer one is an error."""

MAX_TIME = 50
"""Characters of a time in another form; thousands of blanks would take a regex seconds."""

ID_TAGS = frozenset({"idTag", "parentIdTag"})

MAX_ID_TAG = 36
"""Characters of an id tag; a longer one is an error, because a part of it is another id tag."""


class Fault(StrEnum):
    """What a charge point did that the schemas forbid."""

    NO_PAYLOAD = "no_payload"
    """`[2,"id","Heartbeat"]`, or an empty array for it."""
    SURPLUS_FIELD = "surplus_field"
    """A field that the action does not have; it is left out."""
    FIELD_CASE = "field_case"
    """`idtag` for `idTag`."""
    NULL = "null"
    """For a field that may be left out."""
    EMPTY = "empty"
    """An empty text for a time, a word or a number that may be left out."""
    EMPTY_LIST = "empty_list"
    """No item where one is demanded."""
    OVERLONG = "overlong"
    """A text longer than its bound."""
    NUL = "nul"
    """NUL in a text, as C pads them; it is left out."""
    WORD_CASE = "word_case"
    """`celsius` for `Celsius`."""
    UNKNOWN_WORD = "unknown_word"
    """A word that is none of its list; it is kept."""
    NUMBER_FOR_STRING = "number_for_string"
    OBJECT_FOR_STRING = "object_for_string"
    """For a text without a bound, such as the data of DataTransfer; its JSON is kept."""
    STRING_FOR_NUMBER = "string_for_number"
    STRING_FOR_BOOLEAN = "string_for_boolean"
    FRACTION = "fraction"
    """Decimals where there should be none, or fewer; they are rounded half up."""
    TIME_FORM = "time_form"
    """A time that is no ISO 8601: a blank for the `T`, slashes, single digits."""


def decode_request(action: str, payload: Raw) -> tuple[Payload, frozenset[Fault]]:
    """What a charge point calls, and what had to be mended for it.

    Raises:
        CallFailed: It is beyond repair; the error is the one without leniency.
    """
    return _decode(request_decoder(action), payload)


def decode_response(action: str, payload: Raw) -> tuple[Payload, frozenset[Fault]]:
    """What a charge point answers to our call of this action, and what had to be mended for it.

    Raises:
        CallFailed: It is beyond repair; the error is the one without leniency.
        KeyError: We never call it.
    """
    return _decode(response_decoder(action), payload)


def _decode(decoder: PayloadDecoder, payload: Raw) -> tuple[Payload, frozenset[Fault]]:
    try:
        return decoder.decode(payload), frozenset()
    except CallFailed as error:
        failed = error
    mending = _Mending()
    try:
        mended = mending.payload(decoder.kind, payload)
    except (_BeyondRepair, ValueError, RecursionError):
        raise failed from None
    return mended, frozenset(mending.faults)


class _BeyondRepair(Exception):
    """It is not clear what is meant."""


class _Mending:
    """The mending of one payload.

    Attributes:
        faults: What was mended so far.
    """

    def __init__(self) -> None:
        self.faults: set[Fault] = set()

    def payload(self, kind: type[Payload], payload: Raw) -> Payload:
        value = decode_untyped(payload) if bytes(payload) else []
        if value == []:
            self.faults.add(Fault.NO_PAYLOAD)
            value = {}
        mended = self._object(shape(kind), value)
        assert isinstance(mended, kind)
        return mended

    def _field(self, info: types.Type, value: Any) -> Any:
        match info:
            case types.StructType():
                return self._object(info, value)
            case types.VarTupleType():
                return self._list(info, value)
            case types.StrType():
                return self._text(info, value)
            case types.LiteralType():
                return self._word(info, value)
            case types.IntType():
                return self._integer(value)
            case types.BoolType():
                return self._boolean(value)
            case types.CustomType(cls=kind) if kind is Timestamp:
                return self._time(value)
            case types.CustomType(cls=kind) if kind is Tenths:
                return self._tenths(value)
        raise AssertionError(f"unexpected {info} in a payload")

    # -- Objects and lists --

    def _object(self, info: types.StructType, value: Any) -> Any:
        if not isinstance(value, dict):
            raise _BeyondRepair
        named = self._named(info, value)
        mended = {}
        for field in info.fields:
            name = field.encode_name
            if name in named and (field.required or not self._is_absent(field.type, named[name])):
                mended[field.name] = self._field(field.type, named[name])
                if name in ID_TAGS and len(mended[field.name]) > MAX_ID_TAG:
                    raise _BeyondRepair
            elif field.required:
                raise _BeyondRepair
        return info.cls(**mended)

    def _named(self, info: types.StructType, value: dict[str, Any]) -> dict[str, Any]:
        """The fields that the struct knows, by its names."""
        known = {field.encode_name.casefold(): field.encode_name for field in info.fields}
        named: dict[str, Any] = {}
        for name, given in value.items():
            meant = known.get(name.casefold())
            if meant is None:
                self.faults.add(Fault.SURPLUS_FIELD)
            elif meant == name:
                named[name] = given
            else:
                self.faults.add(Fault.FIELD_CASE)
                named.setdefault(meant, given)
        return named

    def _is_absent(self, info: types.Type, value: Any) -> bool:
        """It stands for a field left out."""
        if value is None:
            self.faults.add(Fault.NULL)
            return True
        if value == "" and not isinstance(info, types.StrType):
            self.faults.add(Fault.EMPTY)
            return True
        return False

    def _list(self, info: types.VarTupleType, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _BeyondRepair
        if len(value) < (info.min_length or 0):
            self.faults.add(Fault.EMPTY_LIST)
        return tuple(self._field(info.item_type, item) for item in value)

    # -- Texts and words --

    def _text(self, info: types.StrType, value: object) -> str:
        if isinstance(value, Digits) or (isinstance(value, int) and not isinstance(value, bool)):
            self.faults.add(Fault.NUMBER_FOR_STRING)
            value = str(value)
        elif isinstance(value, dict | list) and info.max_length is None:
            self.faults.add(Fault.OBJECT_FOR_STRING)
            value = _encoder.encode(value).decode()
        if not isinstance(value, str):
            raise _BeyondRepair
        value = self._without_nul(value)
        if info.max_length is not None and len(value) > info.max_length:
            self.faults.add(Fault.OVERLONG)
            value = value[: max(info.max_length, MAX_TEXT)]
        return value

    def _without_nul(self, value: str) -> str:
        if "\0" in value:
            self.faults.add(Fault.NUL)
        return value.replace("\0", "")

    def _word(self, info: types.LiteralType, value: object) -> str:
        if not isinstance(value, str) or isinstance(value, Digits):
            raise _BeyondRepair
        value = self._without_nul(value)
        if not 0 < len(value) <= MAX_WORD:
            raise _BeyondRepair
        words = [str(word) for word in info.values]
        if value in words:
            return value
        meant = value.strip().casefold()
        for word in words:
            if word.casefold() == meant:
                self.faults.add(Fault.WORD_CASE)
                return word
        self.faults.add(Fault.UNKNOWN_WORD)
        return value

    # -- Numbers and times --

    def _number(self, value: object) -> Decimal:
        """A JSON number, or a text that is one."""
        if type(value) is str:
            self.faults.add(Fault.STRING_FOR_NUMBER)
        elif isinstance(value, bool) or not isinstance(value, int | Digits):
            raise _BeyondRepair
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise _BeyondRepair from None
        if not (number.is_finite() and -(2**53) <= number < 2**53):
            raise _BeyondRepair
        return number

    def _integer(self, value: object) -> int:
        number = self._number(value)
        whole = number.to_integral_value(ROUND_HALF_UP)
        if isinstance(value, Digits) or whole != number:
            self.faults.add(Fault.FRACTION)
        return int(whole)

    def _tenths(self, value: object) -> Tenths:
        number = self._number(value)
        rounded = Tenths.rounded(number)
        if rounded != number:
            self.faults.add(Fault.FRACTION)
        return rounded

    def _boolean(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        meant = {"true": True, "false": False}.get(str(value).casefold())
        if type(value) is not str or meant is None:
            raise _BeyondRepair
        self.faults.add(Fault.STRING_FOR_BOOLEAN)
        return meant

    def _time(self, value: object) -> Timestamp:
        if type(value) is not str:
            raise _BeyondRepair
        try:
            return Timestamp.parse(value)
        except ValueError:
            self.faults.add(Fault.TIME_FORM)
            return Timestamp(parse_time(_as_iso(value)))


_encoder = msgspec.json.Encoder(enc_hook=lambda digits: Raw(digits.encode()))

_TIME = re.compile(
    r"\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[Tt\s]\s*"
    r"(\d{1,2}):(\d{1,2})(?::(\d{1,2})([.,]\d+)?)?\s*([Zz]|[+-]\d\d:?\d\d)?\s*",
    re.ASCII,
)


def _as_iso(text: str) -> str:
    found = _TIME.fullmatch(text) if len(text) <= MAX_TIME else None
    if found is None:
        raise _BeyondRepair
    year, month, day, hour, minute, second, fraction, offset = found.groups("")
    return f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute:0>2}:{second:0>2}{fraction}{offset}"
