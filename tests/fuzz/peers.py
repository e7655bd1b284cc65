"""Each program's own handlers, with nobody but a fuzzer at the other end of a real link."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import uvloop
from structlog.testing import capture_logs

from admin import app as admin_app
from admin.handlers import Handlers as AdminHandlers
from common.clock import SystemClock
from common.codec import decoder
from common.dispatch import Dispatcher
from common.errors import BadMessage, Reason
from common.exchange import MAX_FAULTS
from common.framing import MAX_DATA, FrameDecoder, frame
from common.link import Link
from common.messages import AuthRequest, ErrorResponse, Message, RegisterRequest, Request, Role
from common.metrics.exporter import Exporter
from common.program import Address
from common.units import Watts
from driver.client import Client
from driver.handlers import Handlers as DriverHandlers
from driver.screen import Screen
from driver.watch import Watch
from engine import app as engine_app
from monitor import app as monitor_app
from tests.central.parts import serving
from tests.engine.fakes import MemoryDisk
from tests.monitor.fakes import FakePublisher

ANSWERED_WITHIN = 12.0
"""Seconds in which every request is answered, whatever it waits for."""

MAY_CLOSE = (AuthRequest, RegisterRequest, ErrorResponse)
"""Messages after which a program may close the link: they say who is there."""

Connect = Callable[[], Any]
"""Makes the program's end of a link; returns ours, a socket."""


@dataclass
class Victim:
    """A program's end of a link.

    Attributes:
        role: What it is.
        peer: What the fuzzer plays.
        connect: Makes a link, and gives the fuzzer's end.
        hello: What is said first, so that it knows who is there.
    """

    role: Role
    peer: Role
    connect: Connect
    hello: dict[str, Any] | None = None


@dataclass
class Heard:
    """What came back.

    Attributes:
        answers: The documents, in order.
        closed: Whether the program closed the link.
    """

    answers: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False


class Wire:
    """The fuzzer's end of a link."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._frames = FrameDecoder()
        self.heard = Heard()

    async def send(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self._connection, data)
        except OSError:
            self.heard.closed = True

    async def until(self, enough: Callable[[Heard], bool]) -> Heard:
        """Read until that is enough, or the link is closed.

        Raises:
            TimeoutError: It never was.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWERED_WITHIN):
            while not enough(self.heard) and not self.heard.closed:
                try:
                    data = await loop.sock_recv(self._connection, 1 << 16)
                except OSError:
                    data = b""
                self.heard.closed = not data
                for item in self._frames.feed(data):
                    assert isinstance(item, bytes), f"no frame of ours: {item}"
                    self.heard.answers.append(json.loads(item))
        return self.heard

    def close(self) -> None:
        self._connection.close()


async def assault(victim: Victim, contents: list[bytes]) -> None:
    """Send these as frames, and check what comes back against what the protocol owes them."""
    wire = Wire(await victim.connect())
    with capture_logs() as logs:
        try:
            if victim.hello is not None:
                await wire.send(frame(json.dumps(victim.hello).encode()))
                await wire.until(lambda heard: bool(heard.answers))
                wire.heard.answers.clear()
            await _check(victim, wire, contents)
        finally:
            wire.close()
    defects = [line for line in logs if line["event"] in ("handler failed", "answer too long")]
    assert not defects, defects


async def _check(victim: Victim, wire: Wire, contents: list[bytes]) -> None:
    owed: Counter[str] = Counter()  # answers, by message_id
    errors: Counter[str] = Counter()  # of which error_response, by reason
    take, in_a_row, may_close = decoder(victim.peer, victim.role), 0, False
    for given in contents:
        content = given.translate(None, b"\x02\x03")[:MAX_DATA]  # else it is other frames
        await wire.send(frame(content))
        try:
            message = take.decode(content)
        except BadMessage as bad:
            errors[bad.reason] += 1
            owed[bad.message_id or "?"] += 1
            in_a_row = in_a_row + 1 if bad.reason is Reason.BAD_FRAME else 0
            if in_a_row == MAX_FAULTS:
                break
        else:
            in_a_row = 0
            may_close |= isinstance(message, MAY_CLOSE)
            if isinstance(message, Request):
                owed[message.message_id] += 1
    given_up = in_a_row == MAX_FAULTS
    if not given_up:  # what is no message is answered in any case
        await wire.send(frame(b'{"type":"the end","message_id":"the end"}'))
        owed["the end"] += 1
        errors[Reason.UNSUPPORTED_MESSAGE] += 1
    heard = await wire.until(lambda heard: _paid(heard, owed))
    if heard.closed:
        assert given_up or may_close, "it closed the link"
        return
    found = Counter(a["error"] for a in heard.answers if a["type"] == "error_response")
    assert found["internal"] == 0, heard.answers
    for reason, count in errors.items():
        assert found[reason] >= count, (reason, heard.answers)


