"""Runs to rows, and rows to a table for people."""

import statistics
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.rows import Figures, Goal

Row = dict[str, Any]


def measured(goal: Goal, runs: list[Figures]) -> Row:
    """A row of the table: the median of the runs in which nothing went wrong.

    Where others use the machine as well, central does not get all of its core: `whole_core` says
    what a rate comes to for each second of processor time that it got.
    """
    good = [run for run in runs if not run["wrong"]]
    median = statistics.median(run[goal.figure] for run in good) if good else 0.0
    return {
        "name": goal.name,
        "median": median,
        "unit": goal.unit,
        "goal": f"{goal.kind} {goal.limit:,g} {goal.unit}",
        "reached": bool(good) and goal.reached(median),
        "spoilt": len(runs) - len(good),
        "runs": runs,
        "figure": goal.figure,
        "server_cpu": statistics.median(run.get("server_cpu", 0.0) for run in runs),
        "whole_core": _per_core(goal, good) if goal.unit == "/s" else 0.0,
    }


def _per_core(goal: Goal, runs: list[Figures]) -> float:
    rates = [run[goal.figure] / run["server_cpu"] for run in runs if run.get("server_cpu")]
    return statistics.median(rates) if rates else 0.0


def show(machine: dict[str, Any], rows: list[Row], whose: str = "central") -> None:
    """Print the machine and a row for each figure; `whose` core is the one that is measured."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    sync, libraries = machine["sync_ms"], machine["libraries"]
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; "
        f"Linux {machine['kernel']}, Python {machine['python']}, commit {machine['commit']}"
    )
    console.print(", ".join(f"{name} {found}" for name, found in libraries.items()))
    console.print(f"4 KiB written and synced: median {sync['median']} ms, p99 {sync['p99']} ms")
    console.print(f"Load of the machine before it began: {machine['load']}")
    table = Table()
    for title in (
        "work",
        "median",
        "runs",
        "goal",
        "reached",
        "spoilt",
        f"{whose}'s core",
        "of a whole core",
    ):
        table.add_column(title, justify="left" if title == "work" else "right")
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['median']:,.1f} {row['unit']}",
            " ".join(f"{run[row['figure']]:,.0f}" for run in row["runs"]),
            row["goal"],
            "yes" if row["reached"] else "no",
            str(row["spoilt"]),
            f"{row['server_cpu']:.0%}" if row["server_cpu"] else "",
            f"{row['whole_core']:,.0f} {row['unit']}" if row["whole_core"] else "",
        )
    console.print(table)


def markdown(rows: list[Row], whose: str = "central") -> str:
    """The table as it stands in `docs/performance.md`; a run that does not count has a star."""
    lines = [
        f"| work | median | runs | goal | reached | {whose}'s core | of a whole core |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        unit = row["unit"] if row["unit"].startswith("/") else f" {row['unit']}"
        runs = " · ".join(
            _rounded(run[row["figure"]]) + ("*" if run["wrong"] else "") for run in row["runs"]
        )
        cells = (
            row["name"],
            _rounded(row["median"]) + unit,
            runs,
            row["goal"].replace(" /", "/"),
            "yes" if row["reached"] else "no",
            f"{row['server_cpu']:.0%}" if row["server_cpu"] else "",
            _rounded(row["whole_core"]) + unit if row["whole_core"] else "",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _rounded(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.1f}"
