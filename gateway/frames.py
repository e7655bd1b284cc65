"""Frames for inspection (`--frames`): each as it went over the wire, on `ev.frames`.

Who looks on must not hold up what is looked at: where Kafka does not keep up, frames are not
published, and counted.
"""

import time
from collections import OrderedDict

from common.clock import Clock
from common.codec import encode
from common.connection import HEADER
from common.errors import Refused
from common.gateway_messages import FrameDirection, FrameSeen, FrameType
from common.protocol import FRAMES
from common.stream import Publisher
from gateway.counts import Counts
from gateway.link import Link
from gateway.ocppj import BadFrame, Call, CallResult, Frame

MAX_QUEUED = 20_000
"""Records that may wait for Kafka; with more no frame is published."""

MAX_OPEN = 100_000
"""Calls whose answer is still to be seen; of the oldest beyond that none is known."""

UP, DOWN = FrameDirection


class Frames:
    """Publishes frames, answers with what they answer and how long that took.

    Implements `FrameTap`.
    """

    def __init__(self, publisher: Publisher, clock: Clock, counts: Counts) -> None:
        self._publisher = publisher
        self._clock = clock
        self._counts = counts
        self._number = 0
        self._open: OrderedDict[tuple[str, FrameDirection, str], tuple[str, float]] = OrderedDict()

    def received(self, link: Link, data: bytes, frame: Frame | BadFrame) -> None:
        """A charge point has sent this."""
        self._seen(link, UP, data, frame)

    def sent(self, link: Link, data: bytes, frame: Frame) -> None:
        """A charge point was sent this."""
        self._seen(link, DOWN, data, frame)

    def _seen(
        self, link: Link, direction: FrameDirection, data: bytes, frame: Frame | BadFrame
    ) -> None:
        message_id = frame.message_id if isinstance(frame, BadFrame) else frame.id
        action, latency = self._pair(link, direction, message_id, frame)
        if self._publisher.queued >= MAX_QUEUED:
            self._counts.frames_dropped += 1
            return
        self._number += 1
        seen = FrameSeen(
            message_id=f"{link.connection.node}-f{self._number}",
            timestamp=int(self._clock.wall()),
            cp_id=link.cp_id,
            node=link.connection.node,
            at_ms=int(self._clock.wall() * 1000),
            direction=direction,
            message_type=_type(frame),
            ocpp_message_id=_text(message_id, 500),
            action=_text(action, 500),
            latency_us=latency,
            raw=_text(data.decode(errors="replace"), 65_535) or "",
            error=_text(str(frame), 1000) if isinstance(frame, BadFrame) else None,
        )
        header = link.connection.header()
        try:
            self._publisher.publish(FRAMES, link.cp_id, encode(seen), [(HEADER, header)])
        except Refused:
            self._counts.frames_dropped += 1
        else:
            self._counts.frames += 1

    def _pair(
        self, link: Link, direction: FrameDirection, message_id: str | None, frame: Frame | BadFrame
    ) -> tuple[str | None, int | None]:
        """Of an answer the action of its call, and the microseconds since."""
        if message_id is None or isinstance(frame, BadFrame):
            return None, None
        now = time.perf_counter()
        if isinstance(frame, Call):
            self._open[link.cp_id, direction, message_id] = (frame.action, now)
            if len(self._open) > MAX_OPEN:
                self._open.popitem(last=False)
            return frame.action, None
        asked = DOWN if direction == UP else UP
        action, began = self._open.pop((link.cp_id, asked, message_id), (None, now))
        return action, None if action is None else round((now - began) * 1e6)


def _type(frame: Frame | BadFrame) -> FrameType:
    if isinstance(frame, BadFrame):
        return FrameType.UNKNOWN
    if isinstance(frame, Call):
        return FrameType.CALL
    return FrameType.CALLRESULT if isinstance(frame, CallResult) else FrameType.CALLERROR


def _text(text: str | None, most: int) -> str | None:
    return None if text is None else text[:most].replace("\0", "\N{REPLACEMENT CHARACTER}")
