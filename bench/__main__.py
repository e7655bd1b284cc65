"""`python -m bench`: measure, and print the figures with the machine they are from."""

import json
import os
import sys
import tempfile
from pathlib import Path

import click
import uvloop

from bench import machine
from bench.report import Row, markdown, measured, show
from bench.rows import WORKS, Figures, Work
from bench.server import central, other_cores
from tests.kafka.find import find_broker
from tests.kafka.wipe import wipe


@click.command()
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=5,
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
    default=10.0,
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
    """Measure what central does on one core; exit 1 if a run was spoilt.

    The load comes from this process, on the other cores. Kafka is found as the tests find it.
    """
    with tempfile.TemporaryDirectory(prefix="ev-bench-", dir=".") as name:
        folder = Path(name).resolve()
        where = machine.describe(folder)
        os.sched_setaffinity(0, other_cores())
        broker = find_broker()
        broker.start()
        try:
            rows: list[Row] = []
            for work in WORKS:
                if not only or work.name in only:
                    rows += rows_of(work, folder, broker.bootstrap, runs, seconds, warm_up)
                    if path:  # also what there is so far: a full run takes a while
                        path.write_text(json.dumps({"machine": where, "rows": rows}, indent=2))
        finally:
            broker.close()
    if as_markdown:
        click.echo(markdown(rows))
    else:
        show(where, rows)
    sys.exit(1 if any(row["spoilt"] for row in rows) else 0)


def rows_of(
    work: Work, folder: Path, kafka: str, runs: int, seconds: float, warm_up: float
) -> list[Row]:
    """The rows that a measurement gives, each run at a new central."""
    found: list[Figures] = []
    for number in range(runs):
        own = folder / f"{work.name}-{number}"
        own.mkdir()
        click.echo(f"measuring {own.name} …", err=True)
        found.append(on_new_central(work, own, kafka, seconds, warm_up))
        if found[-1]["wrong"]:
            click.echo(f"spoilt: {found[-1]}", err=True)
    return [measured(goal, found) for goal in work.goals]


def on_new_central(work: Work, folder: Path, kafka: str, seconds: float, warm_up: float) -> Figures:
    """What one run finds at a central with an empty database in this folder."""
    wipe(kafka)  # what the last run left there would be work for this one
    with central(folder, kafka) as server:
        return uvloop.run(work.measure(server, warm_up, seconds), debug=False)


if __name__ == "__main__":
    main()
