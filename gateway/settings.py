"""What a gateway is told when it is started, and what follows from that."""

import os
import re
import socket
import ssl
from dataclasses import dataclass, field, replace

from common.clock import Clock
from common.errors import CannotStart
from common.metrics.options import MetricsSettings
from common.program import Address, Common, is_loopback, must_not_be_open
from common.protocol import DOWN
from common.stream import KafkaSettings
from common.tls import TlsFiles, server_context
from gateway.places import Room
from gateway.registry import MemoryRegistry, RedisRegistry, Registry
from gateway.uplink import Limits

PING_EVERY = 45.0
"""Seconds between two pings of a charge point, on average: below the minute after which many a
firewall forgets a connection, and no interval that heartbeats usually have."""


def default_node() -> str:
    """A name that no other gateway has: the machine's, and the process's number."""
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())
    return f"{host[:24]}-{os.getpid()}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a gateway is told when it is started.

    Attributes:
        redis: What it shares with other gateways; None: it is the only one.
        node: Its id; no other gateway that runs has it.
        shared: Other nodes listen on this port as well.
        frames: Publish every frame for inspection.
        lenient: Charge points that may break the schemas; `*` is all.
        drain: Seconds over which its connections are closed when it stops.
        profile: The least of OCPP's security profiles that is enough.
        ping_interval: Seconds.
    """

    listen: Address
    kafka: tuple[Address, ...]
    node: str
    kafka_config: dict[str, str] = field(default_factory=dict)
    redis: str | None = field(default=None, repr=False)  # it may hold a password
    shared: bool = False
    frames: bool = False
    lenient: frozenset[str] = frozenset()
    drain: float = 10.0
    profile: int = 0
    ping_interval: float = PING_EVERY
    room: Room = field(default_factory=Room)
    limits: Limits = field(default_factory=Limits)
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
        return KafkaSettings(
            ",".join(map(str, self.kafka)), self.kafka_config, client_id="ev-gateway"
        )

    def of_worker(self, number: int, listen: Address) -> "Settings":
        """What the nth of several nodes is told: names and ports of metrics of their own."""
        metrics = self.metrics
        if metrics.address is not None and metrics.address.port:
            port = metrics.address.port + number - 1
            metrics = replace(metrics, address=Address(metrics.address.host, port))
        return replace(self, listen=listen, node=f"{self.node}-{number}", metrics=metrics)

    def registry(self, clock: Clock) -> Registry:
        """Where it is kept who is connected to which gateway."""
        if self.redis is None:
            return MemoryRegistry(self.node, clock)
        return RedisRegistry(self.redis, self.node, clock, partitions=DOWN.partitions)


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """What TLS needs; None without.

    Raises:
        CannotStart: A file is missing or wrong, or the options do not go together.
    """
    must_not_be_open(
        settings.listen,
        tls=settings.tls.cert is not None,
        credentials=True,  # off loopback they are demanded always
        insecure=settings.insecure,
        make="",
    )
    context = server_context(settings.tls)
    if settings.profile >= 2 and context is None:
        raise CannotStart(f"--profile {settings.profile} needs --tls-cert and --tls-key")
    if settings.profile == 3 and settings.tls.ca is None:
        raise CannotStart("--profile 3 needs --tls-ca: whose certificates count")
    if context is not None and settings.tls.ca is not None and settings.profile < 3:
        # Who has a certificate shows it; a password is enough.
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
