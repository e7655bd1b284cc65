"""`docs/asyncapi.json`: the protocol as an AsyncAPI 3.0 document, for programs and tools.

A channel is a TCP link between two roles, or a topic. Each row of the table is two operations: one
of the role that sends, one of the role that receives; both carry their role as a tag. The answer to
a request is its operation's reply.
"""

import json
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

from common.messages import ErrorResponse, Message, Role
from common.proof import HEADER
from common.protocol import (
    CENTRAL,
    DEADLINES,
    DRIVER_REQUESTS,
    ENGINE,
    ROUTES,
    TOPICS,
    Route,
    Topic,
    sent,
    way_back,
    ways,
    wire_name,
)
from common.reference.protocol_page import writers_and_readers
from common.reference.schemas import REF, schemas
from common.reference.source import definition, meanings

Part = dict[str, Any]
Way = tuple[Role, Role, Topic | None]

FRAMES = (
    "Frames: STX (0x02), one message as JSON in UTF-8, ETX (0x03), and the XOR of all bytes of the"
    " JSON. Plain TCP, or TLS where the listener has a certificate."
)


def asyncapi_document() -> str:
    """The text of the file; the same for the same code."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> Part:
    """The document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "evcharging",
            "version": version("evcharging"),
            "description": (
                "The messages of a charging network for electric vehicles: framed JSON over TCP,"
                " and JSON records in Kafka. Generated from common/messages.py and"
                " common/protocol.py by `make docs`."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {_channel_id(way): _channel(way) for way in _channels()},
        "operations": dict(_operations()),
        "components": {
            "schemas": schemas(_outside()),
            "messages": {m.__name__: _message(m) for m in _outside()},
            "tags": {
                role: {"name": role, "description": said}
                for role in Role
                if (said := meanings(Role).get(role.name, f"What the {role} sends and receives."))
            },
        },
    }


# ---- Where -------------------------------------------------------------------------------------


def _servers() -> Part:
    return {
        "central": {
            "host": "127.0.0.1:7000",
            "protocol": "tcp",
            "description": f"Central, for monitors, drivers and operators. {FRAMES}",
        },
        "engine": {
            "host": "127.0.0.1:7101",
            "protocol": "tcp",
            "description": f"The engine of a charge point, for its monitor. {FRAMES}",
        },
        "kafka": {
            "host": "127.0.0.1:9092",
            "protocol": "kafka",
            "description": "Apache Kafka; the value of a record is one message as JSON.",
        },
    }


def _channels() -> list[Way]:
    """The links, by who dials whom, and the topics."""
    links = [
        (sender, receiver, None)
        for sender, receiver, topic in ways()
        if topic is None and receiver in (CENTRAL, ENGINE) and sender not in (CENTRAL, ENGINE)
    ]
    return [*links, *(next(way for way in ways() if way[2] is topic) for topic in TOPICS)]


def _channel_id(way: Way) -> str:
    """Such as `driver-central` for a link, by who dials whom, or `ev-charging` for a topic."""
    sender, receiver, topic = way
    if topic is not None:
        return _id(topic.name)
    listener = ENGINE if ENGINE in (sender, receiver) else CENTRAL
    return _id(sender if receiver is listener else receiver, listener)


def _channel(way: Way) -> Part:
    sender, receiver, topic = way
    if topic is None:
        there = sent(sender, receiver) | sent(receiver, sender)
        return {
            "address": None,
            "title": f"{sender} and {receiver}",
            "description": f"A TCP link that the {sender} dials.",
            "servers": [_ref("servers", receiver)],
            "messages": {
                m.__name__: _ref("components", "messages", m.__name__) for m in _ordered(there)
            },
        }
    writers, readers = writers_and_readers(topic)
    there = frozenset().union(*(sent(*one) for one in ways() if one[2] is topic))
    return {
        "address": topic.name,
        "title": topic.name,
        "description": f"Written by {', '.join(writers)}, read by {', '.join(readers)}.",
        "servers": [_ref("servers", "kafka")],
        "messages": {m.__name__: _record(m, topic) for m in _ordered(there)},
        "bindings": {"kafka": _topic_binding(topic)},
    }


