"""Connections between processes, and all that can happen to them.

Theory of operation. A connection is two ends; what one writes reaches the other in order, after a
while, cut anywhere. A path is one direction between two machines. Where it is blocked nothing gets
through, and TCP keeps what was sent until it is open again. A process that is killed leaves its
connections to its machine, which closes them; a machine that loses its power closes nothing, and
the other end learns of it by what it sends after that machine is back, if at all.

A `write` is when something was said: whoever wants to know what was said listens there.
"""

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sim.loop import SimulatedLoop
from sim.process import Process

SOCKET_BUFFER = 1 << 16
"""Bytes that the machines take from a program before they stay with it."""

RETRY = 1.0
"""Seconds between two tries to connect to a machine that does not answer."""

SPLIT = 0.05
"""How often what was written in one go arrives in two."""

Heard = Callable[["End", bytes], None]


@dataclass(slots=True)
class Path:
    """One direction between two machines.

    Attributes:
        latency: Seconds that a byte takes at least; up to twice as long, as it happens.
        blocked: Nothing gets through.
    """

    latency: float
    blocked: bool = False


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
        self._held: list[tuple[float, bytes | None]] = []
        self._due = 0.0
        self._unread = 0
        self._high = SOCKET_BUFFER
        self._is_reading = True
        self._is_full = False
        self._closing = False
        self._ended = False

    # -- What a program does with it --

    def start(self, protocol: asyncio.Protocol) -> None:
        """Hand over to the program."""
        self._protocol = protocol
        protocol.connection_made(self)
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
        self._held.append((0.0, data))

    def take_held(self) -> list[bytes | None]:
        """What could not get through so far."""
        held, self._held = self._held, []
        return [data for _, data in held]

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
        self._ended = True
        self._network.forget(self)
        if self._protocol is not None:
            self._protocol.connection_lost(error)


