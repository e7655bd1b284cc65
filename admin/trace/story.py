"""Which lines belong to one charge, and in which order.

A charge has one trace id, which its messages carry, and a session id, which its readings carry.
Lines that know both join the two, so the logs are read until no id is found any more that belongs
to it, and then once for the lines.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from admin.trace.lines import Line, Source

MOST_LINES = 200_000
"""Lines of one story that are kept; a charge of a day has fewer."""

JOINING = ("trace_id", "session_id")
"""The ids that tell which further lines belong to the same charge; a message id is of one only."""

ROUNDS = 4
"""Readings of the logs for ids: a message leads to its trace, that to its session, and back."""


def story(wanted: str, sources: Sequence[Source]) -> list[Line]:
    """The lines of the charge with this trace id, message id or session id, oldest first.

    Raises:
        OSError: A log cannot be read.
    """
    ids = _all_ids(wanted, sources)
    found: list[tuple[datetime, int, Line]] = []
    for source in sources:
        for line in source.lines():
            if not ids.isdisjoint(line.ids) and len(found) < MOST_LINES:
                # Of one moment, the lines stay in the order of the files.
                found.append((line.at or datetime.min.replace(tzinfo=UTC), len(found), line))
    return [line for _, _, line in sorted(found, key=lambda each: each[:2])]


def _all_ids(wanted: str, sources: Iterable[Source]) -> set[str]:
    """Every id of the same charge."""
    ids = {wanted}
    for _ in range(ROUNDS):
        before = len(ids)
        for source in sources:
            for line in source.lines():
                if not ids.isdisjoint(line.ids):
                    ids |= {value for name in JOINING if (value := getattr(line, name))}
        if len(ids) == before:
            break
    return ids


NOISE = frozenset(
    {"health_check_request", "health_check_response", "heartbeat_request", "heartbeat_response"}
)
"""Messages that name a session now and then, and tell nothing of it."""

REPEATING = frozenset({"charging_data", "charging_status_update"})
"""Messages of which many come during a charge, each making the one before it obsolete."""


def folded(lines: Iterable[Line]) -> list[tuple[Line, int]]:
    """The lines that tell something; of those that repeat the first, and how many there are."""
    told: dict[object, tuple[Line, int]] = {}
    for number, line in enumerate(lines):
        if line.type in NOISE:
            continue
        repeats = line.type in REPEATING
        key = (line.program, line.event, line.type, line.peer) if repeats else number
        first, times = told.get(key, (line, 0))
        told[key] = first, times + 1
    return list(told.values())
