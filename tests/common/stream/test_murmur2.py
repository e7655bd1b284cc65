"""A key's partition is the one that Kafka's own clients choose."""

import asyncio

import pytest

from common.stream import KafkaSettings, Publisher, Subscription, partition_of
from common.stream.murmur2 import murmur2
from tests.common.stream.topics import MANY, make
from tests.common.stream.waiting import take
from tests.kafka.broker import Broker


@pytest.mark.parametrize(
    ("text", "hashed"),
    [
        # What org.apache.kafka.common.utils.Utils.murmur2 gives, which is signed.
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_the_hash_is_that_of_the_java_client(text: str, hashed: int) -> None:
    """The values that Kafka's own tests expect."""
    assert murmur2(text.encode()) == hashed % 2**32


async def test_a_record_is_where_its_key_says(fresh_kafka: Broker) -> None:
    """The producer, which has its own implementation, puts each key where we look for it."""
    settings = KafkaSettings(fresh_kafka.bootstrap)
    await make(fresh_kafka.bootstrap, MANY)
    keys = [f"{'x' * (i % 9)}{i}" for i in range(300)] + ["Ü-1", "-", "."]
    async with Publisher(settings) as publisher:
        await asyncio.gather(*(publisher.publish(MANY, key, b"") for key in keys))
    async with Subscription(settings, MANY, group=None, start="beginning") as subscription:
        records = await take(subscription, len(keys))
    assert {r.key: partition_of(r.key or "", MANY.partitions) for r in records} == {
        r.key: r.partition for r in records
    }
