"""Readings and tickets on their way to Kafka, as the engine wrote them.

`take` never waits. A pump moves what the buffer gives to the publisher, which says itself whether
Kafka answers; what it gives up waits again.
"""

import asyncio
from functools import partial
from typing import Protocol

import structlog

from common.codec import encode
from common.errors import Refused
from common.logs import Wiretap
from common.messages import ChargeCompletion, ChargingData
from common.protocol import CHARGING, Topic
from monitor.buffer import Buffer, Record

log = structlog.get_logger()

RETRY_AFTER = 1.0
"""Seconds of rest after the publisher gave a record up, or took none."""

LOOK_EVERY = 0.5
"""Seconds between two looks at whether readings are dropped."""


class Sink(Protocol):
    """What is needed of a `stream.Publisher`."""

    def publish(self, topic: Topic, key: str, value: bytes) -> asyncio.Future[None]: ...


class Records:
    """Publishes what the engine writes."""

    def __init__(self, cp_id: str, sink: Sink) -> None:
        self._cp_id = cp_id
        self._sink = sink
        self._buffer = Buffer()
        self._news = asyncio.Event()
        self._gave_up = False
        self._wire = Wiretap()

    @property
    def buffered(self) -> int:
        """Records that Kafka has not acknowledged."""
        return len(self._buffer)

    @property
    def dropped(self) -> int:
        """Readings that were dropped so far."""
        return self._buffer.dropped

    @property
    def wants_again(self) -> bool:
        """Whether there is room now for tickets that were turned away."""
        return self._buffer.turned_away is not None and self._buffer.has_room

    def again_since(self) -> int | None:
        """Since when the engine is to send its tickets again, in Unix seconds; None if it need not.

        Once it has been told, it is not told again.
        """
        if not self.wants_again:
            return None
        since, self._buffer.turned_away = self._buffer.turned_away, None
        return since

    def take(self, message: ChargingData | ChargeCompletion) -> bool:
        """Take a record; False for a ticket that is on its way already."""
        taken = self._buffer.add(message)
        if taken:
            self._news.set()
        return taken

    async def pump(self) -> None:
        """Hand records to the publisher, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while not self._gave_up and (record := self._buffer.next()):
                self._send(record)
            if self._gave_up:
                await asyncio.sleep(RETRY_AFTER)
                self._gave_up = False
                self._news.set()

    async def watch(self) -> None:
        """Say when readings begin to be dropped, and when that is over; until cancelled."""
        dropping, dropped = False, 0
        while True:
            if (self._buffer.dropped > dropped) != dropping:
                dropping = not dropping
                if dropping:
                    log.warning("the oldest readings are dropped: too many wait for Kafka")
                else:
                    log.info("no reading is dropped any more", dropped=dropped)
            dropped = self._buffer.dropped
            await asyncio.sleep(LOOK_EVERY)

    def _send(self, record: Record) -> None:
        try:
            sent = self._sink.publish(CHARGING, self._cp_id, encode(record.message))
        except Refused as refused:
            self._give_up(record, str(refused))
            return
        if self._wire.on:
            self._wire.seen("sent", record.message, f"central ? by {CHARGING}")
        sent.add_done_callback(partial(self._settled, record))

    def _settled(self, record: Record, sent: asyncio.Future[None]) -> None:
        if sent.cancelled():
            self._give_up(record, "cancelled")
        elif error := sent.exception():
            self._give_up(record, str(error))
        else:
            self._buffer.done(record)
            self._news.set()

    def _give_up(self, record: Record, why: str) -> None:
        log.debug("record not published", why=why, session_id=record.message.session_id)
        self._buffer.failed(record)
        self._gave_up = True
        self._news.set()
