"""The only place that wires central: settings and what is outside in, its parts out.

`serving` makes it serve.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from central.answers import Answers
from central.auditing import Auditing
from central.board import Board
from central.charging import Charging
from central.credentials import Credentials
from central.dead import DeadLetters
from central.drivers import Drivers
from central.gateways.access import Access
from central.gateways.authorisation import Authorisation
from central.gateways.commands import Commands
from central.gateways.connections import Connections
from central.gateways.ends import Ends
from central.gateways.id_tags import IdTagOperators, IdTags
from central.gateways.lines import Lines
from central.gateways.metering import Metering
from central.gateways.operators import GatewayOperators
from central.gateways.points import GatewayPoints
from central.gateways.samples import Samples
from central.gateways.settling import Settling
from central.gateways.statuses import GatewayStatuses
from central.gateways.transactions import Transactions
from central.gateways.unsaved import Unsaved
from central.identity import Identity
from central.kafka import KafkaWatch
from central.lists import Health, Lists
from central.monitors import Monitors
from central.network import Network
from central.operators import Operators
from central.orders import Orders
from central.outbox import Outbox
from central.patrol import Patrol
from central.readings import Readings
from central.rules.sessions import is_decided
from central.sessions import SessionChanges
from central.stopping import Stopping
from central.store import Store
from central.watching import Watching
from common.admittance import Failures, Rate
from common.clock import Clock
from common.dispatch import Dispatcher
from common.link import MESSAGES_AT_ONCE, MESSAGES_PER_SECOND, Link
from common.listen import Listener
from common.messages import Message
from common.metrics.options import MetricsSettings
from common.program import Address, Common, is_loopback
from common.protocol import ADMIN, CENTRAL, MONITOR
from common.stream import KafkaSettings, Publisher, Subscription
from common.tls import TlsFiles, server_context
from common.units import Price

SETTLE_TIMEOUT = 900.0
"""Seconds: a quarter of an hour, in which a charge point that lost its network mostly returns."""

OCPP_HEARTBEAT = 300
"""Seconds between two heartbeats of an OCPP charge point; its gateway watches the connection."""

BEHIND_AT = 50_000
"""Records of `ev.up` that were not taken up yet, with which a gateway's silence says nothing."""

