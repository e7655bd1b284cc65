"""Topics are made as they must be, and refused when they are not."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from common.errors import CannotStart
from common.protocol import DRIVER_REQUESTS, POINTS, TOPICS, Topic
from common.stream import (
    ClusterInfo,
    KafkaSettings,
    KafkaUnreachable,
    Subscription,
    describe,
    ends,
    ensure_topics,
)
from tests.common.stream.topics import ONE, fill, make
from tests.common.stream.waiting import take
from tests.kafka.broker import Broker, connect


async def test_missing_topics_are_made_once(fresh_kafka: Broker) -> None:
    """With their partitions; the second time they are found as they must be."""
    settings = KafkaSettings(fresh_kafka.bootstrap)
    first = await ensure_topics(settings, TOPICS)
    assert await ensure_topics(settings, TOPICS) == first
    assert not first.embedded
    found = connect(fresh_kafka.bootstrap).list_topics(timeout=10).topics
    for topic in TOPICS:
        assert len(found[topic.name].partitions) == topic.partitions


async def test_those_who_make_them_at_once_all_succeed(fresh_kafka: Broker) -> None:
    """The slower ones take what the quickest made."""
    settings = KafkaSettings(fresh_kafka.bootstrap)
    clusters = await asyncio.gather(*(ensure_topics(settings, TOPICS) for _ in range(3)))
    assert len(set(clusters)) == 1


async def test_records_are_stamped_by_whom_the_topic_says(fresh_kafka: Broker) -> None:
    """By the broker where it decides what is too old, elsewhere by the producer."""
    settings = KafkaSettings(fresh_kafka.bootstrap)
    await ensure_topics(settings, [ONE, DRIVER_REQUESTS])
    for topic, stamped in ((ONE, False), (DRIVER_REQUESTS, True)):
        await fill(fresh_kafka.bootstrap, topic, b"x")
        async with Subscription(settings, topic, group=None, start="beginning") as subscription:
            (record,) = await take(subscription, 1)
        assert record.stamped_by_broker is stamped
        assert abs(record.timestamp_ms / 1000 - time.time()) < 60


async def test_the_ends_of_a_topic_are_where_it_goes_on(fresh_kafka: Broker) -> None:
    """By partition; an empty one ends where it begins."""
    settings = KafkaSettings(fresh_kafka.bootstrap)
    await make(fresh_kafka.bootstrap, ONE)
    assert await ends(settings, ONE) == {0: 0}
    await fill(fresh_kafka.bootstrap, ONE, b"x", b"y")
    assert await ends(settings, ONE) == {0: 2}


async def test_a_wrong_number_of_partitions_is_refused(fresh_kafka: Broker) -> None:
    """The sentence names the topic, what was expected and what was found."""
    await make(fresh_kafka.bootstrap, ONE)
    text = "^topic ev.test.one has the wrong shape: expected partitions 2, found 1$"
    with pytest.raises(CannotStart, match=text):
        await ensure_topics(KafkaSettings(fresh_kafka.bootstrap), [replace(ONE, partitions=2)])


@pytest.mark.parametrize(
    ("topic", "config", "text"),
    [
        (ONE, {"cleanup_policy": "compact"}, "cleanup.policy delete, found compact"),
        (
            ONE,
            {"message_timestamp_type": "LogAppendTime"},
            "message.timestamp.type CreateTime, found LogAppendTime",
        ),
        (POINTS, {}, "cleanup.policy compact, found delete"),
        (DRIVER_REQUESTS, {}, "message.timestamp.type LogAppendTime, found CreateTime"),
    ],
)
async def test_a_setting_that_changes_the_meaning_is_refused(
    fresh_kafka: Broker, topic: Topic, config: dict[str, str], text: str
) -> None:
    """What is kept, and whose clock stamps it, is part of a topic's shape."""
    await make(fresh_kafka.bootstrap, topic, **config)
    with pytest.raises(CannotStart, match=f"^topic {topic} has the wrong shape: expected {text}$"):
        await ensure_topics(KafkaSettings(fresh_kafka.bootstrap), [topic])


async def test_a_topic_that_may_not_be_made_is_named(fresh_kafka: Broker) -> None:
    """What the broker says about it is the rest of the sentence."""
    topic = replace(ONE, config={"retention.ms": "for ever"})
    with pytest.raises(
        CannotStart, match=r"^topic ev\.test\.one cannot be created: .*retention\.ms"
    ):
        await ensure_topics(KafkaSettings(fresh_kafka.bootstrap), [topic])


async def test_a_cluster_says_who_it_is(kafka: Broker) -> None:
    """Its id and its brokers."""
    found = await describe(KafkaSettings(kafka.bootstrap))
    assert found == ClusterInfo(connect(kafka.bootstrap).cluster_id(timeout=10), found.brokers)
    assert found.brokers >= 1


@pytest.mark.parametrize("asks", [describe, lambda *a, **k: ensure_topics(a[0], TOPICS, **k)])
async def test_a_broker_that_is_not_there_is_given_up(
    asks: Callable[..., object], free_ports: Callable[[int], list[int]]
) -> None:
    """Within the time given, in a sentence with its address and the reason."""
    (port,) = free_ports(1)
    settings = KafkaSettings(f"127.0.0.1:{port}")
    begun = time.monotonic()
    with pytest.raises(KafkaUnreachable, match=f"^Kafka at 127.0.0.1:{port} does not answer: "):
        await asks(settings, within=1.0)  # type: ignore[misc]  # both are coroutines
    assert time.monotonic() - begun < 5


async def test_wrong_settings_are_a_start_up_error() -> None:
    """Not a broker that does not answer."""
    with pytest.raises(CannotStart, match="No such configuration property"):
        await describe(KafkaSettings("127.0.0.1:1", {"no.such.thing": "1"}))


@pytest.mark.parametrize(("brokers", "replicas"), [(1, 1), (2, 1), (3, 3), (5, 3)])
def test_there_are_three_copies_where_there_are_three_brokers(brokers: int, replicas: int) -> None:
    """One elsewhere, because fewer than three do not outvote a failure."""
    assert ClusterInfo("id", brokers).replicas == replicas


def test_the_embedded_broker_is_known_by_its_id() -> None:
    """As librdkafka names its mock clusters."""
    assert ClusterInfo("mockCluster7f3a", 1).embedded
    assert not ClusterInfo("u1zxOFM6RduLTqUq4qizlA", 1).embedded
