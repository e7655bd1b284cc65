"""The only place that makes a node of the gateway out of its parts."""

import asyncio
import gc
import ssl
from collections.abc import Callable
from functools import partial

import structlog

from common.clock import Clock, SystemClock
from common.metrics.exporter import exporting
from common.metrics.kafka import published
from common.program import Stop
from common.protocol import ACCESS, DOWN, FRAMES, GATEWAY, UP
from common.stream import Publisher, Subscription, ensure_topics
from gateway import health
from gateway.access import AccessList, access_list
from gateway.commands import Commands
from gateway.connections import Connections
from gateway.counts import Counts
from gateway.desk import NodeDesk
from gateway.downlink import Downlink
from gateway.drain import drain
from gateway.frames import Frames
from gateway.pings import Pings
from gateway.server import Server
from gateway.settings import Settings, tls_context
from gateway.uplink import Uplink

log = structlog.get_logger()

ALIVE_EVERY = 3.0
"""Seconds between two words to central that this node runs."""

COLLECT_AFTER = 50_000
"""Allocations between two looks for cyclic garbage, of which there is little: with Python's own 700
every look would go through links that all live."""


class Node:
    """A node of the gateway, wired.

    Args:
        access: Who may connect; what central says by Kafka if None.

    Attributes:
        connections: Its charge points.
        counts: What has happened.
    """

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
        *,
        access: AccessList | None = None,
    ) -> None:
        self._settings = settings
        self._draining = False
        kafka = settings.kafka_settings()
        self.counts = Counts()
        self.connections = Connections()
        self.registry = settings.registry(clock)
        if access is None:  # one that knows nobody yet is false
            always = not settings.is_trusting
            access = access_list(kafka, clock, always=always, profile=settings.profile)
        self.access = access
        self.uplink = Uplink(publisher, settings.node, clock, self.counts, settings.limits)
        self.commands = Commands(self.uplink, clock, self.counts)
        self.pings = Pings(settings.ping_interval)
        self.desk = NodeDesk(
            self.connections,
            self.uplink,
            self.commands,
            self.pings,
            self.registry,
            clock,
            self.counts,
            Frames(publisher, clock, self.counts) if settings.frames else None,
        )
        self.downlink = Downlink(
            settings.node,
            lambda partition: Subscription(
                kafka, DOWN, group=None, start="end", partitions=[partition]
            ),
            self.connections,
            self.uplink,
            self.commands,
            clock,
            self.counts,
            self.desk.announce,
        )
        self.server = Server(
            self.desk,
            self.registry,
            self.access,
            self.counts,
            settings.room,
            settings.lenient,
            lambda: self.missing,
            tls,
        )
        places = self.server.places
        self.desk.on_opened = lambda link: places.take(link.address)
        self.desk.on_gone = lambda link: places.give_back(link.address)
        self.access.on_revoked = self.connections.revoked
        self.access.on_demanded = self.connections.must_prove
        self.registry.on_moved = self.desk.moved
        self.registry.on_partition = self.downlink.read

    @property
    def missing(self) -> str:
        """Why no charge point is let in, in a sentence; empty while they are."""
        if self._draining:
            return "this gateway stops"
        if self.downlink.partition is None:
            return self.registry.trouble or "no partition of ev.down is read"
        if self.access.trouble is not None:
            return self.access.trouble
        return "" if self.uplink.has_room else "this gateway, or Kafka, has enough to do"

    def trouble(self, publisher: Publisher) -> str:
        """What else it lacks to serve, in a sentence; empty if nothing."""
        return "" if publisher.healthy else publisher.last_error

    async def run(self, stop: Stop, serves: Callable[["Node"], None]) -> None:
        """Serve until told to stop, then drain.

        Raises:
            CannotStart: The port, Redis or Kafka are not as they must be.
        """
        await self.registry.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(work)
                    for work in (
                        self.registry.run(),
                        self.access.run(),
                        self.downlink.run(),
                        self.uplink.run(),
                        self.commands.run(),
                        self.pings.run(),
                        self._say_that_it_runs(),
                    )
                ]
                self.downlink.read(self.registry.partition)
                stopping = tasks.create_task(stop.wait())
                begun = tasks.create_task(self._begin())
                await asyncio.wait((begun, stopping), return_when=asyncio.FIRST_COMPLETED)
                if not stopping.done():
                    begun.result()
                    serves(self)
                    await stopping
                    await self._drain()
                for task in (*running, begun):
                    task.cancel()
        finally:
            await self.registry.close()

    async def _begin(self) -> None:
        """Listen, once it is known who may connect and answers can come."""
        await self.downlink.begun.wait()
        await self.access.known.wait()
        await self.server.open(self._settings.listen, shared=self._settings.shared)

    async def _say_that_it_runs(self) -> None:
        while True:
            partition = self.downlink.partition
            if partition is not None:
                self.uplink.alive(partition, len(self.connections))
            await asyncio.sleep(ALIVE_EVERY)

    async def _drain(self) -> None:
        """Let nobody in any more, and everybody go."""
        log.info("draining", connections=len(self.connections))
        self._draining = True
        self.server.close()
        await drain(self.connections, self._settings.drain)
        await self.desk.released()


async def serve(settings: Settings, stop: Stop, serves: Callable[[Node], None]) -> None:
    """Run a node until told to stop.

    Args:
        serves: Called once, when charge points are let in.

    Raises:
        CannotStart: The port, Redis or Kafka's topics are not as they must be.
        KafkaUnreachable: Kafka does not answer.
    """
    gc.set_threshold(COLLECT_AFTER, 50, 50)
    clock = SystemClock()
    tls = tls_context(settings)
    kafka = settings.kafka_settings()
    await ensure_topics(kafka, (UP, DOWN, ACCESS, FRAMES))
    async with (
        exporting(GATEWAY, settings.metrics, clock) as exporter,
        Publisher(kafka) as publisher,
    ):
        node = Node(settings, publisher, clock, tls)
        for source in (
            partial(published, publisher),
            partial(health.link_samples, node.connections, node.counts),
            partial(health.call_samples, node.uplink, node.counts),
            partial(health.central_samples, node.counts),
            partial(health.frame_samples, node.counts),
            partial(health.registry_samples, node.registry),
        ):
            exporter.add(source)
        gc.freeze()

        def say(node: Node) -> None:
            exporter.serves(lambda: node.missing or node.trouble(publisher))
            serves(node)

        await node.run(stop, say)
