"""What goes over the wire of a charge point: frames that gateways published, read from Kafka.

Central is not asked: the frames are there also while it is down.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from admin.moments import shown_ms
from admin.ocpp.trace import parts_of
from admin.words import printable
from common.codec import decoder
from common.errors import BadMessage, CannotStart
from common.gateway_messages import FrameDirection, FrameSeen, FrameType
from common.messages import Role
from common.protocol import FRAMES
from common.stream import KafkaSettings, KafkaUnreachable, partition_of
from common.stream.assignment import Reading
from common.stream.reader import make_consumer

ANSWER_WITHIN = 5.0
"""Seconds in which Kafka must answer."""

AT_ONCE = 500
"""Frames that are fetched at once."""

POLL = 0.1
"""Seconds between two looks whether somebody wants it to end."""

ARROWS = {FrameDirection.FROM_CHARGE_POINT: "<-", FrameDirection.TO_CHARGE_POINT: "->"}

_decoder = decoder(Role.GATEWAY, Role.ANYONE, FRAMES)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which frames are wanted.

    Attributes:
        since: Unix seconds; None: all that are kept, or with `follow` those that come from now on.
        follow: Go on with those that come.
    """

    cp_id: str
    since: int | None = None
    follow: bool = False


def read(settings: KafkaSettings, wanted: Wanted, ended: threading.Event) -> Iterator[FrameSeen]:
    """The frames of a charge point, in their order, until there are no more or it is ended.

    Blocks; to be run in a thread.

    Raises:
        KafkaUnreachable: No broker answers.
        CannotStart: The settings are wrong, or there is no such topic.
    """
    trouble: list[KafkaError] = []
    reading = Reading(FRAMES.name, None, "beginning", None, wanted.cp_id, AT_ONCE)
    try:
        with make_consumer(settings, reading, trouble.append) as consumer:
            place = TopicPartition(FRAMES.name, _partition(consumer, wanted.cp_id))
            _, end = consumer.get_watermark_offsets(place, timeout=ANSWER_WITHIN)
            place.offset = _begin(consumer, place, wanted)
            consumer.assign([place])
            while not ended.is_set() and (wanted.follow or place.offset < end):
                for message in consumer.consume(AT_ONCE, timeout=POLL):
                    if message.error() is None:
                        place.offset = (message.offset() or 0) + 1
                        yield from _frame(message, wanted)
                if not wanted.follow and any(map(_is_down, trouble)):
                    raise KafkaUnreachable(settings.bootstrap)
    except KafkaException as error:
        raise KafkaUnreachable(settings.bootstrap, str(error.args[0].str())) from None


def _partition(consumer: Consumer, cp_id: str) -> int:
    topic = consumer.list_topics(FRAMES.name, timeout=ANSWER_WITHIN).topics[FRAMES.name]
    if topic.error is not None or not topic.partitions:
        raise CannotStart(f"Kafka has no topic {FRAMES}: ev-central makes it when it starts")
    return partition_of(cp_id, len(topic.partitions))


def _begin(consumer: Consumer, place: TopicPartition, wanted: Wanted) -> int:
    """The offset at which the wanted frames begin."""
    low, end = consumer.get_watermark_offsets(place, timeout=ANSWER_WITHIN)
    if wanted.since is None:
        return end if wanted.follow else low
    asked = TopicPartition(place.topic, place.partition, wanted.since * 1000)
    (found,) = consumer.offsets_for_times([asked], timeout=ANSWER_WITHIN)
    return found.offset if found.offset >= 0 else end


def _frame(message: Any, wanted: Wanted) -> Iterator[FrameSeen]:
    """The frame of a record, if it is this charge point's."""
    try:
        frame = _decoder.decode(message.value())
    except BadMessage:
        return  # of a newer program
    assert isinstance(frame, FrameSeen)
    since_ms = (wanted.since or 0) * 1000
    if frame.cp_id == wanted.cp_id and (frame.at_ms >= since_ms):
        yield frame


def _is_down(error: KafkaError) -> bool:
    return bool(error.code() == KafkaError._ALL_BROKERS_DOWN)


def line(frame: FrameSeen) -> str:
    """A frame as a person reads it: when, which way, what, how fast, and with which payload."""
    parts = parts_of(frame)
    name = frame.action or ("a call" if parts else "no frame of OCPP-J")
    what = {FrameType.CALLRESULT: f"{name} answered", FrameType.CALLERROR: f"{name} failed"}
    words = [shown_ms(frame.at_ms), ARROWS[frame.direction], what.get(frame.message_type, name)]
    if frame.latency_us is not None:
        words.append(f"after {frame.latency_us / 1000:.1f} ms")
    words.append(frame.raw)
    if frame.error:
        words.append(f"({frame.error})")
    text = printable("  ".join(words))
    bad = frame.error or frame.message_type in (FrameType.CALLERROR, FrameType.UNKNOWN)
    return click.style(text, fg="red") if bad else text
