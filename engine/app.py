"""The engine's wiring, and what it does as time passes."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import click

from common.clock import Clock
from common.dispatch import Dispatcher
from common.errors import ChargingError, Refused
from common.link import Link
from common.listen import Bind, Limits, Listener
from common.messages import ChargeRequest, Role
from common.metrics.exporter import Exporter, exporting
from common.metrics.options import MetricsSettings
from common.program import Address, Stop, must_not_be_open, ready
from common.tls import TlsFiles, server_context
from common.units import Watts
from engine import metrics
from engine.book import LIMIT
from engine.charge_point import ChargePoint
from engine.commands import Commands
from engine.connector import Connector
from engine.disk import Disk, Folder
from engine.gate import PROVE_WITHIN, Gate, turn_away
from engine.handlers import MonitorHandlers
from engine.journal import Journal
from engine.keys import HELP, Action, KeyCommand
from engine.moment import Timepiece
from engine.terminal import Act, Terminal
from engine.uplink import Uplink
from engine.vigil import Vigil

MAX_LINKS = 100
"""Links to an engine, of which one is its monitor's."""

TICK = 0.1
"""Seconds between two looks at the meters: an end is noticed this late at most."""

READING = 1.0
"""Seconds between two readings."""

PATIENCE = 3.0
"""Seconds without a byte after which a link is closed: three health checks were missed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says.

    Attributes:
        journal: The folder of the journal.
        journal_limit: Bytes that the journal may have.
        power: The most that each connector supplies.
        auto_plug: Cars plug themselves in.
        monitor_grace: Real seconds of the monitor's silence after which supplies end.
        time_scale: Simulated seconds in a real one.
        credential: The key that its monitor must know; None where none is needed.
        insecure: Listen to others than this machine without TLS and key.
        metrics: Where it says how it is.
    """

    cp_id: str
    listen: Address
    journal: Path
    power: Watts
    connectors: int
    auto_plug: bool
    monitor_grace: float
    time_scale: float
    credential: str | None = field(default=None, repr=False)
    tls: TlsFiles = field(default_factory=TlsFiles)
    insecure: bool = False
    journal_limit: int = LIMIT
    metrics: MetricsSettings = field(default_factory=MetricsSettings)


class _MonitorLink(Link):
    """A link that lets the uplink know when it hears something."""

    uplink: Uplink
    vigil: Vigil

    def data_received(self, data: bytes) -> None:
        self.vigil.woke()
        if self.is_closing:
            return  # it is old, and nobody waits for it any more
        self.uplink.heard(self)
        super().data_received(data)


