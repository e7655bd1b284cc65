"""What is known of all sessions: the last record of each, in the order in which they were written.

It is what the journal's records amount to, and what a rewritten journal holds. How long something
has been kept is told by the journal's age, never by the clock on the wall: that may jump by days.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from msgspec.structs import replace

from common.states import EndReason
from common.units import MAX_LISTED_SESSIONS
from engine.session import Record, Session, Tombstone

KEEP_SECONDS = 7 * 24 * 3_600
"""How long settled tickets and tombstones are kept. Unsettled tickets are kept for ever."""


class Ledger:
    """The last record of each session."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._records: dict[str, Record] = {}
        self._held: dict[str, None] = {}
        for record in records:
            self.put(record)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, session_id: str) -> Record | None:
        return self._records.get(session_id)

    def put(self, record: Record) -> None:
        """Take a session's newest record; it comes last from now on."""
        session_id = record.session_id
        self._forget(session_id)
        self._records[session_id] = record
        if isinstance(record, Session) and record.reason is not None and record.settled_at is None:
            self._held[session_id] = None

    def held(self) -> list[str]:
        """Ended sessions whose tickets are not settled, oldest end first, 100 at most."""
        # A copy: metrics are asked in another thread.
        return list(islice(list(self._held), MAX_LISTED_SESSIONS))

    def ended_since(self, unix: int) -> list[Session]:
        """The sessions that have ended then or later, settled or not, oldest end first."""
        ended = (r for r in self._records.values() if isinstance(r, Session) and r.reason)
        return sorted((s for s in ended if s.at >= unix), key=lambda session: session.at)

    def last_on(self, connector_id: int) -> str | None:
        """The session that this connector served last, as far as it is known."""
        here = (
            r
            for r in self._records.values()
            if isinstance(r, Session) and r.connector_id == connector_id
        )
        # The register only grows, which no clock on the wall does.
        last = max(here, key=lambda s: (s.meter_wh, s.at), default=None)
        return last.session_id if last else None

    def end_open(self, reason: EndReason) -> list[Session]:
        """End all sessions that run, at their last entries; those that have ended by that."""
        running = [r for r in self._records.values() if isinstance(r, Session) and not r.reason]
        ended = [replace(s, reason=reason) for s in running]
        for session in ended:
            self.put(session)
        return ended

    def forget_old(self, age: int) -> None:
        """Drop settled tickets and tombstones that have been kept for long enough.

        Args:
            age: The journal's.
        """
        for record in list(self._records.values()):
            since = _kept_since(record)
            if since is not None and age - since >= KEEP_SECONDS:
                self._forget(record.session_id)

    def settled(self) -> list[Session]:
        """Those whose tickets are settled, the one settled first first."""
        settled = [
            r for r in self._records.values() if isinstance(r, Session) and r.settled_at is not None
        ]
        return sorted(settled, key=lambda session: session.settled_age)

    def drop(self, session: Session) -> Tombstone:
        """Forget a settled ticket before its time; that its session never begins again stays."""
        assert session.settled_at is not None
        tombstone = Tombstone(
            session_id=session.session_id, at=session.settled_at, age=session.settled_age
        )
        self.put(tombstone)
        return tombstone

    def _forget(self, session_id: str) -> None:
        self._records.pop(session_id, None)
        self._held.pop(session_id, None)


def _kept_since(record: Record) -> int | None:
    """The journal's age since which a record is only kept; None while it is needed."""
    if isinstance(record, Tombstone):
        return record.age
    return None if record.settled_at is None else record.settled_age
