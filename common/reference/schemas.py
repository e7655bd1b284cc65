"""JSON Schemas of messages and of their parts, as `asyncapi.json` holds them.

msgspec makes them; what it cannot know is added here: the numbers that a `Quantity` is on the
wire, what a field that is left out is read as, and that every message carries its `message_id`.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import NODEFAULT
from msgspec import inspect as kinds

from common.codec import encode
from common.messages import Message
from common.reference.fields import bare, fields_of
from common.reference.source import definition, meanings
from common.units import Payload, Quantity

REF = "#/components/schemas/{name}"

Schema = dict[str, Any]


def schemas(messages: Iterable[type[Message]]) -> dict[str, Schema]:
    """A schema for each message and for each part of one, by the name of its class."""
    wanted = list(messages)
    _, found = msgspec.json.schema_components(wanted, schema_hook=_custom, ref_template=REF)
    for kind in _structs(wanted):
        _complete(found[kind.__name__], kind)
    for message in wanted:
        _demand_id(found[message.__name__])
    for name, words in _words(wanted).items():
        found[name] = _with_meanings(found[name], words)
    return {name: _portable(found[name]) for name in sorted(found)}


def _custom(kind: type) -> Schema:
    if issubclass(kind, Payload):
        return {"type": "object", "description": definition(kind)}
    assert issubclass(kind, Quantity)
    what = definition(kind).split(" in ")[0]
    return {
        "type": "number",
        "minimum": 0,
        "maximum": kind.maximum,
        "description": (
            f"{what} in {kind.unit}. Written with {kind.decimals} decimals; further ones are"
            " rounded half up."
        ),
        "x-unit": kind.unit,
        "x-decimals": kind.decimals,
    }


def _complete(schema: Schema, kind: type) -> None:
    """Add what a field that is left out is read as, where msgspec leaves it open."""
    for field in fields_of(kind):
        if field.default_factory is not NODEFAULT:
            default = json.loads(encode(field.default_factory()))
            schema["properties"][field.encode_name]["default"] = default


def _demand_id(schema: Schema) -> None:
    """A message on the wire always has its id; only inside a program may it still lack one."""
    del schema["properties"]["message_id"]["default"]
    schema["required"] = ["type", "message_id", *schema["required"][1:]]


def _with_meanings(schema: Schema, words: type) -> Schema:
    said = meanings(words)
    known = {member.value: said[name] for name, member in _members(words) if name in said}
    ordered = {**schema, "enum": [member.value for _, member in _members(words)]}
    return {**ordered, "x-meanings": known} if known else ordered


def _members(words: type) -> list[tuple[str, Any]]:
    return list(words.__members__.items())  # type: ignore[attr-defined]


def _portable(value: Any) -> Any:
    r"""The same with patterns that are regular expressions in every language, not only here.

    `\Z` is Python's word for the end of the text; JSON Schema follows ECMA-262, where it is `$`.
    """
    match value:
        case dict():
            return {
                key: re.sub(r"\\Z$", "$", item) if key == "pattern" else _portable(item)
                for key, item in value.items()
            }
        case list():
            return [_portable(item) for item in value]
    return value


# ---- What messages are made of ----------------------------------------------------------------


def _structs(messages: Iterable[type]) -> list[type]:
    """The messages and all structs within them."""
    found: dict[type, None] = {}
    for struct in messages:
        found[struct] = None
        parts = [_inner(field.type) for field in fields_of(struct)]
        found |= dict.fromkeys(
            _structs(kind.cls for kind in parts if isinstance(kind, kinds.StructType))
        )
    return list(found)


def _words(messages: Iterable[type]) -> dict[str, type]:
    """Every enumeration that a field is of, by its name."""
    return {
        kind.cls.__name__: kind.cls
        for struct in _structs(messages)
        for field in fields_of(struct)
        if isinstance(kind := _inner(field.type), kinds.EnumType)
    }


def _inner(kind: kinds.Type) -> kinds.Type:
    """What a field holds, or what the items of a list are."""
    kind, _ = bare(kind)
    if isinstance(kind, kinds.VarTupleType):
        kind, _ = bare(kind.item_type)
    return kind
