"""Commits what many callers want written in one transaction.

A group is all or nothing as far as the database's own failures go. If it is one caller's changes
that cannot be made, the group is rolled back and made again with a savepoint around each caller's
part, so that only the guilty one is refused and there is still one sync of the disk.

Where the connection to a server is lost while it commits, nobody here knows whether it did. The
server does: each transaction leaves its mark in the lease, and the group waits until that can be
looked at. (A transaction's own id would not do: after a crash a server may give it again.)
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event
from time import monotonic

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from central.store.changes import Conflict
from central.store.rows import Row
from central.store.statements import LANES, Statements, Step
from common.errors import StoreUnavailable

ASK_AGAIN = 0.2
"""Seconds between two questions to a server about a transaction whose end was not heard."""

MARKS = 10**12
"""Transactions of one epoch, at most: thirty years of a thousand a second."""

Part = Sequence[Step]
"""What one caller wants written."""

Outcome = Exception | None


class LeadLost(StoreUnavailable):
    """A later start of central has taken the database over."""

    def __init__(self) -> None:
        super().__init__("another central has taken over")


class Writer:
    """The one connection that writes. All of it runs in one thread.

    Args:
        epoch: Ours; nothing is written once the database holds another one.
        lost_lead: Called once when it does.
    """

    def __init__(
        self,
        engine: Engine,
        statements: Statements,
        epoch: int,
        lost_lead: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._statements = statements
        self._epoch = epoch
        self._lost_lead = lost_lead
        self._leads = True
        self._closing = Event()
        # No other epoch's: what an older one left in the database is not taken for ours.
        self._mark = epoch * MARKS
        self._connection: Connection | None = None
        self.on_commit: Callable[[float, int], None] | None = None
        self.trouble: str | None = None
        """Why the last group could not be written; None if it was."""

    def write(self, parts: Sequence[Part]) -> list[Outcome]:
        """Commit these; what became of each. After a failure the next group tries afresh."""
        if not self._leads:
            return [LeadLost() for _ in parts]
        begun = monotonic()
        try:
            outcomes = self._commit(parts)
        except LeadLost as error:
            self._discard()
            self._leads = False
            self.trouble = error.why
            self._lost_lead()
            return [LeadLost() for _ in parts]
        except DBAPIError as error:
            self._discard()
            self.trouble = why = str(error.orig)
            return [StoreUnavailable(why) for _ in parts]
        except BaseException:  # a bug; but the connection is in the middle of something
            self._discard()
            raise
        self.trouble = None
        if self.on_commit is not None:
            self.on_commit(monotonic() - begun, len(parts))
        return outcomes

    def give_up(self) -> None:
        """Wait for no server any more; may be called from any thread."""
        self._closing.set()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(DBAPIError):
                self._connection.close()
            self._connection = None

    def _commit(self, parts: Sequence[Part]) -> list[Outcome]:
        connection = self._connected()
        try:
            with self._transaction(connection):
                for sql, values in gathered(parts):
                    connection.exec_driver_sql(sql, values)
            return [None] * len(parts)
        except OperationalError:
            raise
        except Exception as error:
            if _is_gone(error):
                raise
        with self._transaction(connection):
            return [self._commit_part(connection, part) for part in parts]

    @contextmanager
    def _transaction(self, connection: Connection) -> Iterator[None]:
        """One that is committed at its end, and checks first that we still lead.

        Raises:
            LeadLost: We do not.
        """
        transaction = connection.begin()
        try:
            self._check_epoch(connection)
            yield
        except BaseException:
            with suppress(DBAPIError):  # the connection may be gone, and the transaction with it
                transaction.rollback()
            raise
        try:
            transaction.commit()
        except DBAPIError as error:
            if not (self._statements.marks and error.connection_invalidated):
                raise
            self._discard()
            if not self._was_committed():
                raise

    def _was_committed(self) -> bool:
        """What became of the last transaction, whose end was not heard; waits until that is known.

        Raises:
            LeadLost: Another one has written since, and nobody knows any more.
        """
        while True:
            try:
                with self._engine.begin() as connection:
                    # It waits for the lock of the transaction itself, if that still goes on.
                    epoch, mark = connection.exec_driver_sql(self._statements.marked).one()
            except DBAPIError as error:
                self.trouble = str(error.orig)
                if self._closing.wait(ASK_AGAIN):
                    return False
            else:
                if mark == self._mark:
                    return True
                if epoch != self._epoch:
                    raise LeadLost
                return False

    def _commit_part(self, connection: Connection, part: Part) -> Outcome:
        try:
            with connection.begin_nested():
                for sql, values in gathered([part]):
                    connection.exec_driver_sql(sql, values)
        except OperationalError:
            raise
        except IntegrityError as error:
            return Conflict(str(error.orig))
        except Exception as error:
            if _is_gone(error):
                raise
            return error
        return None

    def _check_epoch(self, connection: Connection) -> None:
        self._mark += 1
        values = (self._mark,) if self._statements.marks else ()
        if connection.exec_driver_sql(self._statements.epoch, values).scalar() != self._epoch:
            raise LeadLost

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _discard(self) -> None:
        # Whatever state the connection is in, nothing of it is trusted any more.
        if self._connection is not None:
            with suppress(DBAPIError):
                self._connection.invalidate()
            self.close()


def gathered(parts: Sequence[Part]) -> Iterator[tuple[str, list[Row]]]:
    """Statements, each with all the rows that can be done together.

    Within a table everything stays in the order in which it came; the tables come in the order
    of `LANES`, so that a ticket finds its session.
    """
    lanes: list[list[tuple[str, list[Row]]]] = [[] for _ in LANES]
    for part in parts:
        for statement, row in part:
            lane = lanes[statement.lane]
            if lane and lane[-1][0] is statement.text:
                lane[-1][1].append(row)
            else:
                lane.append((statement.text, [row]))
    for lane in lanes:
        yield from lane


def _is_gone(error: Exception) -> bool:
    """Whether it is the connection that failed, and not what was asked of it."""
    return isinstance(error, LeadLost) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )
