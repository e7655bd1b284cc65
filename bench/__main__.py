"""`python -m bench`: measure, and print the figures with the machine they are from."""

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click
import uvloop

from bench import machine
from bench.charges import Charges
from bench.frames import Frames
from bench.report import reached, show
from bench.server import Server, central, other_cores
from tests.kafka.find import find_broker

Figures = dict[str, float]
Measure = Callable[[Server], Coroutine[Any, Any, Figures]]


def measured(name: str, figure: str, runs: list[Figures]) -> dict[str, Any]:
    """A row of the table: the median of the runs in which nothing went wrong."""
    good = [run for run in runs if not run["wrong"]]
    median = statistics.median(run[figure] for run in good) if good else 0.0
    return {
        "name": name,
        "median": median,
        "runs": [run[figure] for run in runs],
        "spoilt": len(runs) - len(good),
        "reached": bool(good) and reached(name, median),
        "server_cpu": statistics.median(run.get("server_cpu", 0.0) for run in runs),
    }


@click.command()
@click.option("--runs", default=5, show_default=True, help="Runs of each row; the median counts.")
@click.option("--seconds", default=5.0, show_default=True, help="Seconds that a run measures.")
@click.option("--warm-up", default=10.0, show_default=True, help="Seconds before that.")
@click.option("--only", type=click.Choice(["frames", "charges"]), help="One of the rows.")
@click.option("--json", "path", type=click.Path(dir_okay=False), help="Write the figures here.")
def main(runs: int, seconds: float, warm_up: float, only: str | None, path: str | None) -> None:
    """Measure what central does on one core; exit 1 if a run was spoilt.

    The load comes from this process, on the other cores. Kafka is found as the tests find it.
    """
    os.sched_setaffinity(0, other_cores())
    with tempfile.TemporaryDirectory(prefix="ev-bench-", dir=".") as name:
        folder = Path(name).resolve()
        where = machine.describe(folder)
        broker = find_broker()
        broker.start()
        try:
            rows = []
            if only != "charges":
                rows += _frames(folder, broker.bootstrap, runs, seconds, warm_up)
            if only != "frames":
                rows += _charges(folder, broker.bootstrap, runs, seconds, warm_up)
        finally:
            broker.close()
    show(where, rows)
    if path:
        Path(path).write_text(json.dumps({"machine": where, "rows": rows}, indent=2) + "\n")
    sys.exit(1 if any(row["spoilt"] for row in rows) else 0)


def _frames(
    folder: Path, kafka: str, runs: int, seconds: float, warm_up: float
) -> list[dict[str, Any]]:
    async def once(server: Server) -> Figures:
        return await Frames(server).run(warm_up, seconds)

    found = [on_new_central(folder, kafka, f"frames-{n}", once) for n in range(runs)]
    return [measured("frames answered", "rate", found)]


def _charges(
    folder: Path, kafka: str, runs: int, seconds: float, warm_up: float
) -> list[dict[str, Any]]:
    async def full(server: Server) -> Figures:
        return await with_charges(server, lambda c: c.full_load(warm_up, seconds))

    async def steady(server: Server) -> Figures:
        return await with_charges(server, lambda c: c.at_rate(500, warm_up, seconds))

    loads = [on_new_central(folder, kafka, f"full-{n}", full) for n in range(runs)]
    steadies = [on_new_central(folder, kafka, f"steady-{n}", steady) for n in range(runs)]
    return [
        measured("charges started", "rate", loads),
        measured("charge p99 at 500/s", "p99_ms", steadies),
    ]


async def with_charges(
    server: Server, measure: Callable[[Charges], Coroutine[Any, Any, Figures]]
) -> Figures:
    """What `measure` finds with all points registered; says on stderr what spoilt it."""
    charges = Charges(server)
    await charges.prepare()
    try:
        return await measure(charges)
    finally:
        if charges.first_wrong:
            click.echo(f"spoilt: {charges.first_wrong}", err=True)
        charges.close()


def on_new_central(folder: Path, kafka: str, name: str, measure: Measure) -> Figures:
    """What `measure` finds at a central with an empty database in a folder of this name."""
    own = folder / name
    own.mkdir()
    click.echo(f"measuring {name} …", err=True)
    with central(own, kafka) as server:
        return uvloop.run(measure(server))


if __name__ == "__main__":
    main()
