"""The reference pages `docs/protocol.md` and `docs/states.md`, written from the code alone.

::

    python -m common.reference docs           writes both pages into `docs`
    python -m common.reference --check docs   exits 1 and names the page that is out of date

Whatever a page says stands once in the code: who sends what in `protocol.ROUTES`, fields and
bounds in the structs, meanings in docstrings and in `Meta.description`, states in `states.STEPS`.
A string below a member or a constant is its meaning; Python drops those, so they are read from
the source. Functions yield the blocks of a page: what stands between two empty lines.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum, StrEnum
from itertools import groupby, pairwise, product
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from msgspec import NODEFAULT
from msgspec import inspect as kinds

from common import dial, errors, exchange, framing, link, protocol, states, units
from common.codec import encode
from common.errors import NOT_ANSWERS, PASSING, Reason
from common.messages import AuthRequest, Message, Response, Role
from common.metrics.page import metrics_page
from common.protocol import ROUTES, TOPICS, Topic, answer_of, sent, wire_name
from common.states import EndReason, EngineStatus, Facts, SessionEvent, SessionState, Status
from common.units import Quantity

COMMAND = "make docs"

LIMITS = (units, framing, exchange, link, dial)
"""Modules whose numbers, where they have a meaning, are limits of the protocol."""

OCPP_WORDS = (
    *("Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV"),
    *("Finishing", "Reserved", "Unavailable", "Faulted"),
)
"""`ChargePointStatus` of OCPP 1.6."""


# ---- Reading the source -----------------------------------------------------------------------


def meanings(of: type | ModuleType) -> dict[str, str]:
    """What the strings below the members of a class, or the constants of a module, say of them."""
    tree = ast.parse(inspect.getsource(of))
    body = tree.body
    if isinstance(of, type):
        assert isinstance(body[0], ast.ClassDef)
        body = body[0].body
    found: dict[str, str] = {}
    for statement, below in pairwise(body):
        match statement, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(ast.Constant(str(text))),
            ):
                found[name] = " ".join(text.split())
    return found


def definition(of: type) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(inspect.cleandoc(of.__doc__ or "").split("\n\n")[0].split())


# ---- Markdown ---------------------------------------------------------------------------------


def _code(value: object) -> str:
    return f"`{value}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, cells))} |" for cells in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|")


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _mermaid(kind: str, lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", kind, *(f"    {line}" for line in lines), "```"])


def _link(title: str, page: str = "") -> str:
    """A link to a heading, by the name that GitHub gives it."""
    anchor = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
    return f"[{title}]({page}#{anchor})"


# ---- The protocol's page ----------------------------------------------------------------------


def protocol_page() -> Iterator[str]:
    """The blocks of `protocol.md`."""
    yield _generated_from("common/messages.py", "common/protocol.py")
    yield "# The protocol"
    yield (
        "Every message of the network: who sends it to whom, over what, and what it says. "
        "States and steps are in [states.md](states.md)."
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
    yield _mermaid("flowchart LR", _arrows())
    yield _table(
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
    yield _list(
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
    yield _field_table(_fields(Message), above=[name], required=("message_id",))
    yield "An answer adds:"
    yield _field_table(_fields(Response, beyond=Message))


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
    yield _list(facts)
    fields = _fields(message, beyond=Response if issubclass(message, Response) else Message)
    yield _field_table(fields) if fields else "No fields of its own."


def _parts() -> Iterator[str]:
    yield "## Parts of messages"
    for part in dict.fromkeys(p for m in protocol.all_messages() for p in _parts_of(_fields(m))):
        yield f"### {part.__name__}"
        yield definition(part)
        yield _field_table(_fields(part, beyond=Message))


def _parts_of(fields: Iterable[kinds.Field]) -> Iterator[type]:
    for field in fields:
        match _bare(field.type)[0]:
            case kinds.StructType() as part:
                pass
            case kinds.VarTupleType(item_type=kinds.StructType() as part):
                pass
            case _:
                continue
        yield part.cls
        yield from _parts_of(part.fields)


def _topics() -> Iterator[str]:
    yield "## Topics"
    rows = []
    for topic in TOPICS:
        writers = dict.fromkeys(r.sender for r in ROUTES if r.topic is topic)
        readers = dict.fromkeys(r.receiver for r in ROUTES if r.topic is topic)
        who = f"{', '.join(writers)} → {', '.join(readers)}"
        settings = ", ".join(f"`{name}={value}`" for name, value in topic.config.items())
        rows.append([_code(topic), who, _code(topic.key), str(topic.partitions), settings])
    yield _table(["topic", "written by → read by", "key", "partitions", "settings"], rows)
    for asked, answered in protocol.ANSWER_TOPIC.items():
        yield f"Answers to requests that came by `{asked}` go to `{answered}`."


def _refusals() -> Iterator[str]:
    yield "## Refusals"
    yield (
        "The words of `error`. A request that a rule refuses gets its own answer, with `status` "
        "`failure`; the rest travels as `error_response`."
    )
    said = meanings(Reason)
    yield _table(
        ["reason", "travels as", "meaning"],
        [
            [_code(r), "`error_response`" if r in NOT_ANSWERS else "answer", said[r.name]]
            for r in Reason
        ],
    )
    passing = ", ".join(_code(reason) for reason in Reason if reason in PASSING)
    yield f"{passing}: {meanings(errors)['PASSING']}"


def _deadlines() -> Iterator[str]:
    yield "## Deadlines"
    waits = protocol.DEADLINES.items()
    yield _table(
        ["who asks", "who answers", "waits"],
        [[asker, answerer, f"{seconds:g} s"] for (asker, answerer), seconds in waits],
    )
    said = meanings(protocol)
    yield said["DEADLINES"]
    yield f"{protocol.CENTRAL_ANSWERS_WITHIN:g} s: {said['CENTRAL_ANSWERS_WITHIN']}"


def _limits() -> Iterator[str]:
    yield "## Limits"
    rows = [
        [_code(name), f"{value:,}", meaning]
        for module in LIMITS
        for name, meaning in meanings(module).items()
        if isinstance(value := getattr(module, name), int | float)
    ]
    yield _table(["limit", "", "meaning"], rows)


# -- Names --


def _title(message: type[Message]) -> str:
    name = wire_name(message)
    if sum(wire_name(m) == name for m in protocol.all_messages()) == 1:
        return name
    senders = dict.fromkeys(r.sender for r in ROUTES if r.message is message)
    return f"{name} ({', '.join(senders)})"


def _links(messages: Iterable[type[Message]]) -> str:
    return ", ".join(_link(_title(message)) for message in messages)


def _over(sender: Role, receiver: Role, topic: Topic | None) -> str:
    if sender is receiver:
        return "inside the program"
    return _code(topic) if topic else "TCP"


# -- Fields --


def _fields(struct: type, *, beyond: type | None = None) -> list[kinds.Field]:
    """The fields of a struct, without those of `beyond` if it is made of that."""
    info = kinds.type_info(struct)
    assert isinstance(info, kinds.StructType)
    known = beyond.__struct_fields__ if beyond and issubclass(struct, beyond) else ()  # type: ignore[attr-defined]
    return [field for field in info.fields if field.name not in known]


def _field_table(
    fields: Iterable[kinds.Field],
    *,
    above: Iterable[list[str]] = (),
    required: Iterable[str] = (),
) -> str:
    rows = list(above)
    for field in fields:
        kind, said = _bare(field.type)
        presence = "**required**" if field.name in required else _presence(field)
        meaning = said or _meaning(kind)
        rows.append([_code(field.encode_name), _wire_type(kind), _bounds(kind), presence, meaning])
    return _table(["field", "type", "bounds", "", "meaning"], rows)


def _bare(kind: kinds.Type) -> tuple[kinds.Type, str]:
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
    Reason: _link("Refusals"),
    SessionState: _link("Session states", "states.md"),
    EndReason: _link("End reasons", "states.md"),
    Status: _link("Connector status", "states.md"),
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
        case kinds.EnumType():
            return "word"
        case kinds.StructType(cls=cls):
            return _link(cls.__name__)
        case kinds.VarTupleType(item_type=kinds.StructType(cls=cls)):
            return f"list of {_link(cls.__name__)}"
        case kinds.VarTupleType(item_type=item):
            return f"list of {_wire_type(_bare(item)[0])}s"
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
            return _DESCRIBED_ELSEWHERE.get(cls) or ", ".join(_code(word.value) for word in cls)
        case kinds.VarTupleType(item_type=item, max_length=int(most)):
            each = _bounds(_bare(item)[0])
            return f"at most {most}" + (f", each {each}" if each else "")
    return ""


def _characters(pattern: str) -> str:
    bare = pattern.removeprefix("^").removesuffix(r"\Z")
    if free := re.fullmatch(r"\[\^\\x00\]\{(\d+),(\d+)\}", bare):
        least, most = free.groups()
        return f"at most {most} characters" if least == "0" else f"{least} to {most} characters"
    return _code(bare)


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
    return _code(encode(value).decode())


def _meaning(kind: kinds.Type) -> str:
    match kind:
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


# ---- The states' page -------------------------------------------------------------------------


def states_page() -> Iterator[str]:
    """The blocks of `states.md`."""
    yield _generated_from("common/states.py")
    yield "# States"
    yield (
        "What a session and a charge point can be, and what decides it. The messages are in "
        "[protocol.md](protocol.md)."
    )
    yield from _words("Session states", SessionState)
    yield _mermaid("stateDiagram-v2", _transitions())
    yield from _steps()
    yield from _words("End reasons", EndReason)
    yield from _connector_status()
    yield "## Point status"
    yield "A charge point shows the first of its connectors' words in this order:"
    yield "\n".join(f"{n}. {_code(status)}" for n, status in enumerate(point_order(), 1))
    yield from _words("Engine words", EngineStatus)
    yield "A status is read in these words or in OCPP's, in any case:"
    read = {word: states.read_status(word) for word in OCPP_WORDS}
    yield _table(
        ["OCPP 1.6", "read as"],
        [
            [_code(word), _code(ours) if ours else "a sign of life only"]
            for word, ours in read.items()
        ],
    )


def _words(title: str, words: type[StrEnum]) -> Iterator[str]:
    yield f"## {title}"
    yield definition(words)
    said = meanings(words)
    yield _table(["word", "meaning"], [[_code(word), said.get(word.name, "")] for word in words])


def _transitions() -> Iterator[str]:
    yield f"[*] --> {next(iter(SessionState))}"
    for state, steps in states.STEPS.items():
        for target in dict.fromkeys(steps.values()):
            events = ", ".join(event for event, to in steps.items() if to is target)
            yield f"{state} --> {target}: {events}"
        if not steps:
            yield f"{state} --> [*]"


def _steps() -> Iterator[str]:
    yield "## Session steps"
    yield (
        "Where each event takes a session from each state. An empty cell: nothing changes, "
        "because events may come late, twice and out of order."
    )
    said = meanings(SessionEvent)
    rows = []
    for event in SessionEvent:
        targets = [states.STEPS[state].get(event) for state in SessionState]
        rows.append([_code(event), said[event.name], *(_code(t) if t else "" for t in targets)])
    yield _table(["event", "what it is", *(f"from {_code(s)}" for s in SessionState)], rows)


def _connector_status() -> Iterator[str]:
    yield "## Connector status"
    yield definition(Status)
    yield (
        "A connector's status is a function of four facts. Exactly one line fits each "
        "combination of them; *any* means that the fact does not matter there."
    )
    rows = status_rows(SPLITS)
    yield _table(
        [*SPLITS, "status", "panel"],
        [[*cells, _code(status), states.PANEL_COLOURS[status]] for cells, status in rows],
    )


def _session_choices() -> dict[str, dict[str, Any]]:
    choices: dict[str, dict[str, Any]] = {}
    limit = states.FINISHING_SHOWN_FOR
    for state in SessionState:
        early, late = ({"session": state, "finishing_for": t} for t in (0.0, limit))
        if _status({"link_up": True, **early}) is _status({"link_up": True, **late}):
            choices[state] = early
        else:
            choices |= {f"{state} for less than {limit:g} s": early, f"{state} for longer": late}
    return {**choices, "none": {"session": None}}


def _status(facts: dict[str, Any]) -> Status:
    return states.connector_status(Facts(**facts))


SPLITS: dict[str, dict[str, dict[str, Any]]] = {
    "monitor's link": {"down": {"link_up": False}, "up": {"link_up": True}},
    "fault": {"yes": {"fault": True}, "no": {"fault": False}},
    "session": _session_choices(),
    "stopped": {"yes": {"stopped": True}, "no": {"stopped": False}},
}
"""What decides a connector's status, as columns, with all that may stand in each."""


