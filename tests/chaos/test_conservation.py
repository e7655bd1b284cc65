"""The audit from outside: clean books pass, and each way to lose or double a bill is named."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chaos.conservation import RULES, Report, audit
from chaos.evidence import Evidence, Unreadable, read_journal
from engine.disk import Folder
from engine.journal import Journal
from tests.chaos.books import served, write_database, write_journal
from tests.postgres.server import new_database

CP = "ALC-001"
FIRST, SECOND = served("s-1", 0, 1_000), served("s-2", 1_000, 1_500)


class Books:
    """One charge point that served two sessions, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.database = f"sqlite:///{folder / 'central.db'}"
        self.journals = folder / "journals"
        self._file = folder / "central.db"
        write_journal(self.journals / CP, CP, [FIRST, SECOND], register=1_500)
        write_database(self.database, CP, [FIRST, SECOND])

    def spoil(self, statement: str) -> None:
        """Change central's database behind its back."""
        with closing(sqlite3.connect(self._file)) as connection, connection:
            connection.executescript(statement)

    def audit(self) -> Report:
        return audit(self.database, [self.journals])


@pytest.fixture
def books(tmp_path: Path) -> Books:
    """Clean books."""
    return Books(tmp_path)


def broken(report: Report) -> set[str]:
    """The rules that a report says are broken."""
    return {violation.rule for violation in report.violations}


def test_clean_books_have_no_violation(books: Books) -> None:
    """And the sums are those of the meters and the tickets."""
    report = books.audit()
    assert report.violations == ()
    assert (report.points, report.sessions, report.tickets) == (1, 2, 2)
    assert (report.metered_wh, report.billed_wh) == (1_500, 1_500)
    assert report.cost_cents == {"EUR": 53}


def test_postgresql_is_read_as_well(postgres: str, tmp_path: Path) -> None:
    """The same books, in the other database that central can have."""
    url = new_database(postgres)
    write_journal(tmp_path / CP, CP, [FIRST], register=1_000)
    write_database(url, CP, [FIRST])
    report = audit(url, [tmp_path / CP])
    assert report.violations == ()
    assert report.cost_cents == {"EUR": 35}


# A table without its keys: what a store may hold whose schema forgot them.
_TWICE = """
CREATE TABLE t AS SELECT * FROM tickets;
DROP TABLE tickets;
ALTER TABLE t RENAME TO tickets;
INSERT INTO tickets SELECT * FROM tickets WHERE session_id = 's-1';
"""

