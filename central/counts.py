"""What became of sessions since this start, in numbers."""

from collections import Counter

from central.rules.records import Session
from common.states import SessionState

REFUSED = "refused"
"""The reason of a session that gives none: its engine refused it."""

OVER = (SessionState.COMPLETED, SessionState.FAILED)


class SessionCounts:
    """Counts what was committed.

    Attributes:
        started: Sessions that were authorised and stored.
        ended: Those that were completed or failed, by state and reason.
        tickets: Bills, corrections not counted.
        energy: Of them, in Wh.
        cents: Of them, by currency.
    """

    def __init__(self) -> None:
        self.started = 0
        self.ended: Counter[tuple[SessionState, str]] = Counter()
        self.tickets = 0
        self.energy = 0
        self.cents: Counter[str] = Counter()

    def changed(self, before: Session, after: Session) -> None:
        """A session has changed."""
        if after.state in OVER and before.state is not after.state:
            self.ended[after.state, after.reason or REFUSED] += 1
        if after.revision and not before.revision:
            self.tickets += 1
            self.energy += int(after.energy)
            self.cents[after.currency] += int(after.cost or 0)
