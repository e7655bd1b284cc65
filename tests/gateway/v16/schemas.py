"""OCPP 1.6's own JSON schemas, as the PyPI package `ocpp` carries them, and examples from them."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from jsonschema import Draft4Validator, FormatChecker
from jsonschema.exceptions import ValidationError

FOLDER = files("ocpp") / "v16" / "schemas"

NAMES = sorted(
    path.name.removesuffix(".json") for path in FOLDER.iterdir() if path.name.endswith(".json")
)
"""Every schema: `Authorize`, `AuthorizeResponse`, …"""

TIME = "2026-11-21T10:30:00.123Z"


@cache
def schema(name: str) -> dict[str, Any]:
    """One of them with what it refers to put in its place; its decimals exact."""
    text = (FOLDER / f"{name}.json").read_text("utf-8-sig")
    read = json.loads(text, parse_float=Decimal)
    return dict(_resolved(read, read.pop("definitions", {})))


def _resolved(part: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_resolved(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _resolved(definitions[part["$ref"].removeprefix("#/definitions/")], definitions)
    return {key: _resolved(value, definitions) for key, value in part.items()}


@cache
def _validator(name: str) -> Draft4Validator:
    return Draft4Validator(schema(name), format_checker=FORMATS)


FORMATS = FormatChecker(formats=())

DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


@FORMATS.checks("date-time")
def _is_date_time(value: object) -> bool:
    """RFC 3339, and without an offset, which ISO 8601 allows."""
    return not isinstance(value, str) or DATE_TIME.fullmatch(value) is not None


def errors(name: str, payload: bytes) -> list[ValidationError]:
    """What the schema says against this JSON; decimals are not rounded to binary before."""
    return list(_validator(name).iter_errors(json.loads(payload, parse_float=Decimal)))


def full(part: dict[str, Any]) -> Any:
    """A payload with every field that there is, each text as long as it may be."""
    if "enum" in part:
        return part["enum"][0]
    match part["type"]:
        case "object":
            return {name: full(field) for name, field in part.get("properties", {}).items()}
        case "array":
            return [full(part["items"]), full(part["items"])]
        case "string":
            return TIME if part.get("format") == "date-time" else "é" * part.get("maxLength", 30)
    return {"integer": 7, "number": 21.4, "boolean": True}[part["type"]]


def least(part: dict[str, Any]) -> Any:
    """A payload with the fields that there must be, and no more."""
    match part["type"]:
        case "object":
            fields = {name: part["properties"][name] for name in part.get("required", [])}
            return {name: least(field) for name, field in fields.items()}
        case "array":
            return [least(part["items"])] * part.get("minItems", 0)
    return full(part)


characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
"""All that a text may hold: OCPP's are UTF-8, and without NUL."""

texts = st.text(characters, max_size=3)

moments = st.builds(
    lambda moment, fraction, offset: f"{moment:%4Y-%m-%dT%H:%M:%S}{fraction}{offset}",
    st.datetimes(),
    st.from_regex(r"(\.\d{1,12})?", fullmatch=True, alphabet="0123456789."),
    st.sampled_from(["", "Z", "z", "+00:00", "-00:00", "+05:45", "-11:30", "+14:00"]),
)


def valid(part: dict[str, Any]) -> SearchStrategy[Any]:
    """Any payload that the schema accepts, within the two rules that we add."""
    if "enum" in part:
        return st.sampled_from(part["enum"])
    match part["type"]:
        case "object":
            fields = {name: valid(field) for name, field in part.get("properties", {}).items()}
            wanted = {name: fields.pop(name) for name in part.get("required", [])}
            return st.fixed_dictionaries(wanted, optional=fields)
        case "array":
            return st.lists(valid(part["items"]), min_size=part.get("minItems", 0), max_size=3)
        case "string" if part.get("format") == "date-time":
            return moments
        case "string":
            return st.text(characters, max_size=min(part.get("maxLength", 12), 12))
        case "number":
            return st.integers(-(10**6), 10**6).map(lambda tenths: tenths / 10)
        case "boolean":
            return st.booleans()
    return st.integers(-(2**53), 2**53 - 1)


ANYTHING: tuple[Any, ...] = (
    *(None, True, 0, -7, 2**53 - 1, -(2**53), 1.5, 7.0, 21.45, 0.1, "", "7", "x" * 10_001),
    *([], {}, [7], {"x": 7}),
)
"""What is put in every field's place, right or wrong there."""


def variants(part: dict[str, Any], value: Any) -> Iterator[Any]:
    """A value with one thing changed: each of its fields in each way in which it can differ.

    Most are wrong, and some are not: the schema says which.
    """
    yield from ANYTHING
    for word in part.get("enum", []):
        yield from (word, word.lower(), word.upper(), word + "x", f" {word}")
    if isinstance(value, str):
        yield from (value + "é", value[:-1])
    if isinstance(value, list):
        yield from ([changed, *value[1:]] for changed in variants(part["items"], value[0]))
        yield from ([*value, *value], value[:1], [*value, None])
    if isinstance(value, dict):
        for name in value:
            kept = {field: given for field, given in value.items() if field != name}
            yield from (kept, kept | {name.upper(): value[name]}, value | {f"{name}2": 7})
            for changed in variants(part["properties"][name], value[name]):
                yield value | {name: changed}
