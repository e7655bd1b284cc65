"""A central that is played: it answers drivers as it is told to, and keeps all that came."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from msgspec.structs import replace

from common.codec import decoder, encode
from common.framing import Fault, FrameDecoder, frame
from common.messages import (
    AuthRequest,
    AuthResponse,
    AvailableCpsRequest,
    AvailableCpsResponse,
    AvailablePoint,
    ChargeRequest,
    ChargeRequestResponse,
    ChargingHistoryRequest,
    ChargingHistoryResponse,
    ClientHeartbeatRequest,
    HeartbeatResponse,
    Message,
    Outcome,
    Role,
    SessionRow,
    StopChargingRequest,
    StopChargingResponse,
)
from common.program import Address
from common.states import EndReason, SessionState, Status
from common.units import Price, WattHours, Watts, cost

M = TypeVar("M", bound=Message)

SUCCESS = Outcome.SUCCESS
FAILURE = Outcome.FAILURE
PRICE = Price.parse("0.35")

Handle = Callable[[Message], Message | None]


def row(
    session_id: str = "S-1",
    cp_id: str = "CP-1",
    state: SessionState = SessionState.CHARGING,
    energy: str = "1.000",
    reason: EndReason | None = None,
) -> SessionRow:
    """A row of the history, with what does not matter filled in."""
    kwh = WattHours.parse(energy)
    return SessionRow(
        session_id=session_id,
        cp_id=cp_id,
        connector_id=1,
        state=state,
        started_at=1_700_000_000,
        ended_at=1_700_000_060 if state is SessionState.COMPLETED else None,
        energy_consumed_kwh=kwh,
        price_per_kwh=PRICE,
        total_cost=cost(kwh, PRICE),
        currency="EUR",
        reason=reason,
        estimated=False,
        revision=1 if state is SessionState.COMPLETED else 0,
    )


def point(cp_id: str = "CP-1") -> AvailablePoint:
    """An available point."""
    return AvailablePoint(
        cp_id=cp_id,
        location="Main street 1",
        price_per_kwh=PRICE,
        currency="EUR",
        max_charging_rate_kw=Watts(11_000),
        status=Status.AVAILABLE,
    )


class PlayedCentral:
    """Listens on a port of its own choice, and answers by `handles`.

    A session begins with each new charge request, and has its ticket at once, over `energy`. With
    `moving` it is each look at the history that moves it on: it charges, then it is completed.
    With `lasting` it charges until it is ended.

    Attributes:
        received: All that came, in order.
        handles: What answers which message; None answers nothing. Replace them at will.
        sessions: The history, newest first.
        page: Rows on a page.
        moving: Whether it is looks at the history that move a session on.
        lasting: Whether a session lasts until it is ended.
    """

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.sessions: list[SessionRow] = []
        self.points: list[AvailablePoint] = [point()]
        self.page = 100
        self.moving = False
        self.lasting = False
        self.energy = "2.000"
        self.handles: dict[type[Message], Handle] = {}
        self.handle(AuthRequest, lambda _: AuthResponse(status=SUCCESS))
        self.handle(ClientHeartbeatRequest, lambda _: HeartbeatResponse(status=SUCCESS))
        self.handle(ChargeRequest, self.charge)
        self.handle(StopChargingRequest, self.stop)
        self.handle(ChargingHistoryRequest, self._history)
        self.handle(AvailableCpsRequest, self._available)
        self._remembered: dict[str, ChargeRequestResponse] = {}
        self._news = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.address = Address("127.0.0.1", 0)

    def handle(self, message: type[M], handle: Callable[[M], Message | None]) -> None:
        """Answer this kind of message so from now on."""
        self.handles[message] = handle  # type: ignore[assignment]  # the key is its type

    async def open(self) -> None:
        """Listen; after the first time on the same port."""
        self._server = await asyncio.start_server(self._serve, self.address.host, self.address.port)
        self.address = Address("127.0.0.1", self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more, and cut every link."""
        if self._server is None:
            return
        self._server.close()
        self.cut()
        await self._server.wait_closed()
        self._server = None

    def cut(self) -> None:
        """Cut every link."""
        for writer in self._writers:
            writer.transport.abort()

    async def until(self, message: type[M], count: int = 1) -> list[M]:
        """Wait until that many of them have come, and return them all."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.all(message)) >= count)
        return self.all(message)

    def all(self, message: type[M]) -> list[M]:
        """All of this kind that came so far."""
        return [m for m in self.received if isinstance(m, message)]

    # -- How it answers if it is told nothing else --

    def charge(self, request: ChargeRequest) -> ChargeRequestResponse:
        """Begin a session; the same request gets the same answer."""
        if request.message_id not in self._remembered:
            session_id = f"S-{len(self._remembered) + 1}"
            self.sessions.insert(0, row(session_id, request.cp_id, SessionState.AUTHORISED, "0"))
            if not (self.moving or self.lasting):
                self.end(session_id, EndReason.TARGET_REACHED)
            self._remembered[request.message_id] = ChargeRequestResponse(
                status=SUCCESS, session_id=session_id, cp_id=request.cp_id, connector_id=1
            )
        return self._remembered[request.message_id]

    def stop(self, request: StopChargingRequest) -> StopChargingResponse:
        """End the session."""
        self.end(request.session_id, EndReason.DRIVER_REQUEST)
        return StopChargingResponse(status=SUCCESS)

    def end(self, session_id: str, reason: EndReason) -> None:
        """The session's ticket is committed."""
        for index, session in enumerate(self.sessions):
            if session.session_id == session_id:
                self.sessions[index] = row(
                    session_id, session.cp_id, SessionState.COMPLETED, self.energy, reason
                )

    def _history(self, request: ChargingHistoryRequest) -> ChargingHistoryResponse:
        begin = int(request.after or 0)
        end = begin + self.page
        answer = ChargingHistoryResponse(
            status=SUCCESS,
            sessions=tuple(self.sessions[begin:end]),
            next=str(end) if end < len(self.sessions) else None,
        )
        if self.moving:
            self._move_on()
        return answer

    def _move_on(self) -> None:
        for index, session in enumerate(self.sessions):
            if session.state is SessionState.AUTHORISED:
                self.sessions[index] = row(session.session_id, session.cp_id)
            elif session.state is SessionState.CHARGING:
                self.end(session.session_id, EndReason.TARGET_REACHED)

    def _available(self, request: AvailableCpsRequest) -> AvailableCpsResponse:
        begin = int(request.after or 0)
        end = begin + self.page
        return AvailableCpsResponse(
            status=SUCCESS,
            charging_points=tuple(self.points[begin:end]),
            next=str(end) if end < len(self.points) else None,
        )

    # -- The socket --

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = FrameDecoder()
        self._writers.add(writer)
        try:
            while data := await reader.read(65_536):
                for item in frames.feed(data):
                    assert not isinstance(item, Fault), item
                    message = decoder(Role.DRIVER, Role.CENTRAL).decode(item)
                    await self._take(message, writer)
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _take(self, message: Message, writer: asyncio.StreamWriter) -> None:
        self.received.append(message)
        answer = self.handles[type(message)](message)
        if answer is not None:
            stamped = replace(answer, message_id=answer.message_id or message.message_id)
            writer.write(frame(encode(stamped)))
            await writer.drain()
        async with self._news:
            self._news.notify_all()


@asynccontextmanager
async def played_central() -> AsyncIterator[PlayedCentral]:
    """A central that listens until the end of the block."""
    central = PlayedCentral()
    await central.open()
    try:
        yield central
    finally:
        await central.close()
