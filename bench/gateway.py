"""`python -m bench.gateway`: measure the gateway, beside others that do its work."""

import json
import os
import sys
import tempfile
from pathlib import Path

import click

from bench import machine
from bench.gateway_rows import WORKS, Work
from bench.gateway_stage import Stage
from bench.report import Row, markdown, measured, show
from bench.rows import Figures
from bench.server import other_cores
from tests.kafka.find import find_broker
from tests.kafka.wipe import wipe
from tests.redis.find import redis_server
from tests.redis.server import RedisServer


@click.command()
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Runs of each row; the median counts.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.5),
    default=5.0,
    show_default=True,
    help="Seconds that a run measures.",
)
@click.option(
    "--warm-up",
    type=click.FloatRange(min=0),
    default=3.0,
    show_default=True,
    help="Seconds before that.",
)
@click.option(
    "--only",
    type=click.Choice([work.name for work in WORKS]),
    multiple=True,
    help="Measure only this; may be repeated.",
)
@click.option(
    "--json",
    "path",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the figures here.",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table as Markdown.")
def main(
    runs: int,
    seconds: float,
    warm_up: float,
    only: tuple[str, ...],
    path: Path | None,
    *,
    as_markdown: bool,
) -> None:
    """Measure what a gateway does on one core; exit 1 if a run was spoilt.

    The load comes from processes on the other cores, where Kafka, Redis and central are as well.
    """
    with tempfile.TemporaryDirectory(prefix="ev-bench-", dir=".") as name:
        folder = Path(name).resolve()
        where = machine.describe(folder)
        os.sched_setaffinity(0, other_cores())
        with find_broker() as broker:
            rows: list[Row] = []
            for work in WORKS:
                if not only or work.name in only:
                    rows += rows_of(work, folder, broker.bootstrap, runs, seconds, warm_up)
                    if path:
                        path.write_text(json.dumps({"machine": where, "rows": rows}, indent=2))
    if as_markdown:
        click.echo(markdown(rows, "gateway"))
    else:
        show(where, rows, "gateway")
    sys.exit(1 if any(row["spoilt"] for row in rows) else 0)


def rows_of(
    work: Work, folder: Path, kafka: str, runs: int, seconds: float, warm_up: float
) -> list[Row]:
    """The rows that a measurement gives, each run on a stage of its own."""
    found: list[Figures] = []
    for number in range(runs):
        own = folder / f"{work.name}-{number}"
        own.mkdir()
        click.echo(f"measuring {own.name} …", err=True)
        found.append(on_new_stage(work, own, kafka, seconds, warm_up))
        click.echo(f"found {found[-1]}", err=True)
    rows = []
    for goal in work.goals:
        if all(goal.figure in each for each in found):
            rows.append(measured(goal, found))
        else:
            click.echo(f"not measured here: {goal.name}", err=True)
    return rows


def on_new_stage(work: Work, folder: Path, kafka: str, seconds: float, warm_up: float) -> Figures:
    """What one run finds, with empty topics, an empty database and an empty Redis."""
    wipe(kafka)
    with (
        RedisServer(redis_server()) as redis,
        Stage(folder, kafka, redis.url, on_one_core=work.one_core) as stage,
    ):
        return work.measure(stage, warm_up, seconds)


if __name__ == "__main__":
    main()
