"""The evidence: what engines' journals and central's database say, read without their programs.

A journal is a file of lines, `CRC32 {"n": …, "meters": …, "records": […]}`; the last record of a
session counts. The database is read with plain SQL, all tables in one snapshot.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import psycopg

Row = Mapping[str, Any]
Connector = tuple[str, int]
"""A connector of the network: the charge point's id and its number there."""

TABLES = ("sessions", "tickets", "stop_intents", "outbox")


class Unreadable(Exception):
    """A journal or the database cannot be read; one sentence says why."""


@dataclass(slots=True)
class Evidence:
    """All that was read.

    Attributes:
        registers: What each connector's meter shows, in Wh, as its engine's journal has it.
        journaled: Each session in a journal as it was last written, with its `cp_id`.
        tables: Central's rows by table.
    """

    registers: dict[Connector, int] = field(default_factory=dict)
    journaled: list[Row] = field(default_factory=list)
    tables: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in TABLES})

    @property
    def sessions(self) -> list[Row]:
        """Central's sessions."""
        return self.tables["sessions"]

    @property
    def tickets(self) -> list[Row]:
        """Central's tickets."""
        return self.tables["tickets"]

    def tickets_by_connector(self) -> dict[Connector, list[Row]]:
        """The tickets of each connector in the order of its meter; estimated ones last."""
        found: dict[Connector, list[Row]] = defaultdict(list)
        for ticket in self.tickets:
            found[ticket["cp_id"], ticket["connector_id"]].append(ticket)
        for tickets in found.values():
            tickets.sort(key=lambda t: (t["meter_start_wh"] is None, t["meter_start_wh"] or 0))
        return found


# -- Reading --


def read_journal(folder: Path, evidence: Evidence) -> None:
    """Add what an engine's journal holds.

    A bad end is an append that was cut off: nobody was told of it, and it is no evidence.

    Raises:
        Unreadable: There is no journal, or it is damaged before its end.
    """
    try:
        lines = (folder / "journal").read_bytes().split(b"\n")
    except OSError as error:
        raise Unreadable(f"cannot read the journal in {folder}: {error.strerror}") from None
    bodies = [_body(line) for line in lines[:-1]]
    whole = next((n for n, body in enumerate(bodies) if body is None), len(bodies))
    if not whole or any(bodies[whole:]):
        raise Unreadable(f"the journal in {folder} is damaged at line {whole + 1}")
    try:
        _take([json.loads(body or b"") for body in bodies[:whole]], evidence)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"the journal in {folder} cannot be read: {error}") from None


def _body(line: bytes) -> bytes | None:
    """A line of a journal without its checksum; None if that is wrong."""
    return line[9:] if line[:9] == b"%08x " % crc32(line[9:]) else None


def _take(entries: Sequence[Any], evidence: Evidence) -> None:
    sessions: dict[str, Row] = {}
    (header,) = entries[0]["records"]
    cp_id = header["cp_id"]
    if len(entries) < header["lines"]:
        raise ValueError("lines that were put in place as a whole are missing")
    for number, entry in enumerate(entries):
        if entry["n"] != number:
            raise ValueError(f"line {number} is missing")
        for record in entry["records"]:
            if record["type"] == "session":
                sessions[record["session_id"]] = {**record, "cp_id": cp_id}
        for connector, register in entry["meters"].items():
            evidence.registers[cp_id, int(connector)] = int(register)
    evidence.journaled += sessions.values()


def read_database(url: str, evidence: Evidence) -> None:
    """Add what central has stored.

    Args:
        url: `sqlite:///FILE` or `postgresql://…`, as central was given it.

    Raises:
        Unreadable: It cannot be read, or is not central's.
    """
    kind, _, rest = url.partition("://")
    try:
        if kind == "sqlite":
            rows = _read_sqlite(Path(rest[1:]))
        elif kind.partition("+")[0] in ("postgresql", "postgres"):
            rows = _read_postgres(f"postgresql://{rest}")
        else:
            raise Unreadable(f"the database is neither a SQLite file nor PostgreSQL: {kind}")
    except (sqlite3.Error, psycopg.Error) as error:
        why = str(error).splitlines()[0]
        raise Unreadable(f"cannot read the database: {why}") from None
    evidence.tables |= rows


def _read_sqlite(path: Path) -> dict[str, list[Row]]:
    # Not read-only: the log of a central that was killed is taken up by whoever opens it first.
    if not path.exists():
        raise Unreadable(f"there is no database {path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")  # one snapshot of all tables
        return {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]  # noqa: S608 -- ours
            for name in TABLES
        }


def _read_postgres(url: str) -> dict[str, list[Row]]:
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row, connect_timeout=10) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return {
            name: list(connection.execute(psycopg.sql.SQL(f"SELECT * FROM {name}")))  # noqa: S608 -- ours
            for name in TABLES
        }