Fence = Callable[[Message], Message | None]
"""What may be said now in place of a message."""

ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 -- compared with, not listened on
"""Listening there is listening everywhere, and no address at which others could find us."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that central is told at start.

    Attributes:
        price: Of a new point that proposes none.
        settle_timeout: Seconds after which a session that nothing tells of is closed from its
            last reading.
        ocpp_heartbeat: Seconds between two heartbeats that OCPP charge points are told to send.
        accept_unknown_id_tags: At OCPP charge points whoever has an id tag may charge.
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
    settle_timeout: float = SETTLE_TIMEOUT
    ocpp_heartbeat: int = OCPP_HEARTBEAT
    accept_unknown_id_tags: bool = False
    tls: TlsFiles = field(default_factory=TlsFiles)
    insecure: bool = False
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    common: Common = field(default_factory=Common)

    @property
    def is_trusting(self) -> bool:
        """Whether whoever reaches the port may be let in, as long as no credential was made."""
        return self.insecure or is_loopback(self.listen)

    def address(self, port: int) -> Address:
        """Where others find this central, which listens on this port."""
        if self.advertise is not None:
            return self.advertise
        host = self.listen.host
        return Address(socket.gethostname() if host in ANYWHERE else host, port)

    def kafka_settings(self) -> KafkaSettings:
        """Where Kafka is, and how to speak to it."""
        return KafkaSettings(",".join(map(str, self.kafka)), self.kafka_config)


class Central:
    """All parts of a central that leads, wired, around an open store.

    Args:
        listener: Whose links it is to serve; one of its own if None.
        fence: What its links may say now; everything if None.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        publisher: Publisher,
        clock: Clock,
        *,
        listener: Listener | None = None,
        fence: Fence | None = None,
    ) -> None:
        self._settings = settings
        self._fence = fence
        self.store = store
        self.clock = clock
        self.credentials = Credentials(store, always=not settings.is_trusting)
        self.identity = Identity(self.credentials, Failures(clock))
        self.network = Network(clock, currency=settings.currency, epoch=store.epoch)
        self.board = Board(self.network, publisher)
        self.outbox = Outbox(store, publisher, clock, store.epoch)
        self.answers = Answers(store, clock)
        auditing = Auditing(clock, store.epoch)
        self.changes = SessionChanges(
            self.network, store, self.outbox, self.answers, self.board, auditing
        )
        self.id_tags = IdTags(store)
        self.charging = Charging(
            self.network, self.answers, self.changes, self.board, self.id_tags.tag_of
        )
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
        self.dead = DeadLetters(publisher)
        lines = Lines(store, publisher, clock, self.board)
        self.commands = Commands(
            lines, store, clock, auditing, lambda cp_id: self.connections.of(cp_id)
        )
        self.access = Access(self.credentials, publisher, clock, store.epoch)
        self.reports: Subscription | None = None
        self.unsaved = Unsaved()
        self.samples = Samples(self.unsaved)
        self.connections = Connections(
            self.network,
            self.commands,
            self.stopping,
            self.board,
            self.unsaved,
            is_behind=self._is_behind,
        )
        self.settling = Settling(self.network, self.changes, settle_timeout=settings.settle_timeout)
        authorisation = Authorisation(
            self.network, self.id_tags, accept_unknown=settings.accept_unknown_id_tags
        )
        self.transactions = Transactions(
            self.network,
            store,
            self.answers,
            self.changes,
            self.board,
            self.id_tags,
            authorisation,
            self.settling,
            self.commands,
        )
        ends = Ends(
            self.network,
            store,
            self.answers,
            self.changes,
            self.board,
            self.id_tags,
            authorisation,
            self.commands,
            self.unsaved,
        )
        metering = Metering(
            self.network,
            store,
            self.changes,
            self.stopping,
            self.board,
            self.samples,
            self.unsaved,
        )
        self.statuses = GatewayStatuses(
            self.network, self.changes, self.transactions, self.board, self.unsaved
        )
        self.points = GatewayPoints(
            self.network,
            self.changes,
            self.connections,
            self.statuses,
            self.board,
            default_price=settings.price,
            heartbeat_interval=settings.ocpp_heartbeat,
        )
        orders = Orders(self.network, self.changes, self.charging, self.stopping, self.board)
        self.operators = Operators(self.network, self.answers, self.changes, orders, auditing)
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
            self.connections,
            self.points,
            self.statuses,
            self.transactions,
            ends,
            metering,
            IdTagOperators(self.id_tags, store, auditing),
            GatewayOperators(self.network, self.commands, store),
        )
        self.patrol = Patrol(
            self.network,
            store,
            self.answers,
            self.changes,
            self.stopping,
            self.board,
            self.settling,
            settle_timeout=settings.settle_timeout,
        )
        self.listener = listener or Listener(self.accept, tls=server_context(settings.tls))

    def _is_behind(self) -> bool:
        """Whether we cannot hear what gateways say now, or hear it late."""
        reports = self.reports
        return reports is not None and (not reports.healthy or reports.lag() > BEHIND_AT)

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
        return self._settings.address(self.listener.port)

    async def restore(self) -> str | None:
        """Take up what was stored before this start; the cluster id of the last Kafka, if any.

        Raises:
            CannotStart: The database cannot be read.
        """
        snapshot = await asyncio.to_thread(self.store.snapshot)
        for point in snapshot.points:
            self.network.put_point(point)
        self.connections.restore(snapshot.connections)
        self.statuses.restore(snapshot.connectors)
        self.answers.restore(snapshot.answers, complete=snapshot.answers_complete)
        for session in snapshot.sessions:
            self.network.restore(session, answered=is_decided(session))
        for intent in snapshot.stop_intents:
            self.changes.intents[intent.session_id] = intent
        self.outbox.restore(snapshot.outbox, snapshot.highest_outbox)
        self.commands.lines.restore(snapshot.commands)
        await self.id_tags.refresh()
        return snapshot.cluster_id

    def accept(self, listener: Listener) -> Link:
        """The link of a connection that was accepted."""
        return Link(
            CENTRAL,
            self.dispatcher,
            self.clock,
            peer_role=None,
            opened=self._opened,
            gone=self._gone,
            must_prove=lambda: self.credentials.demanded,
            rate=Rate(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE),
            fence=self._fence,
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
