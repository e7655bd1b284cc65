"""What is published, read from the beginning: each run begins with empty topics."""

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from common.protocol import Topic


def reading(kafka: str, topic: Topic) -> Consumer:
    """A consumer of a whole topic, which is to be closed."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "bench",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    numbers = range(topic.partitions)
    consumer.assign([TopicPartition(topic.name, number, OFFSET_BEGINNING) for number in numbers])
    return consumer
