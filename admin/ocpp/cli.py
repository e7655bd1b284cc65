"""The commands of `ev-admin` about charge points that speak OCPP, and their options."""

import re
from pathlib import Path
from typing import Any

import click
import msgspec

from admin.moments import parse
from admin.ocpp import id_tags, ordering, watching
from admin.ocpp.frames import Wanted
from admin.options import (
    Given,
    execute,
    json_option,
    limit_option,
    reason_option,
    said,
    since_option,
)
from common import program
from common.clock import SystemClock
from common.gateway_messages import CommandRequest, CommandsRequest, SamplesRequest
from common.program import CP_ID, DRIVER_ID, Address, kafka_options, read_kafka_config
from common.stream import KafkaSettings
from common.units import Payload

MAX_ID_TAG = 20
"""Characters of an id tag, in OCPP 1.6."""


class PayloadType(click.ParamType[Payload]):
    """A JSON object on a command line."""

    name = "JSON"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Payload:
        if isinstance(value, Payload):
            return value
        try:
            found = msgspec.json.decode(str(value).encode())
        except msgspec.DecodeError as error:
            self.fail(f"{value!r} is no JSON: {error}", param, ctx)
        if not isinstance(found, dict):
            self.fail(f"{value!r} is no JSON object, such as {{}}", param, ctx)
        return Payload(found)


class ActionType(click.ParamType[str]):
    """An action of OCPP on a command line."""

    name = "ACTION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch("[A-Za-z]{1,50}", value):
            self.fail(f"{value!r} is no action, such as Reset", param, ctx)
        return str(value)


class IdTagType(click.ParamType[str]):
    """An id tag on a command line."""

    name = "TAG"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not 1 <= len(value) <= MAX_ID_TAG or not value.isprintable():
            self.fail(f"{value!r} is no id tag: 1 to {MAX_ID_TAG} characters", param, ctx)
        return str(value)


class ExpiryType(click.ParamType[int]):
    """When something ends, on a command line: `30d` from now on, or a moment to come."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        now = SystemClock().wall()
        try:
            moment = parse(str(value), now)
        except ValueError as error:
            self.fail(str(error).replace("(ago)", "(from now on)"), param, ctx)
        if re.fullmatch(r"\d+[a-z]", str(value)):
            moment = 2 * int(now) - moment
        if moment <= now:
            self.fail(f"{value!r} is past", param, ctx)
        return moment


id_tag_argument = click.argument("id_tag", metavar="TAG", type=IdTagType())
cp_argument = click.argument("cp_id", metavar="CP", type=CP_ID)


@click.command(short_help="Send a charge point an OCPP call.")
@cp_argument
@click.argument("action", metavar="ACTION", type=ActionType())
@click.argument("payload", metavar="[JSON]", default="{}", type=PayloadType())
@said(
    "--deadline",
    type=click.IntRange(1, 86_400),
    default=60,
    metavar="SECONDS",
    help="How long the charge point has to connect and to answer.",
)
@said("--no-wait", is_flag=True, help="Only order it; ev-admin commands says what became of it.")
@reason_option
@json_option
@click.pass_obj
def command(
    settings: Given,
    cp_id: str,
    action: str,
    payload: Payload,
    deadline: int,
    no_wait: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Send CP the OCPP call ACTION with the payload JSON, and show what it answers.

    For example: ev-admin command CP-1 Reset '{"type": "Soft"}'. The payload is checked before it
    is sent. Where CP is not connected, the call waits for it until the deadline; one that is safe
    to repeat is sent again after a broken connection.
    """
    request = CommandRequest(
        cp_id=cp_id, action=action, payload=payload, deadline=deadline, reason=reason
    )
    execute(settings(), lambda c: ordering.command(c, request, wait=not no_wait), as_json=as_json)


@click.command(short_help="OCPP calls that were ordered, the latest first.")
@click.argument("cp_id", metavar="[CP]", required=False, type=CP_ID)
@limit_option
@json_option
@click.pass_obj
def commands(settings: Given, cp_id: str | None, limit: int | None, as_json: bool) -> None:
    """List the OCPP calls to all charge points, or to CP, with what became of each.

    queued: it waits for the charge point to connect; sent: its answer is awaited; unknown: the
    connection went before the answer, so it may have been done; superseded: a later one took its
    place. Those that are over are kept for 30 days.
    """
    request = CommandsRequest(cp_id=cp_id)
    execute(settings(), lambda c: ordering.commands(c, request, limit), as_json=as_json)


