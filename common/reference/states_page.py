"""The page `docs/states.md`: what a session and a charge point can be, and what decides it."""

from collections.abc import Iterator
from enum import StrEnum
from itertools import product
from typing import Any

from common import states
from common.reference.markdown import code, generated_from, mermaid, table
from common.reference.source import definition, meanings
from common.states import EndReason, EngineStatus, Facts, SessionEvent, SessionState, Status

OCPP_WORDS = (
    *("Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV"),
    *("Finishing", "Reserved", "Unavailable", "Faulted"),
)
"""`ChargePointStatus` of OCPP 1.6."""


def states_page() -> Iterator[str]:
    """The blocks of `states.md`."""
    yield generated_from("common/states.py")
    yield "# States"
    yield (
        "What a session and a charge point can be, and what decides it. The messages are in "
        "[protocol.md](protocol.md)."
    )
    yield from _words("Session states", SessionState)
    yield mermaid("stateDiagram-v2", _transitions())
    yield from _steps()
    yield from _words("End reasons", EndReason)
    yield from _connector_status()
    yield "## Point status"
    yield "A charge point shows the first of its connectors' words in this order:"
    yield "\n".join(f"{n}. {code(status)}" for n, status in enumerate(point_order(), 1))
    yield from _words("Engine words", EngineStatus)
    yield "A status is read in these words or in OCPP's, in any case:"
    read = {word: states.read_status(word) for word in OCPP_WORDS}
    yield table(
        ["OCPP 1.6", "read as"],
        [
            [code(word), code(ours) if ours else "a sign of life only"]
            for word, ours in read.items()
        ],
    )


def _words(title: str, words: type[StrEnum]) -> Iterator[str]:
    yield f"## {title}"
    yield definition(words)
    said = meanings(words)
    yield table(["word", "meaning"], [[code(word), said.get(word.name, "")] for word in words])


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
        rows.append([code(event), said[event.name], *(code(t) if t else "" for t in targets)])
    yield table(["event", "what it is", *(f"from {code(s)}" for s in SessionState)], rows)


def _connector_status() -> Iterator[str]:
    yield "## Connector status"
    yield definition(Status)
    yield (
        "A connector's status is a function of five facts; its own word is what an OCPP charge "
        "point says of it. Exactly one line fits each combination of them; *any* means that the "
        "fact does not matter there."
    )
    rows = status_rows(SPLITS)
    yield table(
        [*SPLITS, "status", "panel"],
        [[*cells, code(status), states.PANEL_COLOURS[status]] for cells, status in rows],
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
    "link": {"down": {"link_up": False}, "up": {"link_up": True}},
    "fault": {"yes": {"fault": True}, "no": {"fault": False}},
    "its own word": {
        "none": {"reported": None},
        **{str(word): {"reported": word} for word in states.REPORTED.values()},
    },
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
