"""Id tags as an operator lists and changes them."""

import click
from msgspec.structs import replace

from admin.app import App
from admin.commands import FAILURE, SUCCESS, shown_as
from admin.ocpp import tables
from admin.pages import joined
from common.gateway_messages import IdTagChange, IdTagRow, IdTagsRequest


async def listed(app: App, id_tag: str | None, most: int | None) -> int:
    """List the id tags that central knows, or show one."""
    answer = await joined(app.client, IdTagsRequest(id_tag=id_tag), most)
    if id_tag is not None and not answer.id_tags:
        return _unknown(id_tag)
    return shown_as(app, answer, lambda: tables.id_tags(answer.id_tags))


async def added(app: App, id_tag: str, said: dict[str, object]) -> int:
    """Store an id tag; of one that is known only what was said is changed."""
    known = await _known(app, id_tag)
    row = replace(known or IdTagRow(id_tag=id_tag), **said)
    return await _change(app, row, "changed" if known else "added")


async def blocked(app: App, id_tag: str, *, block: bool) -> int:
    """Let an id tag start nothing any more, or start again."""
    known = await _known(app, id_tag)
    if known is None:
        return _unknown(id_tag)
    return await _change(
        app, replace(known, blocked=block), "blocked" if block else "not blocked any more"
    )


async def removed(app: App, id_tag: str) -> int:
    """Forget an id tag."""
    known = await _known(app, id_tag)
    if known is None:
        return _unknown(id_tag)
    return await _change(app, known, "removed", remove=True)


async def _known(app: App, id_tag: str) -> IdTagRow | None:
    answer = await app.client.ask(IdTagsRequest(id_tag=id_tag))
    return answer.id_tags[0] if answer.id_tags else None


async def _change(app: App, row: IdTagRow, what: str, *, remove: bool = False) -> int:
    app.print_json(await app.client.ask(IdTagChange(id_tag=row, remove=remove)))
    if not app.settings.as_json:
        click.echo(f"id tag {row.id_tag} is {what}")
    return SUCCESS


def _unknown(id_tag: str) -> int:
    click.echo(f"ev-admin: there is no id tag {id_tag}", err=True)
    return FAILURE
