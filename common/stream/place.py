"""Which topic it is that has a name.

A client of Kafka goes by the topic's name and by offsets. Where a topic was made anew, or the
broker replaced by an empty one, it would read on at its old position in the new log, and miss all
that is before that. The topic's id tells.
"""

import time
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, TopicDescription  # type: ignore[attr-defined]

from common.stream.client import Health, sentence
from common.stream.topics import EMBEDDED_CLUSTER

LOOK_EVERY = 5.0
"""Seconds between two looks at the topic's id."""

RETRY_EVERY = 0.5
"""The same while something is wrong."""

LOOK_WITHIN = 1.0
"""Seconds in which the broker must answer."""


@dataclass(frozen=True, slots=True)
class Place:
    """A topic at a broker, apart from all others that have or had its name.

    Attributes:
        identity: The topic's id; at the embedded broker, which does not tell it, the cluster's.
        partitions: How many it has.
    """

    identity: str
    partitions: int

    @property
    def embedded(self) -> bool:
        """It is at the embedded broker."""
        return self.identity.startswith(EMBEDDED_CLUSTER)


class Lookout:
    """Watches that a topic stays the same.

    Attributes:
        disturbed: Something was heard to fail, so look again soon.
    """

    def __init__(self, topic: str, admin: AdminClient, health: Health) -> None:
        self.disturbed = False
        self._topic = topic
        self._admin = admin
        self._health = health
        self._asked: Future[TopicDescription] | None = None
        self._looked_at = float("-inf")

    def find(self, consumer: Consumer) -> Place:
        """The topic that is there now. Waits for the broker, up to twice `LOOK_WITHIN`.

        Raises:
            KafkaException: The broker does not answer, or has no such topic.
        """
        # By the consumer: to ask by a producer's kind of client may create the topic.
        metadata = consumer.list_topics(self._topic, timeout=LOOK_WITHIN)
        topic = metadata.topics[self._topic]
        if topic.error is not None:
            raise KafkaException(topic.error)
        place = Place(metadata.cluster_id or "", len(topic.partitions))
        if not place.embedded:
            place = Place(str(self._ask().result().topic_id), place.partitions)
        self._health.answered()
        self._looked_at = time.monotonic()
        return place

    def is_still(self, consumer: Consumer, place: Place) -> bool:
        """Whether it is the same topic; assumed while nobody knows. To be called all the time.

        Waits for nothing while all is well. The consumer's own connection is not used then: an
        answer on it stands behind a fetch, half a second long where nothing new comes.
        """
        identity = self._glance(place)
        if identity == place.identity:
            self._health.answered()
        return identity in (None, place.identity) or self._is_found(consumer, place)

    def _glance(self, place: Place) -> str | None:
        """What can be said of the identity without waiting: None is nothing, "" is trouble."""
        if self._asked is not None:
            if not self._asked.done():
                return None
            asked, self._asked = self._asked, None
            return "" if asked.exception() else str(asked.result().topic_id)
        if self._is_due():
            self.disturbed = False
            if place.embedded:
                return self._cluster()
            self._asked = self._ask()
        return None

    def _cluster(self) -> str:
        try:  # an answer from this machine, so there is hardly a wait
            return self._admin.list_topics(timeout=LOOK_WITHIN).cluster_id or ""
        except KafkaException:
            return ""

    def _is_found(self, consumer: Consumer, place: Place) -> bool:
        try:
            return self.find(consumer).identity == place.identity
        except KafkaException as error:
            self.disturbed = True
            self._health.failed(sentence(error))
            return True

    def _ask(self) -> "Future[TopicDescription]":
        asked = TopicCollection([self._topic])
        return self._admin.describe_topics(asked, request_timeout=LOOK_WITHIN)[self._topic]

    def _is_due(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at < (RETRY_EVERY if self.disturbed else LOOK_EVERY):
            return False
        self._looked_at = now
        return True
