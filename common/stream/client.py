"""What all clients of Kafka share: settings, errors, and whether the broker answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException

from common.errors import CannotStart, ChargingError

if TYPE_CHECKING:
    from common.stream.clients import Clients

log = structlog.get_logger()

C = TypeVar("C")

_DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        # A broker that is back is found again within a second, not within ten.
        "reconnect.backoff.max.ms": "1000",
        # An address that swallows packets is given up before the next one is tried.
        "socket.connection.setup.timeout.ms": "5000",
        "socket.keepalive.enable": "true",
        # A broker that swallows requests holds up a commit, or a look at a topic, for so long.
        "socket.timeout.ms": "10000",
    }
)

_ONCE = "nothing is lost or reordered by a retry"
_STORED = "acknowledged means stored by all replicas in sync"
_GIVEN_UP = "how long a record is worth sending is decided by the program"
_NAMED = "the brokers are named by an option of their own"
_DONE = "an offset is committed only after its effect"
_CODE = "it is a function of a program, which no file can hold"

GUARANTEES: Mapping[str, str] = MappingProxyType(
    {
        "enable.idempotence": _ONCE,
        "acks": _STORED,
        "request.required.acks": _STORED,
        "message.timeout.ms": _GIVEN_UP,
        "delivery.timeout.ms": _GIVEN_UP,
        "partitioner": "a key's partition is the same for all programs",
        "enable.auto.commit": _DONE,
        "auto.commit.enable": _DONE,
        "enable.auto.offset.store": _DONE,
        "auto.offset.reset": "what is not known to be done is read",
        "group.id": "offsets are kept under the program's own name",
        "bootstrap.servers": _NAMED,
        "metadata.broker.list": _NAMED,
        # What confluent-kafka takes beside the settings of librdkafka.
        **dict.fromkeys(("error_cb", "stats_cb", "throttle_cb", "oauth_cb", "logger"), _CODE),
        **dict.fromkeys(("on_commit", "on_delivery", "default.topic.config"), _CODE),
    }
)
"""Settings of librdkafka that an operator may not change, each with the reason."""


@dataclass(frozen=True)
class KafkaSettings:
    """How to reach Kafka.

    Attributes:
        bootstrap: Where clients begin: `HOST:PORT`, or several with commas between.
        config: Further settings of librdkafka, such as TLS and SASL; they override defaults of
            ours.
        client_id: What the broker's log calls us.
        clients: Who makes the clients; librdkafka's if None.

    Raises:
        CannotStart: A setting is among the `GUARANTEES`.
    """

    bootstrap: str
    # The passwords of SASL and of keys are here: never in a log.
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_id: str = "evcharging"
    clients: "Clients | None" = None

    def __post_init__(self) -> None:
        for key in sorted(GUARANTEES.keys() & self.config.keys()):
            raise CannotStart(f"{key} cannot be set for Kafka: {GUARANTEES[key]}")

    def client_config(
        self, defaults: Mapping[str, object], fixed: Mapping[str, object]
    ) -> dict[str, Any]:
        """The settings of one client: `defaults`, under the operator's, under the `fixed` ones."""
        ours = {**_DEFAULTS, "client.id": self.client_id, **defaults}
        return {**ours, **self.config, "bootstrap.servers": self.bootstrap, **fixed}


class KafkaUnreachable(ChargingError):
    """No broker answered in time."""

    def __init__(self, bootstrap: str, why: str = "") -> None:
        super().__init__(bootstrap, why)
        self.bootstrap = bootstrap
        self.why = why

    def __str__(self) -> str:
        return f"Kafka at {self.bootstrap} does not answer" + (f": {self.why}" if self.why else "")


class NotDelivered(ChargingError):
    """A record was given up; it may have been stored all the same."""

    def __init__(self, topic: str, why: str) -> None:
        super().__init__(topic, why)
        self.topic = topic
        self.why = why

    def __str__(self) -> str:
        return f"a record for {self.topic} was not delivered: {self.why}"


class Health:
    """Whether the broker answers one client. May be used from any thread.

    Attributes:
        healthy: It answered, and nothing was heard to the contrary since.
        last_error: What failed last, in a sentence; kept when that is over.
    """

    def __init__(self, client: str) -> None:
        self.healthy = False
        self.last_error = "Kafka has not answered yet"
        self._client = client
        self._cause: str | None = None
        self._said: str | None = None

    def answered(self) -> None:
        """The broker did what it was asked."""
        self._cause = None
        if not self.healthy:
            self.healthy = True
            self._say(log.info, "Kafka answers")

    def failed(self, why: str) -> None:
        """The broker, or what was asked for, is not there."""
        self.healthy = False
        # "Timed out" says less than the refused connection that was heard of before.
        self.last_error = self._cause or why
        self._say(log.warning, "Kafka fails", why=self.last_error)

    def heard(self, error: KafkaError) -> None:
        """Something failed on the way, which need not mean that no broker answers."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.failed(sentence(error))
        else:
            self.last_error = self._cause = sentence(error)

    def _say(self, write: Callable[..., object], event: str, **more: str) -> None:
        # One line for each change, however often it is heard of.
        if event != self._said:
            self._said = event
            write(event, client=self._client, **more)


def made(make: Callable[[dict[str, Any]], C], config: dict[str, Any]) -> C:
    """A client of librdkafka with these settings.

    Raises:
        CannotStart: They are wrong.
    """
    try:
        return make(config)
    except (KafkaException, TypeError, ValueError) as error:  # a NUL is a ValueError
        raise CannotStart(f"Kafka's settings are wrong: {sentence(error)}") from None


def sentence(error: KafkaError | BaseException) -> str:
    """What a person is told about an error of librdkafka."""
    if isinstance(error, KafkaException) and error.args:
        error = error.args[0]
    text = error.str() if isinstance(error, KafkaError) else str(error)
    # "… failed: Connection refused (after 0ms in state CONNECT, 3 identical error(s) suppressed)"
    return text.partition(" (after ")[0]


def error_code(error: KafkaException) -> int:
    """The code that an exception of librdkafka carries."""
    inner = error.args[0]
    return int(inner.code()) if isinstance(inner, KafkaError) else KafkaError.UNKNOWN


class Noise:
    """Takes librdkafka's own log lines to ours, at debug level."""

    def log(self, _level: int, template: str, *values: object) -> None:
        log.debug("librdkafka", text=template % values if values else template)
