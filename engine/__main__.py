"""`ev-engine`: the command line of a charge point."""

import math
from pathlib import Path
from typing import Any

import click

from common.clock import SystemClock
from common.metrics.options import MetricsSettings, metrics_options
from common.program import (
    ADDRESS,
    CP_ID,
    Address,
    Common,
    QuantityType,
    common_options,
    option,
    program,
    run,
    secret_options,
    tls_options,
)
from common.tls import TlsFiles
from common.units import MAX_CONNECTORS, Watts
from engine.app import Settings, serve
from engine.book import LIMIT, MIB


class Number(click.FloatRange):
    """A number within bounds; click's own also takes `nan`, which is within none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


def _some_power(ctx: click.Context, param: click.Parameter, power: Watts) -> Watts:
    if power == 0:
        raise click.BadParameter("a charge point has more than 0 kW", ctx, param)
    return power


@program("engine")
@option("--cp-id", type=CP_ID, required=True, help="The charge point's id.")
@option(
    "--listen",
    type=ADDRESS,
    default="127.0.0.1:7101",
    help="Where the monitor finds it; port 0 takes a free one, which the line `ready` names.",
)
@option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="DIR",
    required=True,
    help="Folder of its journal; made if it is missing. One engine alone may use it.",
)
@option(
    "--journal-limit",
    type=click.IntRange(1, 1 << 20),
    default=LIMIT // MIB,
    metavar="MIB",
    help="MiB that the journal may have. When what must be kept takes three quarters of it, nothing"
    " is supplied until tickets are settled.",
)
@option(
    "--power",
    type=QuantityType(Watts),
    default="11.0",
    callback=_some_power,
    help="The most that each connector supplies, in kW.",
)
@option(
    "--connectors",
    type=click.IntRange(1, MAX_CONNECTORS),
    default=1,
    help="How many connectors it has.",
)
@option(
    "--plug",
    type=click.Choice(["auto", "manual"]),
    default="auto",
    help="auto: a car is plugged in at once; manual: by the key p, within 60 s of simulated time.",
)
@option(
    "--monitor-grace",
    type=Number(1, 3_600),
    default=5.0,
    help="Seconds without a byte from the monitor after which it ends what it supplies.",
)
@option(
    "--time-scale",
    type=Number(0, 100_000, min_open=True),
    default=1.0,
    help="Simulated seconds in a real one, for meter, ramp and plug; 60 charges an hour a minute.",
)
@secret_options("credential", "The key that its monitor must know.")
@tls_options
@option(
    "--insecure",
    is_flag=True,
    help="Listen to other machines without TLS and key. Whoever reaches the port may then"
    " command the charge point.",
)
@metrics_options
@common_options
def main(
    cp_id: str,
    listen: Address,
    journal: Path,
    journal_limit: int,
    power: Watts,
    connectors: int,
    plug: str,
    monitor_grace: float,
    time_scale: float,
    credential: str | None,
    tls: TlsFiles,
    insecure: bool,
    metrics: MetricsSettings,
    **common: Any,
) -> None:
    """A charge point: supplies energy, meters it, and keeps its tickets in a journal.

    It waits for its monitor (ev-monitor), which tells it what to do. On a terminal, keys plug in,
    unplug, break, repair and ask for a charge; ? shows them. On a pipe it takes one key a line.

    Off loopback it listens only with TLS (--tls-cert, --tls-key) and a key for its monitor
    (--credential), unless --insecure says otherwise.

    When it is stopped, or killed, while it supplies, its next start on the same journal gives that
    supply's ticket, with the reason engine_restarted.
    """
    settings = Settings(
        cp_id=cp_id,
        listen=listen,
        journal=journal,
        journal_limit=journal_limit * MIB,
        power=power,
        connectors=connectors,
        auto_plug=plug == "auto",
        monitor_grace=monitor_grace,
        time_scale=time_scale,
        credential=credential,
        tls=tls,
        insecure=insecure,
        metrics=metrics,
    )
    run("ev-engine", Common(**common), lambda stop: serve(settings, SystemClock(), stop))


if __name__ == "__main__":
    main()