@click.command(short_help="What a charge point's meters measured, the latest first.")
@cp_argument
@said("--transaction", "transaction_id", type=int, metavar="N", help="Of this transaction alone.")
@limit_option
@json_option
@click.pass_obj
def samples(
    settings: Given, cp_id: str, transaction_id: int | None, limit: int | None, as_json: bool
) -> None:
    """List the sampled values of CP's meters, the latest first, as it sent them."""
    request = SamplesRequest(cp_id=cp_id, transaction_id=transaction_id)
    execute(settings(), lambda c: ordering.samples(c, request, limit), as_json=as_json)


@click.command(short_help="What goes over a charge point's wire.")
@cp_argument
@said("--follow", is_flag=True, help="Go on with the frames that come, until Ctrl-C.")
@said(
    "--export",
    type=click.Path(allow_dash=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write them as Open OCPP Trace records (JSON lines) instead; - is stdout.",
)
@since_option("Seen then or later")
@kafka_options
@click.pass_obj
def frames(
    settings: Given,
    cp_id: str,
    follow: bool,
    export: Path | None,
    since: int | None,
    kafka: tuple[Address, ...],
    kafka_config: str | None,
) -> None:
    """Show the OCPP-J frames of CP, each answer with the time since its call.

    They are read from Kafka, where gateways that run with --frames publish them; they are kept for
    a day. Without --since all of them are shown, with --follow those that come from now on.
    """
    wanted = Wanted(cp_id, since, follow)

    async def work(stop: program.Stop) -> int:
        reach = KafkaSettings(",".join(map(str, kafka)), read_kafka_config(kafka_config))
        if export is not None:
            return await watching.export(reach, wanted, export, stop)
        return await watching.show(reach, wanted, stop)

    program.run("ev-admin", settings().common, work)


@click.group(short_help="Id tags: who may charge at OCPP charge points.")
def idtags() -> None:
    """List and change the id tags that may charge at charge points that speak OCPP."""


@idtags.command("list", short_help="The id tags that central knows.")
@click.argument("id_tag", metavar="[TAG]", required=False, type=IdTagType())
@limit_option
@json_option
@click.pass_obj
def list_(settings: Given, id_tag: str | None, limit: int | None, as_json: bool) -> None:
    """List the id tags that central knows, or show TAG."""
    execute(settings(), lambda c: id_tags.listed(c, id_tag, limit), as_json=as_json)


@idtags.command("add", short_help="Let an id tag charge.")
@id_tag_argument
@said("--driver", "driver_id", type=DRIVER_ID, help="Whose it is; else it is a driver's id itself.")
@said("--parent", "parent_id_tag", type=IdTagType(), help="Its group: one ends what another began.")
@said("--expires", "expires_at", type=ExpiryType(), help="30d from now on, 2027-01-31, …")
@said("--at-once", "max_concurrent", type=click.IntRange(1, 1000), help="Charges at a time.")
@said("--note", metavar="TEXT", help="For people.")
@json_option
@click.pass_obj
def add(settings: Given, /, id_tag: str, as_json: bool, **given: Any) -> None:
    """Let TAG charge; of one that is known only what is given here is changed."""
    what = {name: value for name, value in given.items() if value is not None}
    execute(settings(), lambda c: id_tags.added(c, id_tag, what), as_json=as_json)


@idtags.command("block", short_help="Let an id tag start nothing any more.")
@id_tag_argument
@json_option
@click.pass_obj
def block(settings: Given, id_tag: str, as_json: bool) -> None:
    """Let TAG start nothing any more; what runs goes on."""
    execute(settings(), lambda c: id_tags.blocked(c, id_tag, block=True), as_json=as_json)


@idtags.command("unblock", short_help="Let an id tag charge again.")
@id_tag_argument
@json_option
@click.pass_obj
def unblock(settings: Given, id_tag: str, as_json: bool) -> None:
    """Let TAG charge again."""
    execute(settings(), lambda c: id_tags.blocked(c, id_tag, block=False), as_json=as_json)


@idtags.command("remove", short_help="Forget an id tag.")
@id_tag_argument
@json_option
@click.pass_obj
def remove(settings: Given, id_tag: str, as_json: bool) -> None:
    """Forget TAG: it is as one that never was."""
    execute(settings(), lambda c: id_tags.removed(c, id_tag), as_json=as_json)


OCPP_COMMANDS = (command, commands, samples, frames, idtags)
