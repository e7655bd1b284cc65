"""Tells a charge's story, to people or to programs."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from admin.commands import FAILURE, SUCCESS, WIDE
from admin.trace.lines import Line, Source
from admin.trace.story import folded, story

WHO = ("cp_id", "driver_id", "session_id", "trace_id")
"""What a story is about: told once, above it."""

TOLD = frozenset({"event", "program", "timestamp", "level", "type", "peer", "message_id", *WHO})
"""Fields that are told elsewhere, or are one message's only."""

COLOURS = {"warning": "yellow", "error": "red", "critical": "red", "debug": "dim"}


def tell(wanted: str, files: Sequence[Path], *, as_json: bool) -> int:
    """Tell the story of the charge with this id; the exit code."""
    sources = [Source(path) for path in dict.fromkeys(files)]
    try:
        lines = story(wanted, sources)
    except OSError as error:
        click.echo(f"ev-admin: cannot read {error.filename}: {error.strerror}", err=True)
        return FAILURE
    for source in sources:
        if source.skipped:
            said = f"{source.skipped} lines of {source.path} are no JSON objects"
            click.echo(f"ev-admin: {said}", err=True)
    if not lines:
        text = (
            f"nothing is known of {wanted} in these logs; programs write messages only with"
            " --log json --log-level debug"
        )
        click.echo(f"ev-admin: {text}", err=True)
        return FAILURE
    if as_json:
        click.echo(b'{"lines":[' + b",".join(bytes(line.raw).strip() for line in lines) + b"]}")
    else:
        _print(lines)
    return SUCCESS


def _print(lines: Sequence[Line]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    first = lines[0]
    about = Table(box=None, pad_edge=False, show_header=False)
    for name in WHO:
        found = dict.fromkeys(value for line in lines if (value := getattr(line, name)))
        said = next(iter(found), "") if name == "trace_id" else ", ".join(found)
        about.add_row(name.removesuffix("_id").replace("cp", "charge point"), said)
    about.add_row("begins", first.timestamp)
    console.print(about, "")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for line, times in folded(lines):
        offset = f"{_seconds(first, line):+.3f}"
        table.add_row(offset, line.program.removeprefix("ev-"), _sentence(line, times))
    console.print(table)


def _seconds(first: Line, line: Line) -> float:
    if first.at is None or line.at is None:
        return 0.0
    return (line.at - first.at) / timedelta(seconds=1)


def _sentence(line: Line, times: int) -> Text:
    """What a line says, in words."""
    text = Text(style=COLOURS.get(line.level, "") if line.event not in ARROWS else "")
    if line.event in ARROWS:
        text.append(f"{ARROWS[line.event]} {line.peer}  ", style="cyan")
        text.append(line.type, style="bold")
    else:
        text.append(line.event)
    if times > 1:
        text.append(f"  ({times} times)", style="dim")
    if details := _details(line):
        text.append(f"  {details}", style="dim")
    return text


ARROWS = {"sent": "→", "received": "←"}
"""How a message in or out is drawn."""


def _details(line: Line) -> str:
    fields: dict[str, Any] = msgspec.json.decode(line.raw)
    return "  ".join(f"{name}={value}" for name, value in fields.items() if name not in TOLD)
