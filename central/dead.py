"""What becomes of a record that fails by itself: it is set aside on `ev.dead`, with the reason.

Theory of operation. Such a record is no reason to stop, and none to forget it: it is published on
`ev.dead` as it came, and only when that is acknowledged is it said to be done, so that its offset
may be committed. While `ev.dead` takes nothing the record waits here, what is behind it is applied
all the same, and its partition's offset stays before it. Only so many may wait. One more is left
where it is: its offset is never committed by this central, and the next one finds it again.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from common.errors import BadMessage, ChargingError, Refused
from common.protocol import DEAD
from common.stream import NotDelivered, Publisher, Record, Subscription

log = structlog.get_logger()

MAX_WAITING = 1_000
"""Records that wait for `ev.dead`."""

MAX_WAITING_BYTES = 32 << 20
"""Bytes of such records: as many of the longest ones as a second or two can bring."""

MAX_VALUE = 1 << 20
"""Bytes of a value that are kept; a longer one, which only a broker with other settings takes, is
cut, and the header `size` says how long it was."""

MAX_HEADERS = 64 << 10
"""Bytes of a record's own headers that are kept with it; more are left out."""

TRY_AGAIN = 1.0
"""Seconds until a record is published again that Kafka did not take."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """A record that is to be set aside, where it was read, and why it fails."""

    record: Record
    source: Subscription
    reason: str


class DeadLetters:
    """Sets records aside.

    Attributes:
        taken: Records that failed by themselves so far, by topic.
        left: Of these, how many were left in their topic, because too many waited.
    """

    def __init__(self, publisher: Publisher) -> None:
        self.taken: Counter[str] = Counter()
        self.left = 0
        self._publisher = publisher
        self._letters: asyncio.Queue[_Letter] = asyncio.Queue()
        self._waiting = 0
        self._waiting_bytes = 0

    @property
    def waiting(self) -> int:
        """Records that `ev.dead` has not acknowledged."""
        return self._waiting

    def set_aside(self, source: Subscription, record: Record, error: BaseException) -> None:
        """Take a record that fails by itself; it is done once it is on `ev.dead`. Never waits."""
        _say(record, error)
        self.taken[record.topic] += 1
        size = len(record.value)
        if self._waiting >= MAX_WAITING or self._waiting_bytes + size > MAX_WAITING_BYTES:
            self.left += 1
            source.leave(record)
            return
        self._waiting += 1
        self._waiting_bytes += size
        self._letters.put_nowait(_Letter(record, source, _why(error)))

    async def run(self) -> None:
        """Publish what was set aside, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._store(await self._letters.get()))

    async def _store(self, letter: _Letter) -> None:
        record = letter.record
        try:
            published = await self._published(letter)
            while not published:
                await asyncio.sleep(TRY_AGAIN)
                published = await self._published(letter)
        except Exception as error:  # it must not end the others
            log.error("record cannot be set aside", exc_info=error, **_place(record))
            self.left += 1
            letter.source.leave(record)
        else:
            letter.source.done([record])
        finally:
            self._waiting -= 1
            self._waiting_bytes -= len(record.value)

    async def _published(self, letter: _Letter) -> bool:
        record = letter.record
        headers = list(headers_of(record, letter.reason))
        try:
            await self._publisher.publish(DEAD, record.key_bytes, record.value[:MAX_VALUE], headers)
        except (Refused, NotDelivered) as error:
            log.warning("record not set aside yet", why=str(error), **_place(record))
            return False
        return True


def headers_of(record: Record, reason: str) -> Iterator[tuple[str, str | bytes | None]]:
    """The headers of a dead record: its own, then what it is and why it could not be applied."""
    own = sum(len(name) + len(value or b"") for name, value in record.headers)
    if own <= MAX_HEADERS:
        yield from record.headers
    yield "reason", reason
    for name, value in _place(record).items():
        yield name, str(value)
    yield "timestamp", str(record.timestamp_ms)
    if len(record.value) > MAX_VALUE:
        yield "size", str(len(record.value))


def _place(record: Record) -> dict[str, str | int]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def _why(error: BaseException) -> str:
    """The reason, for whoever reads `ev.dead`: what the peer may know, no more."""
    return str(error)[:1000] if isinstance(error, ChargingError) else f"internal: {error!r}"[:1000]


def _say(record: Record, error: BaseException) -> None:
    log.error(
        "record not applied",
        **_place(record),
        key=record.key,
        why=str(error)[:1000] or type(error).__name__,
        exc_info=None if isinstance(error, BadMessage) else error,
    )
