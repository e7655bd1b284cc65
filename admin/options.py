"""Options that several commands of the console have, and how a command is run."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from admin import app, commands
from admin.app import App, Command, Settings
from admin.moments import MOMENT
from common import program
from common.errors import Refused
from common.program import CP_ID, DRIVER_ID, option
from common.units import MAX_CONNECTORS

Given = Callable[[], Settings]
"""What `ev-admin` was given before the command; made when the command runs."""

MOMENTS = "2h or 7d ago, 2026-11-21, 2026-11-21T08:30, Unix seconds."
"""How a moment is given."""


def said(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """An option of one command, which nobody gives in the environment."""
    return option(*names, show_envvar=False, **settings)


json_option = said(
    "--json", "as_json", is_flag=True, help="Write one JSON document to stdout, the rest to stderr."
)
all_option = said("--all", "everywhere", is_flag=True, help="Every charge point.")
yes_option = said("--yes", is_flag=True, help="Do not ask whether all are meant.")
reason_option = said("--reason", metavar="TEXT", help="Why; it is shown, and in the audit log.")
limit_option = said(
    "--limit", type=click.IntRange(1), metavar="N", help="The N latest alone; all without it."
)
connector_option = said(
    "--connector", type=click.IntRange(1, MAX_CONNECTORS), metavar="N", help="This connector alone."
)
points_argument = click.argument("cp_ids", metavar="CP...", nargs=-1, type=CP_ID)
cp_option = said("--cp", "cp_id", type=CP_ID, help="Of this charge point alone.")
driver_option = said("--driver", "driver_id", type=DRIVER_ID, help="Of this driver alone.")


def since_option(what: str) -> Callable[[Any], Any]:
    """Add `--since`."""
    return said("--since", type=MOMENT, help=f"{what}: {MOMENTS}")


def execute(settings: Settings, command: Command, *, as_json: bool = False) -> None:
    """Run a command on a link to central, and exit with its code; a refusal is a sentence."""
    settings = replace(settings, as_json=as_json)

    async def work(console: App) -> int:
        try:
            return await command(console)
        except Refused as no:
            if no.answer is not None:
                console.print_json(no.answer)
            return commands.refused(no)

    program.run("ev-admin", settings.common, lambda stop: app.run(settings, work, stop))
