"""The wiring: settings become a console that is linked to central, and a command is run on it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import click
import msgspec

from admin.client import Client, Greeting
from admin.handlers import Handlers
from common.clock import SystemClock
from common.codec import encode
from common.dispatch import Dispatcher
from common.messages import Role
from common.program import Address, Common, Stop
from common.tls import TlsFiles, client_context

INTERRUPTED = 130
"""The exit code when somebody ends a command before it is done, as a shell has it for Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one run of the console is told.

    Attributes:
        central: Tried in turn.
        admin_id: Whose commands these are, in the audit log.
        as_json: One JSON document on stdout; what is for people goes to stderr.
    """

    central: tuple[Address, ...]
    admin_id: str = "admin"
    credential: str | None = field(default=None, repr=False)
    tls: TlsFiles = field(default_factory=TlsFiles)
    as_json: bool = False
    common: Common = field(default_factory=Common)

    def client(
        self,
        greet: Greeting | None = None,
        on_trouble: Callable[[str], None] = lambda text: None,
    ) -> Client:
        """A console's side of a link to central, not yet running; see `Client`.

        Raises:
            CannotStart: A file for TLS is not what it must be.
        """
        return Client(
            self.admin_id,
            self.central,
            SystemClock(),
            credential=self.credential,
            tls=client_context(self.tls),
            greet=greet,
            on_trouble=on_trouble,
        )


@dataclass(frozen=True, slots=True)
class App:
    """What a command works with."""

    settings: Settings
    client: Client

    def print_json(self, document: msgspec.Struct) -> None:
        """Write the command's one document, where documents are asked for."""
        if self.settings.as_json:
            click.echo(encode(document))


def say(text: str) -> None:
    """Somebody at a terminal sees why it takes so long; a script gets the sentence at the end."""
    if sys.stderr.isatty():
        click.echo(text, err=True)


Command = Callable[[App], Awaitable[int]]


async def run(settings: Settings, command: Command, stop: Stop) -> int:
    """Run one command to its end, or until somebody ends it; returns the exit code."""
    client = settings.client(on_trouble=say)
    dispatcher = Dispatcher(Role.ADMIN, Handlers(client))
    linked = asyncio.ensure_future(client.run(dispatcher))
    work = asyncio.ensure_future(command(App(settings, client)))
    ended = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((work, ended, linked), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (linked, ended, work):
            task.cancel()
        await asyncio.wait((linked, ended, work))
    if work.cancelled():
        if not linked.cancelled() and (error := linked.exception()):
            raise error
        return INTERRUPTED
    return work.result()
