"""Topics are made as they must be, and refused when they are not."""

import asyncio
import time
from collections.abc import Callable

import pytest

from common.errors import CannotStart
from common.protocol import DRIVER_REQUESTS, POINTS, TOPICS
from common.stream import (
    ClusterInfo,
    KafkaSettings,
    KafkaUnreachable,
    Subscription,
    describe,
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
    assert {t.name: len(found[t.name].partitions) for t in TOPICS} == {
        t.name: t.partitions for t in TOPICS
    }


async def test_two_who_make_them_at_once_both_succeed(fresh_kafka: Broker) -> None:
    """The slower one takes what the quicker one made."""
    settings = KafkaSettings(fresh_kafka.bootstrap)
    clusters = await asyncio.gather(*(ensure_topics(settings, TOPICS) for _ in range(3)))
    assert len(set(clusters)) == 1


async def test_records_are_stamped_where_the_topic_says_so(fresh_kafka: Broker) -> None:
    """By the broker where it decides what is too old, elsewhere by the producer."""
    settings = KafkaSettings(fresh_kafka.bootstrap)
    await ensure_topics(settings, [ONE, DRIVER_REQUESTS])
    for topic, stamped in ((ONE, False), (DRIVER_REQUESTS, True)):
        await fill(fresh_kafka.bootstrap, topic, b"x")
        async with Subscription(settings, topic, group=None, start="beginning") as subscription:
            (record,) = await take(subscription, 1)
        assert record.stamped_by_broker is stamped
        assert abs(record.timestamp_ms / 1000 - time.time()) < 60


async def test_a_wrong_number_of_partitions_is_refused(fresh_kafka: Broker) -> None:
    """The sentence names the topic, what was expected and what was found."""
    await make(fresh_kafka.bootstrap, ONE)
    two = type(ONE)(ONE.name, ONE.key, partitions=2)
    text = "^topic ev.test.one has the wrong shape: expected partitions 2, found 1$"
    with pytest.raises(CannotStart, match=text):
        await ensure_topics(KafkaSettings(fresh_kafka.bootstrap), [two])


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
    ids=lambda value: "" if isinstance(value, dict) else str(value).partition(" ")[0],
)
async def test_a_setting_that_changes_the_meaning_is_refused(
    fresh_kafka: Broker, topic: type[ONE] | object, config: dict[str, str], text: str
) -> None:
    """What is kept, and whose clock stamps it, is part of a topic's shape."""
