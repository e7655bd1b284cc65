"""What waits for Kafka: readings and tickets, in the order in which the engine wrote them.

At most `MAX_READINGS` readings wait; at the limit the oldest goes, because readings are cumulative.
Of a session's ticket one copy is here at a time, and at the limit of tickets a further one is not
taken: the engine keeps it, and is asked for it again once there is room. At most `WINDOW` records
are with the publisher without its acknowledgement; one that failed waits again, in its old place.
"""

from bisect import insort
from dataclasses import dataclass

from common.messages import ChargeCompletion, ChargingData

MAX_READINGS = 1_000
"""Readings, the unacknowledged ones included: a quarter of an hour of one connector."""

MAX_TICKETS = 1_000
"""Sessions whose ticket is here: more than an engine sends between two lists of central's."""

WINDOW = 100
"""Records with the publisher: what a point with 100 connectors says in a second."""


@dataclass(frozen=True, slots=True, order=True)
class Record:
    """A reading or a ticket; `number` is its place among all."""

    number: int
    message: ChargingData | ChargeCompletion


class Buffer:
    """Records between the engine and Kafka.

    Attributes:
        dropped: Readings that went unsent, in all.
        turned_away: Unix seconds when the first charge ended whose ticket was not taken for lack of
            room; None if there is none.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.turned_away: int | None = None
        self._number = 0
        self._waiting: list[Record] = []
        self._sent: dict[int, Record] = {}
        self._readings = 0
        self._tickets: set[str] = set()

    def __len__(self) -> int:
        """How many are here: waiting, or sent and not acknowledged."""
        return len(self._waiting) + len(self._sent)

    def add(self, message: ChargingData | ChargeCompletion) -> bool:
        """Take a message; False if it is a ticket that is here already, or one too many."""
        if isinstance(message, ChargeCompletion):
            if message.session_id in self._tickets:
                return False
            if len(self._tickets) >= MAX_TICKETS:
                self._turn_away(message)
                return False
            self._tickets.add(message.session_id)
        else:
            self._readings += 1
        self._number += 1
        self._waiting.append(Record(self._number, message))
        self._shed()
        return True

    @property
    def has_room(self) -> bool:
        """Whether half of the tickets that may be here would still fit."""
        return len(self._tickets) <= MAX_TICKETS // 2

    def next(self) -> Record | None:
        """The record to send now; None if nothing waits or the window is full."""
        if not self._waiting or len(self._sent) >= WINDOW:
            return None
        record = self._waiting.pop(0)
        self._sent[record.number] = record
        return record

    def done(self, record: Record) -> None:
        """Kafka has acknowledged this record."""
        del self._sent[record.number]
        self._forget(record)

    def failed(self, record: Record) -> None:
        """The publisher gave this record up: it waits again."""
        del self._sent[record.number]
        insort(self._waiting, record)

    def _turn_away(self, ticket: ChargeCompletion) -> None:
        ended_at = ticket.ended_at or 0
        known = self.turned_away
        self.turned_away = ended_at if known is None else min(known, ended_at)

    def _shed(self) -> None:
        if self._readings <= MAX_READINGS:
            return
        for place, record in enumerate(self._waiting):
            if isinstance(record.message, ChargingData):
                del self._waiting[place]
                self._forget(record)
                self.dropped += 1
                return

    def _forget(self, record: Record) -> None:
        if isinstance(record.message, ChargeCompletion):
            self._tickets.discard(record.message.session_id)
        else:
            self._readings -= 1
