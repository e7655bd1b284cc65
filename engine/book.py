"""The engine's memory of its sessions: the ledger, and what of it the journal has.

Theory of operation. The journal only ever grows, so it is written anew when it has doubled: then it
holds the last record of each session, and no more. What that leaves is what must be kept, and it
has a limit. Where little more than that would fit, the journal is *full*: settled tickets are given
up before their time, and if that does not help nothing may begin or run any more. What ends is
journaled all the same, and so is what is settled: a ticket that is not settled is never dropped.

When the journal fails, the book still learns what happens, and remembers what of it is not on the
disk; nobody may be told that. `mend` tries to write the journal anew.
"""

from collections.abc import Mapping, Sequence

import structlog

from common.states import EndReason
from engine.journal import Journal, JournalFailed, size_of
from engine.ledger import Ledger
from engine.moment import NS, Moment
from engine.session import Record, Session

log = structlog.get_logger()

MIB = 1 << 20

LIMIT = 64 * MIB
"""Bytes that the journal may have where nobody says: for a point with 100 connectors that charges a
car an hour on each, the week of settled tickets that it keeps, and almost another week without
central; for one with a single connector, years."""

FULL_PARTS = 3, 4
"""The part of the limit that what must be kept may take; the rest is for what runs."""

GROWTH_PART = 8
"""The least that a journal grows before it is written anew, as a part of its limit."""

FORGET_EVERY = 60
"""Seconds between two looks for what has been kept for long enough."""

LAST_RESERVE = 2
"""Limits beyond which sessions that never begin are not journaled any more, and so not refused for
good; tickets and settlements always are."""


class Book:
    """All records of one engine; the journal is read at once, and is to be opened after that.

    Args:
        limit: Bytes that the journal may have.

    Attributes:
        limit: The same.
        meters: The lifetime registers in Wh that the journal had.
        ended: The sessions that ran when the engine died; they have ended now.
        full: Nothing may begin or run, because too much must be kept.

    Raises:
        CannotStart: The journal cannot be read, is damaged, or is another charge point's.
    """

    def __init__(self, journal: Journal, now: Moment, limit: int = LIMIT) -> None:
        self.limit = limit
        self.full = False
        self._journal = journal
        self._unsaved: dict[str, Record] = {}
        self._rewrite_at = 0
        self._settled_some = False
        found = journal.read()
        if found.torn:
            log.warning("torn end of the journal dropped", bytes=found.torn)
        self.meters = found.meters
        self._age = found.age - now.real_ns // NS
        self._ledger = Ledger(found.records)
        self.ended = self._ledger.end_open(EndReason.ENGINE_RESTARTED)
        self.forget_old(now)

    def open(self, meters: Mapping[int, int], now: Moment) -> None:
        """Put a compact journal in place of the one that was read.

        Raises:
            JournalFailed: It cannot be written.
        """
        self._rewrite(meters, now)

    def age(self, now: Moment) -> int:
        """For how many seconds engines have run on this journal."""
        return self._age + now.real_ns // NS

    @property
    def trouble(self) -> str:
        """Why the journal takes nothing now; empty while all is well."""
        return self._journal.trouble

    @property
    def objection(self) -> str:
        """Why nothing may begin, in a sentence; empty if it may."""
        if self.trouble:
            return f"the journal cannot be written: {self.trouble}"
        return "the journal is full of tickets that are not settled" if self.full else ""

    @property
    def journal_bytes(self) -> int:
        """Size of the journal."""
        return self._journal.size

    def __getitem__(self, session_id: str) -> Record | None:
        return self._ledger[session_id]

    def last_on(self, connector_id: int) -> str | None:
        """The session that this connector served last, as far as it is known."""
        return self._ledger.last_on(connector_id)

    def is_saved(self, session_id: str) -> bool:
        """Whether the disk has the last record of this session, which somebody may be told."""
        return self._ledger[session_id] is not None and session_id not in self._unsaved

    def held(self) -> tuple[str, ...]:
        """Ended sessions in the journal whose tickets are not settled, oldest end first."""
        return tuple(s for s in self._ledger.held() if s not in self._unsaved)

    def ended_since(self, unix: int) -> list[Session]:
        """The sessions in the journal that have ended then or later, oldest end first."""
        return [s for s in self._ledger.ended_since(unix) if self.is_saved(s.session_id)]

    def has_room_for_tombstones(self) -> bool:
        """Whether a session that is never to begin may still be journaled."""
        return self._journal.size < LAST_RESERVE * self.limit

    def save(self, records: Sequence[Record], meters: Mapping[int, int], now: Moment) -> bool:
        """Know these from now on; whether they are on the disk."""
        for record in records:
            self._ledger.put(record)
        self._settled_some |= any(isinstance(r, Session) and r.settled_at for r in records)
        was_well = not self.trouble
        try:
            self._journal.append(records, meters, self.age(now))
            if self._journal.size >= self._rewrite_at:
                self._rewrite(meters, now)
        except JournalFailed as error:
            self._unsaved |= {record.session_id: record for record in records}
            if was_well:
                log.error("no supply until the journal can be written", why=str(error))
            return False
        return True

    def mend(self, meters: Mapping[int, int], now: Moment) -> list[Session]:
        """Mend a journal that failed, or is full; the sessions that are to be told of now.

        To be called every second: it also forgets what is old.
        """
        if self.age(now) - self._forgot_at >= FORGET_EVERY:
            self.forget_old(now)
        failed = bool(self.trouble)
        if not failed and not (self.full and self._settled_some):
            return []
        try:
            self._rewrite(meters, now)
        except JournalFailed:
            return []
        if failed:
            log.info("the journal is written again")
        saved, self._unsaved = self._unsaved, {}
        return [r for r in saved.values() if isinstance(r, Session) and r.settled_at is None]

    def forget_old(self, now: Moment) -> None:
        """Drop settled tickets and tombstones that have been kept for long enough."""
        self._forgot_at = self.age(now)
        self._ledger.forget_old(self._forgot_at)

    def _rewrite(self, meters: Mapping[int, int], now: Moment) -> None:
        """Write the journal anew, and see how much room that leaves.

        Raises:
            JournalFailed: It cannot be written.
        """
        self.forget_old(now)
        self._journal.rewrite(self._ledger, meters, self.age(now))
        excess = self._journal.size - self._most()
        if excess > 0 and self._give_up_settled(excess):
            self._journal.rewrite(self._ledger, meters, self.age(now))
        self._settled_some = False
        size, step = self._journal.size, self.limit // GROWTH_PART
        self._note_room(full=size > self._most())
        self._rewrite_at = size + step if self.full else min(self.limit, 2 * size + step)

    def _most(self) -> int:
        parts, of = FULL_PARTS
        return self.limit * parts // of

    def _give_up_settled(self, excess: int) -> int:
        """Drop settled tickets of about so many bytes; how many were there to drop."""
        dropped = 0
        for session in self._ledger.settled():
            if excess <= 0:
                break
            excess -= size_of(session) - size_of(self._ledger.drop(session))
            dropped += 1
        if dropped:
            log.warning("settled tickets are given up before their time", count=dropped)
        return dropped

    def _note_room(self, *, full: bool) -> None:
        if full and not self.full:
            log.error("no supply: the journal is full", bytes=self._journal.size, limit=self.limit)
        elif self.full and not full:
            log.info("the journal has room again", bytes=self._journal.size)
        self.full = full
