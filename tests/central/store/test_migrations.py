"""The schema's history leads to the schema, and loses nothing on the way."""

import shutil
from pathlib import Path
from textwrap import dedent

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, make_url, text

from central.store import AddToOutbox, Store, migrate, schema
from central.store.database import opened
from common.errors import CannotStart
from tests.central.store.base import Base
from tests.central.store.samples import CLOCK, entry

NEXT = dedent(
    """
    import sqlalchemy as sa
    from alembic import op

    revision = "{revision}"
    down_revision = "{before}"

    def upgrade() -> None:
        with op.batch_alter_table("points", recreate="always") as points:
            points.add_column(sa.Column("colour", sa.Text))
        {then}
    """
)


def test_the_migrations_end_at_the_schema(url: str) -> None:
    """Whatever `schema` says is in a database that the migrations made, and nothing else."""
    database = opened(url)
    made = create_engine("sqlite://")
    schema.metadata.create_all(made)
    with database.reading.connect() as connection, made.connect() as other:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
        for table in schema.metadata.tables:
            # What the comparison above leaves out.
            for look in ("get_check_constraints", "get_pk_constraint", "get_unique_constraints"):
                migrated, wanted = (
                    getattr(inspect(each), look)(table) for each in (connection, other)
                )
                assert migrated == wanted, table


def test_a_database_that_is_up_to_date_is_not_copied(url: str) -> None:
    """Starting again leaves no files behind."""
    path = Path(make_url(url).database or "")
    for _ in range(2):
        Base(url).close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A later version of this program's migrations, not yet in use."""
    folder = tmp_path / "newer" / "migrations"
    shutil.copytree(migrate.FOLDER, folder)
    return folder


def add_migration(folder: Path, then: str = "pass") -> str:
    before = migrate.newest()
    revision = f"{int(before) + 1:04d}"
    script = NEXT.format(revision=revision, before=before, then=then)
    (folder / "versions" / f"{revision}_next.py").write_text(script)
    return revision


def columns(url: str, table: str) -> set[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {column["name"] for column in inspect(connection).get_columns(table)}
    engine.dispose()
    return found


def test_a_migration_keeps_what_is_stored_and_a_copy_of_how_it_was(
    url: str, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is a whole database, under a name that says what it was made before."""
    old = Base(url)
    old.write(AddToOutbox(entry(1)))
    old.close()
    revision = add_migration(newer)
    monkeypatch.setattr(migrate, "FOLDER", newer)
    opened(url)
    copy = f"{url}.before-{revision}"
    assert "colour" in columns(url, "points")
    assert "colour" not in columns(copy, "points")
    for each in (url, copy):
        engine = create_engine(each)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT number FROM outbox")).scalars().all() == [1]
        engine.dispose()


def test_a_migration_that_fails_changes_nothing(
    url: str, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one transaction: a database is before it or after it, never between."""
    Base(url).close()
    before = columns(url, "points")
    add_migration(newer, then='op.execute("INSERT INTO nowhere VALUES (1)")')
    with monkeypatch.context() as later:
        later.setattr(migrate, "FOLDER", newer)
        with pytest.raises(CannotStart, match="no such table: nowhere"):
            opened(url)
    assert columns(url, "points") == before
    Base(url).close()


async def test_a_database_of_a_newer_version_is_refused(
    url: str, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old program does not write into what it does not understand."""
    known = migrate.newest()
    revision = add_migration(newer)
    with monkeypatch.context() as later:
        later.setattr(migrate, "FOLDER", newer)
        opened(url)
    with pytest.raises(CannotStart) as refused:
        Store.open(url, CLOCK)
    assert str(refused.value) == (
        f"cannot open the database {url}: its schema is {revision}, made by a newer version of "
        f"this program; this one knows {known}"
    )
