"""`ev-admin`: the operator's console."""

import sys
from pathlib import Path
from typing import Any

import click

from admin import commands
from admin.app import Settings
from admin.moments import MOMENT
from admin.ocpp.cli import OCPP_COMMANDS
from admin.options import (
    MOMENTS,
    Given,
    all_option,
    connector_option,
    cp_option,
    driver_option,
    execute,
    json_option,
    limit_option,
    points_argument,
    reason_option,
    said,
    since_option,
    yes_option,
)
from common import program
from common.messages import (
    AuditRequest,
    ManualCommand,
    ManualCommandName,
    SessionsRequest,
    TicketsRequest,
)
from common.program import (
    ADDRESSES,
    CP_ID,
    DRIVER_ID,
    Address,
    Common,
    IdType,
    QuantityType,
    option,
)
from common.states import SessionState
from common.tls import TlsFiles
from common.units import Price

PRICE = QuantityType(Price)


@program.group("admin")
@option(
    "--central",
    type=ADDRESSES,
    default="127.0.0.1:7000",
    help="Where CENTRAL listens; several are tried in turn.",
)
@option(
    "--admin-id",
    type=IdType("ID"),
    default="admin",
    help="Who gives the commands: it is in the audit log.",
)
@program.credential_options
@program.tls_options
@program.common_options
@click.pass_context
def main(
    ctx: click.Context,
    /,
    central: tuple[Address, ...],
    admin_id: str,
    credential: str | None,
    tls: TlsFiles,
    **common: Any,
) -> None:
    """Watch the charge points, stop and resume them, and look back at what was charged.

    The exit code is 0 only on success, 1 for a refusal, a failure at some point, or where CENTRAL
    cannot be reached, 2 for a wrong option, 130 for a command that was interrupted.
    """
    # What matters to an operator is in the answer; a log beside it would only blur it.
    if ctx.get_parameter_source("log_level") is click.core.ParameterSource.DEFAULT:
        common["log_level"] = "error"

    def settings() -> Settings:
        return Settings(
            central=central,
            admin_id=admin_id,
            credential=credential,
            tls=tls,
            common=Common(**common),
        )

    # Made when a command runs, so that COMMAND --help needs nothing.
    ctx.obj = settings


def _order(
    settings: Given,
    command: ManualCommand,
    cp_ids: tuple[str, ...],
    *,
    everywhere: bool = False,
    yes: bool = False,
    as_json: bool,
) -> None:
    if everywhere == bool(cp_ids):
        text = (
            "Name the charge points, or --all: not both."
            if cp_ids
            else "Name a charge point, or --all."
        )
        raise click.UsageError(text)
    if everywhere and not yes and sys.stdin.isatty() and sys.stdout.isatty():
        click.confirm(f"{command.command} at every charge point?", abort=True, err=True)
    where = (commands.EVERY_POINT,) if everywhere else tuple(dict.fromkeys(cp_ids))
    execute(settings(), lambda console: commands.order(console, command, where), as_json=as_json)


@main.command(short_help="The live panel.")
@click.pass_obj
def panel(settings: Given) -> None:
    """Watch all charge points live, in the terminal: stop, resume, search, look into one.

    Press ? there for its keys.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("The panel needs a terminal; ev-admin status does not.")
    from admin.panel.app import run  # Textual takes a while to load, and nothing else needs it

    run(settings())


@main.command(short_help="The charge points as they are now.")
@click.argument("cp_id", metavar="[CP]", required=False, type=CP_ID)
@said("--search", metavar="TEXT", help="Those with this in their id or place, in any case.")
@json_option
@click.pass_obj
def status(settings: Given, cp_id: str | None, search: str | None, as_json: bool) -> None:
    """Show the charge points as they are now, or only CP: status, driver, power, energy, cost."""
    if cp_id and search:
        raise click.UsageError("Name a charge point, or --search: not both.")
    execute(settings(), lambda c: commands.status(c, cp_id, search), as_json=as_json)


@main.command(short_help="Take charge points out of order.")
@points_argument
@all_option
@reason_option
@yes_option
@json_option
@click.pass_obj
def stop(
    settings: Given,
    cp_ids: tuple[str, ...],
    everywhere: bool,
    reason: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Take each CP out of order, until it is resumed; a running charge ends with its ticket.

    A charge point that cannot be reached is stopped as soon as it is back.
    """
    command = commands.named(ManualCommandName.STOP_CP, reason=reason)
    _order(settings, command, cp_ids, everywhere=everywhere, yes=yes, as_json=as_json)


