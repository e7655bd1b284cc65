"""The structs against OCPP's own schemas: what a schema accepts its struct accepts, and no more."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.exceptions import ValidationError
from msgspec import Raw

from gateway.ocppj import CallErrorCode, CallFailed
from gateway.v16.actions import ACTIONS
from gateway.v16.payloads import PayloadDecoder, encode
from gateway.v16.types import Payload
from gateway.v16.violations import Violation, decode_untyped, find_violations
from tests.gateway.v16.schemas import NAMES, errors, full, least, schema, texts, valid, variants

KINDS: dict[str, type[Payload]] = {
    name: kind
    for action in ACTIONS.values()
    for name, kind in ((action.name, action.request), (f"{action.name}Response", action.response))
}

CODES = {
    "required": CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
    "minItems": CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
    "additionalProperties": CallErrorCode.FORMATION_VIOLATION,
    "type": CallErrorCode.TYPE_CONSTRAINT_VIOLATION,
    "maxLength": CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "enum": CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "multipleOf": CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "format": CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
}
"""The rules of the schemas, and what breaking one is answered with."""


VALID = {name: valid(schema(name)) for name in NAMES}


def accepts(name: str, payload: bytes) -> bool:
    try:
        PayloadDecoder(KINDS[name]).decode(Raw(payload))
    except CallFailed:
        return False
    return True


def test_every_schema_has_a_struct_and_every_struct_a_schema() -> None:
    """All 39 actions, both ways."""
    assert sorted(KINDS) == NAMES
    assert len(NAMES) == 78


@pytest.mark.parametrize("name", NAMES)
def test_the_fullest_and_the_emptiest_payload_come_back_as_they_were(name: str) -> None:
    """No field is lost, renamed or added."""
    for payload in (full(schema(name)), least(schema(name))):
        data = json.dumps(payload).encode()
        assert errors(name, data) == []
        decoded = PayloadDecoder(KINDS[name]).decode(Raw(data))
        assert json.loads(bytes(encode(decoded))) == payload


@pytest.mark.parametrize("name", NAMES)
def test_a_payload_with_one_thing_changed_is_judged_as_the_schema_does(name: str) -> None:
    """Each field missing, mistyped, overlong, misspelt, and every field too many."""
    refused = 0
    for payload in variants(schema(name), full(schema(name))):
        # OCPP-J allows null for an empty payload, of which the schemas know nothing.
        data = json.dumps(payload).encode()
        wrong = errors(name, data if payload is not None else b"{}")
        assert accepts(name, data) is (not wrong), (data[:500], wrong)
        refused += bool(wrong)
    assert refused > 5


@pytest.mark.parametrize("name", NAMES)
def test_the_errors_are_of_the_fields_and_the_rules_that_the_schema_names(name: str) -> None:
    """Every one of them, by the path that OCPP gives the field."""
    for payload in variants(schema(name), full(schema(name))):
        data = json.dumps(payload).encode()
        found = {_rule(each) for each in find_violations(KINDS[name], decode_untyped(data))}
        assert found == _rules(errors(name, data)), data[:500]


def _rule(violation: Violation) -> tuple[str, CallErrorCode]:
    path = violation.path
    if violation.rule in ("required", "unknown field"):
        path = path.rpartition(".")[0]  # the schema names the object that lacks or has it
    return path, violation.code


def _rules(wrong: list[ValidationError]) -> set[tuple[str, CallErrorCode]]:
    mistyped = {error.json_path for error in wrong if error.validator == "type"}
    if "$" in mistyped:
        return {("$", CallErrorCode.FORMATION_VIOLATION)}  # it has no structure at all
    return {
        (error.json_path, CODES[str(error.validator)])
        for error in wrong
        if error.validator == "type" or error.json_path not in mistyped
    }


@settings(max_examples=500)
@given(st.sampled_from(NAMES), st.data())
def test_any_payload_of_a_schema_is_accepted_and_comes_back(name: str, draw: st.DataObject) -> None:
    """Also with only some of what may be left out; and what we write fits the schema again."""
    payload = draw.draw(VALID[name])
    data = json.dumps(payload).encode()
    assert errors(name, data) == []
    decoder = PayloadDecoder(KINDS[name])
    decoded = decoder.decode(Raw(data))
    written = bytes(encode(decoded))
    assert errors(name, written) == []
    assert decoder.decode(Raw(written)) == decoded


documents = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | texts,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(texts, part, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.sampled_from(NAMES), st.data())
def test_a_payload_with_anything_anywhere_is_judged_as_the_schema_does(
    name: str, data: st.DataObject
) -> None:
    """Several things wrong at once, and some right."""
    payload = full(schema(name))
    for field in data.draw(st.lists(st.sampled_from(sorted(payload) or ["x"]), max_size=3)):
        payload[field] = data.draw(documents)
    text = json.dumps(payload).encode()
    assert accepts(name, text) is (not errors(name, text)), text
    found = list(find_violations(KINDS[name], decode_untyped(text)))
    assert bool(found) is bool(errors(name, text)), text