def status_rows(
    splits: dict[str, dict[str, dict[str, Any]]], known: dict[str, Any] | None = None
) -> list[tuple[list[str], Status]]:
    """The status table below what is known: one line where all agree, else split by a fact.

    Every combination is asked for; choices of a fact that lead to the same lines are one.
    """
    known = known or {}
    combinations = product(*(choices.values() for choices in splits.values()))
    found = {_status({k: v for part in (known, *c) for k, v in part.items()}) for c in combinations}
    if len(found) == 1:
        return [(["any"] * len(splits), found.pop())]
    (_, choices), *others = splits.items()
    below = {word: status_rows(dict(others), known | fact) for word, fact in choices.items()}
    rows: list[tuple[list[str], Status]] = []
    for lines in below.values():
        alike = " · ".join(word for word, other in below.items() if other == lines)
        rows += [row for cells, s in lines if (row := ([alike, *cells], s)) not in rows]
    return rows


def point_order() -> list[Status]:
    """Which word wins over which, found by asking `point_status`."""
    left, order = set(Status), []
    while left:
        order.append(states.point_status(left))
        left.remove(order[-1])
    return order


# ---- Writing and checking ---------------------------------------------------------------------

PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "protocol.md": protocol_page,
    "states.md": states_page,
    "metrics.md": metrics_page,
}


def _generated_from(*files: str) -> str:
    return f"<!-- Generated from {' and '.join(files)} by `{COMMAND}`. Do not edit. -->"


def text_of(page: str) -> str:
    """The text that a page must have."""
    return "\n\n".join(PAGES[page]()) + "\n"


def stale(folder: Path) -> list[str]:
    """The pages in `folder` that are missing, or say other than the code."""
    committed = {p: (folder / p).read_text("utf-8") for p in PAGES if (folder / p).exists()}
    return [page for page in PAGES if committed.get(page) != text_of(page)]


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a page is out of date.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def main(*, check: bool, folder: Path) -> None:
    """Write protocol.md and states.md into FOLDER from the code."""
    if check:
        if pages := stale(folder):
            named = " and ".join(str(folder / page) for page in pages)
            raise click.ClickException(f"out of date: {named}; run `{COMMAND}`")
        return
    folder.mkdir(parents=True, exist_ok=True)
    for page in PAGES:
        (folder / page).write_text(text_of(page), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
