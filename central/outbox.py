"""What must be told once by Kafka: written with its cause, published, deleted when acknowledged.

Theory of operation. A change of state makes its entries with `entry` and hands the returned change
to the same write. After the commit it calls `committed`; `run` publishes in the order of numbers
and deletes what is acknowledged. At start, and whenever memory held too few of them, entries are
read from the store. A crash between acknowledgement and deletion publishes again: at least once.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

import structlog

from central.rules.records import OutboxEntry
from central.store import AddToOutbox, DropFromOutbox, Store
from common.clock import Clock
from common.codec import decoder, encode
from common.errors import Refused, StoreUnavailable
from common.exchange import stamped
from common.logs import Wiretap
from common.messages import Message
from common.protocol import CENTRAL, DRIVER, DRIVER_EVENTS
from common.stream import Publisher

log = structlog.get_logger()

MOST_IN_MEMORY = 10_000
"""Entries that wait in memory; further ones stay in the store until these are gone."""

TRY_AGAIN = 0.5
"""Seconds until entries are tried again that Kafka or the database did not take."""


class Outbox:
    """Publishes to drivers what was committed for them."""

    def __init__(self, store: Store, publisher: Publisher, clock: Clock, epoch: int) -> None:
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._epoch = epoch
        self._number = 0
        self._waiting: deque[OutboxEntry] = deque()
        self._behind = False
        self._wake = asyncio.Event()
        self._wire = Wiretap()
        self._events = decoder(CENTRAL, DRIVER, DRIVER_EVENTS)

    @property
    def waiting(self) -> int:
        """Entries that wait in memory to be published."""
        return len(self._waiting)

    def restore(self, entries: Iterable[OutboxEntry], highest: int) -> None:
        """Take up what was committed before this start; `highest` is the last number used."""
        self._number = highest
        last = highest
        for entry in entries:
            self._waiting.append(entry)
            last = entry.number
        self._behind = last < highest

    def entry(self, driver_id: str, message: Message) -> AddToOutbox:
        """The change that adds a message to this driver."""
        self._number += 1
        value = encode(stamped(message, self._clock))
        return AddToOutbox(
            OutboxEntry(number=self._number, topic=DRIVER_EVENTS.name, key=driver_id, value=value)
        )

    def committed(self, changes: Iterable[object]) -> None:
        """Publish the entries among these changes, which are in the store now."""
        self._take(change.entry for change in changes if isinstance(change, AddToOutbox))

    def _take(self, entries: Iterable[OutboxEntry]) -> None:
        for entry in entries:
            if self._behind or len(self._waiting) >= MOST_IN_MEMORY:
                self._behind = True
            else:
                self._waiting.append(entry)
        self._wake.set()

    async def run(self) -> None:
        """Publish what waits, for ever."""
        while True:
            self._wake.clear()
            if not self._waiting and self._behind:
                await self._refill()
            if not self._waiting:
                await self._wake.wait()
                continue
            await self._publish_some()

    async def _refill(self) -> None:
        # Nothing waits in memory and all that was published is deleted: the rest is in the store.
        try:
            entries = await self._store.outbox(0, MOST_IN_MEMORY)
        except StoreUnavailable:
            await asyncio.sleep(TRY_AGAIN)
            return
        self._behind = len(entries) == MOST_IN_MEMORY
        self._waiting.extend(entries)

    async def _publish_some(self) -> None:
        """Publish what waits now, and delete what was acknowledged."""
        sent: list[tuple[OutboxEntry, asyncio.Future[None]]] = []
        while self._waiting and len(sent) < 1_000:
            try:
                sent.append((self._waiting[0], self._publish(self._waiting[0])))
            except Refused:  # the publisher is full: Kafka is slow or down
                if not sent:
                    await asyncio.sleep(TRY_AGAIN)
                break
            self._waiting.popleft()
        results = await asyncio.gather(*(done for _, done in sent), return_exceptions=True)
        failed = [e for (e, _), result in zip(sent, results, strict=True) if result is not None]
        # In front again, in their order: a driver's events must not overtake one another.
        self._waiting.extendleft(reversed(failed))
        gone = [e for (e, _), result in zip(sent, results, strict=True) if result is None]
        await self._delete(gone)
        if failed:
            await asyncio.sleep(TRY_AGAIN)

    def _publish(self, entry: OutboxEntry) -> asyncio.Future[None]:
        if self._wire.on:
            message = self._events.decode(entry.value)
            self._wire.seen("sent", message, f"driver {entry.key} by {entry.topic}")
        return self._publisher.publish(
            DRIVER_EVENTS, entry.key, with_epoch(entry.value, self._epoch)
        )

    async def _delete(self, entries: list[OutboxEntry]) -> None:
        while entries:
            try:
                await self._store.write(*(DropFromOutbox(*run) for run in runs(entries)))
                return
            except StoreUnavailable as error:
                log.warning("outbox not emptied", error=str(error))
                await asyncio.sleep(TRY_AGAIN)


def runs(entries: Iterable[OutboxEntry]) -> list[tuple[int, int]]:
    """The numbers of these, as runs of numbers without a gap: the first and the last of each."""
    found: list[tuple[int, int]] = []
    for number in sorted(entry.number for entry in entries):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def with_epoch(message: bytes, epoch: int) -> bytes:
    """The JSON of a message that has no epoch, with this one.

    Put in as text: to read the message and to write it again took longer than all else that is
    done to publish it.
    """
    return b'%b,"epoch":%d}' % (message[:-1], epoch)