class Network:
    """All machines' ports and connections.

    Args:
        on_said: Told of all that is written, as it is written.
        on_heard: Told of all that is read, before it is.
    """

    def __init__(
        self, loop: SimulatedLoop, random: Random, on_said: Heard, on_heard: Heard
    ) -> None:
        self.loop = loop
        self._random = random
        self._on_said = on_said
        self.on_heard = on_heard
        self._ports: dict[tuple[str, int], Port] = {}
        self._paths: dict[tuple[str, str], Path] = {}
        self._ends: dict[End, None] = {}
        self._dark: set[str] = set()

    # -- Programs --

    def bind(self, _family: int, address: Sequence[Any]) -> Port:
        """Listen there; in place of a real socket."""
        process = self.loop.process
        assert process is not None
        where = (process.machine.name, int(address[1]))
        if where in self._ports:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        port = self._ports[where] = Port(self, process, where)
        process.deaths.append(port.close)
        return port

    def unbind(self, port: Port) -> None:
        """Nobody listens there any more."""
        if self._ports.get(port.where) is port:
            del self._ports[port.where]
        while port.backlog:
            self._refuse(port.backlog.popleft())

    async def accept(self, port: Port) -> tuple[End, tuple[str, int]]:
        """The next connection to this port."""
        while not port.backlog:
            port.waiter = self.loop.create_future()
            await port.waiter
        end = port.backlog.popleft()
        return end, (end.peer.process.machine.name, 0)

    def accepted(
        self, make: Callable[[], asyncio.BaseProtocol], end: End
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """Hand a connection over to the program that accepted it."""
        protocol = make()
        assert isinstance(protocol, asyncio.Protocol)
        end.start(protocol)
        return end, protocol

    async def dial(
        self, process: Process, make: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """Connect; waits for a machine that does not answer."""
        here = process.machine.name
        while self._is_cut(here, host):  # noqa: ASYNC110 -- as TCP does
            await asyncio.sleep(RETRY)
        await asyncio.sleep(self._takes(here, host))
        listening = self._ports.get((host, port))
        if listening is None or host in self._dark:
            await asyncio.sleep(self._takes(host, here))
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        near = self._connect(process, listening)
        try:
            await asyncio.sleep(self._takes(host, here))
        except asyncio.CancelledError:
            near.abort()
            raise
        protocol = make()
        assert isinstance(protocol, asyncio.Protocol)
        near.start(protocol)
        return near, protocol

    def _connect(self, process: Process, port: Port) -> End:
        near, far = End(self, process), End(self, port.process)
        near.peer, far.peer = far, near
        near.label = f"{process} → {port.process}"
        far.label = f"{port.process} → {process}"
        self._ends[near] = self._ends[far] = None
        port.backlog.append(far)
        if port.waiter is not None and not port.waiter.done():
            waiter = port.waiter
            self.loop.do(port.process, 0, _let_go, waiter)
        return near

    # -- Bytes --

    def said(self, end: End, data: bytes) -> None:
        """A program has written this."""
        self._on_said(end, data)
        if len(data) > 1 and self._random.random() < SPLIT:
            cut = self._random.randrange(1, len(data))
            self.carry(end, data[:cut])
            self.carry(end, data[cut:])
        else:
            self.carry(end, data)

    def carry(self, end: End, data: bytes | None) -> None:
        """Take this to the other end; None is the end of what is written."""
        here, there = end.process.machine.name, end.peer.process.machine.name
        if end.holds or self.path(here, there).blocked or here in self._dark:
            end.hold(data)
            return
        due = end.next_due(self.loop.now + self._takes(here, there))
        self.loop.do(None, due - self.loop.now, self._arrive, end.peer, data)

    def _arrive(self, end: End, data: bytes | None) -> None:
        if end.process.machine.name in self._dark:
            return
        if not end.process.alive:
            self._reset(end)  # its machine knows of no such connection
        elif end in self._ends:
            self.loop.do(end.process, 0, end.arrived, data)

    def reset(self, end: End) -> None:
        """Tell the other end that this connection is no more."""
        here, there = end.process.machine.name, end.peer.process.machine.name
        if not self.path(here, there).blocked and here not in self._dark:
            due = end.next_due(self.loop.now + self._takes(here, there))
            self.loop.do(None, due - self.loop.now, self._reset_arrives, end.peer)

    _reset = reset

    def _reset_arrives(self, end: End) -> None:
        if end.process.alive and end in self._ends:
            self.loop.do(end.process, 0, end.reset_by_peer)

    def _refuse(self, end: End) -> None:
        self._ends.pop(end, None)
        self.reset(end)

    def forget(self, end: End) -> None:
        """This end is no more."""
        self._ends.pop(end, None)

    def path(self, here: str, there: str) -> Path:
        """The direction from the one machine to the other."""
        found = self._paths.get((here, there))
        if found is None:
            found = self._paths[here, there] = Path(self._random.uniform(0.0002, 0.004))
        return found

    def _takes(self, here: str, there: str) -> float:
        return self.path(here, there).latency * (1.0 + self._random.random())

    def _is_cut(self, here: str, there: str) -> bool:
        return (
            there in self._dark or self.path(here, there).blocked or self.path(there, here).blocked
        )

    # -- Faults --

    def forge(self, process: Process, kind: str, message: bytes) -> bool:
        """Let a process hear this from a peer of this kind; False if it is linked to none."""
        for end in self._ends:
            if end.process is process and end.peer.process.machine.name.startswith(kind):
                lrc = 0
                for byte in message:
                    lrc ^= byte
                frame = b"\x02%b\x03%c" % (message, lrc)
                self.loop.do(process, 0, end.arrived, frame)
                return True
        return False

    def block(self, here: str, there: str) -> None:
        """Nothing gets through in this direction any more."""
        self.path(here, there).blocked = True

    def open(self, here: str, there: str) -> None:
        """It is as it was; what was held gets through now."""
        self.path(here, there).blocked = False
        for end in list(self._ends):
            way = (end.process.machine.name, end.peer.process.machine.name)
            if way == (here, there) and end.holds:
                for data in end.take_held():
                    self.carry(end, data)

    def killed(self, process: Process) -> None:
        """A process is no more; its machine closes its connections."""
        for end in [each for each in self._ends if each.process is process]:
            self.forget(end)
            self.reset(end)

    def went_dark(self, process: Process) -> None:
        """The machine of this process is without power: it says nothing to anybody."""
        self._dark.add(process.machine.name)
        for end in [each for each in self._ends if each.process is process]:
            self.forget(end)

    def lit(self, machine: str) -> None:
        """It is back."""
        self._dark.discard(machine)

    def cut(self, here: str, there: str) -> None:
        """Break every connection between two machines, at both ends."""
        for end in list(self._ends):
            way = (end.process.machine.name, end.peer.process.machine.name)
            if way in ((here, there), (there, here)):
                self._reset_arrives(end)


def _let_go(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
