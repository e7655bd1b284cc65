"""The fields of a message, as rows of a table: type, bounds, presence and meaning of each."""

import re
from collections.abc import Iterable
from enum import Enum
from typing import Any

from msgspec import NODEFAULT
from msgspec import inspect as kinds

from common.codec import encode
from common.errors import Reason
from common.reference.markdown import code, link_to, table
from common.reference.source import definition
from common.states import EndReason, SessionState, Status
from common.units import Payload, Quantity


def fields_of(struct: type, *, beyond: type | None = None) -> list[kinds.Field]:
    """The fields of a struct, without those of `beyond` if it is made of that."""
    info = kinds.type_info(struct)
    assert isinstance(info, kinds.StructType)
    known = beyond.__struct_fields__ if beyond and issubclass(struct, beyond) else ()  # type: ignore[attr-defined]
    return [field for field in info.fields if field.name not in known]


def field_table(
    fields: Iterable[kinds.Field],
    *,
    above: Iterable[list[str]] = (),
    required: Iterable[str] = (),
) -> str:
    rows = list(above)
    for field in fields:
        kind, said = bare(field.type)
        presence = "**required**" if field.name in required else _presence(field)
        meaning = said or _meaning(kind)
        rows.append([code(field.encode_name), _wire_type(kind), _bounds(kind), presence, meaning])
    return table(["field", "type", "bounds", "", "meaning"], rows)


def bare(kind: kinds.Type) -> tuple[kinds.Type, str]:
    """A type without `| None` and its annotation, and what the annotation says of it."""
    said = ""
    while isinstance(kind, kinds.UnionType | kinds.Metadata):
        if isinstance(kind, kinds.Metadata):
            said = (kind.extra_json_schema or {}).get("description", said).removesuffix(" No NUL.")
            kind = kind.type
        else:
            (kind,) = (one for one in kind.types if not isinstance(one, kinds.NoneType))
    return kind, said


_DESCRIBED_ELSEWHERE: dict[type[Enum], str] = {
    Reason: link_to("Refusals"),
    SessionState: link_to("Session states", "states.md"),
    EndReason: link_to("End reasons", "states.md"),
    Status: link_to("Connector status", "states.md"),
}


def _wire_type(kind: kinds.Type) -> str:
    match kind:
        case kinds.StrType():
            return "string"
        case kinds.BoolType():
            return "boolean"
        case kinds.IntType():
            return "integer"
        case kinds.FloatType():
            return "number"
        case kinds.CustomType(cls=cls) if issubclass(cls, Quantity):
            return f"number, {cls.unit}"
        case kinds.CustomType(cls=cls) if issubclass(cls, Payload):
            return "object"
        case kinds.EnumType():
            return "word"
        case kinds.StructType(cls=cls):
            return link_to(cls.__name__)
        case kinds.VarTupleType(item_type=kinds.StructType(cls=cls)):
            return f"list of {link_to(cls.__name__)}"
        case kinds.VarTupleType(item_type=item):
            return f"list of {_wire_type(bare(item)[0])}s"
    raise AssertionError(f"unexpected {kind} in a message")


def _bounds(kind: kinds.Type) -> str:
    match kind:
        case kinds.StrType(pattern=str(pattern)):
            return _characters(pattern)
        case kinds.IntType() | kinds.FloatType():
            bounds = {"≥": kind.ge, ">": kind.gt, "≤": kind.le, "<": kind.lt}
            return ", ".join(f"{sign} {_short(n)}" for sign, n in bounds.items() if n is not None)
        case kinds.CustomType(cls=cls) if issubclass(cls, Quantity):
            return f"0 to {cls.maximum:,}, {cls.decimals} decimals"
        case kinds.EnumType(cls=cls):
            return _DESCRIBED_ELSEWHERE.get(cls) or ", ".join(code(word.value) for word in cls)
        case kinds.VarTupleType(item_type=item, max_length=int(most)):
            each = _bounds(bare(item)[0])
            return f"at most {most}" + (f", each {each}" if each else "")
    return ""


def _characters(pattern: str) -> str:
    bare = pattern.removeprefix("^").removesuffix(r"\Z")
    if free := re.fullmatch(r"\[\^\\x00\]\{(\d+),(\d+)\}", bare):
        least, most = free.groups()
        return f"at most {most} characters" if least == "0" else f"{least} to {most} characters"
    return code(bare)


def _short(number: float) -> str:
    power = int(number).bit_length() - 1
    return f"2^{power}" if power >= 31 and number == 2**power else f"{number:,}"


def _presence(field: kinds.Field) -> str:
    if field.required:
        return "**required**"
    if field.default_factory is not NODEFAULT:
        return f"default {_as_json(field.default_factory())}, always written"
    return "optional" if field.default is None else f"default {_as_json(field.default)}"


def _as_json(value: Any) -> str:
    return code(encode(value).decode())


def _meaning(kind: kinds.Type) -> str:
    match kind:
        case kinds.CustomType(cls=cls) if issubclass(cls, Payload):
            return definition(cls)
        case kinds.CustomType(cls=cls):
            # What it is; how a program holds it is of no interest on the wire.
            return definition(cls).split(" in ")[0] + "."
        case (
            kinds.EnumType(cls=cls)
            | kinds.StructType(cls=cls)
            | kinds.VarTupleType(item_type=kinds.StructType(cls=cls))
        ):
            return definition(cls)
    return ""
