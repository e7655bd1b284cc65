"""Commits what many callers want written in one transaction.

A group is all or nothing as far as the database's own failures go. If it is one caller's changes
that cannot be made, the group is rolled back and made again with a savepoint around each caller's
part, so that only the guilty one is refused and there is still one sync of the disk.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from central.store.changes import Conflict
from central.store.rows import Row
from central.store.statements import LANES, Statements, Step
from common.errors import StoreUnavailable

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
        self._connection: Connection | None = None
        self.trouble: str | None = None
        """Why the last group could not be written; None if it was."""

    def write(self, parts: Sequence[Part]) -> list[Outcome]:
        """Commit these; what became of each. After a failure the next group tries afresh."""
        if not self._leads:
            return [LeadLost() for _ in parts]
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
        return outcomes

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(DBAPIError):
                self._connection.close()
            self._connection = None

    def _commit(self, parts: Sequence[Part]) -> list[Outcome]:
        connection = self._connected()
        try:
            with connection.begin():
                self._check_epoch(connection)
                for text, values in gathered(parts):
                    connection.exec_driver_sql(text, values)
            return [None] * len(parts)
        except OperationalError:
            raise
        except Exception as error:
            if _is_gone(error):
                raise
        with connection.begin():
            self._check_epoch(connection)
            return [self._commit_part(connection, part) for part in parts]

    def _commit_part(self, connection: Connection, part: Part) -> Outcome:
        try:
            with connection.begin_nested():
                for text, values in gathered([part]):
                    connection.exec_driver_sql(text, values)
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
        if connection.exec_driver_sql(self._statements.epoch).scalar() != self._epoch:
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
