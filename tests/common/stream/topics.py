"""Topics of the tests, made and dropped by hand."""

import asyncio

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from common.protocol import Topic
from common.stream import KafkaSettings, Publisher, partition_of
from tests.kafka.broker import connect

ONE = Topic("ev.test.one", "key", partitions=1)
"""A topic whose records all have one order."""

MANY = Topic("ev.test.many", "key", partitions=4)
"""A topic where the key decides."""


async def make(bootstrap: str, *topics: Topic, **config: str) -> None:
    """Make topics of their shape, but with these settings, dots written as underscores."""
    settings = {key.replace("_", "."): value for key, value in config.items()}
    new = [NewTopic(t.name, t.partitions, config=settings) for t in topics]
    admin = connect(bootstrap)
    for made in admin.create_topics(new).values():
        await asyncio.to_thread(made.result, 30)


async def drop(bootstrap: str, topic: Topic) -> None:
    """Delete a topic."""
    admin = connect(bootstrap)
    await asyncio.to_thread(admin.delete_topics([topic.name])[topic.name].result, 30)


async def fill(bootstrap: str, topic: Topic, *records: bytes, key: str = "k") -> None:
    """Publish these records, and return when they are stored."""
    async with Publisher(KafkaSettings(bootstrap)) as publisher:
        await asyncio.gather(*(publisher.publish(topic, key, value) for value in records))


async def committed(bootstrap: str, group: str, topic: Topic) -> dict[int, int]:
    """The offsets that are stored for a group, by partition."""
    asked = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    with _member(bootstrap, group) as consumer:
        found = await asyncio.to_thread(consumer.committed, asked, timeout=30)
    return {p.partition: p.offset for p in found if p.offset >= 0}


async def set_offset(
    bootstrap: str, group: str, topic: Topic, offset: int, *, metadata: str = ""
) -> None:
    """Set a group's offset of partition 0, as an operator does."""
    partition = TopicPartition(topic.name, 0, offset, metadata)
    with _member(bootstrap, group) as consumer:
        await asyncio.to_thread(consumer.commit, offsets=[partition], asynchronous=False)


def _member(bootstrap: str, group: str) -> Consumer:
    # Not by an admin client: asked for a group while its broker comes up, librdkafka may abort.
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0})


async def cut(bootstrap: str, topic: Topic, before: int) -> None:
    """Delete the records of partition 0 before an offset, as their age does."""
    admin = connect(bootstrap)
    (asked,) = admin.delete_records([TopicPartition(topic.name, 0, before)]).values()
    await asyncio.to_thread(asked.result, 30)


def key_of_partition(number: int, topic: Topic) -> str:
    """A key that belongs to this partition."""
    return next(k for i in range(1000) if partition_of(k := f"key-{i}", topic.partitions) == number)
