"""The store as the rest of central sees it: changes in, records out, nothing blocking."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Any, Self, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from central.rules.records import (
    AuditEntry,
    Command,
    Credential,
    OutboxEntry,
    RememberedAnswer,
    RequestKey,
    Session,
    StoredSample,
    StoredTag,
    Ticket,
)
from central.store import queries
from central.store.changes import Change
from central.store.database import BUSY_TIMEOUT, Database, kafka_secret, opened
from central.store.gatherer import Gatherer
from central.store.lease import take_at_once
from central.store.queries import Snapshot
from central.store.reader import Query, Reader
from central.store.statements import Statements
from central.store.writer import Part, Writer
from common.clock import Clock
from common.errors import CannotStart
from common.states import SessionState

T = TypeVar("T")

CALLERS_IN_A_GROUP = 1_000
"""The most callers in one transaction; the others are in the next."""

CALLERS_WAITING = 20_000
"""The most callers of `write`, and of all reads, that may wait; further ones are `overloaded`."""

READS_IN_A_GROUP = 100
"""The most reads that are answered together."""


class Store:
    """Central's memory that outlives it, for as long as it leads.

    Args:
        epoch: Of the lease that was taken (`lease.take`).

    Attributes:
        epoch: How often the lease of this database was taken; ours is the highest.
        kafka_secret: What drivers' keys for Kafka are made of; the database's own, for ever.
        lost_lead: Set once another central was seen to have taken the lease: nothing of ours is
            written any more, and every `write` is refused.
    """

    def __init__(self, database: Database, epoch: int, kafka_secret: bytes) -> None:
        self._database = database
        self.epoch = epoch
        self.kafka_secret = kafka_secret
        self.lost_lead = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._statements = Statements(database.dialect)
        self._writer = Writer(database.writing, self._statements, epoch, self._on_lost_lead)
        self._writes: Gatherer[Part, None] = database.gatherer(
            "store-writer",
            self._writer.write,
            self._writer.close,
            at_once=CALLERS_IN_A_GROUP,
            waiting=CALLERS_WAITING,
        )
        reader = Reader(database.reading)
        self._reads: Gatherer[Query, Any] = database.gatherer(
            "store-reader",
            reader.read,
            reader.close,
            at_once=READS_IN_A_GROUP,
            waiting=CALLERS_WAITING,
        )

    @classmethod
    def open(cls, url: str, clock: Clock, *, busy_timeout: float = BUSY_TIMEOUT) -> Self:
        """Open the database, migrate it where that is ours to do, and take its lease at once.

        Blocks; called before the loop serves.

        Args:
            url: `sqlite:///FILE`.
            busy_timeout: Seconds that a write waits for another program's transaction.

        Raises:
            CannotStart: Why not, in one sentence.
        """
        database = opened(url, busy_timeout=busy_timeout)
        return cls(database, take_at_once(database, "", clock), kafka_secret(database))

    def observe(self, on_commit: Callable[[float, int], None]) -> None:
        """Tell each commit's seconds, and how many callers shared it; in the writer's thread."""
        self._writer.on_commit = on_commit

    @property
    def trouble(self) -> str | None:
        """Why the latest writes failed; None if they did not."""
        return self._writer.trouble

    def snapshot(self) -> Snapshot:
        """What central keeps in memory, as it is stored now. Blocks; called at the start.

        Raises:
            CannotStart: The database cannot be read.
        """
        try:
            with self._database.reading.begin() as connection:
                return queries.snapshot(connection)
        except DBAPIError as error:
            raise CannotStart(f"cannot read the database: {error.orig}") from error

    async def write(self, *changes: Change) -> None:
        """Commit these changes, all or none of them; returns after the commit.

        Cancelling the caller does not take back what was handed over: it is committed, or
        fails, all the same.

        Raises:
            Conflict: They break a rule of the schema. Other callers' changes are not affected.
            StoreUnavailable: The database does not take writes; nothing was written.
            Refused: `overloaded`: too many callers wait; nothing was written.
        """
        # Prepared here, so that a record that cannot be stored is its own caller's failure.
        part = [self._statements.prepare(change) for change in changes]
        if part:
            self._loop = asyncio.get_running_loop()
            await self._writes.do(part)

    async def answer(self, key: RequestKey) -> RememberedAnswer | None:
        """The answer that this request got, while it is remembered.

        Raises (as every read does):
            StoreUnavailable: The database cannot be read now.
            Refused: `overloaded`: too many callers wait.
        """
        return await self._read(partial(queries.answer, key=key))

    async def session(self, session_id: str) -> Session | None:
        """This session, open or not."""
        return (await self.sessions((session_id,))).get(session_id)

    async def sessions(self, ids: Collection[str]) -> dict[str, Session]:
        """Those of these sessions that are stored, by their ids."""
        return await self._read(partial(queries.sessions_of, ids=tuple(ids)))

    async def session_of_transaction(self, transaction_id: int) -> Session | None:
        """The session that is this transaction at an OCPP charge point."""
        return await self._read(
            partial(queries.session_of_transaction, transaction_id=transaction_id)
        )

    async def session_of_start(self, start_key: str) -> Session | None:
        """The session whose transaction began with this; see `rules.transactions.start_key`."""
        return await self._read(partial(queries.session_of_start, start_key=start_key))

    async def ticket(self, session_id: str) -> Ticket | None:
        """The session's bill, once there is one."""
        return await self._read(partial(queries.ticket, session_id=session_id))

    async def session_list(
        self,
        *,
        cp_id: str | None = None,
        driver_id: str | None = None,
        state: SessionState | None = None,
        since: int | None = None,
        after: str | None = None,
        limit: int,
    ) -> tuple[list[Session], str | None]:
        """A page of sessions, newest first, 200 at most; all that is given must hold.

        Args:
            since: Unix seconds; those authorised then or later.
            after: The previous page's cursor; None for the first page.

        Returns:
            The page, and the next one's cursor; None after the last.

        Raises:
            ValueError: `after` is no such cursor.
        """
        place = _place(after)
        return await self._read(
            lambda c: queries.session_list(c, cp_id, driver_id, state, since, place, limit)
        )

    async def ticket_list(
        self,
        *,
        cp_id: str | None = None,
        driver_id: str | None = None,
        since: int | None = None,
        until: int | None = None,
        after: str | None = None,
        limit: int,
    ) -> tuple[list[Ticket], str | None]:
        """A page of tickets, the latest end first; as `session_list`.

        Args:
            since, until: Unix seconds; charges that ended from the one to before the other.
        """
        place = _place(after)
        return await self._read(
            lambda c: queries.ticket_list(c, cp_id, driver_id, since, until, place, limit)
        )

    async def samples(
        self, cp_id: str, *, transaction_id: int | None = None, after: str | None = None, limit: int
    ) -> tuple[list[StoredSample], str | None]:
        """A page of a charge point's sampled values, or of one transaction's; as `session_list`.

        By the charge point's own times, the latest first.
        """
        place = _place(after)
        return await self._read(
            lambda c: queries.sample_list(c, cp_id, transaction_id, place, limit)
        )

    async def audit(
        self, *, since: int | None = None, after: str | None = None, limit: int
    ) -> tuple[list[AuditEntry], str | None]:
        """A page of operators' commands, the latest first; as `session_list`."""
        place = _place(after)
        return await self._read(lambda c: queries.audit_list(c, since, place, limit))

    async def command(self, command_id: str) -> Command | None:
        """The command to an OCPP charge point with this id, while it is kept."""
        return await self._read(partial(queries.command, command_id=command_id))

    async def command_list(
        self, *, cp_id: str | None = None, after: str | None = None, limit: int
    ) -> tuple[list[Command], str | None]:
        """A page of the commands to OCPP charge points, the latest first; as `session_list`."""
        place = _place(after)
        return await self._read(lambda c: queries.command_list(c, cp_id, place, limit))

    async def credentials(self, after: int) -> list[Credential]:
        """The credentials that were made or revoked after this change, in that order."""
        return await self._read(partial(queries.changed_credentials, after=after))

    async def id_tags(self, after: int) -> list[StoredTag]:
        """The id tags to which anything was done after this change, in that order."""
        return await self._read(partial(queries.changed_tags, after=after))

    async def lease_epoch(self) -> int | None:
        """Of whoever holds the lease now; None if nobody ever did."""
        return await self._read(queries.lease_epoch)

    async def outbox(self, after: int, limit: int) -> list[OutboxEntry]:
        """What is still to be published after this number, in order; 10,000 at most."""
        return await self._read(partial(queries.outbox_page, after=after, limit=limit))

    async def close(self) -> None:
        """Commit what was handed over, then close the database. Further calls are refused."""
        self._writer.give_up()
        await self._writes.close()
        await self._reads.close()

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return cast(T, await self._reads.do(query))

    def _on_lost_lead(self) -> None:
        assert self._loop is not None  # somebody wrote
        with suppress(RuntimeError):  # the loop was closed: nobody looks any more
            self._loop.call_soon_threadsafe(self.lost_lead.set)


def _place(after: str | None) -> queries.Place | None:
    return None if after is None else queries.place_of(after)
