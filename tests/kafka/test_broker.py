"""The broker of the tests keeps what its fixtures promise."""

import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from tests.kafka.broker import Broker, connect
from tests.kafka.wipe import wipe

TOPIC = "ev.test.broker"
GROUP = "broker-test"


def test_a_record_survives_the_death_of_the_broker_but_not_its_emptying(own_kafka: Broker) -> None:
    """Address and data outlive a kill; an emptied broker is a new cluster at the same address."""
    cluster = connect(own_kafka.bootstrap).cluster_id(timeout=10)
    _make_topic(own_kafka)
    _produce(own_kafka, b"first")

    own_kafka.kill()
    own_kafka.start()
    assert _first_record(own_kafka) == b"first"
    assert connect(own_kafka.bootstrap).cluster_id(timeout=10) == cluster

    own_kafka.kill()
    own_kafka.empty()
    own_kafka.start()
    assert TOPIC not in connect(own_kafka.bootstrap).list_topics(timeout=10).topics
    assert connect(own_kafka.bootstrap).cluster_id(timeout=10) != cluster


def test_a_wiped_broker_has_neither_topics_nor_offsets_and_takes_new_ones(
    fresh_kafka: Broker,
) -> None:
    """What one test leaves is gone for the next, and its topic can be made anew at once."""
    for content in (b"of one test", b"of the next"):
        _make_topic(fresh_kafka)
        _produce(fresh_kafka, content)
        # Reads from the group's offset: it would miss the record if that had survived.
        assert _first_record(fresh_kafka) == content
        wipe(fresh_kafka.bootstrap)
        assert TOPIC not in connect(fresh_kafka.bootstrap).list_topics(timeout=10).topics


def _make_topic(broker: Broker) -> None:
    admin = connect(broker.bootstrap)  # named: the answer comes only while the client lives
    admin.create_topics([NewTopic(TOPIC, num_partitions=1)])[TOPIC].result(timeout=10)


def _produce(broker: Broker, content: bytes) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all", "log_level": 0})
    producer.produce(TOPIC, content)
    assert producer.flush(10) == 0


def _first_record(broker: Broker) -> bytes | None:
    """The next record for the group, and its offset committed."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": GROUP,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        consumer.assign([_committed(consumer)])
        record = consumer.poll(30)
        assert record is not None
        assert record.error() is None
        consumer.commit(message=record, asynchronous=False)
        return record.value()
    finally:
        consumer.close()


def _committed(consumer: Consumer) -> TopicPartition:
    """Where the group goes on.

    Asked for, instead of left to `assign`: a new cluster answers its first group "not
    coordinator" for a while, and a partition whose offset was refused so is never read.
    """
    deadline = time.monotonic() + 30
    while True:
        try:
            offset = consumer.committed([TopicPartition(TOPIC, 0)], timeout=30)[0].offset
            return TopicPartition(TOPIC, 0, offset if offset >= 0 else OFFSET_BEGINNING)
        except KafkaException:
            assert time.monotonic() < deadline
            time.sleep(0.01)
