"""Answers many callers' queries over one connection that cannot write."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from common.errors import StoreUnavailable

Query = Callable[[Connection], Any]
"""A question to the database; what it returns is typed again by `Store`."""


class Reader:
    """The connection that reads. All of it runs in one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def read(self, queries: Sequence[Query]) -> list[Any]:
        """Each query's result, or the error that it raised."""
        results: list[Any] = []
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            # One for the group, and it ends: one that stays open keeps the log from being emptied.
            with self._connection.begin():
                for query in queries:
                    results.append(_result(query, self._connection))
        except DBAPIError as error:
            self._discard()
            why = str(error.orig)
            results.extend(StoreUnavailable(why) for _ in queries[len(results) :])
        return results

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(DBAPIError):
                self._connection.close()
            self._connection = None

    def _discard(self) -> None:
        if self._connection is not None:
            with suppress(DBAPIError):
                self._connection.invalidate()
            self.close()


def _result(query: Query, connection: Connection) -> Any:
    try:
        return query(connection)
    except DBAPIError:
        raise
    except Exception as error:  # a bug, and its own caller's
        return error
