"""What a test may do with a broker, and the settings that all of ours share."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

# A broker is there after 3 s; a laptop under load may need much longer.
START_TIMEOUT = 60.0

SETTINGS = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    # One broker, one copy; few internal partitions, because each costs time at start.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # Who joins a group gets its partitions at once.
    "group.initial.rebalance.delay.ms": "0",
    # A killed broker that returns waits for its former registration to expire: 9 s by default.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # A producer that outlives its test must not bring back a topic, in the wrong shape.
    "auto.create.topics.enable": "false",
}


class BrokerError(Exception):
    """A broker does not start, or cannot do what it is asked for; the text says why."""


class Broker(ABC):
    """One broker, alive from `start` (or the head of a `with` block) to `close` (or its end).

    Its address and data outlive `stop` and `kill`; only `empty` and `close` drop the data.
    """

    bootstrap: str
    """Where clients begin, as `host:port`. It never changes."""

    @abstractmethod
    def start(self) -> None:
        """Start with the data there is, and return when clients are answered.

        Does nothing when it runs already.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop in order, as SIGTERM does."""

    @abstractmethod
    def kill(self) -> None:
        """Stop at once, as SIGKILL does."""

    @abstractmethod
    def empty(self) -> None:
        """Drop all data of a broker that does not run: the next start is that of a new cluster."""

    @abstractmethod
    def close(self) -> None:
        """Stop it if it runs, and leave nothing behind. It cannot be started again."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class ForeignBroker(Broker):
    """Somebody else's broker: it is used, but neither started nor stopped."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def start(self) -> None:
        await_answer(self.bootstrap, timeout=10)

    def stop(self) -> None:
        raise BrokerError(f"{self.bootstrap} is not ours to stop: use the fixture own_kafka")

    kill = empty = stop

    def close(self) -> None:
        pass


def await_answer(
    bootstrap: str,
    *,
    timeout: float = START_TIMEOUT,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Return when a broker answers with its metadata.

    Args:
        timeout: Seconds until `BrokerError`.
        check: Called between attempts; raises when waiting has become pointless.
    """
    admin = connect(bootstrap)
    deadline = time.monotonic() + timeout
    answer = "nothing"
    while time.monotonic() < deadline:
        check()
        try:
            # Without brokers it is the controller's answer: the broker is still starting.
            if admin.list_topics(timeout=0.5).brokers:
                return
        except KafkaException as error:
            answer = str(error)
    raise BrokerError(f"no broker answers at {bootstrap} within {timeout:.0f} s: {answer}")


def connect(bootstrap: str) -> AdminClient:
    """An admin client that is quick to try again, and silent about brokers that are down."""
    return AdminClient(
        {
            "bootstrap.servers": bootstrap,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 100,
            "log_level": 0,
        }
    )
