"""A program's numbers and readiness, while it runs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version

import structlog

from common.clock import Clock
from common.dispatch import Dispatcher
from common.messages import Role
from common.metrics import table
from common.metrics.metric import Sample, Source
from common.metrics.options import MetricsSettings
from common.metrics.pulse import Pulse
from common.metrics.traffic import Traffic
from common.program import Address

log = structlog.get_logger()

STARTING = "it has not begun to serve"


class Exporter:
    """What a program says of itself by HTTP. With `--metrics` off nothing is counted or said.

    Attributes:
        address: Where; the port that was found free where 0 was asked for. None when off.
    """

    def __init__(self, role: Role, clock: Clock, *, on: bool) -> None:
        self.address: Address | None = None
        self._traffic = Traffic(role) if on else None
        self._role = role
        self._pulse = Pulse(clock)
        self._sources: list[Source] = []
        self._missing: Callable[[], str] = lambda: STARTING

    def add(self, source: Source) -> None:
        """Show these samples too. It is called in another thread: see the package."""
        self._sources.append(source)

    @contextmanager
    def showing(self) -> Iterator[None]:
        """What is added inside the block is shown no longer than it, and so is `serves`."""
        before, missing = list(self._sources), self._missing
        try:
            yield
        finally:
            self._sources, self._missing = before, missing

    def follow(self, dispatcher: Dispatcher) -> None:
        """Count the traffic of this dispatcher's links; before the first of them is made."""
        if self._traffic is not None:
            dispatcher.traffic = self._traffic
            self.add(self._traffic.samples)
        self.add(lambda: [table.IN_WORK(dispatcher.in_work)])

    def serves(self, missing: Callable[[], str] = lambda: "") -> None:
        """The program serves from now on, while `missing` says nothing.

        Args:
            missing: What it lacks to serve, in a sentence; empty if nothing. Called in another
                thread, as sources are.
        """
        self._missing = missing

    @property
    def unready(self) -> str:
        """Why the program does not serve, in a sentence; empty while it does."""
        return self._missing()

    def samples(self) -> Iterator[Sample]:
        """Everything, now."""
        yield table.BUILD(1, f"ev-{self._role}", version("evcharging"))
        yield table.READY(float(not (self._pulse.trouble or self.unready)))
        yield from self._pulse.samples()
        for source in list(self._sources):
            yield from source()

    @asynccontextmanager
    async def _open(self, settings: MetricsSettings) -> AsyncIterator[None]:
        # Only who is asked for numbers loads what serves them.
        from common.metrics.exposition import Exposition
        from common.metrics.server import HttpServer, Pages

        assert settings.address is not None
        pages = Pages(
            metrics=Exposition(self.samples).page,
            unhealthy=lambda: self._pulse.trouble,
            unready=lambda: self.unready,
            token=settings.token(),
        )
        server = HttpServer(settings.address, pages, settings.server_context())
        self.address = server.address
        log.info("metrics are served", address=str(server.address))
        self._pulse.begin()
        try:
            yield
        finally:
            self._missing = lambda: "it stops"
            self._pulse.end()
            await asyncio.to_thread(server.close)


@asynccontextmanager
async def exporting(role: Role, settings: MetricsSettings, clock: Clock) -> AsyncIterator[Exporter]:
    """An exporter that answers by HTTP inside the block, if the settings say where.

    Raises:
        CannotStart: It cannot listen there, or must not without TLS and a token.
    """
    if settings.address is None:
        yield Exporter(role, clock, on=False)
        return
    exporter = Exporter(role, clock, on=True)
    async with exporter._open(settings):
        yield exporter
