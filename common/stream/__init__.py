"""Kafka: records out and in, on confluent-kafka's plain clients.

Reading order:

- `client`: what all clients share: settings, errors, whether the broker answers
- `topics`: what is at the broker, and what must be there
- `murmur2`: the partition of a key
- `delivery`: a record on its way out
- `publisher`: records out
- `offsets`: how far a partition is done with
- `subscription`: records in, the side of the event loop
- `record`: a record as it came
- `place`: which topic it is that has a name
- `assignment`: what is read of a topic, and where reading begins
- `reader`: records in, the thread that fetches them

What is promised: a record whose future has resolved is stored by all replicas in sync, at least
once, in the order of its key. A subscription hands out every record of its topic at least once,
as long as they are kept; what was done and committed is not handed out again. A topic is known by
its id, not by its name: where it was made anew, or the broker was replaced by an empty one,
reading begins at its beginning.
"""

from common.stream.assignment import Start
from common.stream.client import KafkaSettings, KafkaUnreachable, NotDelivered
from common.stream.delivery import Headers
from common.stream.murmur2 import partition_of
from common.stream.offsets import OffsetTracker
from common.stream.publisher import Publisher
from common.stream.record import Record
from common.stream.subscription import Subscription
from common.stream.topics import ClusterInfo, describe, ends, ensure_topics

__all__ = [
    "ClusterInfo",
    "Headers",
    "KafkaSettings",
    "KafkaUnreachable",
    "NotDelivered",
    "OffsetTracker",
    "Publisher",
    "Record",
    "Start",
    "Subscription",
    "describe",
    "ends",
    "ensure_topics",
    "partition_of",
]
