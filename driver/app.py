"""The wiring: settings become the objects of a running driver, and a command is run on them."""

import asyncio
import base64
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click
import msgspec
import structlog

from common.clock import Clock, SystemClock
from common.codec import encode
from common.dispatch import Dispatcher
from common.messages import Role
from common.metrics.exporter import Exporter, exporting
from common.metrics.options import MetricsSettings
from common.program import Address, Common, Stop
from common.stream import KafkaSettings
from common.tls import TlsFiles, client_context
from driver.charging import Charging, Left
from driver.client import Client
from driver.events import Events
from driver.handlers import Handlers
from driver.screen import Screen
from driver.state import NotRemembered, StateFolder
from driver.terminal import Keyboard
from driver.watch import Watch

log = structlog.get_logger()

LEFT = 130
"""The exit code when the driver leaves before the end, as a shell has it for Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one run of the driver is told.

    Attributes:
        central: Tried in turn.
        credential: Proves that this driver is who it says.
        state: The folder of the driver's state.
        as_json: One JSON document on stdout; what is for people goes to stderr.
        charges: The command may begin a charge, which one process at a time may do.
    """

    driver_id: str
    central: tuple[Address, ...]
    kafka: KafkaSettings
    state: Path
    common: Common
    credential: str | None = field(default=None, repr=False)
    tls: TlsFiles = field(default_factory=TlsFiles)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    as_json: bool = False
    charges: bool = False


@dataclass(frozen=True, slots=True)
class App:
    """What a command works with."""

    settings: Settings
    client: Client
    charging: Charging
    screen: Screen
    keyboard: Keyboard | None

    def print_json(self, document: msgspec.Struct) -> None:
        """Write the command's one document, where documents are asked for."""
        if self.settings.as_json:
            click.echo(encode(document))


Command = Callable[[App], Awaitable[int]]


async def run(settings: Settings, command: Command, stop: Stop) -> int:
    """Run one command to its end, or until the driver leaves; returns the exit code."""
    clock = SystemClock()
    async with exporting(Role.DRIVER, settings.metrics, clock) as exporter:
        screen = Screen(clock, on_stderr=settings.as_json)
        folder = StateFolder(settings.state, settings.driver_id)
        return await run_with(settings, command, screen, folder, clock, exporter, stop)


async def run_with(
    settings: Settings,
    command: Command,
    screen: Screen,
    folder: StateFolder,
    clock: Clock,
    exporter: Exporter,
    stop: Stop,
) -> int:
    """The same, with what is outside of the program given."""
    with ExitStack() as stack:
        if settings.charges:
            stack.enter_context(folder.locked())
        keyboard = None
        if sys.stdin.isatty() and screen.is_terminal:
            keyboard = Keyboard(screen.prompt, stop.ask)
            stack.enter_context(keyboard.listening())
        watch = Watch(clock)
        proves = settings.credential is not None
        key = folder.kafka_key() if proves else None
        events = Events(settings.kafka, settings.driver_id, clock, key=key)

        def on_key(text: str) -> None:
            if proves:
                _take_key(text, events, folder)

        client = Client(
            settings.driver_id,
            settings.central,
            events.post,
            clock,
            credential=settings.credential,
            tls=client_context(settings.tls),
            on_key=on_key,
            on_up=screen.relief,
        )
        charging = Charging(
            settings.driver_id, client, watch, events, folder, screen, keyboard, clock
        )
        dispatcher = Dispatcher(Role.DRIVER, Handlers(client, watch, screen))
        exporter.follow(dispatcher)
        exporter.serves(partial(_missing, client))
        app = App(settings, client, charging, screen, keyboard)
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(client.run(dispatcher)),
                group.create_task(events.run(dispatcher)),
            ]
            try:
                return await _unless_left(command(app), stop)
            finally:
                client.closing()
                for task in background:
                    task.cancel()


def _missing(client: Client) -> str:
    return "" if client.link is not None else client.trouble or "it is not linked to CENTRAL"


def _take_key(text: str, events: Events, folder: StateFolder) -> None:
    """Prove requests by Kafka with this key, also after a restart."""
    try:
        events.key = base64.b64decode(text, validate=True)
        folder.keep_kafka_key(text)
    except (NotRemembered, ValueError) as error:
        log.warning("the key for Kafka is not kept", why=str(error))


async def _unless_left(command: Awaitable[int], stop: Stop) -> int:
    work = asyncio.ensure_future(command)
    left = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((work, left), return_when=asyncio.FIRST_COMPLETED)
    finally:
        left.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait((work,))
    try:
        return work.result()
    except (asyncio.CancelledError, Left):
        return LEFT
