"""What central answers by `ev.down`: each to the gateway of the connection that asked."""

import asyncio
from contextlib import suppress

from msgspec.structs import replace

from central.gateways.arrivals import Arrival, connection_of
from common.clock import Clock
from common.codec import encode
from common.connection import HEADER, Connection
from common.epochs import HEADER as EPOCH
from common.errors import BadMessage, Reason, Refused
from common.exchange import stamped
from common.logs import Wiretap
from common.messages import ErrorResponse, Message, Request
from common.protocol import DOWN
from common.stream import Publisher, Record


class Replies:
    """Publishes answers.

    Args:
        epoch: Of this central's leadership.
    """

    def __init__(self, publisher: Publisher, clock: Clock, epoch: int) -> None:
        self._publisher = publisher
        self._clock = clock
        self._epoch = epoch
        self._wire = Wiretap()

    def answer(self, arrival: Arrival, answer: Message) -> "asyncio.Future[None]":
        """Answer a request; done when Kafka has acknowledged that.

        Raises:
            Refused: Kafka is slow, and takes no more now.
        """
        whole = stamped(answer, self._clock, answering=arrival.message)
        return self._publish(arrival.connection, arrival.whose, whole)

    def fault(self, record: Record, error: Exception, arrival: Arrival | None) -> None:
        """Tell who asked by this record, if anybody did, that it cannot be handled.

        Args:
            arrival: Its message, where it could be read.
        """
        told, asked = ErrorResponse(error=Reason.INTERNAL), ""
        if isinstance(error, BadMessage):
            asked = error.message_id or ""
            told = ErrorResponse(error=error.reason, message=error.text[:1000])
        if arrival is not None:
            asked = arrival.message.message_id if isinstance(arrival.message, Request) else ""
        connection = connection_of(record)
        if asked and connection is not None:
            whole = stamped(replace(told, message_id=asked, trace_id=asked), self._clock)
            with suppress(Refused):  # its gateway notices that no answer comes
                self._publish(connection, record.key, whole)

    def _publish(
        self, connection: Connection, key: str | None, message: Message
    ) -> "asyncio.Future[None]":
        headers: dict[str, str | bytes | None] = {
            HEADER: connection.header(),
            EPOCH: str(self._epoch),
        }
        published = self._publisher.publish(
            DOWN, key, encode(message), headers, partition=connection.partition
        )
        if self._wire.on:
            self._wire.seen("sent", message, f"gateway {connection.node} by {DOWN}")
        return published
