"""A loop, a network and processes to try them with."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sim.clocks import Machine
from sim.connection import End
from sim.loop import SimulatedLoop
from sim.network import Network
from sim.process import Process


@dataclass(slots=True)
class Lab:
    """A simulation with nothing in it yet."""

    loop: SimulatedLoop = field(default_factory=lambda: SimulatedLoop(_fail))
    doomed: list[Process] = field(default_factory=list)

    def process(self, name: str, *, rate: float = 1.0) -> Process:
        """A process on a machine of its own."""
        return Process(Machine(name, rate), self.loop.resume, self.doomed.append, self.loop.now)

    def network(self, said: list[bytes] | None = None) -> Network:
        """A network on this loop."""

        def hear(_: End, data: bytes) -> None:
            if said is not None:
                said.append(data)

        self.loop.network = Network(self.loop, Random(1), hear, lambda end, data: None)
        return self.loop.network


def _fail(process: Process | None, context: dict[str, Any]) -> None:
    raise AssertionError(f"{process}: {context}")


class Ear(asyncio.Protocol):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.heard = b""
        self.cuts = 0
        self.lost: list[Exception | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.cuts += 1

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.append(error)

    def say(self, data: bytes) -> None:
        """Write this."""
        assert self.transport is not None
        self.transport.write(data)


def connected(lab: Lab, near: Process, far: Process) -> tuple[Ear, Ear]:
    """Both ends of a connection from one process to another."""
    network, dialled, accepted = lab.loop.network, Ear(), Ear()

    async def listen() -> None:
        port = network.bind(0, (far.machine.name, 1))
        end, _ = await network.accept(port)
        network.accepted(lambda: accepted, end)

    async def dial() -> None:
        await network.dial(near, lambda: dialled, far.machine.name, 1)

    lab.loop.begin(far, listen())
    lab.loop.run_until(lab.loop.now + 0.1)
    lab.loop.begin(near, dial())
    lab.loop.run_until(lab.loop.now + 1.0)
    assert dialled.transport is not None
    return dialled, accepted
