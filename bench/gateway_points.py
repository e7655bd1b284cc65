"""Charge points that cost little: OCPP-J over picows, thousands in one process.

Each has one call in flight at most, as OCPP demands, and checks that each answer is its own.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from itertools import cycle

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

SUBPROTOCOL = {"Sec-WebSocket-Protocol": "ocpp1.6"}

HANDSHAKES = 200
"""Connections that a process opens at once."""

OPEN_WITHIN = 60.0

READ_BUFFER = 1024
"""Bytes of each connection: what comes to a charge point is short."""

METER_VALUES = (
    b'"MeterValues",{"connectorId":1,"transactionId":4711,"meterValue":[{"timestamp":'
    b'"2026-01-01T00:00:00.000Z","sampledValue":['
    b'{"value":"15432","measurand":"Energy.Active.Import.Register","unit":"Wh"},'
    b'{"value":"7400.5","measurand":"Power.Active.Import","unit":"W"},'
    b'{"value":"32.1","measurand":"Current.Import","unit":"A","phase":"L1"},'
    b'{"value":"230.4","measurand":"Voltage","unit":"V","phase":"L1-N"}]}]}'
)
HEARTBEAT = b'"Heartbeat",{}'
BOOT = b'"BootNotification",{"chargePointVendor":"Bench","chargePointModel":"Load"}'
AVAILABLE = b'"StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}'


class Point(WSListener):
    """A charge point's connection.

    Args:
        on_call: Called with a call from the central system, its id and its arrival in monotonic
            seconds; it is answered with `Accepted`.

    Attributes:
        answered, wrong: Answers to its calls; those that were no CALLRESULT of the open call.
    """

    def __init__(self, cp_id: str, on_call: Callable[[bytes, float], None] | None = None) -> None:
        self.cp_id = cp_id
        self.answered = 0
        self.wrong = 0
        self.is_open = False
        self._transport: WSTransport | None = None
        self._on_call = on_call
        self._number = 0
        self._expected = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._then: Callable[[], None] | None = None
        self.on_lost: Callable[[Point], None] | None = None

    async def dial(self, url: str, source: str | None = None) -> None:
        """Connect.

        Raises:
            OSError, WSError: It is not let in; a later attempt may be.
        """
        await ws_connect(
            lambda: self,
            f"{url}/ocpp/{self.cp_id}",
            extra_headers=SUBPROTOCOL,
            enable_auto_ping=False,
            websocket_handshake_timeout=OPEN_WITHIN,
            read_buffer_init_size=READ_BUFFER,
            local_addr=(source, 0) if source else None,
        )

    def on_ws_connected(self, transport: WSTransport) -> None:
        """It is open."""
        self._transport = transport
        self.is_open = True

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It is closed; whoever waits for an answer is told."""
        self.is_open = False
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("closed"))
        if self.on_lost is not None:
            self.on_lost(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """An answer, or a call."""
        if frame.msg_type is not WSMsgType.TEXT:
            if frame.msg_type is WSMsgType.CLOSE:
                transport.disconnect()
            return
        data = frame.get_payload_as_bytes()
        if data.startswith(self._expected):
            self.answered += 1
        elif data.startswith(b"[2,"):
            self._called(data)
            return
        else:
            self.wrong += 1
        if self._then is not None:
            self._then()
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(data)

    def _called(self, data: bytes) -> None:
        message_id = data.split(b'"', 2)[1]
        if self._on_call is not None:
            self._on_call(message_id, time.monotonic())
        assert self._transport is not None
        self._transport.send(WSMsgType.TEXT, b'[3,"%s",{"status":"Accepted"}]' % message_id)

    def send(self, call: bytes) -> None:
        """Make a call: its action and payload."""
        self._number += 1
        if self._transport is None:
            return
        self._expected = b'[3,"%d",' % self._number
        self._transport.send(WSMsgType.TEXT, b'[2,"%d",%s]' % (self._number, call))

    async def ask(self, call: bytes) -> bytes:
        """The answer to a call.

        Raises:
            ConnectionError: The connection went.
        """
        if not self.is_open:
            raise ConnectionError("closed")
        self._then = None
        self._answer = asyncio.get_running_loop().create_future()
        self.send(call)
        return await self._answer

    def repeat(self, call: bytes) -> None:
        """Make this call again whenever it is answered."""
        self._then = lambda: self.send(call)
        self.send(call)

    def close(self) -> None:
        """Close the connection."""
        self.on_lost = None
        if self._transport is not None:
            self._transport.disconnect()


async def all_dialled(
    points: Sequence[Point], urls: Sequence[str], sources: Sequence[str] = ()
) -> None:
    """Connect all of them, so many at once; who is turned away comes again."""
    turns = asyncio.Semaphore(HANDSHAKES)
    where, whence = cycle(urls), cycle(sources or [""])

    async def dial(point: Point, source: str) -> None:
        async with turns:
            while True:
                try:
                    return await point.dial(next(where), source or None)
                except Exception:
                    await asyncio.sleep(random.uniform(0.5, 1.5))

    async with asyncio.TaskGroup() as tasks:
        for point in points:
            tasks.create_task(dial(point, next(whence)))


async def all_booted(points: Sequence[Point]) -> None:
    """Let all of them say that they have started, and that they are free."""
    turns = asyncio.Semaphore(HANDSHAKES)

    async def boot(point: Point) -> None:
        async with turns:
            for call in (BOOT, AVAILABLE):
                answer = await point.ask(call)
                assert answer.startswith(b"[3,"), answer

    async with asyncio.TaskGroup() as tasks:
        for point in points:
            tasks.create_task(boot(point))
