"""The only place that wires central: settings in, a serving program out.

What runs: the listener and its links; the intake of readings and of requests; the outbox; the
patrol, which looks once a second at what only time decides.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial

import structlog

from central import metrics
from central.answers import Answers
from central.board import Board
from central.charging import Charging
from central.credentials import Credentials
from central.drivers import Drivers
from central.identity import Identity
from central.intake import ChargingIntake, RequestIntake
from central.kafka import KafkaWatch
from central.lists import Health, Lists
from central.monitors import Monitors
from central.network import Network
from central.operators import Operators
from central.orders import Orders
from central.outbox import Outbox
from central.patrol import Patrol
from central.readings import Readings
from central.sessions import SessionChanges
from central.stopping import Stopping
from central.store import Store
from central.store.credentials import listed
from central.watching import Watching
from common.admittance import Failures, Rate
from common.clock import Clock, SystemClock
from common.dispatch import Dispatcher
from common.errors import CannotStart
from common.link import MESSAGES_AT_ONCE, MESSAGES_PER_SECOND, Link
from common.listen import Listener
from common.metrics.exporter import Exporter, exporting
from common.metrics.kafka import published, read
from common.metrics.options import MetricsSettings
from common.program import Address, Common, Stop, is_loopback, must_not_be_open, ready
from common.protocol import ADMIN, CENTRAL, CHARGING, DRIVER_REQUESTS, MONITOR
from common.stream import KafkaSettings, Publisher, Subscription
from common.tls import TlsFiles, server_context
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
        advertise: Where others find this central; where it listens if None.
        insecure: Listen to others than this machine without credentials and TLS.
        metrics: Where it says how it is.
    """

    listen: Address
    kafka: tuple[Address, ...]
    database: str
    price: Price
    currency: str
    kafka_config: dict[str, str] = field(default_factory=dict)
    advertise: Address | None = None
    tls: TlsFiles = field(default_factory=TlsFiles)
    insecure: bool = False
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    common: Common = field(default_factory=Common)

    @property
    def is_trusting(self) -> bool:
        """Whether whoever reaches the port may be let in, as long as no credential was made."""
        return self.insecure or is_loopback(self.listen)

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
        self.credentials = Credentials(store, always=not settings.is_trusting)
        self.identity = Identity(self.credentials, Failures(clock))
        self.network = Network(clock, currency=settings.currency, epoch=store.epoch)
        self.board = Board(self.network, publisher)
        self.outbox = Outbox(store, publisher, clock, store.epoch)
        self.answers = Answers(store, clock)
        self.changes = SessionChanges(self.network, store, self.outbox, self.answers, self.board)
        self.charging = Charging(self.network, self.answers, self.changes, self.board)
        self.stopping = Stopping(self.network, self.answers, self.changes, store)
        self.monitors = Monitors(
            self.network,
            store,
            self.changes,
            self.charging,
            self.stopping,
            self.board,
            default_price=settings.price,
            trusts=lambda: not self.credentials.demanded,
        )
        self.readings = Readings(self.network, store, self.changes, self.board)
        orders = Orders(self.network, self.changes, self.charging, self.stopping, self.board)
        self.operators = Operators(self.network, self.answers, self.changes, orders)
        self.advertised = settings.advertise
        self.watch: KafkaWatch | None = None
        self.subscriptions: list[Subscription] = []
        self.dispatcher = Dispatcher(
            CENTRAL,
            self.identity,
            self.monitors,
            self.readings,
            Drivers(self.network, store, self.charging, self.stopping),
            self.operators,
            Watching(self.network, self.board),
            Lists(self.network, store),
            self._health(),
        )
        self.patrol = Patrol(
            self.network, store, self.answers, self.changes, self.stopping, self.board
        )
        self.listener = Listener(self._accept, tls=server_context(settings.tls))

    def _health(self) -> Health:
        return Health(
            leader=lambda: str(self.address),
            epoch=self.store.epoch,
            kafka=lambda: self.watch.trouble if self.watch else None,
            database=lambda: self.store.trouble,
            links=lambda: self.listener.links,
            lag=lambda: sum(subscription.lag() for subscription in self.subscriptions),
        )

    @property
    def address(self) -> Address:
        """Where others find this central."""
        return self.advertised or Address(self.listener.host, self.listener.port)

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
            opened=self._opened,
            gone=self._gone,
            must_prove=lambda: self.credentials.demanded,
            rate=Rate(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE),
        )

    def _opened(self, link: Link) -> None:
        self.listener.links.add(link)
        self.identity.opened(link)

    def _gone(self, link: Link) -> None:
        self.listener.links.discard(link)
        self.identity.gone(link)
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
    async with exporting(CENTRAL, settings.metrics, clock) as exporter:
        await _serve(settings, clock, exporter, stop)