def _topic_binding(topic: Topic) -> Part:
    binding: Part = {"topic": topic.name, "partitions": topic.partitions}
    settings: Part = {
        name: [value] if name == "cleanup.policy" else int(value) if value.isdigit() else value
        for name, value in topic.config.items()
    }
    return {**binding, "topicConfiguration": settings, "bindingVersion": "0.5.0"}


# ---- What --------------------------------------------------------------------------------------


def _message(message: type[Message]) -> Part:
    return {
        "name": wire_name(message),
        "title": message.__name__,
        "summary": definition(message),
        "correlationId": {
            "description": "An answer carries the id of its request.",
            "location": "$message.payload#/message_id",
        },
        "payload": {"$ref": REF.format(name=message.__name__)},
    }


def _record(message: type[Message], topic: Topic) -> Part:
    """The message as a record, which has a key, and from a driver a proof."""
    key = {"type": "string", "description": f"The `{topic.key}` that the record is about."}
    record = _message(message) | {
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
    }
    if topic is DRIVER_REQUESTS:
        record["headers"] = {
            "type": "object",
            "properties": {
                HEADER: {
                    "type": "string",
                    "pattern": "^[0-9A-Fa-f]{64}$",
                    "description": (
                        "HMAC-SHA256 of the record's value with the `kafka_key` of"
                        " `auth_response`; demanded where central demands credentials."
                    ),
                }
            },
        }
    return record


def _outside() -> list[type[Message]]:
    """Every message that leaves a program, in the order of the table."""
    there = frozenset().union(*(sent(*way) for way in ways() if way[0] is not way[1]))
    return _ordered(there)


def _ordered(messages: Iterable[type[Message]]) -> list[type[Message]]:
    """In the order of the table, each request before its answer."""
    wanted = frozenset(messages)
    pairs = ((route.message, route.answer) for route in ROUTES)
    return [m for m in dict.fromkeys(m for pair in pairs for m in pair) if m and m in wanted]


# ---- Who does what -----------------------------------------------------------------------------


def _operations() -> Iterator[tuple[str, Part]]:
    for route in ROUTES:
        if route.sender is not route.receiver:
            for role, action in ((route.sender, "send"), (route.receiver, "receive")):
                yield operation_id(route, role), _operation(route, role, action)


def operation_id(route: Route, role: Role) -> str:
    """Such as `driver-send-ChargeRequest-central`: who does what with which message, with whom.

    By Kafka the topic stands in the place of the other role.
    """
    action, other = ("send", route.receiver) if role is route.sender else ("receive", route.sender)
    return _id(role, action, route.message.__name__, str(route.topic or other))


def _operation(route: Route, role: Role, action: str) -> Part:
    channel = _channel_id((route.sender, route.receiver, route.topic))
    operation: Part = {
        "action": action,
        "channel": _ref("channels", channel),
        "summary": definition(route.message),
        "tags": [_ref("components", "tags", role)],
        "messages": [_ref("channels", channel, "messages", route.message.__name__)],
    }
    return operation | ({"reply": _reply(route)} if route.answer else {})


def _reply(route: Route) -> Part:
    """The answer, or the error that travels in its place where these two may send it."""
    assert route.answer is not None
    back = (route.receiver, route.sender, way_back(route.topic))
    channel = _channel_id(back)
    answers: list[type[Message]] = [route.answer]
    if ErrorResponse in sent(*back):
        answers.append(ErrorResponse)
    reply: Part = {
        "channel": _ref("channels", channel),
        "messages": [_ref("channels", channel, "messages", m.__name__) for m in answers],
    }
    seconds = DEADLINES.get((route.sender, route.receiver))
    return reply if seconds is None else {**reply, "x-awaited-seconds": seconds}


def _id(*words: str) -> str:
    """A key that AsyncAPI allows: it may hold no dot."""
    return "-".join(words).replace(".", "-")


def _ref(*path: str) -> Part:
    return {"$ref": "/".join(("#", *path))}