def _paid(heard: Heard, owed: Counter[str]) -> bool:
    known = [a["message_id"] if a["message_id"] in owed else "?" for a in heard.answers]
    return not owed - Counter(known)


# -- The programs --


class Assaults:
    """All programs, each in a loop of their own that lives for as long as this."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._stack = AsyncExitStack()
        self._folder = folder
        self.victims: dict[str, Victim] = {}

    def __enter__(self) -> "Assaults":
        self._runner.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def run(self, name: str, contents: list[bytes]) -> None:
        """One assault."""
        self._runner.run(assault(self.victims[name], contents))

    async def _open(self) -> None:
        self._add("engine from monitor", Role.MONITOR, engine(), Role.ENGINE)
        watching = monitor()
        self._add("monitor from engine", Role.ENGINE, watching, Role.MONITOR)
        self._add("monitor from central", Role.CENTRAL, watching, Role.MONITOR)
        self._add("driver from central", Role.CENTRAL, driver(), Role.DRIVER)
        self._add("admin from central", Role.CENTRAL, admin(), Role.ADMIN)
        connect = await self._stack.enter_async_context(central(self._folder))
        for role, hello in HELLOS.items():
            self.victims[f"central from {role}"] = Victim(Role.CENTRAL, role, connect, hello)

    def _add(self, name: str, peer: Role, dispatcher: Dispatcher, role: Role) -> None:
        async def connect() -> socket.socket:
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.create_connection(
                lambda: Link(role, dispatcher, SystemClock(), peer_role=peer), sock=theirs
            )
            return ours

        self.victims[name] = Victim(role, peer, connect)


HELLOS: dict[Role, dict[str, Any]] = {
    Role.MONITOR: {"type": "register_request", "message_id": "hello", "cp_id": "A-1"},
    Role.DRIVER: {
        "type": "available_cps_request",
        "message_id": "hello",
        "driver_id": "A-1",
        "limit": 1,
    },
    Role.ADMIN: {"type": "points_request", "message_id": "hello", "limit": 1},
}


def engine() -> Dispatcher:
    clock = SystemClock()
    settings = engine_app.Settings(
        cp_id="A-1",
        listen=Address("127.0.0.1", 0),
        journal=Path("nowhere"),
        power=Watts(11_000),
        connectors=2,
        auto_plug=False,
        monitor_grace=5,
        time_scale=1,
    )
    exporter = Exporter(Role.ENGINE, clock, on=False)
    return engine_app.Engine(settings, clock, MemoryDisk(), exporter)._dispatcher


def monitor() -> Dispatcher:
    clock = SystemClock()
    settings = monitor_app.Settings("A-1", Address("127.0.0.1", 1), (Address("127.0.0.1", 1),), ())
    exporter = Exporter(Role.MONITOR, clock, on=False)
    return monitor_app.Monitor(settings, FakePublisher(), clock, exporter)._dispatcher


def driver() -> Dispatcher:
    clock = SystemClock()

    async def post(message: Message) -> None:
        raise AssertionError("nothing is asked here")

    client = Client("A-1", (Address("127.0.0.1", 1),), post, clock)
    return Dispatcher(Role.DRIVER, DriverHandlers(client, Watch(clock), Screen(clock)))


def admin() -> Dispatcher:
    client = admin_app.Settings((Address("127.0.0.1", 1),)).client()
    return Dispatcher(Role.ADMIN, AdminHandlers(client))


@asynccontextmanager
async def central(folder: Path) -> AsyncIterator[Connect]:
    async with serving(folder) as parts:
        where = parts.central.listener.host, parts.central.listener.port

        async def connect() -> socket.socket:
            ours = socket.socket()
            ours.setblocking(False)
            await asyncio.get_running_loop().sock_connect(ours, cast(Any, where))
            return ours

        yield connect
