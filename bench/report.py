"""Figures to a table for people."""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

GOALS = {
    "frames answered": ("at least", 50_000.0, "/s"),
    "charges started": ("at least", 5_000.0, "/s"),
    "charge p99 at 500/s": ("below", 50.0, "ms"),
}


def reached(name: str, figure: float) -> bool:
    """Whether a figure is as good as its goal."""
    kind, goal, _ = GOALS[name]
    return figure >= goal if kind == "at least" else figure < goal


def show(machine: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Print the machine and a row for each figure."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    sync, libraries = machine["sync_ms"], machine["libraries"]
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; "
        f"Linux {machine['kernel']}, Python {machine['python']}, commit {machine['commit']}"
    )
    console.print(", ".join(f"{name} {found}" for name, found in libraries.items()))
    console.print(f"4 KiB written and synced: median {sync['median']} ms, p99 {sync['p99']} ms")
    table = Table()
    for title in ("work", "median", "runs", "goal", "reached", "spoilt runs", "central's core"):
        table.add_column(title, justify="left" if title == "work" else "right")
    for row in rows:
        kind, goal, unit = GOALS[row["name"]]
        table.add_row(
            row["name"],
            f"{row['median']:,.1f} {unit}",
            " ".join(f"{figure:,.0f}" for figure in row["runs"]),
            f"{kind} {goal:,.0f} {unit}",
            "yes" if row["reached"] else "no",
            str(row["spoilt"]),
            f"{row['server_cpu']:.0%}" if row.get("server_cpu") else "",
        )
    console.print(table)
