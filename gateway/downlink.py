"""What central sends to this node: answers to calls, and commands.

Theory of operation. The node reads one partition of `ev.down`, the one that it leases, from its end
on. A record names the connection that it is for, and a connection that is not open here gets
nothing: an answer was asked for by one that is gone, and of a command central is told. When the
partition changes, the new one is read before the connections are announced with it, so that no
answer falls between.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from common.clock import Clock
from common.codec import decoder
from common.connection import HEADER, Connection
from common.epochs import HEADER as EPOCH_HEADER
from common.epochs import Epochs
from common.errors import BadMessage
from common.logs import Wiretap
from common.messages import CommandOutcome, ErrorResponse, Request, Response
from common.protocol import CENTRAL, DOWN, GATEWAY
from common.stream import Record
from gateway.commands import Commands, response
from gateway.connections import Connections
from gateway.counts import Counts
from gateway.uplink import Uplink

log = structlog.get_logger()

AGAIN_AFTER = 1.0
"""Seconds until a partition is read again after that failed unexpectedly."""

CENTRAL_BY = f"CENTRAL by {DOWN}"


class Reading(Protocol):
    """A subscription that is entered."""

    def __aiter__(self) -> AsyncIterator[list[Record]]: ...


Subscribe = Callable[[int], AbstractAsyncContextManager[Reading]]
"""Reads a partition of `ev.down` from its end on, once entered."""


class Downlink:
    """Reads this node's partition, whichever that is.

    Args:
        announce: Called with the partition once it is read, the first one too.

    Attributes:
        partition: The one that is read; None while none is.
        begun: Set once the first one is.
    """

    def __init__(
        self,
        node: str,
        subscribe: Subscribe,
        connections: Connections,
        uplink: Uplink,
        commands: Commands,
        clock: Clock,
        counts: Counts,
        announce: Callable[[int], None],
    ) -> None:
        self.partition: int | None = None
        self.begun = asyncio.Event()
        self._node = node
        self._subscribe = subscribe
        self._connections = connections
        self._uplink = uplink
        self._commands = commands
        self._clock = clock
        self._counts = counts
        self._announce = announce
        self._epochs = Epochs()
        self._decoder = decoder(CENTRAL, GATEWAY, DOWN)
        self._tap = Wiretap()
        self._wanted: int | None = None
        self._changed = asyncio.Event()

    def read(self, partition: int | None) -> None:
        """Read this partition from now on; None: none."""
        self._wanted = partition
        self._changed.set()

    async def run(self) -> None:
        """Read, for ever."""
        while True:
            self._changed.clear()
            changed = asyncio.ensure_future(self._changed.wait())
            work = asyncio.ensure_future(self._read(self._wanted))
            try:
                await asyncio.wait((changed, work), return_when=asyncio.FIRST_COMPLETED)
                if work.done() and work.exception() is not None:
                    log.error("reading ev.down failed", exc_info=work.exception())
                    await asyncio.sleep(AGAIN_AFTER)
            finally:
                self.partition = None
                changed.cancel()
                work.cancel()
                await asyncio.gather(changed, work, return_exceptions=True)

    async def _read(self, partition: int | None) -> None:
        if partition is None:
            await asyncio.Event().wait()
            return
        async with self._subscribe(partition) as records:
            self.partition = partition
            self._announce(partition)
            self.begun.set()
            async for batch in records:
                for record in batch:
                    self._try_to_take(record)

    def _try_to_take(self, record: Record) -> None:
        try:
            self._take(record)
        except Exception as error:  # a defect must not keep the others from their records
            log.error("a record of ev.down failed", offset=record.offset, exc_info=error)

    def _take(self, record: Record) -> None:
        connection = Connection.of(record.header(HEADER))
        if connection is None or connection.node != self._node:
            self._counts.misdirected += 1  # of a node that had this partition before
            return
        if not self._epochs.believes(_epoch(record), self._clock.monotonic()):
            self._counts.deposed += 1
            return
        try:
            message = self._decoder.decode(record.value)
        except BadMessage as error:
            self._counts.unreadable += 1
            log.warning("a record of ev.down is no message", why=str(error), offset=record.offset)
            return
        self._tap.seen("received", message, CENTRAL_BY)
        if isinstance(message, Response | ErrorResponse):
            self._uplink.settle(message, connection)
            return
        assert isinstance(message, Request), message
        cp_id: str = message.cp_id  # type: ignore[attr-defined]
        link = self._connections.find(cp_id, connection.epoch)
        if link is not None:
            self._commands.order(link, message)
            return
        self._counts.misdirected += 1
        gone = response(message, CommandOutcome.NOT_SENT, message="this connection is gone")
        self._uplink.respond(gone, cp_id, [(HEADER, connection.header())])


def _epoch(record: Record) -> int | None:
    said = record.header(EPOCH_HEADER)
    return int(said) if said is not None and said.isdigit() else None
