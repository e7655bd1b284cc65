"""The engine's memory of its sessions: the ledger, and what of it the journal has.

When the journal fails, the book still learns what happens, and remembers what of it is not on the
disk; nobody may be told that. `mend` tries to write the journal anew.
"""

from collections.abc import Mapping, Sequence

import structlog

from common.states import EndReason
from engine.journal import Journal, JournalFailed
from engine.ledger import Ledger
from engine.session import Record, Session

log = structlog.get_logger()


class Book:
    """All records of one engine; the journal is read at once, and is to be opened after that.

    Attributes:
        meters: The lifetime registers in Wh that the journal had.
        ended: The sessions that ran when the engine died; they have ended now.

    Raises:
        CannotStart: The journal cannot be read, is damaged, or is another charge point's.
    """

    def __init__(self, journal: Journal, unix: int) -> None:
        self._journal = journal
        self._unsaved: dict[str, Record] = {}
        found = journal.read()
        if found.torn:
            log.warning("torn end of the journal dropped", bytes=found.torn)
        self.meters = found.meters
        self._ledger = Ledger(found.records)
        self.ended = self._ledger.end_open(EndReason.ENGINE_RESTARTED)
        self.forget_old(unix)

    def open(self, meters: Mapping[int, int]) -> None:
        """Put a compact journal in place of the one that was read.

        Raises:
            JournalFailed: It cannot be written.
        """
        self._journal.rewrite(self._ledger, meters)

    @property
    def trouble(self) -> str:
        """Why the journal takes nothing now; empty while all is well."""
        return self._journal.trouble

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
        return session_id not in self._unsaved

    def held(self) -> tuple[str, ...]:
        """Ended sessions in the journal whose tickets are not settled, oldest end first."""
        return tuple(filter(self.is_saved, self._ledger.held()))

    def save(self, records: Sequence[Record], meters: Mapping[int, int]) -> bool:
        """Know these from now on; whether they are on the disk."""
        for record in records:
            self._ledger.put(record)
        was_well = not self.trouble
        try:
            self._journal.append(records, meters)
        except JournalFailed as error:
            self._unsaved |= {record.session_id: record for record in records}
            if was_well:
                log.error("no supply until the journal can be written", why=str(error))
            return False
        return True

    def mend(self, meters: Mapping[int, int]) -> list[Session]:
        """Write a journal that failed anew; the sessions that are to be told of now."""
        if not self.trouble:
            return []
        try:
            self._journal.rewrite(self._ledger, meters)
        except JournalFailed:
            return []
        log.info("the journal is written again")
        saved, self._unsaved = self._unsaved, {}
        return [r for r in saved.values() if isinstance(r, Session) and r.settled_at is None]

    def forget_old(self, unix: int) -> None:
        """Drop settled tickets and tombstones that have been kept for long enough."""
        self._ledger.forget_old(unix)
