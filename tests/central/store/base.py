"""The store without its threads: changes in, rows out, one after the other."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, delete, event

from central.store import Change, schema
from central.store.database import Database, opened
from central.store.lease import take_at_once
from central.store.statements import Statements
from central.store.writer import Outcome, Writer
from tests.central.store import samples


class Base:
    """A database that takes changes and shows what is in it.

    Attributes:
        commits: How many transactions were committed.
    """

    def __init__(self, url: str, *, busy_timeout: float = 5.0) -> None:
        self.database: Database = opened(url, busy_timeout=busy_timeout)
        self._statements = Statements(self.database.dialect)
        epoch = take_at_once(self.database, "here:1", samples.CLOCK)
        self.writer = Writer(self.database.writing, self._statements, epoch, lambda: None)
        self.commits = 0
        event.listen(self.database.writing, "commit", self._count)

    def write(self, *changes: Change) -> None:
        """Commit these, or raise why not."""
        (outcome,) = self.write_group([changes])
        if outcome is not None:
            raise outcome

    def write_group(self, callers: Sequence[Sequence[Change]]) -> list[Outcome]:
        """Commit what several callers want, together; what became of each."""
        return self.writer.write(
            [[self._statements.prepare(change) for change in changes] for changes in callers]
        )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection of its own, which sees only what is committed."""
        with self.database.reading.begin() as connection:
            yield connection

    def empty(self) -> None:
        """Forget all but the epoch."""
        with self.database.writing.begin() as connection:
            for table in reversed(schema.metadata.sorted_tables):
                if table is not schema.lease:
                    connection.execute(delete(table))

    def close(self) -> None:
        self.writer.close()

    def _count(self, _connection: Connection) -> None:
        self.commits += 1
