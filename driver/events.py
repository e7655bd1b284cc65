"""What central tells this driver by Kafka, and requests to central the same way.

The driver reads only the partition that its id hashes to, from its end on: what was before is in
the history. It drops what is not its own, and what a central says that leads no more. Kafka is
joined when it is first needed, so that a question that TCP answers costs no connection to it.
"""

import asyncio

import structlog

from common import proof
from common.clock import Clock
from common.codec import decoder, encode
from common.dispatch import Dispatcher, Peer
from common.epochs import HEADER, Epochs
from common.errors import BadMessage
from common.logs import Wiretap
from common.messages import Message, Role
from common.protocol import DRIVER_EVENTS, DRIVER_REQUESTS
from common.stream import Headers, KafkaSettings, Publisher, Record, Subscription

log = structlog.get_logger()

MAX_DIGITS = 16
"""Digits of an epoch."""

GIVE_UP_AFTER = 10.0
"""Seconds after which a request that Kafka did not take is dropped: it is asked again then."""


class Events:
    """One driver's share of the two topics.

    Attributes:
        key: Proves that a request is this driver's; None where that need not be proved.
    """

    def __init__(
        self, settings: KafkaSettings, driver_id: str, clock: Clock, *, key: bytes | None = None
    ) -> None:
        self.key = key
        self._settings = settings
        self._driver_id = driver_id
        self._wanted = asyncio.Event()
        self._joined = asyncio.Event()
        self._publisher: Publisher | None = None
        self._records: Subscription | None = None
        self._decoder = decoder(Role.CENTRAL, Role.DRIVER, DRIVER_EVENTS)
        self._clock = clock
        self._epochs = Epochs()
        self._wire = Wiretap()

    @property
    def following(self) -> bool:
        """Whether what central tells would be heard now, as far as is known."""
        return self._records is not None and self._records.healthy

    def start(self) -> None:
        """Join Kafka, if that has not been begun yet."""
        self._wanted.set()

    async def run(self, dispatcher: Dispatcher) -> None:
        """Once started, dispatch what comes, until cancelled."""
        await self._wanted.wait()
        records = Subscription(
            self._settings, DRIVER_EVENTS, group=None, start="end", key=self._driver_id
        )
        async with records, Publisher(self._settings, give_up_after=GIVE_UP_AFTER) as publisher:
            self._records, self._publisher = records, publisher
            self._joined.set()
            async for batch in records:
                for record in batch:
                    self._take(record, dispatcher)

    async def post(self, request: Message) -> None:
        """Send a request, as soon as its answer would be heard; return when Kafka has it.

        Raises:
            NotDelivered: Kafka did not take it in time.

        Cancelling is safe; the request may still be sent.
        """
        self.start()
        await self._joined.wait()
        assert self._publisher is not None
        self._wire.seen("sent", request, f"central ? by {DRIVER_REQUESTS}")
        value = encode(request)
        headers: Headers | None = None
        if self.key is not None:
            headers = {proof.HEADER: proof.proof_of(self.key, value)}
        await self._publisher.publish(DRIVER_REQUESTS, self._driver_id, value, headers)

    def _take(self, record: Record, dispatcher: Dispatcher) -> None:
        if record.key != self._driver_id:
            return
        try:
            message = self._decoder.decode(record.value)
        except BadMessage as bad:
            log.warning("bad record", topic=record.topic, reason=bad.reason, text=bad.text)
            return
        if not self._epochs.believes(_epoch_of(message, record), self._clock.monotonic()):
            log.warning("record of a central that leads no more", message_id=message.message_id)
            return
        peer = Peer(role=Role.CENTRAL, transport=DRIVER_EVENTS.name)
        self._wire.seen("received", message, str(peer))
        dispatcher.dispatch(message, peer)


def _epoch_of(message: Message, record: Record) -> int | None:
    """The epoch of the central that says this: in the message, or beside an answer."""
    epoch = getattr(message, "epoch", None)
    if isinstance(epoch, int):
        return epoch
    beside = record.header(HEADER)
    return int(beside) if beside is not None and _is_epoch(beside) else None


def _is_epoch(text: bytes) -> bool:
    return text.isdigit() and len(text) <= MAX_DIGITS
