"""`ev-central migrate` and `ev-central credentials …`: what is done to the database from outside.

They work beside a central that serves, which takes up a changed credential within a second.
"""

import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

import central.store.credentials as stored
from central.credentials import (
    CHARGE_POINT,
    PASSWORD,
    ROLES,
    hash_of,
    new_password,
    new_secret,
)
from central.rules.records import Credential
from central.store import migrate_database
from common.errors import ChargingError
from common.program import IdType, option


def database_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--database`, which without a value is the one that stands before the command."""
    return option(
        "--database",
        metavar="URL",
        callback=_database,
        show_default=False,
        show_envvar=False,
        help="The database, as for ev-central itself; may also stand before the command.",
    )(function)


def _database(ctx: click.Context, _: click.Parameter, value: str | None) -> str:
    root = ctx.find_root()
    given: str = root.params["database"] if value is None else value
    return given


class RoleType(click.Choice[str]):
    """Who has credentials."""

    name = "ROLE"

    def __init__(self) -> None:
        super().__init__([str(role) for role in ROLES])


ROLE = RoleType()
ID = IdType("ID")


@click.command(short_help="Bring the database's schema up to this version.")
@database_option
def migrate(database: str) -> None:
    """Bring the schema of the database up to this version of the program.

    A SQLite file is copied to FILE.before-REVISION first, and ev-central does this by itself when
    it starts. Any other database is migrated by this command alone: stop every ev-central of an
    older version first, and make a backup.
    """
    _done(lambda: migrate_database(database))


@click.group(short_help="Make, revoke and list credentials.")
def credentials() -> None:
    """Make, revoke and list what monitors, drivers, operators and OCPP charge points prove.

    From the first one on, central lets nobody in without a credential. A central that is running
    takes up a change within a second.
    """


@credentials.command("add", short_help="Make a credential, and show it once.")
@click.argument("role", type=ROLE)
@click.argument("peer_id", metavar="ID", type=ID)
@option(
    "--password-stdin",
    is_flag=True,
    show_envvar=False,
    help="Read a charge point's own password from stdin: 16 to 40 characters.",
)
@database_option
def add(role: str, peer_id: str, password_stdin: bool, database: str) -> None:
    """Make a credential for the ROLE with this ID, and show it.

    ROLE is monitor, driver, admin, or charge_point: one that speaks OCPP, whose password (its
    AuthorizationKey) this is.

    It alone is written to stdout, so that it can go to a file; it is stored as a hash and cannot
    be shown again. A former credential of this ID is revoked, and its links are closed.
    """
    if password_stdin and role != CHARGE_POINT:
        raise click.UsageError(f"--password-stdin is for a {CHARGE_POINT}; {role}s get a secret.")
    secret = new_password() if role == CHARGE_POINT else new_secret()
    if password_stdin:
        secret = sys.stdin.readline().rstrip("\r\n")
        if not PASSWORD.fullmatch(secret):
            raise click.ClickException(
                "a charge point's password has 16 to 40 characters, without spaces"
            )

    def work() -> str:
        stored.add(database, role, peer_id, hash_of(secret), int(time.time()))
        text = f"a credential for {role} {peer_id}"
        return text if password_stdin else f"{text}; it is not shown again"

    _done(work)
    if not password_stdin:
        click.echo(secret)


@credentials.command("revoke", short_help="Revoke a credential.")
@click.argument("role", type=ROLE)
@click.argument("peer_id", metavar="ID", type=ID)
@database_option
def revoke(role: str, peer_id: str, database: str) -> None:
    """Revoke the credential of this ROLE and ID; its links are closed within a second."""

    def work() -> str:
        if not stored.revoke(database, role, peer_id, int(time.time())):
            raise click.ClickException(f"{role} {peer_id} has no credential")
        return f"the credential of {role} {peer_id} is revoked"

    _done(work)


class ListedCredential(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A credential as `list --json` shows it."""

    role: str
    id: str
    made_at: int
    revoked_at: int | None = None


@credentials.command("list", short_help="Show who has a credential.")
@option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@database_option
def list_(as_json: bool, database: str) -> None:
    """Show every credential that was ever made, without its secret."""
    found: list[Credential] = []
    _done(lambda: found.extend(stored.listed(database)))
    if as_json:
        rows = [
            ListedCredential(role=c.role, id=c.id, made_at=c.made_at, revoked_at=c.revoked_at)
            for c in found
        ]
        click.echo(msgspec.json.encode({"credentials": rows}))
        return
    table = Table("role", "id", "made", "revoked", box=None, pad_edge=False)
    for credential in found:
        revoked = credential.revoked_at
        table.add_row(
            credential.role,
            credential.id,
            _time(credential.made_at),
            "" if revoked is None else _time(revoked),
        )
    Console().print(table if found else "nobody has a credential: central trusts this machine")


def _done(work: Callable[[], str | None]) -> None:
    """Do it, and say in a sentence what was done, or why not."""
    try:
        text = work()
    except ChargingError as error:
        raise click.ClickException(str(error)) from None
    if text:
        click.echo(text, err=True)


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")