async def _serve(settings: Settings, clock: Clock, exporter: Exporter, stop: Stop) -> None:
    kafka = settings.kafka_settings()
    await asyncio.to_thread(_look_who_may_come, settings)
    store = await asyncio.to_thread(Store.open, settings.database, clock)
    try:
        async with Publisher(kafka) as publisher:
            central = Central(settings, store, publisher, clock)
            _show(central, publisher, exporter)
            known_cluster = central.restore()
            await central.credentials.refresh()
            central.watch = watch = KafkaWatch(kafka, store, central.board)
            await watch.first_look(known_cluster)
            gc.freeze()  # what is there now stays: it need not be looked through
            await central.listener.open(settings.listen.host, settings.listen.port)
            try:
                await _work(central, kafka, watch, publisher, exporter, stop)
            finally:
                await central.listener.close()
                await central.dispatcher.settle(FINISH_WITHIN)
    finally:
        await store.close()


def _show(central: Central, publisher: Publisher, exporter: Exporter) -> None:
    """Let central's numbers be seen."""
    exporter.follow(central.dispatcher)
    commits = metrics.Commits()
    central.store.observe(commits)
    for source in (
        commits.samples,
        partial(metrics.network_samples, central.network),
        partial(metrics.session_samples, central.changes.counts, central.network.currency),
        partial(metrics.store_samples, central.store),
        partial(metrics.identity_samples, central.identity),
        partial(metrics.operator_samples, central.operators),
        partial(metrics.told_samples, central.board, central.outbox),
        partial(metrics.credential_samples, central.credentials),
        partial(published, publisher),
    ):
        exporter.add(source)


def _look_who_may_come(settings: Settings) -> None:
    """Refuse to be open to everybody, before anything is touched.

    Raises:
        CannotStart: It would be; the sentence says what to do.
    """
    if settings.is_trusting:
        return
    made = any(credential.revoked_at is None for credential in listed(settings.database))
    must_not_be_open(
        settings.listen,
        tls=settings.tls.cert is not None,
        credentials=made,
        insecure=settings.insecure,
        make="a credential (ev-central credentials add)",
    )


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
    exporter: Exporter,
    stop: Stop,
) -> None:
    readings = Subscription(kafka, CHARGING, group=GROUP, start="committed")
    requests = Subscription(kafka, DRIVER_REQUESTS, group=GROUP, start="committed")
    async with readings, requests:
        intake = ChargingIntake(readings, central.dispatcher, central.readings)
        asked = RequestIntake(
            requests,
            central.dispatcher,
            central.charging,
            central.credentials,
            publisher,
            central.clock,
        )
        address = f"{central.listener.host}:{central.listener.port}"
        central.subscriptions = [readings, requests]
        for subscription in central.subscriptions:
            exporter.add(partial(read, subscription))
        exporter.serves(partial(metrics.missing, central.store))
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
                    central.credentials.run,
                    watch.run,
                )
            ]
            serving.append(tasks.create_task(_until_overtaken(central.store)))
            await stop.wait()
            for task in serving:
                task.cancel()
        await intake.flush()
