"""The only place that wires central: settings in, a serving program out.

What runs: the listener and its links; the intake of readings and of requests; the outbox; the
patrol, which looks once a second at what only time decides.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

import structlog

from central.answers import Answers
from central.board import Board
from central.charging import Charging
from central.drivers import Drivers
from central.identity import Identity
from central.intake import ChargingIntake, RequestIntake
from central.kafka import KafkaWatch
from central.monitors import Monitors
from central.network import Network
from central.operators import Operators
from central.outbox import Outbox
from central.patrol import Patrol
from central.readings import Readings
from central.sessions import SessionChanges
from central.stopping import Stopping
from central.store import Store
from common.clock import Clock, SystemClock
from common.dispatch import Dispatcher
from common.errors import CannotStart
from common.link import Link
from common.listen import Listener
from common.program import Address, Common, Stop, ready
from common.protocol import ADMIN, CENTRAL, CHARGING, DRIVER_REQUESTS, MONITOR
from common.stream import KafkaSettings, Publisher, Subscription
from common.units import Price

log = structlog.get_logger()

GROUP = "ev-central"
"""The consumer group under which Kafka keeps central's offsets."""

FINISH_WITHIN = 5.0
"""Seconds for which requests in work may still be finished when central stops."""


COLLECT_AFTER = 50_000
"""Allocations between two looks for cyclic garbage, of which central makes little: with Python's
own 700 it spent a quarter of its time looking through links and sessions that all live."""

SWITCH_EVERY = 0.0002
"""Seconds after which a thread that wants the interpreter gets it. The database's thread wants it
again after each row; with Python's own 5 ms it would wait that long each time central is busy."""

BEGIN_AGAIN = 1.0
"""Seconds until a loop that failed unexpectedly begins again."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that central is told at start.

    Attributes:
        price: Of a new point that proposes none.
    """

    listen: Address
    kafka: tuple[Address, ...]
    database: str
    price: Price
    currency: str
    kafka_config: dict[str, str] = field(default_factory=dict)
    common: Common = field(default_factory=Common)

    def kafka_settings(self) -> KafkaSettings:
        """Where Kafka is, and how to speak to it."""
        return KafkaSettings(",".join(map(str, self.kafka)), self.kafka_config)


class Central:
    """All parts of central, wired, around an open store."""

    def __init__(
        self, settings: Settings, store: Store, publisher: Publisher, clock: Clock
    ) -> None:
        self.store = store
        self.clock = clock
        self.network = Network(clock, currency=settings.currency, epoch=store.epoch)
        self.board = Board(self.network, publisher)
        self.outbox = Outbox(store, publisher, clock, store.epoch)
        self.answers = Answers(store, clock)
        self.changes = SessionChanges(self.network, store, self.outbox, self.answers, self.board)
        self.charging = Charging(self.network, self.answers, self.changes)
        self.stopping = Stopping(self.network, self.answers, self.changes, store)
        self.monitors = Monitors(
            self.network,
            store,
            self.changes,
            self.charging,
            self.stopping,
            self.board,
            default_price=settings.price,
        )
        self.readings = Readings(self.network, store, self.changes, self.board)
        self.dispatcher = Dispatcher(
            CENTRAL,
            Identity(),
            self.monitors,
            self.readings,
            Drivers(self.network, store, self.charging, self.stopping),
            Operators(
                self.network,
                self.answers,
                self.changes,
                self.charging,
                self.stopping,
                self.board,
            ),
        )
        self.patrol = Patrol(
            self.network, store, self.answers, self.changes, self.stopping, self.board
        )
        self.listener = Listener(self._accept)

    def restore(self) -> str | None:
        """Take up what was stored before this start; the cluster id of the last Kafka, if any."""
        snapshot = self.store.snapshot()
        for point in snapshot.points:
            self.network.put_point(point)
        self.answers.restore(snapshot.answers, complete=snapshot.answers_complete)
        for session in snapshot.sessions:
            undecided = not session.confirmed and not session.settled and not session.refusal
            self.network.restore(session, answered=not undecided)
        for intent in snapshot.stop_intents:
            self.changes.intents[intent.session_id] = intent
        self.outbox.restore(snapshot.outbox, snapshot.highest_outbox)
        return snapshot.cluster_id

    def _accept(self, listener: Listener) -> Link:
        return Link(
            CENTRAL,
            self.dispatcher,
            self.clock,
            peer_role=None,
            opened=listener.links.add,
            gone=self._gone,
        )

    def _gone(self, link: Link) -> None:
        self.listener.links.discard(link)
        if link.peer.role is MONITOR:
            self.monitors.gone(link)
        elif link.peer.role is ADMIN:
            self.board.unwatch(link)


async def serve(settings: Settings, stop: Stop) -> None:
    """Run central until it is told to stop.

    Raises:
        CannotStart: The port, the database or Kafka's topics are not as they must be.
    """
    sys.setswitchinterval(SWITCH_EVERY)
    gc.set_threshold(COLLECT_AFTER, 50, 50)
    clock = SystemClock()
    kafka = settings.kafka_settings()
    store = await asyncio.to_thread(Store.open, settings.database, clock)
    try:
        async with Publisher(kafka) as publisher:
            central = Central(settings, store, publisher, clock)
            known_cluster = central.restore()
            watch = KafkaWatch(kafka, store, central.board)
            await watch.first_look(known_cluster)
            gc.freeze()  # what is there now stays: it need not be looked through
            await central.listener.open(settings.listen.host, settings.listen.port)
            try:
                await _work(central, kafka, watch, publisher, stop)
            finally:
                await central.listener.close()
                await central.dispatcher.settle(FINISH_WITHIN)
    finally:
        await store.close()


async def _until_overtaken(store: Store) -> None:
    """Raise once another central has taken over the database: this one decides nothing any more."""
    await store.lost_lead.wait()
    raise CannotStart("another central has taken over this database")


async def _kept_running(work: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run one of central's loops; a defect in one is logged, and must not end the others."""
    while True:
        try:
            await work()
        except Exception as error:
            log.error("a loop of central failed", loop=work.__qualname__, exc_info=error)
        await asyncio.sleep(BEGIN_AGAIN)


async def _work(
    central: Central,
    kafka: KafkaSettings,
    watch: KafkaWatch,
    publisher: Publisher,
    stop: Stop,
) -> None:
    readings = Subscription(kafka, CHARGING, group=GROUP, start="committed")
    requests = Subscription(kafka, DRIVER_REQUESTS, group=GROUP, start="committed")
    async with readings, requests:
        intake = ChargingIntake(readings, central.dispatcher, central.readings)
        asked = RequestIntake(
            requests, central.dispatcher, central.charging, publisher, central.clock
        )
        address = f"{central.listener.host}:{central.listener.port}"
        ready(f"ev-central {address}, epoch {central.store.epoch}")
        central.board.show_all()
        async with asyncio.TaskGroup() as tasks:
            serving = [
                tasks.create_task(_kept_running(work))
                for work in (
                    intake.run,
                    intake.flush_for_ever,
                    asked.run,
                    central.outbox.run,
                    central.patrol.run,
                    watch.run,
                )
            ]
            serving.append(tasks.create_task(_until_overtaken(central.store)))
            await stop.wait()
            for task in serving:
                task.cancel()
        await intake.flush()
