"""Brings a database's schema up to this program's: what is there, what is missing, and doing it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from common.errors import CannotStart

FOLDER = Path(__file__).parent / "migrations"
"""Where the scripts are."""


def newest() -> str:
    """The revision that this program works with."""
    head = ScriptDirectory(str(FOLDER)).get_current_head()
    assert head is not None
    return head


def present(connection: Connection) -> str | None:
    """The revision that the database has; None if it is empty.

    Raises:
        CannotStart: It was made by a newer version of this program, or by another program.
    """
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        if inspect(connection).get_table_names():
            raise CannotStart("it holds another program's tables")
        return None
    known = {script.revision for script in ScriptDirectory(str(FOLDER)).walk_revisions()}
    if revision not in known:
        raise CannotStart(
            f"its schema is {revision}, made by a newer version of this program; this one knows "
            f"{newest()}"
        )
    return revision


def upgrade(connection: Connection, to: str = "head") -> None:
    """Make what is missing up to this revision, in the transaction of this connection."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
