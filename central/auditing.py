"""Entries of the audit log: what operators ordered, and what central did to bills by itself."""

from itertools import count

from central.rules.records import AuditEntry
from common.clock import Clock

CENTRAL_ITSELF = "central"
"""Whose act it is where no operator ordered it."""

CORRECT_TICKET = "correct_ticket"
"""An estimated ticket was replaced by its engine's own."""

DISPUTE_TICKET = "dispute_ticket"
"""A ticket came that is not billed: a second, different one, or one for an unknown session."""


class Auditing:
    """Makes entries whose ids grow with time, over all starts of central."""

    def __init__(self, clock: Clock, epoch: int) -> None:
        self._clock = clock
        self._epoch = epoch
        self._numbers = count()

    def entry(
        self, who: str, command: str, cp_id: str, reason: str | None, *, succeeded: int = 0
    ) -> AuditEntry:
        """A new entry, at the present time."""
        now = self._clock.wall()
        # In the order of the acts, and never another one's: not of another start either.
        entry_id = f"{int(now * 1000):014d}-{self._epoch:010d}-{next(self._numbers):010d}"
        return AuditEntry(
            entry_id=entry_id,
            at=int(now),
            admin_id=who,
            command=command,
            cp_id=cp_id,
            reason=reason,
            succeeded=succeeded,
        )
