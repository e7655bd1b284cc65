"""`ev-central idtags …`: who may charge at OCPP charge points, changed from outside.

They work beside a central that serves, which takes up a change within a second.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

import central.store.id_tags as stored
from central import tag_file
from central.commands import database_option
from common.errors import ChargingError
from common.gateway_messages import IdTagRow
from common.program import DRIVER_ID, option


class IdTagType(click.ParamType[str]):
    """An id tag on a command line."""

    name = "TAG"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return tag_file.checked(IdTagRow(id_tag=str(value))).id_tag
        except ValueError as error:
            self.fail(str(error), param, ctx)


class MomentType(click.ParamType[int]):
    """A moment on a command line."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return tag_file.moment(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


TAG = IdTagType()
tag_argument = click.argument("id_tag", metavar="TAG", type=TAG)


@click.group(short_help="Say who may charge at OCPP charge points.")
def idtags() -> None:
    """Say which id tags may charge at OCPP charge points, and whose they are.

    An id tag is the same one in upper and lower case. A central that is running takes up a change
    within a second.
    """


@idtags.command("add", short_help="Let an id tag charge, or change what is known of it.")
@tag_argument
@option("--driver", "driver_id", type=DRIVER_ID, show_envvar=False, help="The driver whose it is.")
@option(
    "--parent",
    "parent_id_tag",
    type=TAG,
    show_envvar=False,
    help="Id tags of one parent may end one another's charges.",
)
@option(
    "--expires", "expires_at", type=MomentType(), show_envvar=False, help="When it counts no more."
)
@option(
    "--max-concurrent",
    type=click.IntRange(1, 1000),
    metavar="N",
    show_envvar=False,
    help="How many charges its driver may have at a time; 1 if that is not said.",
)
@option("--note", metavar="TEXT", show_envvar=False, help="For people.")
@database_option
def add(id_tag: str, database: str, **said: Any) -> None:
    """Let TAG charge. Of one that is known, only what is said here is changed."""
    given = {name: value for name, value in said.items() if value is not None}

    def rule(known: IdTagRow | None) -> IdTagRow:
        return tag_file.checked(replace(known or IdTagRow(id_tag=id_tag), **given))

    _done(lambda: f"id tag {stored.change(database, id_tag, rule).id_tag} is stored")


@idtags.command("block", short_help="Let an id tag charge no more.")
@tag_argument
@database_option
def block(id_tag: str, database: str) -> None:
    """Let TAG charge no more, until it is unblocked. A charge that goes on is not ended."""
    _set_blocked(database, id_tag, blocked=True)


@idtags.command("unblock", short_help="Let a blocked id tag charge again.")
@tag_argument
@database_option
def unblock(id_tag: str, database: str) -> None:
    """Let TAG, which was blocked, charge again."""
    _set_blocked(database, id_tag, blocked=False)


def _set_blocked(database: str, id_tag: str, *, blocked: bool) -> None:
    def rule(known: IdTagRow | None) -> IdTagRow:
        if known is None:
            raise _unknown(id_tag)
        return replace(known, blocked=blocked)

    is_now = "is blocked" if blocked else "may charge"
    _done(lambda: f"id tag {stored.change(database, id_tag, rule).id_tag} {is_now}")


@idtags.command("remove", short_help="Forget an id tag.")
@tag_argument
@database_option
def remove(id_tag: str, database: str) -> None:
    """Forget TAG: it is as if it had never been stored."""

    def work() -> str:
        if not stored.remove(database, id_tag):
            raise _unknown(id_tag)
        return f"id tag {id_tag} is removed"

    _done(work)


@idtags.command("list", short_help="Show the id tags.")
@option("--json", "as_json", is_flag=True, show_envvar=False, help="Write one JSON document.")
@database_option
def list_(as_json: bool, database: str) -> None:
    """Show every id tag that is known."""
    found: list[IdTagRow] = []
    _done(lambda: found.extend(stored.listed(database)))
    if as_json:
        click.echo(msgspec.json.encode({"id_tags": found}))
        return
    names = ("id tag", "driver", "parent", "expires", "blocked", "at a time", "note")
    table = Table(*names, box=None, pad_edge=False)
    for tag in found:
        table.add_row(
            tag.id_tag,
            tag.driver_id or "",
            tag.parent_id_tag or "",
            "" if tag.expires_at is None else _time(tag.expires_at),
            "blocked" if tag.blocked else "",
            str(tag.max_concurrent),
            tag.note or "",
        )
    Console().print(table if found else "no id tag is known")


@idtags.command("import", short_help="Store the id tags of a CSV file.")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@database_option
def import_(file: Path, database: str) -> None:
    """Store the id tags of FILE (- is stdin), all of them or, if one is wrong, none.

    FILE is CSV. Its first line names the columns: id_tag, and any of driver_id, parent_id_tag,
    expires_at, blocked, max_concurrent, note. One that is known is replaced.
    """

    name = "stdin" if str(file) == "-" else file

    def work() -> str:
        try:
            with click.open_file(str(file), encoding="utf-8-sig", errors="strict") as lines:
                tags = tag_file.read(lines)
        except OSError as error:
            raise click.ClickException(f"cannot read {file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise click.ClickException(f"{name} is not UTF-8") from None
        except ValueError as error:
            raise click.ClickException(f"{name}, {error}") from None
        count = stored.save(database, tags)
        return f"{count} id tag{'' if count == 1 else 's'} stored"

    _done(work)


def _unknown(id_tag: str) -> click.ClickException:
    return click.ClickException(f"there is no id tag {id_tag}")


def _done(work: Callable[[], str | None]) -> None:
    """Do it, and say in a sentence what was done, or why not."""
    try:
        text = work()
    except (ChargingError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    if text:
        click.echo(text, err=True)


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")
