"""docs/asyncapi.json: an AsyncAPI 3.0 document that says what the table says, and is kept to."""

import copy
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from common.codec import encode
from common.messages import ErrorResponse, Message, Role
from common.protocol import ROUTES, TOPICS, Route, Topic, answer_of, sent, way_back, ways
from common.reference.asyncapi import asyncapi_document, document, operation_id
from tests.common.strategies import as_json, filled, flaws, messages, missing

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # a field of its models is named `schema`
    from asyncapi3 import AsyncAPI3  # type: ignore[import-untyped]

TEXT = asyncapi_document()
DOCUMENT: dict[str, Any] = json.loads(TEXT)

OUTSIDE = [route for route in ROUTES if route.sender is not route.receiver]
SENT = sorted(
    {m for way in ways() if way[0] is not way[1] for m in sent(*way)}, key=lambda m: m.__name__
)


def name_of(message: type[Message]) -> str:
    """For the names of the tests."""
    return message.__name__


def way_of(route: Route) -> str:
    """For the names of the tests."""
    return f"{route.message.__name__}-{route.sender}-{route.receiver}-{route.topic}"


def turned(route: Route) -> tuple[Role, Role, Topic | None]:
    """The way of its answer."""
    return route.receiver, route.sender, way_back(route.topic)


