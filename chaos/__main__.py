"""`python -m chaos`: run a network, kill and break it, and prove that nothing was lost."""

import asyncio
import json
import math
import shutil
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

import click

from chaos.plan import plan
from chaos.run import chaos
from chaos.world import Shape
from tests.kafka.broker import BrokerError

POINTS = 50
"""Charge points: 100 programs, which fit into 8 GiB and two cores."""


POINTS_FOR_AN_APP = 10
"""Charge points of which one has a driver's app, a program; the others' drivers are lighter."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seed", type=click.IntRange(0), help="Draws the faults; a random one if not given.")
@click.option("--points", type=click.IntRange(1, 500), default=POINTS, show_default=True)
@click.option("--minutes", type=click.FloatRange(0.1), default=5.0, show_default=True)
@click.option(
    "--every",
    type=click.FloatRange(0.05),
    help="Seconds between two faults on average; if not given, each point has one a minute.",
)
@click.option(
    "--database",
    type=click.Choice(["postgresql", "sqlite"]),
    default="postgresql",
    show_default=True,
    help="Central's; PostgreSQL is killed as well.",
)
@click.option(
    "--centrals",
    type=click.IntRange(1, 2),
    default=2,
    show_default=True,
    help="With two, one leads and the other stands by.",
)
@click.option("--plan", "only_plan", is_flag=True, help="Print the faults, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON document.")
def main(
    seed: int | None,
    points: int,
    minutes: float,
    every: float | None,
    database: str,
    centrals: int,
    *,
    only_plan: bool,
    as_json: bool,
) -> None:
    """Run a network of real programs, kill and break them, and prove that nothing was lost.

    Charge points, drivers who charge all the time, Kafka, the database: all of them are killed,
    paused and cut off, by a plan that is drawn from the seed. The same seed injects the same faults
    in the same order. What was killed is started again; nothing else is mended by anybody. At the
    end the faults stop, everything must settle by itself, and what the meters counted must be what
    was billed.

    The exit code is 0 only if all is well. Otherwise logs and journals are kept.
    """
    seed = SystemRandom().randrange(1_000_000) if seed is None else seed
    shape = Shape(
        points=points,
        apps=math.ceil(points / POINTS_FOR_AN_APP),
        centrals=centrals,
        postgresql=database == "postgresql",
    )
    faults = plan(
        seed,
        shape.ids,
        minutes * 60,
        every or 60 / points,
        centrals=centrals,
        apps=shape.apps,
        database=shape.postgresql,
    )
    if only_plan:
        for fault in faults:
            click.echo(str(fault))
        return

    def say(line: str) -> None:
        click.echo(line, err=True)

    folder = Path(tempfile.mkdtemp(prefix="evcharging-chaos-"))
    say(f"seed {seed}: {len(faults)} faults in {minutes:g} min; everything is in {folder}")
    try:
        report = asyncio.run(chaos(folder, shape, seed, faults, say))
    except (asyncio.CancelledError, KeyboardInterrupt):
        say(f"chaos: stopped before the end; logs and journals are in {folder}")
        sys.exit(130)
    except (BrokerError, RuntimeError) as error:
        say(f"chaos: {error}")
        sys.exit(1)
    click.echo(json.dumps(report.as_json(), indent=2) if as_json else str(report))
    if report.wrong:
        say(f"chaos: logs and journals are in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
