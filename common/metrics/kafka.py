"""What the clients of Kafka can say about themselves."""

from collections.abc import Iterator

from common.metrics import table
from common.metrics.metric import Sample
from common.stream import Publisher, Subscription


def published(publisher: Publisher) -> Iterator[Sample]:
    """What became of the records that a program publishes."""
    yield table.KAFKA_UP(float(publisher.healthy))
    yield table.KAFKA_QUEUE(publisher.queued)
    yield table.KAFKA_PUBLISHED(publisher.acknowledged, "acknowledged")
    yield table.KAFKA_PUBLISHED(publisher.failed, "failed")
    yield table.KAFKA_PUBLISHED(publisher.refused, "refused")


def read(subscription: Subscription) -> Iterator[Sample]:
    """How far behind a subscription is."""
    topic = subscription.topic.name
    yield table.KAFKA_LAG(subscription.lag(), topic)
    yield table.KAFKA_READ(subscription.handed_out, topic)
