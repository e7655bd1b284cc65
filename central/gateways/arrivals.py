"""What has come by `ev.up`: records made messages, each with the connection that it came by."""

from dataclasses import dataclass
from functools import lru_cache

from common.codec import decoder
from common.connection import HEADER, Connection
from common.dispatch import Peer
from common.errors import BadMessage, Reason
from common.gateway_messages import NodeAlive
from common.logs import Wiretap
from common.messages import CommandResponse, Message
from common.protocol import CENTRAL, DOWN, GATEWAY, UP, key_of
from common.stream import Record


@dataclass(slots=True)
class Arrival:
    """A message that has come, and where from."""

    record: Record
    message: Message
    peer: Peer

    @property
    def whose(self) -> str:
        """The record's key: the charge point, or the gateway, that it is about."""
        assert self.record.key is not None  # read
        return self.record.key

    @property
    def connection(self) -> Connection:
        """The one it came by."""
        assert self.peer.connection is not None  # read
        return self.peer.connection


class Arrivals:
    """Reads records of `ev.up`."""

    def __init__(self) -> None:
        self._decoder = decoder(GATEWAY, CENTRAL, UP)
        self._wire = Wiretap()

    def read(self, record: Record) -> Arrival:
        """The message of a record.

        Raises:
            BadMessage: It is none, or its key or its connection is missing or another one's.
        """
        message = self._decoder.decode(record.value)
        if record.key is None or record.key != _whose(message, record.key):
            text = "no key" if record.key_bytes is None else "another one's key"
            raise BadMessage(Reason.INVALID_MESSAGE, f"the record has {text}", message.message_id)
        connection = connection_of(record)
        if connection is None or (isinstance(message, NodeAlive) and connection.node != record.key):
            text = f"the record has no header `{HEADER}`, or a wrong one"
            raise BadMessage(Reason.INVALID_MESSAGE, text, message.message_id)
        peer = Peer(role=GATEWAY, id=record.key, transport=UP.name, connection=connection)
        if self._wire.on:
            self._wire.seen("received", message, str(peer))
        return Arrival(record, message, peer)


def connection_of(record: Record) -> Connection | None:
    """The connection that a record's header names, if there can be one."""
    return _read(record.header(HEADER))


def _whose(message: Message, key: str) -> str | None:
    """The key that the record of this message must have."""
    if isinstance(message, NodeAlive):
        return message.node
    if isinstance(message, CommandResponse):
        return key  # it names no charge point; its command does
    return key_of(UP, message)


@lru_cache(maxsize=65_536)
def _read(header: bytes | None) -> Connection | None:
    connection = Connection.of(header)
    return connection if connection and connection.partition < DOWN.partitions else None