SPOILT: dict[str, tuple[str, set[str]]] = {
    "a ticket is lost": (
        "DELETE FROM tickets WHERE session_id = 's-2'",
        {"every watt-hour is billed", "one ticket for a session"},
    ),
    "a ticket in the middle is lost": (
        "DELETE FROM tickets WHERE session_id = 's-1'",
        {"every watt-hour is billed", "one ticket for a session", "no watt-hour is billed twice"},
    ),
    "a session is billed twice": (
        _TWICE,
        {"every watt-hour is billed", "one ticket for a session", "no watt-hour is billed twice"},
    ),
    "two sessions are billed for the same energy": (
        "UPDATE tickets SET meter_start_wh = 500, meter_stop_wh = 1000 WHERE session_id = 's-2'",
        {"no watt-hour is billed twice"},
    ),
    "a ticket has another energy than its meter": (
        "UPDATE tickets SET energy = 999 WHERE session_id = 's-1'",
        {"every watt-hour is billed", "one ticket for a session", "the cost is right"},
    ),
    "a cost is a cent too low": (
        "UPDATE tickets SET cost = 17 WHERE session_id = 's-2'",
        {"the cost is right"},
    ),
    "the price is not the session's": (
        "UPDATE tickets SET price = 3400, cost = 34 WHERE session_id = 's-1'",
        {"the cost is right"},
    ),
    "a session is open": (
        "UPDATE sessions SET state = 'charging', open = 1 WHERE session_id = 's-1'",
        {"no session is open"},
    ),
    "a connector is held": (
        "UPDATE sessions SET holds_connector = 'ALC-001/1' WHERE session_id = 's-1'",
        {"no session is open"},
    ),
    "a driver is held": (
        "UPDATE sessions SET holds_driver = 'ANA' WHERE session_id = 's-1'",
        {"no session is open"},
    ),
    "a session is not settled": (
        "UPDATE sessions SET settled = 0 WHERE session_id = 's-1'",
        {"everything is settled"},
    ),
    "a session is disputed": (
        "UPDATE sessions SET disputed = 1 WHERE session_id = 's-1'",
        {"everything is settled"},
    ),
    "a ticket is an estimate": (
        "UPDATE tickets SET estimated = 1 WHERE session_id = 's-1'",
        {"everything is settled"},
    ),
    "a stop is still to be told": (
        "INSERT INTO stop_intents VALUES ('s-1', 'ALC-001', 1, 'cancelled', 0)",
        {"everything is settled"},
    ),
    "a driver was not told": (
        "INSERT INTO outbox VALUES (1, 'ev.driver.events', 'ANA', '{}')",
        {"everything is settled"},
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_wrong_in_the_database_is_named(books: Books, name: str) -> None:
    """Exactly the rules that are broken, and no other."""
    statement, rules = SPOILT[name]
    books.spoil(statement)
    assert broken(books.audit()) == rules


def test_every_rule_can_be_broken() -> None:
    """A rule that no spoilt book breaks would prove nothing."""
    assert set().union(*(rules for _, rules in SPOILT.values())) == set(RULES)


def test_energy_that_is_in_no_ticket_is_named(tmp_path: Path) -> None:
    """A charge of which central never heard: its register and its session both tell."""
    write_journal(tmp_path / CP, CP, [FIRST, SECOND], register=1_500)
    write_database(f"sqlite:///{tmp_path / 'central.db'}", CP, [FIRST])
    report = audit(f"sqlite:///{tmp_path / 'central.db'}", [tmp_path / CP])
    assert [violation.text for violation in report.violations] == [
        "the meter counted 1500 Wh, 1000 Wh are billed",
        "ALC-001 supplied 500 Wh, and it has no ticket",
    ]


def test_an_engine_that_still_holds_or_serves_is_named(tmp_path: Path) -> None:
    """The journal's own word counts, whatever central says."""
    held = replace(FIRST, settled_at=None)
    running = replace(SECOND, settled_at=None, reason=None)
    write_journal(tmp_path / CP, CP, [held, running], register=1_500)
    write_database(f"sqlite:///{tmp_path / 'central.db'}", CP, [FIRST, SECOND])
    report = audit(f"sqlite:///{tmp_path / 'central.db'}", [tmp_path / CP])
    assert [(v.where, v.text) for v in report.violations] == [
        ("s-2", "ALC-001 still serves it"),
        ("s-1", "ALC-001 still holds its ticket"),
    ]


def test_a_point_without_its_journal_is_named(books: Books, tmp_path: Path) -> None:
    """What cannot be compared is not proved."""
    write_journal(tmp_path / "other", "ALC-002", [], register=0)
    report = audit(books.database, [tmp_path / "other"])
    assert "1500 Wh are billed, and no journal shows its meter" in str(report)


# -- Journals --


@given(cut=st.integers(min_value=1))
def test_a_torn_end_is_no_evidence_and_no_damage(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    """Cut anywhere inside its last line, a journal says what it said before that line."""
    folder = tmp_path_factory.mktemp("journal")
    write_journal(folder, CP, [FIRST], register=1_000)
    journal = folder / "journal"
    *whole, last = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(whole) + last[: cut % len(last)])
    evidence = Evidence()
    read_journal(folder, evidence)
    assert evidence.registers == {(CP, 1): 0}
    assert [session.get("reason") for session in evidence.journaled] == [None]


def test_a_damaged_journal_is_said_to_be(tmp_path: Path) -> None:
    """A wrong byte with good lines behind it, and a line that is missing."""
    with closing(Folder(tmp_path / "whole")) as disk:
        Journal(disk, CP).rewrite([FIRST, SECOND], {1: 1_500})
    put_in_place = (tmp_path / "whole" / "journal").read_bytes()
    write_journal(tmp_path, CP, [FIRST], register=1_000)
    journal = tmp_path / "journal"
    first, second, third = journal.read_bytes().splitlines(keepends=True)
    for damaged, said in (
        (first + second.replace(b"ANA", b"EVE") + third, "damaged at line 2"),
        (first + third, "line 1 is missing"),
        (b"", "damaged at line 1"),
        (put_in_place.splitlines(keepends=True)[0], "lines that were put in place"),
        (b"%08x null\n" % crc32(b"null"), "cannot be read"),
    ):
        journal.write_bytes(damaged)
        with pytest.raises(Unreadable, match=said):
            read_journal(tmp_path, Evidence())


# -- The program --


def run(*options: str) -> "subprocess.CompletedProcess[str]":
    """The program, as a person runs it."""
    command = [sys.executable, "-m", "chaos.conservation", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_program_says_yes_or_names_each_violation(books: Books) -> None:
    """Exit code 0 and a line for each rule; 1 and the violations, also as JSON."""
    options = ["--database", books.database, "--journal", str(books.journals)]
    clean = run(*options)
    assert clean.returncode == 0
    assert clean.stdout.splitlines() == [
        "1 charge points, 2 sessions, 2 tickets",
        "1500 Wh metered, 1500 Wh billed: 0.53 EUR",
        *(f"{rule}: yes" for rule in RULES),
    ]
    books.spoil("UPDATE tickets SET cost = 17 WHERE session_id = 's-2'")
    spoilt = run(*options)
    assert spoilt.returncode == 1
    assert "the cost is right: NO: s-2: its ticket costs 17 cents, 18 are right" in spoilt.stdout
    told = json.loads(run(*options, "--json").stdout)
    assert told["violations"][0]["where"] == "s-2"


@pytest.mark.parametrize(
    ("database", "said"),
    [
        ("sqlite:///no-such.db", "there is no database no-such.db"),
        ("oracle://x", "the database is neither a SQLite file nor PostgreSQL: oracle"),
        ("postgresql://nobody@127.0.0.1:1/x", "cannot read the database: "),
    ],
)
def test_a_database_that_cannot_be_read_is_one_sentence(
    books: Books, database: str, said: str
) -> None:
    """And exit code 1, without a traceback."""
    done = run("--database", database, "--journal", str(books.journals))
    assert done.returncode == 1
    assert done.stderr.startswith(f"conservation: {said}")
    assert len(done.stderr.splitlines()) == 1


def test_it_imports_nothing_of_the_project() -> None:
    """An auditor that shared code with the audited would share its mistakes."""
    code = "import chaos.conservation, sys; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    ours = {path.parent.name for path in Path(__file__).parents[2].glob("*/__init__.py")}
    assert {"common", "engine", "central"} < ours
    assert roots & ours == {"chaos"}
    loaded = {name for name in done.stdout.split() if name.startswith("chaos.")}
    assert loaded == {"chaos.evidence", "chaos.conservation"}
