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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sim.connection import End, Port
from sim.loop import SimulatedLoop
from sim.process import Process

RETRY = 1.0
"""Seconds between two tries to connect to a machine that does not answer."""

SPLIT = 0.05
"""How often what was written in one go arrives in two."""

Heard = Callable[[End, bytes], None]


@dataclass(slots=True)
class Path:
    """One direction between two machines.

    Attributes:
        usual: Seconds that a byte takes at least; up to twice as long, as it happens.
        latency: The same, as it is now.
        blocked: Nothing gets through.
    """

    usual: float
    latency: float
    blocked: bool = False


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
            self.reset(end)  # its machine knows of no such connection
        elif end in self._ends:
            self.loop.do(end.process, 0, end.arrived, data)

    def reset(self, end: End) -> None:
        """Tell the other end that this connection is no more."""
        here, there = end.process.machine.name, end.peer.process.machine.name
        if not self.path(here, there).blocked and here not in self._dark:
            due = end.next_due(self.loop.now + self._takes(here, there))
            self.loop.do(None, due - self.loop.now, self._reset_arrives, end.peer)

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
            usual = self._random.uniform(0.0002, 0.004)
            found = self._paths[here, there] = Path(usual, usual)
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
