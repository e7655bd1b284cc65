"""What is at the broker, and what must be there.

A topic's shape decides where its records go and how long they are kept, so a program that needs
it refuses to run on another one, and says which. Calls block inside librdkafka and so run in
threads.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not marked so
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from common.errors import CannotStart
from common.protocol import Topic
from common.stream.client import KafkaSettings, KafkaUnreachable, error_code, made, sentence

log = structlog.get_logger()

ANSWER_WITHIN = 10.0
"""Seconds in which the broker must answer, unless told otherwise."""

EMBEDDED_CLUSTER = "mockCluster"
"""How the id of librdkafka's mock cluster begins."""

_CHECKED = {"cleanup.policy": "delete", "message.timestamp.type": "CreateTime"}
"""Settings that change what a record means, with Kafka's own defaults."""

_NOT_READY = frozenset(
    {
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_CONTROLLER,
        KafkaError.INVALID_REPLICATION_FACTOR,  # of the brokers just seen some are gone
        KafkaError.UNKNOWN_TOPIC_OR_PART,  # a topic just made, which not all brokers know yet
    }
)

_STEP = 0.1
"""Seconds between two looks."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """A cluster that answered.

    Attributes:
        cluster_id: Its id.
        brokers: How many brokers it has now.
    """

    cluster_id: str
    brokers: int

    @property
    def embedded(self) -> bool:
        """It is the embedded broker, for trying things out: nothing survives there."""
        return self.cluster_id.startswith(EMBEDDED_CLUSTER)

    @property
    def replicas(self) -> int:
        """How many copies of a partition are kept here: 3 where there are brokers for it."""
        return 3 if self.brokers >= 3 else 1


async def describe(settings: KafkaSettings, *, within: float = ANSWER_WITHIN) -> ClusterInfo:
    """The cluster that is there.

    Raises:
        KafkaUnreachable: None answers within so many seconds.
        CannotStart: The settings are wrong.
    """
    return await asyncio.to_thread(lambda: _Admin(settings, within).describe())


async def ends(
    settings: KafkaSettings, topic: Topic, *, within: float = ANSWER_WITHIN
) -> dict[int, int]:
    """Where the partitions of a topic end now: the offset of the next record, by partition.

    Raises:
        KafkaUnreachable: No broker answers within so many seconds, or none has the topic.
        CannotStart: The settings are wrong.
    """
    return await asyncio.to_thread(lambda: _Admin(settings, within).ends(topic))


async def ensure_topics(
    settings: KafkaSettings, topics: Sequence[Topic], *, within: float = ANSWER_WITHIN
) -> ClusterInfo:
    """Create what is missing of these topics, and check the shape of the others.

    Replicas are 3 where there are 3 brokers. The embedded broker has its own idea of topics, and
    is taken as it is.

    Raises:
        KafkaUnreachable: The broker does not answer within so many seconds.
        CannotStart: A topic has another shape, or may not be made; or the settings are wrong.
    """
    if (clients := settings.clients) is not None:
        return await asyncio.to_thread(clients.ensure, settings, topics)
    return await asyncio.to_thread(lambda: _Admin(settings, within).ensure(topics))


def make_admin(settings: KafkaSettings) -> AdminClient:
    """An admin client.

    Raises:
        CannotStart: The settings are wrong.
    """
    # What it logs would wait for polls that it never gets.
    return made(AdminClient, settings.client_config({}, {"log_level": 0}))


class _Admin:
    """An admin client with a deadline."""

    def __init__(self, settings: KafkaSettings, within: float) -> None:
        self._settings = settings
        self._client = make_admin(settings)
        self._deadline = time.monotonic() + within

    @property
    def _left(self) -> float:
        # librdkafka takes a timeout of 0 for "what is known already", and -1 for ever.
        return max(self._deadline - time.monotonic(), 0.001)

    def describe(self) -> ClusterInfo:
        return _info(self._metadata())

    def ensure(self, topics: Sequence[Topic]) -> ClusterInfo:
        metadata = self._metadata()
        info = _info(metadata)
        if info.embedded:
            self._touch(topics)
            return info
        missing = [topic for topic in topics if topic.name not in metadata.topics]
        self._create(missing, info.replicas)
        self._check(topics, self._metadata_with(topics))
        return info

    def ends(self, topic: Topic) -> dict[int, int]:
        try:
            found = self._metadata(topic.name).topics[topic.name].partitions
            latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
            asked = self._client.list_offsets(
                {TopicPartition(topic.name, partition): latest for partition in found},
                request_timeout=self._left,
            )
            return {at.partition: self._answer(future).offset for at, future in asked.items()}
        except KafkaException as error:
            raise self._unreachable(error) from None

    def _metadata(self, topic: str | None = None) -> ClusterMetadata:
        why = "no broker is ready"
        while self._left > _STEP:
            try:
                # Short steps: what failed to connect is tried again when it is asked for again.
                metadata = self._client.list_topics(topic, timeout=min(self._left, 2.0))
            except KafkaException as error:
                why = sentence(error)
            else:
                # Without brokers it is the controller's answer: the broker is still starting.
                if metadata.brokers:
                    return metadata
            time.sleep(_STEP)
        raise KafkaUnreachable(self._settings.bootstrap, why)

    def _metadata_with(self, topics: Sequence[Topic]) -> ClusterMetadata:
        """The metadata once it shows these topics, which takes a moment after they are made."""
        while True:
            metadata = self._metadata()
            if all(topic.name in metadata.topics for topic in topics):
                return metadata
            time.sleep(_STEP)

    def _touch(self, topics: Sequence[Topic]) -> None:
        # The mock cluster knows no CreateTopics; a topic appears when it is asked for.
        for topic in topics:
            self._metadata(topic.name)

    def _create(self, topics: Sequence[Topic], replicas: int) -> None:
        if not topics:
            return
        asked = self._client.create_topics(
            [
                NewTopic(t.name, t.partitions, replicas, config=dict(_CHECKED | t.config))
                for t in topics
            ],
            request_timeout=self._left,
        )
        for topic in topics:
            try:
                self._answer(asked[topic.name])
            except KafkaException as error:
                # Another central was quicker: its topics are checked like any others.
                if error_code(error) != KafkaError.TOPIC_ALREADY_EXISTS:
                    text = f"topic {topic} cannot be created: {sentence(error)}"
                    raise CannotStart(text) from None
            else:
                log.info("topic created", topic=topic.name, partitions=topic.partitions)

    def _check(self, topics: Sequence[Topic], metadata: ClusterMetadata) -> None:
        for topic in topics:
            found = len(metadata.topics[topic.name].partitions)
            if found != topic.partitions:
                raise CannotStart(_wrong(topic, "partitions", topic.partitions, found))
        resources = {t: ConfigResource(ResourceType.TOPIC, t.name) for t in topics}
        asked = self._client.describe_configs(list(resources.values()), request_timeout=self._left)
        for topic, resource in resources.items():
            try:
                config = self._answer(asked[resource])
            except KafkaException as error:
                text = f"the settings of topic {topic} cannot be read: {sentence(error)}"
                raise CannotStart(text) from None
            for key, expected in (_CHECKED | topic.config).items():
                if key in _CHECKED and (value := config[key].value) != expected:
                    raise CannotStart(_wrong(topic, key, expected, value))

    def _answer(self, future: Future[T]) -> T:
        try:
            return future.result(timeout=self._left + 1)
        except TimeoutError as error:
            raise self._unreachable(error) from None
        except KafkaException as error:
            if error_code(error) in _NOT_READY:
                raise self._unreachable(error) from None
            raise

    def _unreachable(self, error: Exception) -> KafkaUnreachable:
        return KafkaUnreachable(self._settings.bootstrap, sentence(error))


def _info(metadata: ClusterMetadata) -> ClusterInfo:
    return ClusterInfo(metadata.cluster_id or "", len(metadata.brokers))


def _wrong(topic: Topic, what: str, expected: object, found: object) -> str:
    return f"topic {topic} has the wrong shape: expected {what} {expected}, found {found}"
