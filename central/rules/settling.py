"""Which of a point's sessions are settled, and which its engine is to be asked about."""

from collections.abc import Callable, Iterable

from central.rules.records import Session
from common.units import MAX_LISTED_SESSIONS


def settled_of(held: Iterable[str], is_settled: Callable[[str], bool]) -> tuple[str, ...]:
    """Those of the sessions held by an engine that it may forget."""
    return tuple(session_id for session_id in held if is_settled(session_id))


def unsettled_of(sessions: Iterable[Session], commanding: Callable[[str], bool]) -> tuple[str, ...]:
    """The sessions to be settled, oldest first, a hundred at most.

    Left out are those whose start command is yet to be sent, or is awaited: asking about them
    would make an engine refuse a start that is on its way.
    """
    waiting = [s for s in sessions if not s.settled and not commanding(s.session_id)]
    waiting.sort(key=lambda s: (s.requested_ms, s.session_id))
    return tuple(s.session_id for s in waiting[:MAX_LISTED_SESSIONS])