class Engine:
    """A running engine.

    Args:
        bind: Makes the sockets on which it listens; the machine's own if None.
        terminal: Where its keys are pressed, given who is to obey them.

    Raises:
        CannotStart: The journal cannot be used.
        JournalFailed: The journal cannot be written.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        disk: Disk,
        exporter: Exporter,
        *,
        bind: Bind | None = None,
        terminal: Callable[[Act], Terminal] = Terminal,
    ) -> None:
        self._terminal = terminal
        self._settings = settings
        self._exporter = exporter
        self._clock = clock
        self._timepiece = Timepiece(clock, settings.time_scale)
        self._uplink = Uplink(settings.cp_id, clock)
        self._point = ChargePoint(
            settings.cp_id,
            Journal(disk, settings.cp_id),
            self._uplink.tell,
            self._timepiece.now(),
            power_limit=settings.power,
            connectors=settings.connectors,
            auto_plug=settings.auto_plug,
            time_scale=settings.time_scale,
            tell_at_length=self._uplink.tell_at_length,
            journal_limit=settings.journal_limit,
        )
        self._vigil = Vigil(
            self._point, self._uplink, clock, self._timepiece, settings.monitor_grace
        )
        commands = Commands(self._point, settings.power, settings.time_scale)
        self._gate = Gate(settings.cp_id, settings.credential, clock)
        handlers = MonitorHandlers(
            settings.cp_id, commands, self._uplink, self._timepiece, self._gate
        )
        self._dispatcher = Dispatcher(Role.ENGINE, handlers)
        self._show()
        self._listener = Listener(
            self._make_link,
            tls=server_context(settings.tls),
            limits=Limits(links=MAX_LINKS),
            bind=bind,
        )
        self._asking: set[asyncio.Task[None]] = set()

    async def serve(self, stop: Stop) -> None:
        """Serve until told to stop."""
        where = self._settings.listen
        await self._listener.open(where.host, where.port)
        async with asyncio.TaskGroup() as tasks:
            loops = [
                tasks.create_task(_every(TICK, self._tick)),
                tasks.create_task(_every(READING, self._read)),
            ]
            self._say_ready()
            with self._terminal(self._act) as terminal:
                loop = asyncio.get_running_loop()
                loop.add_signal_handler(signal.SIGCONT, terminal.continued)
                await stop.wait()
            for work in [*loops, *self._asking]:
                work.cancel()
            self._point.leave(self._timepiece.now())
            self._uplink.release()
            await self._listener.close()

    def _show(self) -> None:
        """Let the engine's numbers be seen."""
        self._exporter.follow(self._dispatcher)
        self._exporter.add(partial(metrics.point_samples, self._point))
        self._exporter.add(partial(metrics.uplink_samples, self._uplink))

    def _say_ready(self) -> None:
        self._exporter.serves(partial(metrics.missing, self._point))
        settings = self._settings
        where = Address(settings.listen.host, self._listener.port)
        connectors = (
            "1 connector" if settings.connectors == 1 else f"{settings.connectors} connectors"
        )
        ready("ev-engine", settings.cp_id, f"on {where},", f"{connectors} of {settings.power} kW")

    # -- Links --

    def _make_link(self, listener: Listener) -> Link:
        link = _MonitorLink(
            Role.ENGINE,
            self._dispatcher,
            self._clock,
            peer_role=Role.MONITOR,
            opened=self._opened,
            gone=self._gone,
        )
        link.uplink, link.vigil = self._uplink, self._vigil
        return link

    def _opened(self, link: Link) -> None:
        link.patience = PATIENCE
        self._listener.links.add(link)
        asyncio.get_running_loop().call_later(PROVE_WITHIN, turn_away, link, link.peer, self._gate)

    def _gone(self, link: Link) -> None:
        self._listener.links.discard(link)
        self._uplink.gone(link, link.why)

    # -- As time passes --

    async def _tick(self) -> None:
        self._vigil.woke()
        if self._vigil.is_over:
            # If it was us who were busy for a moment, what has come meanwhile is read first.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self._vigil.end()
        self._point.advance(self._timepiece.now())

    async def _read(self) -> None:
        self._vigil.woke()
        self._point.read(self._timepiece.now())

    # -- Keys --

    def _act(self, command: KeyCommand) -> None:
        self._vigil.woke()
        try:
            self._obey(command)
        except LookupError:
            click.echo(f"there is no connector {command.connector_id}")

    def _obey(self, command: KeyCommand) -> None:
        now = self._timepiece.now()
        match command.action:
            case Action.PLUG:
                self._point.plug(self._one(command), now)
            case Action.UNPLUG:
                self._point.unplug(self._one(command), now)
            case Action.BREAK:
                self._point.break_down(self._all(command), now)
            case Action.REPAIR:
                self._point.repair(self._all(command))
            case Action.CHARGE:
                if command.connector_id is not None:
                    self._one(command)
                task = asyncio.get_running_loop().create_task(self._ask_for_charge(command))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
            case Action.HELP:
                click.echo(HELP)

    def _one(self, command: KeyCommand) -> Connector:
        return self._point.connectors[1 if command.connector_id is None else command.connector_id]

    def _all(self, command: KeyCommand) -> Iterable[Connector]:
        """The connector that was named; all of them where none was."""
        if command.connector_id is None:
            return self._point.connectors.values()
        return [self._one(command)]

    async def _ask_for_charge(self, command: KeyCommand) -> None:
        request = ChargeRequest(
            cp_id=self._settings.cp_id,
            connector_id=command.connector_id,
            driver_id=command.driver_id,
            target_kwh=command.target,
        )
        try:
            answer = await self._uplink.ask(request)
        except Refused as refused:
            click.echo(f"no charge for {command.driver_id}: {refused.text or refused.reason}")
        except ChargingError as error:
            click.echo(f"no charge for {command.driver_id}: {error}")
        else:
            where = f" at connector {answer.connector_id}" if answer.connector_id else ""
            click.echo(f"{command.driver_id} may charge{where}: session {answer.session_id}")


async def _every(seconds: float, action: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do this at every interval, for ever; after a pause of ours at once, and then only once."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        await action()
        due = max(due + seconds, loop.time())
        await asyncio.sleep(due - loop.time())


async def serve(settings: Settings, clock: Clock, stop: Stop) -> None:
    """Run an engine until it is told to stop.

    Raises:
        CannotStart: The journal cannot be used, or the port is taken.
    """
    must_not_be_open(
        settings.listen,
        tls=settings.tls.cert is not None,
        credentials=settings.credential is not None,
        insecure=settings.insecure,
        make="its monitor's key (--credential)",
    )
    disk = Folder(settings.journal)
    try:
        async with exporting(Role.ENGINE, settings.metrics, clock) as exporter:
            await Engine(settings, clock, disk, exporter).serve(stop)
    finally:
        disk.close()
