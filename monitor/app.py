"""The only place that makes a monitor out of its parts."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from common.clock import Clock, SystemClock
from common.dial import Dialler
from common.dispatch import Dispatcher
from common.link import Link
from common.messages import ErrorResponse, Role
from common.metrics.exporter import Exporter, exporting
from common.metrics.kafka import published
from common.metrics.options import MetricsSettings
from common.program import Address, Common, Stop, read_kafka_config, ready
from common.stream import KafkaSettings, Publisher
from common.tls import TlsFiles, client_context
from common.units import Price
from monitor import metrics
from monitor.central_side import CentralSide
from monitor.engine_side import EngineSide
from monitor.errands import Errands
from monitor.point import Point
from monitor.records import Records, Sink
from monitor.relay import Relay
from monitor.strays import Strays

DECIDED_WITHIN = 2.0
"""Seconds that the engine has to say how it is before central is dialled all the same."""

FINISH_WITHIN = 1.0
"""Seconds that handlers at work have to finish when the program ends."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a monitor is told when it is started.

    Attributes:
        credential: Proves its id to central, and to the engine where that has no other key.
        engine_tls: TLS, where central is spoken to by it, is spoken to the engine too.
    """

    cp_id: str
    engine: Address
    central: tuple[Address, ...]
    kafka: tuple[Address, ...]
    kafka_config: str | None = None
    location: str | None = None
    price: Price | None = None
    credential: str | None = field(default=None, repr=False)
    engine_credential: str | None = field(default=None, repr=False)
    tls: TlsFiles = field(default_factory=TlsFiles)
    engine_tls: bool = True
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    common: Common = field(default_factory=Common)


class Monitor:
    """A monitor, wired.

    Attributes:
        point: The charge point as it knows it.
        engine: Keeps the link to the engine.
        central: Keeps the link to central.
    """

    def __init__(self, settings: Settings, sink: Sink, clock: Clock, exporter: Exporter) -> None:
        cp_id, credential = settings.cp_id, settings.credential
        engine_key = settings.engine_credential or credential
        tls = client_context(settings.tls)
        self.point = Point(cp_id)
        self._records = Records(cp_id, sink)
        self._engine_side = EngineSide(self.point, self._records, clock, engine_key)
        self._central_side = CentralSide(
            self.point,
            clock,
            location=settings.location,
            price=settings.price,
            credential=credential,
        )
        self._errands = Errands(self.point, self._records, self._engine_side.check)
        self._dispatcher = Dispatcher(
            Role.MONITOR,
            self._engine_side,
            self._central_side,
            self._errands,
            Relay(self.point),
            Strays(self._replaced),
        )
        self._exporter = exporter
        exporter.follow(self._dispatcher)
        exporter.add(partial(metrics.point_samples, self.point))
        exporter.add(partial(metrics.record_samples, self._records))
        self.engine = Dialler(
            "ENGINE",
            [settings.engine],
            lambda: Link(Role.MONITOR, self._dispatcher, clock, peer_role=Role.ENGINE),
            self._engine_side.session,
            clock,
            tls=tls if settings.engine_tls else None,
        )
        self.central = Dialler(
            "CENTRAL",
            settings.central,
            lambda: Link(Role.MONITOR, self._dispatcher, clock, peer_role=Role.CENTRAL),
            self._central_side.session,
            clock,
            tls=tls,
        )

    async def run(self, stop: Stop) -> None:
        """Watch and speak until told to stop."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(work)
                for work in (
                    self.engine.run(),
                    self._engine_side.watch(),
                    self._dial_central(),
                    self._central_side.keep_registered(),
                    self._errands.run(),
                    self._records.pump(),
                    self._records.watch(),
                )
            ]
            self._exporter.serves(partial(metrics.missing, self.point))
            ready("ev-monitor", self.point.cp_id, "watches", self.engine.address)
            await stop.wait()
            for task in tasks:
                task.cancel()
        await self._dispatcher.settle(FINISH_WITHIN)

    async def _dial_central(self) -> None:
        # What central hears first is then how the engine is.
        with suppress(TimeoutError):
            async with asyncio.timeout(DECIDED_WITHIN):
                await self.point.decided.wait()
        await self.central.run()

    def _replaced(self, role: Role, error: ErrorResponse) -> None:
        (self.engine if role is Role.ENGINE else self.central).replaced(error)


async def serve(settings: Settings, stop: Stop) -> None:
    """Run the monitor until told to stop.

    Raises:
        CannotStart: The file of Kafka settings cannot be read, or a setting is wrong.
    """
    bootstrap = ",".join(map(str, settings.kafka))
    kafka = KafkaSettings(bootstrap, read_kafka_config(settings.kafka_config))
    clock = SystemClock()
    async with (
        exporting(Role.MONITOR, settings.metrics, clock) as exporter,
        Publisher(kafka) as publisher,
    ):
        exporter.add(partial(published, publisher))
        await Monitor(settings, publisher, clock, exporter).run(stop)
