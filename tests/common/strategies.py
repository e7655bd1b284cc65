"""Messages for the tests, derived from the struct definitions: no message is listed here.

`messages(X)` is a hypothesis strategy for any `X`, `filled(X)` one wire document with every field
present, and `flaws(X)` each way in which that document can break a rule of its fields, with the
path that a refusal must name.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import inspect as kinds

from common.codec import decoder
from common.messages import Message
from common.protocol import Topic, sent, ways, wire_name
from common.units import Payload, Quantity

M = TypeVar("M", bound=Message)
Path = tuple[str | int, ...]

_plain = msgspec.json.Encoder(decimal_format="number")

MANY = 3
"""Rows in a list that is not about its length."""

TEXT = st.characters(codec="utf-8")

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(TEXT),
    lambda inner: (
        st.lists(inner, max_size=MANY) | st.dictionaries(st.text(TEXT), inner, max_size=MANY)
    ),
    max_leaves=5,
)
"""Any JSON value."""


# ---- Any message ------------------------------------------------------------------------------


def messages(message: type[M], *, filled: bool = False) -> SearchStrategy[M]:
    """Any message of this type, as it may travel: with its `message_id`.

    Args:
        filled: Every field has a value of its own, and every list an item.
    """
    return _structs(message, filled=filled, message_id=_values(_field(message, "message_id").type))


def any_message(*way: Any) -> SearchStrategy[Message]:
    """Any message that may travel this way."""
    ordered = sorted(sent(*way), key=lambda m: m.__name__)
    return st.one_of([messages(m) for m in ordered])


def _structs(
    struct: type[M], *, filled: bool = False, **given: SearchStrategy[Any]
) -> SearchStrategy[M]:
    fields = {}
    for field in fields_of(struct):
        values = _values(field.type, filled=filled)
        if not field.required and not filled:
            values = st.just(_default(field)) | values
        fields[field.name] = given.get(field.name, values)
    return st.builds(struct, **fields)


def _values(kind: kinds.Type, *, filled: bool = False) -> SearchStrategy[Any]:
    match kind:
        case kinds.Metadata(type=inner):
            return _values(inner, filled=filled)
        case kinds.UnionType(types=types):
            some = [t for t in types if not (filled and isinstance(t, kinds.NoneType))]
            return st.one_of([_values(t, filled=filled) for t in some])
        case kinds.NoneType():
            return st.none()
        case kinds.StrType(pattern=str(pattern)):
            return st.from_regex(pattern, alphabet=TEXT)
        case kinds.BoolType():
            return st.booleans()
        case kinds.IntType():
            least, most = _closed(kind)
            return st.integers(least, most)
        case kinds.FloatType():
            return st.floats(kind.gt, kind.le, exclude_min=True)
        case kinds.EnumType(cls=cls):
            return st.sampled_from(list(cls))
        case kinds.CustomType(cls=cls) if issubclass(cls, Quantity):
            return st.integers(0, cls.maximum * 10**cls.decimals).map(cls)
        case kinds.CustomType(cls=cls) if issubclass(cls, Payload):
            return st.dictionaries(st.text(TEXT), JSON, max_size=MANY).map(Payload)
        case kinds.VarTupleType(item_type=item, max_length=int()):
            items = _values(item, filled=filled)
            return st.lists(items, min_size=int(filled), max_size=MANY).map(tuple)
        case kinds.StructType(cls=cls):
            return _structs(cls, filled=filled)
    raise AssertionError(f"{kind} has no bounds, or no strategy yet")


def _closed(kind: kinds.IntType) -> tuple[int, int]:
    least = kind.ge if kind.ge is not None else kind.gt
    most = kind.le if kind.le is not None else (kind.lt or 0) - 1
    assert least is not None
    return least, most


# ---- One document, and its flaws --------------------------------------------------------------


def filled(message: type[Message]) -> dict[str, Any]:
    """A wire document of this message with a value for every field, and an item in every list."""
    document = {"type": wire_name(message)} | _sample_fields(message)
    assert len(document) == len(fields_of(message)) + 1
    return document


def sample(message: type[M]) -> M:
    """The message that `filled` is a document of."""
    found = decoder(*legal_ways(message)[0]).decode(as_json(filled(message)))
    assert isinstance(found, message)
    return found


def _sample_fields(struct: type) -> dict[str, Any]:
    return {field.encode_name: _sample(field.type) for field in fields_of(struct)}


SAMPLE_TEXTS = ("A-1", "EUR")


def _sample(kind: kinds.Type) -> Any:
    kind = next(k for k in _alternatives(kind) if not isinstance(k, kinds.NoneType))
    match kind:
        case kinds.StrType(pattern=str(pattern)):
            return next(text for text in SAMPLE_TEXTS if re.search(pattern, text))
        case kinds.BoolType():
            return True
        case kinds.IntType():
            return sum(_closed(kind)) // 2
        case kinds.FloatType():
            return 2.5
        case kinds.EnumType(cls=cls):
            return list(cls)[1].value
        case kinds.CustomType(cls=cls) if issubclass(cls, Quantity):
            return Decimal(1234).scaleb(-cls.decimals)
        case kinds.CustomType(cls=cls) if issubclass(cls, Payload):
            return {"limit": 16.5, "periods": [{"start": 0}]}
        case kinds.VarTupleType(item_type=item):
            return [_sample(item)]
        case kinds.StructType(cls=cls):
            return _sample_fields(cls)
    raise AssertionError(f"no sample of {kind} yet")


def as_json(document: object) -> bytes:
    """JSON, with every digit that a `Decimal` has."""
    return _plain.encode(document)


@dataclass(frozen=True)
class Flaw:
    """A document that is good but for one field.

    Attributes:
        path: The field, as a refusal names it: `$.connectors[0].status`.
        what: What is wrong with it, for the reader of a failed test.
        document: It.
    """

    path: str
    what: str
    document: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def missing(message: type[Message]) -> Iterator[Flaw]:
    """A flaw for each required field: without it. Its path is that of what should hold it."""
    document = filled(message)
    required = [("type",), ("message_id",), *_required(message, ())]
    for path in required:
        broken = copy.deepcopy(document)
        del _at(broken, path[:-1])[path[-1]]
        yield Flaw(_dollar(path[:-1]), str(path[-1]), broken)


def _required(struct: type, path: Path) -> Iterator[Path]:
    for field in fields_of(struct):
        if field.required:
            yield (*path, field.encode_name)
        for kind in _alternatives(field.type):
            match kind:
                case kinds.VarTupleType(item_type=kinds.StructType(cls=cls)):
                    yield from _required(cls, (*path, field.encode_name, 0))
                case kinds.StructType(cls=cls):
                    yield from _required(cls, (*path, field.encode_name))


def flaws(message: type[Message]) -> Iterator[Flaw]:
    """A flaw for each field and each way in which it can break its type or its bounds."""
    document = filled(message)
    for path, kind, null in _leaves(message, ()):
        for wrong in [*_wrong(kind, document, path), *([] if null else [None])]:
            broken = copy.deepcopy(document)
            holder = _at(broken, path[:-1])
            holder[path[-1]] = wrong
            what = repr(wrong)
            yield Flaw(_dollar(path), what if len(what) < 60 else f"{what[:60]}…", broken)


def _leaves(struct: type, path: Path) -> Iterator[tuple[Path, kinds.Type, bool]]:
    """Each field below a struct, with its type and whether it may be null."""
    for field in fields_of(struct):
        here = (*path, field.encode_name)
        alternatives = list(_alternatives(field.type))
        null = any(isinstance(kind, kinds.NoneType) for kind in alternatives)
        for kind in alternatives:
            if isinstance(kind, kinds.NoneType):
                continue
            yield here, kind, null
            if isinstance(kind, kinds.StructType):
                yield from _leaves(kind.cls, here)
            if isinstance(kind, kinds.VarTupleType):
                (item,) = _alternatives(kind.item_type)
                if isinstance(item, kinds.StructType):
                    yield from _leaves(item.cls, (*here, 0))
                else:
                    yield (*here, 0), item, False


def _wrong(kind: kinds.Type, document: dict[str, Any], path: Path) -> list[Any]:
    """Wire values that are none of this type."""
    match kind:
        case kinds.StrType(pattern=str(pattern)):
            strings = ["", "x" * 5_000, "\0", "a b", "é", "x" * 36 + "\n"]
            return [5, True, [], {}, *(s for s in strings if not re.search(pattern, s))]
        case kinds.IntType():
            least, most = _closed(kind)
            return [least - 1, most + 1, 2**70, -(2**70), "1", Decimal("1.5"), True, [], {}]
        case kinds.FloatType(gt=least, le=most):
            return [least, (most or 0) * 1.001, "1", True, [], {}]
        case kinds.BoolType():
            return [1, "true", [], {}]
        case kinds.EnumType():
            return ["no such word", "", 5, [], {}]
        case kinds.CustomType(cls=cls) if issubclass(cls, Quantity):
            step = Decimal(1).scaleb(-cls.decimals)
            out_of_bounds = [
                -1,
                -step,
                cls.maximum + 1,
                cls.maximum + step,
                Decimal("1e400"),
                2**70,
            ]
            return [*out_of_bounds, "1", True, [], {}]
        case kinds.CustomType(cls=cls) if issubclass(cls, Payload):
            return [[], "text", 5, True]
        case kinds.StructType():
            return [[], "text", 5, True]
        case kinds.VarTupleType(max_length=int(most)):
            (item, *_) = _at(document, path)
            return [[item] * (most + 1), {}, "text", 5]
    raise AssertionError(f"{kind} has no bounds, or is not known here yet")


# ---- Around structs and documents -------------------------------------------------------------


def fields_of(struct: type) -> tuple[kinds.Field, ...]:
    """The fields of a struct."""
    info = kinds.type_info(struct)
    assert isinstance(info, kinds.StructType)
    return info.fields


def legal_ways(message: type[Message]) -> list[tuple[Any, Any, Topic | None]]:
    """Every way that this message may travel."""
    return [way for way in ways() if message in sent(*way)]


def _field(struct: type, name: str) -> kinds.Field:
    return next(field for field in fields_of(struct) if field.name == name)


def _default(field: kinds.Field) -> Any:
    made = field.default_factory
    return field.default if made is msgspec.NODEFAULT else made()


def _alternatives(kind: kinds.Type) -> Iterator[kinds.Type]:
    match kind:
        case kinds.Metadata(type=inner):
            yield from _alternatives(inner)
        case kinds.UnionType(types=types):
            for one in types:
                yield from _alternatives(one)
        case _:
            yield kind


def _at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def _dollar(path: Path) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
