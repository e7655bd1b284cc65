"""`ev-driver`: one driver's app."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from common import program
from common.errors import CannotStart
from common.metrics.options import MetricsSettings, metrics_options
from common.program import ADDRESSES, CP_ID, DRIVER_ID, Address, Common, QuantityType, option
from common.stream import KafkaSettings
from common.tls import TlsFiles
from common.units import MAX_CONNECTORS, WattHours
from driver import app, commands, tour
from driver.app import App, Command, Settings
from driver.menu import interact
from driver.services import Service, Span, chosen, parse

STATE = "var/driver"
"""Where the states of drivers are, if nothing else is said: a folder for each."""


class ServicesType(click.ParamType[tuple[Service, ...]]):
    """A file of services on a command line."""

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return parse(program.read_text(Path(value)))
        except OSError as error:
            self.fail(f"cannot read {value}: {error.strerror}", param, ctx)
        except ValueError as error:
            self.fail(f"{value}: {error}", param, ctx)


class SpanType(click.ParamType[Span]):
    """`FIRST-LAST` on a command line."""

    name = "FIRST-LAST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return Span.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class EnergyType(QuantityType[WattHours]):
    """An energy to be charged: more than none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> WattHours:
        energy = super().convert(value, param, ctx)
        if not energy:
            self.fail(f"{value!r}: Expected 0.001 kWh at least", param, ctx)
        return energy


KWH = EnergyType(WattHours)

json_option = option(
    "--json", is_flag=True, help="Write one JSON document to stdout, the rest to stderr."
)
kwh_option = option(
    "--kwh",
    type=KWH,
    help="Energy to charge, in kWh; without it until you stop it or the car is full.",
)


@click.group(
    "ev-driver",
    invoke_without_command=True,
    context_settings={
        "auto_envvar_prefix": "EV_DRIVER",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        # What matters to a driver is on the screen; a log beside it would only blur it.
        "default_map": {"log_level": "error"},
    },
)
@option("--driver-id", type=DRIVER_ID, help="The driver's id tag.  [required]")
@option(
    "--central",
    type=ADDRESSES,
    default="127.0.0.1:7000",
    help="Where CENTRAL listens; several are tried in turn.",
)
@program.kafka_options
@option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    show_default=f"{STATE}/DRIVER-ID",
    help="Folder for what must survive a crash; one for each driver.",
)
@program.credential_options
@program.tls_options
@metrics_options
@program.common_options
@click.pass_context
def main(
    ctx: click.Context,
    driver_id: str | None,
    central: tuple[Address, ...],
    kafka: tuple[Address, ...],
    kafka_config: str | None,
    state: Path | None,
    credential: str | None,
    tls: TlsFiles,
    metrics: MetricsSettings,
    log: Any,
    log_level: str,
    debug: bool,
) -> None:
    """One driver's app: find a charge point, charge, watch, stop, and see what was charged.

    Without a COMMAND it is interactive, at a terminal.

    A charge goes on when its driver leaves, or crashes. Asking for the same charge again shows
    that one, and never makes a second: what was asked for is kept in the state folder.

    The exit code is 0 only on success, 1 for a refusal or where CENTRAL cannot be reached, 2 for a
    wrong option, 130 for a driver who left before the end.
    """

    def settings() -> Settings:
        if driver_id is None:
            raise click.UsageError("Missing option '--driver-id'.", ctx)
        try:
            config = program.read_kafka_config(kafka_config)
            to_kafka = KafkaSettings(",".join(map(str, kafka)), config)
        except CannotStart as error:
            raise click.UsageError(str(error), ctx) from None
        return Settings(
            driver_id=driver_id,
            central=central,
            kafka=to_kafka,
            state=state or Path(STATE, driver_id),
            credential=credential,
            tls=tls,
            metrics=metrics,
            common=Common(log=log, log_level=log_level, debug=debug),
        )

    # Made when a command runs, so that COMMAND --help needs no driver.
    ctx.obj = settings
    if ctx.invoked_subcommand is None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise click.UsageError("Without a COMMAND a terminal is needed.", ctx)
        _run(settings(), interact, charges=True)


def _run(settings: Settings, command: Command, *, charges: bool, as_json: bool = False) -> None:
    settings = replace(settings, charges=charges, as_json=as_json)
    program.run("ev-driver", settings.common, lambda stop: app.run(settings, command, stop))


@main.command(short_help="Charge, and watch it to the ticket.")
@click.argument("cp_id", metavar="CP", type=CP_ID)
@kwh_option
@option(
    "--connector",
    type=click.IntRange(1, MAX_CONNECTORS),
    help="The connector to charge at; without it any free one.",
)
@json_option
@click.pass_obj
def charge(
    settings: Callable[[], Settings],
    cp_id: str,
    kwh: WattHours | None,
    connector: int | None,
    json: bool,
) -> None:
    """Charge at the charge point CP, and watch it to the ticket.

    Energy, power, cost and progress are shown live; where stdout is no terminal, about once a
    second in a line. Ctrl-C asks whether to stop the charge; without a terminal it leaves it.

    As JSON: the ticket, or the answer that refused the charge.
    """

    async def command(app: App) -> int:
        return await commands.charge(app, cp_id, connector, kwh)

    _run(settings(), command, charges=True, as_json=json)


@main.command(short_help="Stop the running charge.")
@json_option
@click.pass_obj
def stop(settings: Callable[[], Settings], json: bool) -> None:
    """Stop the running charge. It works beside the program that watches it.

    As JSON: CENTRAL's answer.
    """
    _run(settings(), commands.stop, charges=False, as_json=json)


@main.command(short_help="Show where a charge can start now.")
@json_option
@click.pass_obj
def available(settings: Callable[[], Settings], json: bool) -> None:
    """Show where a charge can start now: place, power in kW, price per kWh.

    As JSON: CENTRAL's answer, its pages joined.
    """
    _run(settings(), commands.show_available, charges=False, as_json=json)


@main.command(short_help="Show the driver's charges.")
@json_option
@click.pass_obj
def history(settings: Callable[[], Settings], json: bool) -> None:
    """Show the driver's charges, newest first, the running one included, and the sums.

    As JSON: CENTRAL's answer, its pages joined.
    """
    _run(settings(), commands.show_history, charges=False, as_json=json)


@main.command(short_help="Work through a file of charge points.")
@click.argument("services", metavar="FILE", type=ServicesType())
@kwh_option
@option(
    "--pause",
    type=click.FloatRange(0, 86_400),
    default=4,
    help="Seconds to wait after each service, whether it went well or not.",
)
@option(
    "--only",
    type=SpanType(),
    help="Only these services; they are counted from 1, blank lines and comments are not counted.",
)
@json_option
@click.pass_obj
def services(
    settings: Callable[[], Settings],
    services: tuple[Service, ...],
    kwh: WattHours | None,
    pause: float,
    only: Span | None,
    json: bool,
) -> None:
    """Work through FILE: a charge at each of its charge points, one after the other.

    FILE has one charge point's id per line; blank lines are skipped, and # begins a comment.
    At the end a table shows what became of each service. A refusal is a result, not a failure:
    the exit code is 1 only if CENTRAL could not be reached to the end.

    As JSON: the results, each with its ticket or refusal, and the sums.
    """
    try:
        span = chosen(services, only)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--only'") from None

    async def command(app: App) -> int:
        return await tour.work_through(app, span, kwh, pause)

    _run(settings(), command, charges=True, as_json=json)


if __name__ == "__main__":
    main()
