"""The page `docs/protocol.md`: every message, who sends it to whom, over what, and what it says."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec import inspect as kinds

from common import admittance, dial, errors, exchange, framing, link, listen, protocol, units
from common.errors import NOT_ANSWERS, PASSING, Reason
from common.messages import AuthRequest, Message, Response, Role
from common.protocol import DEAD, ROUTES, TOPICS, Topic, answer_of, sent, wire_name
from common.reference.fields import bare, field_table, fields_of
from common.reference.markdown import code, generated_from, link_to, listing, mermaid, table
from common.reference.source import definition, meanings

LIMITS = (units, framing, exchange, link, listen, admittance, dial)
"""Modules whose numbers, where they have a meaning, are limits of the protocol."""


def protocol_page() -> Iterator[str]:
    """The blocks of `protocol.md`."""
    yield generated_from("common/messages.py", "common/protocol.py")
    yield "# The protocol"
    yield (
        "Every message of the network: who sends it to whom, over what, and what it says. "
        "States and steps are in [states.md](states.md); [asyncapi.json](asyncapi.json) says the "
        "same to programs, as AsyncAPI 3.0."
    )
    yield from _who_talks_to_whom()
    yield from _what_every_message_carries()
    yield from _messages()
    yield from _parts()
    yield from _topics()
    yield from _refusals()
    yield from _deadlines()
    yield from _limits()


def _who_talks_to_whom() -> Iterator[str]:
    yield "## Who talks to whom"
    yield mermaid("flowchart LR", _arrows())
    yield table(
        ["from", "to", "over", "messages"],
        [
            [*way[:2], _over(*way), _links(m for m in protocol.all_messages() if m in sent(*way))]
            for way in protocol.ways()
        ],
    )
    for name, meaning in meanings(Role).items():
        yield f"*{name.lower()}*: {meaning}"
    yield "What is not listed is answered with `error_response` `unsupported_message`."
    yield (
        "Central has one port for all. A link's first message says whose it is: "
        f"{_links([AuthRequest])} names the role, other messages tell it:"
    )
    first = protocol.INTRODUCTIONS
    yield listing(
        f"{role}: a link that begins with {_links(m for m in first if first[m] is role)}"
        for role in dict.fromkeys(first.values())
    )


def _arrows() -> Iterator[str]:
    order = list(Role)
    ways = protocol.ways()
    for sender, receiver, topic in ways:
        if topic is not None:
            yield f"{sender} -- {topic} --> {receiver}"
        elif (receiver, sender, None) in ways and order.index(sender) > order.index(receiver):
            yield f"{sender} <-- TCP --> {receiver}"


def _what_every_message_carries() -> Iterator[str]:
    yield "## What every message carries"
    yield (
        "A message is a JSON object. `type` is its name and chooses its fields; unknown fields are "
        "skipped. A field that is not required may be left out; one with a default is then read "
        "as that default, and is left out by our own programs while it has it, unless it is "
        "*always written*. No string may hold a NUL. These fields are in all messages:"
    )
    name = ["`type`", "string", "the message's name", "**required**", "Chooses the fields."]
    yield field_table(fields_of(Message), above=[name], required=("message_id",))
    yield "An answer adds:"
    yield field_table(fields_of(Response, beyond=Message))


def _messages() -> Iterator[str]:
    yield "## Messages"
    done: set[type[Message]] = set()
    for (sender, receiver), routes in groupby(ROUTES, key=lambda r: (r.sender, r.receiver)):
        inside = sender is receiver
        yield f"### Inside the {sender}" if inside else f"### {sender.capitalize()} to {receiver}"
        here = dict.fromkeys(m for r in routes for m in (r.message, r.answer) if m is not None)
        if again := [m for m in here if m in done]:
            yield f"Described above: {_links(again)}."
        for message in here:
            if message not in done:
                yield from _message(message)
        done.update(here)


def _message(message: type[Message]) -> Iterator[str]:
    yield f"#### {_title(message)}"
    yield definition(message)
    facts = [
        f"{r.sender} → {r.receiver}, {_over(r.sender, r.receiver, r.topic)}"
        for r in ROUTES
        if r.message is message
    ]
    if asked := [m for m in protocol.all_messages() if answer_of(m) is message]:
        facts.append(f"answers {_links(asked)}")
    if answer := answer_of(message):
        facts.append(f"answered by {_links([answer])}")
    yield listing(facts)
    fields = fields_of(message, beyond=Response if issubclass(message, Response) else Message)
    yield field_table(fields) if fields else "No fields of its own."


def _parts() -> Iterator[str]:
    yield "## Parts of messages"
    for part in dict.fromkeys(p for m in protocol.all_messages() for p in _parts_of(fields_of(m))):
        yield f"### {part.__name__}"
        yield definition(part)
        yield field_table(fields_of(part, beyond=Message))


def _parts_of(fields: Iterable[kinds.Field]) -> Iterator[type]:
    for field in fields:
        match bare(field.type)[0]:
            case kinds.StructType() as part:
                pass
            case kinds.VarTupleType(item_type=kinds.StructType() as part):
                pass
            case _:
                continue
        yield part.cls
        yield from _parts_of(part.fields)


def writers_and_readers(topic: Topic) -> tuple[list[Role], list[Role]]:
    """Whose records the topic holds, and for whom, answers not counted."""
    routes = [route for route in ROUTES if route.topic is topic]
    return (
        list(dict.fromkeys(route.sender for route in routes)),
        list(dict.fromkeys(route.receiver for route in routes)),
    )


def _topics() -> Iterator[str]:
    yield "## Topics"
    rows = []
    for topic in TOPICS:
        writers, readers = writers_and_readers(topic)
        who = f"{', '.join(writers)} → {', '.join(readers)}"
        settings = ", ".join(f"`{name}={value}`" for name, value in topic.config.items())
        rows.append([code(topic), who, code(topic.key), str(topic.partitions), settings])
    settings = ", ".join(f"`{name}={value}`" for name, value in DEAD.config.items())
    who = "central → operators: what could not be applied"
    rows.append([code(DEAD), who, "as it came", str(DEAD.partitions), settings])
    yield table(["topic", "written by → read by", "key", "partitions", "settings"], rows)
    for asked, answered in protocol.ANSWER_TOPIC.items():
        yield f"Answers to requests that came by `{asked}` go to `{answered}`."


def _refusals() -> Iterator[str]:
    yield "## Refusals"
    yield (
        "The words of `error`. A request that a rule refuses gets its own answer, with `status` "
        "`failure`; the rest travels as `error_response`."
    )
    said = meanings(Reason)
    yield table(
        ["reason", "travels as", "meaning"],
        [
            [code(r), "`error_response`" if r in NOT_ANSWERS else "answer", said[r.name]]
            for r in Reason
        ],
    )
    passing = ", ".join(code(reason) for reason in Reason if reason in PASSING)
    yield f"{passing}: {meanings(errors)['PASSING']}"


def _deadlines() -> Iterator[str]:
    yield "## Deadlines"
    waits = protocol.DEADLINES.items()
    yield table(
        ["who asks", "who answers", "waits"],
        [[asker, answerer, f"{seconds:g} s"] for (asker, answerer), seconds in waits],
    )
    said = meanings(protocol)
    yield said["DEADLINES"]
    yield f"{protocol.CENTRAL_ANSWERS_WITHIN:g} s: {said['CENTRAL_ANSWERS_WITHIN']}"


def _limits() -> Iterator[str]:
    yield "## Limits"
    rows = [
        [code(name), f"{value:,}", meaning]
        for module in LIMITS
        for name, meaning in meanings(module).items()
        if isinstance(value := getattr(module, name), int | float)
    ]
    yield table(["limit", "", "meaning"], rows)


# -- Names --


def _title(message: type[Message]) -> str:
    name = wire_name(message)
    if sum(wire_name(m) == name for m in protocol.all_messages()) == 1:
        return name
    senders = dict.fromkeys(r.sender for r in ROUTES if r.message is message)
    return f"{name} ({', '.join(senders)})"


def _links(messages: Iterable[type[Message]]) -> str:
    return ", ".join(link_to(_title(message)) for message in messages)


def _over(sender: Role, receiver: Role, topic: Topic | None) -> str:
    if sender is receiver:
        return "inside the program"
    return code(topic) if topic else "TCP"
