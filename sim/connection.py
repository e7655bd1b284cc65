"""A connection: its two ends, and the port that one of them was made at.

An end is what a program's protocol writes to and is told by. What is written goes to the network,
which brings it to the other end, or does not.
"""

import asyncio
import errno
import os
from collections import deque
from typing import TYPE_CHECKING, Any

from sim.process import Process

if TYPE_CHECKING:
    from sim.network import Network

SOCKET_BUFFER = 1 << 16
"""Bytes that the machines take from a program before they stay with it."""


class Port:
    """Where a process listens."""

    def __init__(self, network: "Network", process: Process, where: tuple[str, int]) -> None:
        self.where = where
        self.process = process
        self.backlog: deque[End] = deque()
        self.waiter: asyncio.Future[None] | None = None
        self._network = network

    def getsockname(self) -> tuple[str, int]:
        """Where it is."""
        return self.where

    def close(self) -> None:
        """Listen no more; who waits to be accepted is refused."""
        self._network.unbind(self)


class End(asyncio.Transport):
    """One end of a connection.

    Attributes:
        process: Whose end it is.
        peer: The other end.
        label: Who writes to whom, for the chronicle.
    """

    peer: "End"

    def __init__(self, network: "Network", process: Process) -> None:
        super().__init__()
        self.process = process
        self.label = ""
        self.dropped = False
        self._network = network
        self._protocol: asyncio.Protocol | None = None
        self._inbox: deque[bytes | None] = deque()
        self._held: list[bytes | None] = []
        self._due = 0.0
        self._unread = 0
        self._high = SOCKET_BUFFER
        self._is_reading = True
        self._is_full = False
        self._closing = False
        self._ended = False
        self._error: Exception | None = None

    # -- What a program does with it --

    def start(self, protocol: asyncio.Protocol) -> None:
        """Hand over to the program."""
        self._protocol = protocol
        protocol.connection_made(self)
        if self._ended:  # before anybody was there to be told
            protocol.connection_lost(self._error)
        else:
            self._read()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or self.dropped or not self.process.alive:
            return
        self._unread += len(data)
        self._network.said(self, bytes(data))
        if not self._is_full and self.get_write_buffer_size() > self._high:
            self._is_full = True
            assert self._protocol is not None
            self._protocol.pause_writing()

    def close(self) -> None:
        if self._closing or not self.process.alive:
            return
        self._closing = True
        self._network.carry(self, None)
        if not self.get_write_buffer_size():
            self._end_soon(None)

    def abort(self) -> None:
        if not self.process.alive or self._ended:
            return
        self._closing = True
        self._network.reset(self)
        self._end_soon(None)

    def is_closing(self) -> bool:
        return self._closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.peer.process.machine.name, 0) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = SOCKET_BUFFER if high is None else high

    def get_write_buffer_size(self) -> int:
        return max(0, self._unread - SOCKET_BUFFER)

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._network.loop.call_soon(self._read)

    # What `Listener` does with a socket that was accepted.

    def setsockopt(self, *_: object) -> None:
        """Nothing of that kind matters here."""

    # -- What the network does with it --

    def next_due(self, soonest: float) -> float:
        """When what is written now arrives: not before what was written earlier."""
        self._due = max(self._due, soonest)
        return self._due

    def hold(self, data: bytes | None) -> None:
        """It cannot get through now."""
        self._held.append(data)

    def take_held(self) -> list[bytes | None]:
        """What could not get through so far."""
        held, self._held = self._held, []
        return held

    @property
    def holds(self) -> bool:
        """Whether something written here could not get through yet."""
        return bool(self._held)

    def arrived(self, data: bytes | None) -> None:
        """Something has arrived; None is the end of it. Runs as the process that reads it."""
        self._inbox.append(data)
        if self._is_reading:
            self._read()

    def reset_by_peer(self) -> None:
        """The other machine says that there is no such connection."""
        if not self._ended:
            self._closing = True
            self._end(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))

    def _read(self) -> None:
        while self._inbox and self._is_reading and self._protocol is not None and not self._ended:
            data = self._inbox.popleft()
            if data is None:
                if not self._closing:
                    self._closing = True
                    self._end(None)
                return
            self.peer.was_read(min(len(data), self.peer.unread))
            if not self._closing:
                self._network.on_heard(self, data)
                self._protocol.data_received(data)

    @property
    def unread(self) -> int:
        """Bytes that were written here and not read by the other end."""
        return self._unread

    def was_read(self, size: int) -> None:
        """The other end has read so much of what was written here."""
        self._unread -= size
        if not self.process.alive or self._ended:
            return
        if self._closing and not self.get_write_buffer_size():
            self._end_soon(None)
        elif self._is_full and self.get_write_buffer_size() <= self._high // 4:
            self._is_full = False
            self._network.loop.do(self.process, 0, self._resume_writing)

    def _resume_writing(self) -> None:
        if self._protocol is not None and not self._ended:
            self._protocol.resume_writing()

    def _end_soon(self, error: Exception | None) -> None:
        self._network.loop.do(self.process, 0, self._end, error)

    def _end(self, error: Exception | None) -> None:
        if self._ended:
            return
        self._ended, self._error = True, error
        self._network.forget(self)
        if self._protocol is not None:
            self._protocol.connection_lost(error)
