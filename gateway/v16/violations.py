"""What is wrong with a payload: each field, by the path that OCPP gives it, and its rule.

msgspec stops at the first fault, says `[...]` for the index of an item, and does not tell which of
OCPP's error codes a fault is. So a payload that was refused is walked through once more here,
along what msgspec knows of the struct. Only what is declared is walked through, so that nothing a
peer nests makes this deep.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec import inspect as types

from gateway.ocppj import CallErrorCode
from gateway.v16.types import Digits, Payload, Tenths, Timestamp

MAX_SHOWN = 30
"""Characters of a refused word, or of an unknown field, that are repeated to the peer."""


class Violation(Struct, frozen=True):
    """A field that breaks a rule."""

    path: str
    code: CallErrorCode
    rule: str

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}"


@cache
def shape(kind: type[Payload]) -> types.StructType:
    """What msgspec knows of a payload."""
    info = types.type_info(kind)
    assert isinstance(info, types.StructType)
    return info


def find_violations(kind: type[Payload], value: object) -> Iterator[Violation]:
    """What breaks the rules of this payload, in the order of its fields.

    Args:
        value: Decoded JSON, its numbers with a decimal point or an exponent as `Digits`.
    """
    if isinstance(value, dict):
        yield from _object(shape(kind), value, "$")
    else:
        rule = f"expected an object, got {json_type(value)}"
        yield Violation("$", CallErrorCode.FORMATION_VIOLATION, rule)


def json_type(value: object) -> str:
    """What JSON calls a decoded value, with its article."""
    for kinds, name in _JSON_TYPES:
        if isinstance(value, kinds):
            return name
    raise AssertionError(f"unexpected {type(value)} in JSON")


_JSON_TYPES: tuple[tuple[type, str], ...] = (
    (type(None), "null"),
    (bool, "a boolean"),  # before int, which it is in Python
    (int, "an integer"),
    (Digits, "a number"),  # before str, which it is in Python
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
)


def _object(info: types.StructType, value: dict[str, Any], path: str) -> Iterator[Violation]:
    for field in info.fields:
        name = field.encode_name
        if name in value:
            yield from _field(field.type, value[name], f"{path}.{name}")
        elif field.required:
            code = CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION
            yield Violation(f"{path}.{name}", code, "required")
    known = {field.encode_name for field in info.fields}
    for name in value:
        if name not in known:
            code = CallErrorCode.FORMATION_VIOLATION
            shown = name if name.isidentifier() and len(name) <= MAX_SHOWN else _shown(name)
            yield Violation(f"{path}.{shown}", code, "unknown field")


def _field(info: types.Type, value: Any, path: str) -> Iterator[Violation]:
    match info:
        case types.CustomType(cls=kind) if kind is Timestamp or kind is Tenths:
            yield from _custom(kind, value, path)
        case types.StructType() if isinstance(value, dict):
            yield from _object(info, value, path)
        case types.VarTupleType() if isinstance(value, list):
            if len(value) < (info.min_length or 0):
                code = CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION
                yield Violation(path, code, f"{info.min_length} item at least")
            for index, item in enumerate(value):
                yield from _field(info.item_type, item, f"{path}[{index}]")
        case _ if json_type(value) != _expected(info):
            rule = f"expected {_expected(info)}, got {json_type(value)}"
            yield Violation(path, CallErrorCode.TYPE_CONSTRAINT_VIOLATION, rule)
        case _ if broken := _broken_rule(info, value):
            yield Violation(path, CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION, broken)


def _custom(kind: type[Timestamp] | type[Tenths], value: Any, path: str) -> Iterator[Violation]:
    try:
        kind.parse(value)
    except TypeError as error:
        yield Violation(path, CallErrorCode.TYPE_CONSTRAINT_VIOLATION, str(error))
    except ValueError as error:
        yield Violation(path, CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION, str(error))


def _expected(info: types.Type) -> str:
    match info:
        case types.StructType():
            return "an object"
        case types.VarTupleType():
            return "an array"
        case types.IntType():
            return "an integer"
        case types.BoolType():
            return "a boolean"
        case types.StrType() | types.LiteralType():
            return "a string"
    raise AssertionError(f"unexpected {info} in a payload")


def _broken_rule(info: types.Type, value: Any) -> str | None:
    """Which rule a value of the right type breaks."""
    match info:
        case types.StrType(max_length=length) if length is not None and len(value) > length:
            return f"{length} characters at most, not {len(value)}"
        case types.StrType() if "\0" in value:
            return "NUL is no character of it"
        case types.LiteralType(values=words) if value not in words:
            return f"{_shown(value)} is none of {', '.join(map(str, words))}"
        case types.IntType(ge=least, lt=most) if (least is not None and value < least) or (
            most is not None and value >= most
        ):
            return "beyond 53 bits"
    return None


def _shown(text: str) -> str:
    return repr(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…")


_decoder = msgspec.json.Decoder(float_hook=Digits)


def decode_untyped(payload: bytes | msgspec.Raw) -> Any:
    """The JSON value of a payload, its numbers that are no integers as `Digits`.

    Raises:
        ValueError: It is no JSON in UTF-8.
        RecursionError: It is nested deeper than anything can be meant.
    """
    return _decoder.decode(payload)
