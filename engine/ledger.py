"""What is known of all sessions: the last record of each, in the order in which they were written.

It is what the journal's records amount to, and what a rewritten journal holds.
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
        self._records.pop(record.session_id, None)
        self._records[record.session_id] = record

    def held(self) -> list[str]:
        """Ended sessions whose tickets are not settled, oldest end first, 100 at most."""
        waiting = (
            r.session_id
            for r in list(self._records.values())  # a copy: metrics are asked in another thread
            if isinstance(r, Session) and r.reason is not None and r.settled_at is None
        )
        return list(islice(waiting, MAX_LISTED_SESSIONS))

    def last_on(self, connector_id: int) -> str | None:
        """The session that this connector served last, as far as it is known."""
        here = (
            r
            for r in self._records.values()
            if isinstance(r, Session) and r.connector_id == connector_id
        )
        last = max(here, key=lambda session: session.at, default=None)
        return last.session_id if last else None

    def end_open(self, reason: EndReason) -> list[Session]:
        """End all sessions that run, at their last entries; those that have ended by that."""
        running = [r for r in self._records.values() if isinstance(r, Session) and not r.reason]
        ended = [replace(s, reason=reason) for s in running]
        for session in ended:
            self.put(session)
        return ended

    def forget_old(self, unix: int) -> None:
        """Drop settled tickets and tombstones that have been kept for long enough."""
        for record in list(self._records.values()):
            kept_since = record.at if isinstance(record, Tombstone) else record.settled_at
            if kept_since is not None and unix - kept_since >= KEEP_SECONDS:
                del self._records[record.session_id]
