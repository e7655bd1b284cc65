"""The command that writes the reference.

::

    python -m common.reference docs           writes every page into `docs`
    python -m common.reference --check docs   exits 1 and names the pages that are out of date
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import click

from common.metrics.page import metrics_page
from common.reference.asyncapi import asyncapi_document
from common.reference.markdown import COMMAND
from common.reference.protocol_page import protocol_page
from common.reference.states_page import states_page

PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "protocol.md": protocol_page,
    "states.md": states_page,
    "metrics.md": metrics_page,
}
"""The pages for people, by the name of their file; each yields its blocks."""

FILES = (*PAGES, "asyncapi.json")
"""All that is written."""


def text_of(file: str) -> str:
    """The text that a file must have."""
    if file in PAGES:
        return "\n\n".join(PAGES[file]()) + "\n"
    return asyncapi_document()


def stale(folder: Path) -> list[str]:
    """The files in `folder` that are missing, or say other than the code."""
    committed = {f: (folder / f).read_text("utf-8") for f in FILES if (folder / f).exists()}
    return [file for file in FILES if committed.get(file) != text_of(file)]


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a page is out of date.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def main(*, check: bool, folder: Path) -> None:
    """Write the reference pages and asyncapi.json into FOLDER from the code."""
    if check:
        if files := stale(folder):
            named = " and ".join(str(folder / file) for file in files)
            raise click.ClickException(f"out of date: {named}; run `{COMMAND}`")
        return
    folder.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        (folder / file).write_text(text_of(file), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
