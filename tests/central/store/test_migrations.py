"""The schema's history leads to the schema, and loses nothing on the way."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, NullPool, StaticPool, create_engine, inspect, make_url, text

from central.rules.records import Ticket
from central.store import AddToOutbox, Store, migrate, migrate_database, schema
from central.store.database import opened
from common.errors import CannotStart
from common.states import EndReason
from common.units import Money, Price, WattHours
from tests.central.store.base import Base
from tests.central.store.conftest import KINDS
from tests.central.store.samples import CLOCK, entry
from tests.postgres.server import new_database

NEXT = dedent(
    """
    import sqlalchemy as sa
    from alembic import op

    revision = "{revision}"
    down_revision = "{before}"

    def upgrade() -> None:
        how = "always" if op.get_bind().dialect.name == "sqlite" else "auto"
        with op.batch_alter_table("points", recreate=how) as points:
            points.add_column(sa.Column("colour", sa.Text))
        {then}
    """
)


@pytest.fixture
def made(url: str, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A database of the same kind, as `schema` says that it is to be."""
    is_sqlite = url.startswith("sqlite")
    engine = engine_of(
        "sqlite://" if is_sqlite else new_database(request.getfixturevalue("postgres"))
    )
    schema.metadata.create_all(engine)
    yield engine
    engine.dispose()


def test_the_migrations_end_at_the_schema(url: str, made: Engine) -> None:
    """Whatever `schema` says is in a database that the migrations made, and nothing else."""
    database = opened(url)
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


def test_a_database_that_is_up_to_date_is_not_copied(sqlite_url: str) -> None:
    """Starting again leaves no files behind."""
    path = Path(make_url(sqlite_url).database or "")
    for _ in range(2):
        Base(sqlite_url).close()
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


def engine_of(url: str) -> Engine:
    pool = StaticPool if url == "sqlite://" else NullPool  # in memory it lives with its connection
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=pool)


def columns(url: str, table: str) -> set[str]:
    engine = engine_of(url)
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
    before = migrate.newest()
    revision = add_migration(newer)
    monkeypatch.setattr(migrate, "FOLDER", newer)
    assert migrate_database(url).endswith(f"is migrated from {before} to {revision}")
    assert migrate_database(url).endswith(f"is up to date: its schema is {revision}")
    assert "colour" in columns(url, "points")
    copies = [f"{url}.before-{revision}"] if url.startswith("sqlite") else []
    for copy in copies:
        assert "colour" not in columns(copy, "points")
    for each in (url, *copies):
        engine = engine_of(each)
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
        with pytest.raises(CannotStart, match=r"no such table: nowhere|\"nowhere\" does not exist"):
            migrate_database(url)
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
        migrate_database(url)
    for refuses in (lambda: Store.open(url, CLOCK), lambda: migrate_database(url)):
        with pytest.raises(CannotStart) as refused:
            refuses()
        assert str(refused.value).endswith(
            f": its schema is {revision}, made by a newer version of this program; this one "
            f"knows {known}"
        )


async def test_a_server_is_migrated_by_the_command_alone(postgres: str) -> None:
    """Others may be using it: a central that finds an older schema does not start."""
    url = new_database(postgres)
    with pytest.raises(CannotStart) as refused:
        Store.open(url, CLOCK)
    newest = migrate.newest()
    assert str(refused.value).endswith(
        f": its schema is empty and {newest} is needed; run `ev-central migrate`"
    )
    assert migrate_database(url).endswith(f"is migrated from empty to {newest}")
    store = Store.open(url, CLOCK)
    assert store.epoch == 1
    await store.close()


@pytest.fixture(params=KINDS)
def of_revision_1(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database as the first version made it, with two sessions and their tickets."""
    is_sqlite = request.param == "sqlite"
    url = (
        f"sqlite:///{tmp_path / 'central.db'}"
        if is_sqlite
        else new_database(request.getfixturevalue("postgres"))
    )
    engine = engine_of(url)
    with engine.begin() as connection:
        migrate.upgrade(connection, to="0001")
        for statement in OF_REVISION_1.strip().split(";\n"):
            connection.execute(text(statement))
    engine.dispose()
    return url


OF_REVISION_1 = """
INSERT INTO points VALUES ('CP-1', 'Alcoi', 11000, 3500, false, 1, 1790000000);
INSERT INTO sessions VALUES ('s-1', 'CP-1', 1, 'D-1', 'completed', 3500, 'EUR', NULL, 1790000000000,
  1790000000, 1790000100, 1790000090, 7500, 0, 9, true, true, NULL, NULL, 'unplugged', NULL, 263, 1,
  'driver', 'D-1', 'm-1', 'd', 't-1', false);
INSERT INTO sessions VALUES ('s-2', 'CP-1', 1, 'D-2', 'completed', 3500, 'EUR', 1000, 1790000200000,
  1790000200, 1790000300, NULL, 1000, 0, 3, true, true, NULL, NULL, NULL, NULL, 35, 1,
  'driver', 'D-2', 'm-2', 'd', 't-2', false);
INSERT INTO tickets VALUES ('s-1', 'CP-1', 1, 'D-1', 7500, 3500, 263, 'EUR', 'unplugged',
  1790000000, 1790000100, 10, 7510, 262, false, 1, 1790000101);
INSERT INTO tickets VALUES ('s-2', 'CP-1', 1, 'D-2', 1000, 3500, 35, 'EUR', NULL, 1790000200,
  1790000300, NULL, NULL, 0, false, 1, 1790000301)
"""


async def test_an_upgrade_keeps_every_ticket(of_revision_1: str) -> None:
    """What the first version billed is billed like that, and listed, after the upgrade."""
    migrate_database(of_revision_1)
    store = Store.open(of_revision_1, CLOCK)
    found, _ = await store.ticket_list(limit=10)
    assert [(t.session_id, t.energy, t.cost) for t in found] == [
        ("s-2", 1000, 35),
        ("s-1", 7500, 263),
    ]
    assert found[1] == Ticket(
        session_id="s-1",
        cp_id="CP-1",
        connector_id=1,
        driver_id="D-1",
        energy=WattHours(7500),
        price=Price(3500),
        cost=Money(263),
        currency="EUR",
        reason=EndReason.UNPLUGGED,
        started_at=1790000000,
        ended_at=1790000100,
        meter_start_wh=10,
        meter_stop_wh=7510,
        engine_cost=Money(262),
        estimated=False,
        revision=1,
        issued_at=1790000101,
    )
    listed, _ = await store.session_list(cp_id="CP-1", limit=10)
    assert [s.session_id for s in listed] == ["s-2", "s-1"]
    assert not any(s.suspect or s.disputed for s in listed)
    (point,) = store.snapshot().points
    assert (point.cp_id, point.time_scale) == ("CP-1", 1.0)
    await store.close()
