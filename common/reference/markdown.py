"""Pieces of a page."""

import re
from collections.abc import Iterable, Sequence

COMMAND = "make docs"
"""What writes the pages again."""


def generated_from(*files: str) -> str:
    return f"<!-- Generated from {' and '.join(files)} by `{COMMAND}`. Do not edit. -->"


def code(value: object) -> str:
    return f"`{value}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, cells))} |" for cells in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|")


def listing(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def mermaid(kind: str, lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", kind, *(f"    {line}" for line in lines), "```"])


def link_to(title: str, page: str = "") -> str:
    """A link to a heading, by the name that GitHub gives it."""
    anchor = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
    return f"[{title}]({page}#{anchor})"