def at(reference: dict[str, str]) -> Any:
    """What a `$ref` leads to."""
    found: Any = DOCUMENT
    for step in reference["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return at(found) if "$ref" in found else found


def references(value: Any) -> Iterator[dict[str, str]]:
    """Every `$ref` below."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


@cache
def validator(message: type[Message]) -> Draft7Validator:
    """Checks documents of this message, with the schemas of the document and nothing else."""
    payload = DOCUMENT["components"]["messages"][message.__name__]["payload"]
    return Draft7Validator({**payload, "components": DOCUMENT["components"]})


# ---- The document -----------------------------------------------------------------------------


def test_it_is_valid() -> None:
    """As the models of AsyncAPI 3.0 see it."""
    AsyncAPI3.model_validate(DOCUMENT)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("operations", "driver-send-ChargeRequest-central", "action"), "ask"),
        (("channels", "ev-charging", "bogus"), 1),
        (("servers", "kafka", "host"), None),
    ],
    ids=str,
)
def test_a_broken_one_would_be_found(path: tuple[str, ...], value: object) -> None:
    """What looks at it looks."""
    broken: Any = copy.deepcopy(DOCUMENT)
    holder = broken
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    with pytest.raises(ValueError, match=path[-1]):
        AsyncAPI3.model_validate(broken)


def test_no_reference_is_dead() -> None:
    """Each leads to something in the document."""
    found = list(references(DOCUMENT))
    assert len(found) > 500
    for reference in found:
        assert isinstance(at(reference), dict)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_it_is_the_same_for_the_same_code(seed: str) -> None:
    """In another process, whatever the order of its sets: else each commit would change it."""
    made = subprocess.run(
        [sys.executable, "-c", f"import {document.__module__} as a; print(a.asyncapi_document())"],
        env={"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert made.stdout == TEXT + "\n"


# ---- Complete ---------------------------------------------------------------------------------


@pytest.mark.parametrize("route", OUTSIDE, ids=way_of)
def test_a_route_is_sent_and_received_and_has_its_reply(route: Route) -> None:
    """Two operations, of the two roles; the answer goes back on the channel of the way back."""
    for role, action in ((route.sender, "send"), (route.receiver, "receive")):
        operation = DOCUMENT["operations"][operation_id(route, role)]
        assert operation["action"] == action
        assert [at(tag)["name"] for tag in operation["tags"]] == [role]
        assert [at(m)["title"] for m in operation["messages"]] == [route.message.__name__]
        channel = at(operation["channel"])
        assert channel["address"] == (route.topic.name if route.topic else None)
        assert ("reply" in operation) == (route.answer is not None)
        if route.answer is not None:
            *_, topic = turned(route)
            reply = operation["reply"]
            assert at(reply["channel"])["address"] == (topic.name if topic else None)
            errors = {m.__name__ for m in {ErrorResponse} & sent(*turned(route))}
            said = [at(m)["title"] for m in reply["messages"]]
            assert said[:1] == [route.answer.__name__]
            assert set(said[1:]) == errors


def test_there_is_no_operation_but_those_of_the_routes() -> None:
    """What stays inside a program is not in it."""
    ours = {
        operation_id(route, role) for route in OUTSIDE for role in (route.sender, route.receiver)
    }
    assert set(DOCUMENT["operations"]) == ours
    assert len(ours) == 2 * len(OUTSIDE)
    assert "ConnectionLost" not in DOCUMENT["components"]["messages"]


@pytest.mark.parametrize("way", [way for way in ways() if way[0] is not way[1]], ids=str)
def test_a_channel_holds_all_that_travels_there(way: Any) -> None:
    """Answers and errors too, which no operation names by itself."""
    sender, receiver, topic = way
    links = {f"{sender}-{receiver}", f"{receiver}-{sender}"}
    there = {topic.name.replace(".", "-")} if topic else links
    (channel,) = (c for name, c in DOCUMENT["channels"].items() if name in there)
    assert {m.__name__ for m in sent(*way)} <= set(channel["messages"])


@pytest.mark.parametrize("topic", TOPICS, ids=str)
def test_a_topic_has_its_shape(topic: Any) -> None:
    """Partitions, key, retention: what a program that makes or reads it must know."""
    channel = DOCUMENT["channels"][topic.name.replace(".", "-")]
    binding = channel["bindings"]["kafka"]
    assert (binding["topic"], binding["partitions"]) == (topic.name, topic.partitions)
    assert set(binding["topicConfiguration"]) == set(topic.config)
    for message in channel["messages"].values():
        assert f"`{topic.key}`" in message["bindings"]["kafka"]["key"]["description"]


def test_every_role_that_takes_part_is_a_tag() -> None:
    """With what it is, so that a tool can show one program's share."""
    assert set(DOCUMENT["components"]["tags"]) == set(Role)


@pytest.mark.parametrize("message", SENT, ids=name_of)
def test_a_message_is_found_by_its_name_and_its_answer_by_its_id(message: type[Message]) -> None:
    """The name is what stands in `type`."""
    said = DOCUMENT["components"]["messages"][message.__name__]
    schema = at(said["payload"])
    assert schema["properties"]["type"]["enum"] == [said["name"]]
    assert {"type", "message_id"} <= set(schema["required"])
    assert said["correlationId"]["location"] == "$message.payload#/message_id"
    assert schema["description"]


# ---- Kept to ----------------------------------------------------------------------------------


@pytest.mark.parametrize("message", SENT, ids=name_of)
def test_what_a_program_writes_is_valid(message: type[Message]) -> None:
    """Any message, as the encoder writes it."""

    @given(messages(message) | messages(message, filled=True))
    def holds(said: Message) -> None:
        validator(message).validate(json.loads(encode(said)))

    holds()


@pytest.mark.parametrize("message", SENT, ids=name_of)
def test_what_a_decoder_refuses_is_invalid_as_far_as_a_schema_can_say(
    message: type[Message],
) -> None:
    """A missing field, a wrong type, a broken bound: each is refused here as well."""
    whole = filled(message)
    validator(message).validate(json.loads(as_json(whole)))
    for flaw in [*missing(message), *flaws(message)]:
        broken = json.loads(as_json(flaw.document))
        assert not validator(message).is_valid(broken) or _schema_cannot_say(flaw.what), str(flaw)


def _schema_cannot_say(what: str) -> bool:
    """Python's `$` also fits before a last newline; that of JSON Schema's expressions does not."""
    return what.endswith(r"\n'")


@given(st.sampled_from([m for m in SENT if answer_of(m)]), st.data())
def test_a_default_is_what_a_missing_field_is_read_as(
    message: type[Message], data: st.DataObject
) -> None:
    """So that a program made from the schemas reads a message as ours do."""
    said = data.draw(messages(message))
    properties = at(DOCUMENT["components"]["messages"][message.__name__]["payload"])["properties"]
    written = json.loads(encode(said))
    for name in properties.keys() - written.keys():
        assert json.loads(encode(getattr(said, name))) == properties[name]["default"]
