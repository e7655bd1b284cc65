"""How a database is opened, and why not."""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from central.store import NoteCluster, Store
from common.errors import CannotStart
from tests.central.store.samples import CLOCK

ONLY = "it takes sqlite:///FILE and postgresql://USER@HOST/NAME"


def refusal(url: str) -> str:
    with pytest.raises(CannotStart) as refused:
        Store.open(url, CLOCK, busy_timeout=0.05)
    return str(refused.value)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "the database URL cannot be read; write it like sqlite:///central.db"),
        ("central.db", "the database URL cannot be read; write it like sqlite:///central.db"),
        (
            "postgresql+psycopg://u:secret@h:port/x",
            "the database URL cannot be read; write it like sqlite:///central.db",
        ),
        ("oracul://u:secret@h/x", f"oracul is no database of this program; {ONLY}"),
        ("mysql://u:secret@h/x", f"mysql is no database of this program; {ONLY}"),
        (
            "sqlite+aiosqlite:///x.db",
            f"sqlite+aiosqlite is no database of this program; {ONLY}",
        ),
        (
            "sqlite://",
            "cannot open the database sqlite://: "
            "it must be a file and nothing else: sqlite:///central.db",
        ),
        (
            "sqlite:///nowhere/central.db",
            "cannot open the database sqlite:///nowhere/central.db: there is no folder nowhere",
        ),
        ("sqlite:////tmp", "cannot open the database sqlite:////tmp: it is a folder"),
    ],
)
def test_a_url_that_names_no_database_is_refused_in_one_sentence(url: str, sentence: str) -> None:
    """It says what is wrong and what to write instead, and repeats no password."""
    assert refusal(url) == sentence


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, without the password."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    sentence = refusal("postgresql+psycopg://u:secret@h/x")
    assert sentence == "the driver of postgresql+psycopg is not installed"


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    """A mistyped path harms no file."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 100)
    assert refusal(f"sqlite:///{path}") == (
        f"cannot open the database sqlite:///{path}: file is not a database"
    )
    assert path.read_text() == "Dear reader, " * 100


def test_another_programs_database_is_refused_and_kept(tmp_path: Path) -> None:
    """Not a byte of it changes."""
    path = tmp_path / "bookmarks.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    assert refusal(f"sqlite:///{path}") == (
        f"cannot open the database sqlite:///{path}: it holds another program's tables"
    )
    assert path.read_bytes() == before


def test_a_database_in_which_another_program_writes_is_refused(tmp_path: Path) -> None:
    """After the time that one waits for it, not for ever."""
    path = tmp_path / "central.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert refusal(f"sqlite:///{path}") == (
            f"cannot open the database sqlite:///{path}: database is locked"
        )


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that we can look into, as a user who may not write everywhere."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


def test_a_folder_that_may_not_be_written_to_is_refused(as_nobody: Path) -> None:
    """The log lies beside the file, so the file alone is not enough."""
    if os.stat(as_nobody).st_uid == os.geteuid():
        as_nobody.chmod(0o555)
    path = as_nobody / "central.db"
    assert refusal(f"sqlite:///{path}") == (
        f"cannot open the database sqlite:///{path}: the folder {as_nobody} is not writable"
    )


async def test_a_relative_path_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the manual writes it: sqlite:///central.db."""
    monkeypatch.chdir(tmp_path)
    store = Store.open("sqlite:///central.db", CLOCK)
    await store.write(NoteCluster("c"))
    await store.close()
    assert (tmp_path / "central.db").exists()