@main.command(short_help="Put charge points back in order.")
@points_argument
@all_option
@reason_option
@yes_option
@json_option
@click.pass_obj
def resume(
    settings: Given,
    cp_ids: tuple[str, ...],
    everywhere: bool,
    reason: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Put each CP back in order."""
    command = commands.named(ManualCommandName.RESUME_CP, reason=reason)
    _order(settings, command, cp_ids, everywhere=everywhere, yes=yes, as_json=as_json)


@main.command(short_help="Start a charge for a driver.")
@click.argument("cp_id", metavar="CP", type=CP_ID)
@click.argument("driver_id", metavar="DRIVER", type=DRIVER_ID)
@connector_option
@reason_option
@json_option
@click.pass_obj
def start(
    settings: Given,
    cp_id: str,
    driver_id: str,
    connector: int | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Start a charge at CP for DRIVER, under the same rules as the driver's own request."""
    command = commands.named(
        ManualCommandName.START_CHARGING,
        driver_id=driver_id,
        connector_id=connector,
        reason=reason,
    )
    _order(settings, command, (cp_id,), as_json=as_json)


@main.command("stop-charging", short_help="End running charges.")
@points_argument
@all_option
@connector_option
@reason_option
@yes_option
@json_option
@click.pass_obj
def stop_charging(
    settings: Given,
    cp_ids: tuple[str, ...],
    everywhere: bool,
    connector: int | None,
    reason: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """End the charge at each CP, with its ticket; the charge point stays in order."""
    command = commands.named(ManualCommandName.STOP_CHARGING, connector_id=connector, reason=reason)
    _order(settings, command, cp_ids, everywhere=everywhere, yes=yes, as_json=as_json)


@main.command("set-price", short_help="Set the price of later charges.")
@points_argument
@click.argument("price", metavar="PRICE", type=PRICE)
@all_option
@reason_option
@yes_option
@json_option
@click.pass_obj
def set_price(
    settings: Given,
    cp_ids: tuple[str, ...],
    price: Price,
    everywhere: bool,
    reason: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Set the price of a kWh at each CP, in CENTRAL's currency, with up to 4 decimals.

    It is for charges that begin later: one that runs keeps its price.
    """
    command = commands.named(ManualCommandName.SET_PRICE, price_per_kwh=price, reason=reason)
    _order(settings, command, cp_ids, everywhere=everywhere, yes=yes, as_json=as_json)


@main.command(short_help="Have charge points send their tickets again.")
@points_argument
@all_option
@said("--since", type=MOMENT, required=True, help=f"Of charges that ended then or later: {MOMENTS}")
@reason_option
@yes_option
@json_option
@click.pass_obj
def recollect(
    settings: Given,
    cp_ids: tuple[str, ...],
    since: int,
    everywhere: bool,
    reason: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Have each CP send the tickets again that it still has, as after a restored backup.

    It keeps them for 7 days after they were settled. One that is known changes nothing; one for a
    charge that the backup did not know is kept as disputed, and not billed.
    """
    command = commands.named(ManualCommandName.RECOLLECT, since=since, reason=reason)
    _order(settings, command, cp_ids, everywhere=everywhere, yes=yes, as_json=as_json)


@main.command(short_help="Sessions, newest first.")
@cp_option
@driver_option
@said("--state", type=click.Choice([s.value for s in SessionState]), help="In this state alone.")
@since_option("Begun then or later")
@limit_option
@json_option
@click.pass_obj
def sessions(
    settings: Given, /, state: str | None, limit: int | None, as_json: bool, **of: Any
) -> None:
    """List sessions, newest first, the running ones included, with what is strange about them."""
    request = SessionsRequest(state=SessionState(state) if state else None, **of)
    execute(settings(), lambda c: commands.sessions(c, request, limit), as_json=as_json)


@main.command(short_help="Tickets, the latest first.")
@cp_option
@driver_option
@since_option("Of charges that ended then or later")
@said("--until", type=MOMENT, help="Of charges that ended before that.")
@limit_option
@said("--csv", "as_csv", is_flag=True, help="Write RFC 4180 lines, exact decimals, UTC.")
@json_option
@click.pass_obj
def tickets(settings: Given, /, limit: int | None, as_csv: bool, as_json: bool, **of: Any) -> None:
    """List tickets, the latest first, and their sum."""
    if as_csv and as_json:
        raise click.UsageError("--csv or --json: not both.")
    request = TicketsRequest(**of)
    execute(settings(), lambda c: commands.tickets(c, request, limit, as_csv), as_json=as_json)


@main.command(short_help="What operators ordered, the latest first.")
@since_option("Ordered then or later")
@limit_option
@json_option
@click.pass_obj
def audit(settings: Given, since: int | None, limit: int | None, as_json: bool) -> None:
    """List what operators ordered: who, when, why, and at how many points it was done.

    A command with two question marks was begun and not finished: CENTRAL died, or its database.
    """
    request = AuditRequest(since=since)
    execute(settings(), lambda c: commands.audit(c, request, limit), as_json=as_json)


@main.command(short_help="Whether Kafka and the database work.")
@json_option
@click.pass_obj
def health(settings: Given, as_json: bool) -> None:
    """Show whether Kafka and the database work, and who is linked.

    The exit code is 1 where something does not work.
    """
    execute(settings(), commands.health, as_json=as_json)


@main.command(short_help="One charge's story, out of the programs' logs.")
@click.argument("trace_id", metavar="ID")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(allow_dash=True, dir_okay=False, path_type=Path),
)
@json_option
def trace(trace_id: str, files: tuple[Path, ...], as_json: bool) -> None:
    """Tell one charge's story out of the programs' JSON logs, from its request to its ticket.

    ID is a trace id, a message id or a session id. Each FILE is what a program wrote to stderr
    with --log json --log-level debug; it may be compressed (.gz), and - is stdin.
    """
    from admin.trace.tell import tell

    sys.exit(tell(trace_id, files, as_json=as_json))


for each in OCPP_COMMANDS:
    main.add_command(each)


if __name__ == "__main__":
    main()
