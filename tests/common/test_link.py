"""Links over loopback: asking, telling, deadlines, faults, and how a link ends."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, assert_type

import pytest
import uvloop
from structlog.testing import capture_logs

from common import link as module
from common.clock import SystemClock
from common.dispatch import Dispatcher, Peer
from common.errors import CannotStart, FrameTooLong, LinkLost, NoAnswer, Reason, Refused
from common.exchange import to_frame
from common.framing import FrameDecoder, frame
from common.link import Link
from common.listen import Listener
from common.messages import (
    AuthRequest,
    AuthResponse,
    ChargeRequest,
    ChargingData,
    ClientHeartbeatRequest,
    ErrorResponse,
    HealthCheckRequest,
    HealthCheckResponse,
    HeartbeatRequest,
    Message,
    Outcome,
    PointsRequest,
    RegisterRequest,
    ReportSessionsCommand,
    Role,
)
from common.protocol import DEADLINES
from common.units import WattHours
from tests.common.complete import Method, Seen, dispatcher, typed
from tests.common.strategies import as_json, sample

CENTRAL, MONITOR, ENGINE, DRIVER, ADMIN, ANYONE, GATEWAY = Role

SOON = 5.0
"""Seconds in which anything on one machine is there; longer is a failure."""

HEALTH = HealthCheckRequest(cp_id="A")
READING = ChargingData(cp_id="A", session_id="s", energy_consumed_kwh=WattHours(1))


async def eventually(condition: Callable[[], object]) -> None:
    """Return as soon as it holds."""
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110 -- sockets set no events
            await asyncio.sleep(0.001)


class Ends:
    """Both ends of a link between an engine that listens and a monitor that dials."""

    def __init__(self, engine: Link, monitor: Link, at_engine: Seen, at_monitor: Seen) -> None:
        self.engine = engine
        self.monitor = monitor
        self.at_engine = at_engine
        self.at_monitor = at_monitor


@asynccontextmanager
async def ends(**engine_handlers: Method | None) -> AsyncIterator[Ends]:
    """A link, whose engine handles some messages by these methods."""
    to_engine, at_engine = dispatcher(ENGINE, **engine_handlers)
    to_monitor, at_monitor = dispatcher(MONITOR)
    async with listening(ENGINE, to_engine, peer_role=MONITOR) as listener:
        monitor = await dial(listener, MONITOR, to_monitor, peer_role=ENGINE)
        await eventually(lambda: listener.links)
        (engine,) = listener.links
        yield Ends(engine, monitor, at_engine, at_monitor)
        monitor.close()
        await monitor.closed
    await to_engine.settle(0)


@asynccontextmanager
async def listening(
    me: Role, handlers: Dispatcher, *, peer_role: Role | None, patience: float | None = None
) -> AsyncIterator[Listener]:
    """Somebody who accepts links."""

    def make_link(listener: Listener) -> Link:
        link = Link(
            me,
            handlers,
            SystemClock(),
            peer_role=peer_role,
            opened=listener.links.add,
            gone=listener.links.discard,
        )
        link.patience = patience
        return link

    listener = Listener(make_link)
    await listener.open("127.0.0.1", 0)
    try:
        yield listener
    finally:
        await listener.close()
        await asyncio.sleep(0)


async def dial(
    listener: Listener, me: Role, handlers: Dispatcher, *, peer_role: Role | None
) -> Link:
    """The dialler's end of a new link."""
    loop = asyncio.get_running_loop()
    link = Link(me, handlers, SystemClock(), peer_role=peer_role)
    await loop.create_connection(lambda: link, listener.host, listener.port)
    return link


class Raw:
    """A peer that speaks bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = FrameDecoder()
        self.inbox: list[dict[str, Any]] = []

    def write(self, *parts: bytes | Message) -> None:
        for part in parts:
            self._writer.write(to_frame(part) if isinstance(part, Message) else part)

    async def read(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(SOON):
            while not self.inbox:
                data = await self._reader.read(65_536)
                assert data, "closed"
                self._take(data)
        return self.inbox.pop(0)

    async def rest(self) -> list[dict[str, Any]]:
        """All that comes until the other side closes."""
        async with asyncio.timeout(SOON):
            while data := await self._reader.read(65_536):
                self._take(data)
        return self.inbox

    def _take(self, data: bytes) -> None:
        items = list(self._frames.feed(data))
        self.inbox += [json.loads(item) for item in items if isinstance(item, bytes)]
        assert len(self.inbox) >= len(items), items


@asynccontextmanager
async def raw_peer(
    peer_role: Role | None = None, *, patience: float | None = None, **handlers: Method | None
) -> AsyncIterator[tuple[Raw, Listener, Seen]]:
    """A raw peer at central's port; without a role central does not know yet whose link it is."""
    to_central, at_central = dispatcher(CENTRAL, **handlers)
    async with listening(CENTRAL, to_central, peer_role=peer_role, patience=patience) as listener:
        reader, writer = await asyncio.open_connection(listener.host, listener.port)
        await eventually(lambda: listener.links)
        try:
            yield Raw(reader, writer), listener, at_central
        finally:
            writer.close()
            await to_central.settle(0)


def waits_for(event: asyncio.Event) -> Method:
    """A health check that is answered when something happens."""

    async def slowly(self: Seen, message: Message, peer: Peer) -> HealthCheckResponse:
        self.messages.append(message)
        await event.wait()
        return HealthCheckResponse(status=Outcome.SUCCESS, engine_status="available")

    return typed(slowly, takes=HealthCheckRequest, returns=HealthCheckResponse)


def refuses(error: Exception) -> Method:
    """A health check that is refused."""

    def no(self: Seen, message: Message, peer: Peer) -> HealthCheckResponse:
        raise error

    return typed(no, takes=HealthCheckRequest, returns=HealthCheckResponse)


# ---- Asking and telling -----------------------------------------------------------------------


async def test_a_request_is_answered_and_the_answer_is_typed_by_it() -> None:
    """`ask` gives what the request's type says, to people and to mypy."""
    async with ends() as link:
        answer = await link.monitor.ask(HEALTH)
        assert_type(answer, HealthCheckResponse)
        assert answer.status == "success"


async def test_both_ends_may_ask_at_once_and_are_not_mixed_up() -> None:
    """Many requests in flight in both directions, each with its own answer."""
    async with ends() as link:
        asked = [link.monitor.ask(HEALTH) for _ in range(50)]
        back = [link.engine.ask(ChargeRequest(cp_id="A", driver_id="D")) for _ in range(50)]
        answers = await asyncio.gather(*asked, *back)
        assert {type(answer).__name__ for answer in answers} == {
            "HealthCheckResponse",
            "ChargeRequestResponse",
        }
        assert len({answer.message_id for answer in answers}) == 100


async def test_an_answer_carries_the_requests_id_and_trace() -> None:
    """So that one search finds both in every log."""
    async with ends() as link:
        asked = HealthCheckRequest(message_id="m-1", trace_id="t-1", cp_id="A")
        answer = await link.monitor.ask(asked)
        assert (answer.message_id, answer.trace_id) == ("m-1", "t-1")
        assert answer.timestamp > 1_700_000_000


async def test_what_is_told_is_handled_in_order() -> None:
    """Without an answer."""
    async with ends() as link:
        for sequence in range(1, 101):
            link.engine.tell(
                ChargingData(
                    cp_id="A",
                    session_id="s",
                    sequence=sequence,
                    energy_consumed_kwh=WattHours(sequence),
                )
            )
        await eventually(lambda: len(link.at_monitor.messages) == 100)
        sequences = [getattr(message, "sequence", None) for message in link.at_monitor.messages]
        assert sequences == list(range(1, 101))
        assert link.at_monitor.peers[0].role is ENGINE
        assert link.at_monitor.peers[0].link is link.monitor


async def test_a_refusal_is_raised_at_who_asked() -> None:
    """With the reason that the handler gave, and the answer that carried it."""
    no = refuses(Refused(Reason.CHARGE_POINT_FAULTED, "KO"))
    async with ends(HealthCheckRequest=no) as link:
        with pytest.raises(Refused) as refused:
            await link.monitor.ask(HEALTH)
        assert (refused.value.reason, refused.value.text) == ("charge_point_faulted", "KO")
        assert isinstance(refused.value.answer, HealthCheckResponse)


async def test_a_bug_at_the_peer_is_raised_as_internal() -> None:
    """And the link lives."""
    async with ends(HealthCheckRequest=refuses(KeyError("secret"))) as link:
        with pytest.raises(Refused, match=r"^internal$"):
            await link.monitor.ask(HEALTH)
        assert not link.monitor.is_closing


async def test_a_deadline_ends_the_wait_and_the_late_answer_is_handled() -> None:
    """`NoAnswer` in time; the answer that comes later goes to its handler, not only to the log."""
    event = asyncio.Event()
    async with ends(HealthCheckRequest=waits_for(event)) as link:
        with pytest.raises(NoAnswer, match=r"within 0\.01 s$"):
            await link.monitor.ask(HEALTH, within=0.01)
        assert not link.at_monitor.messages
        event.set()
        await eventually(lambda: link.at_monitor.messages)
        assert isinstance(link.at_monitor.messages[0], HealthCheckResponse)


async def test_a_deadline_is_the_protocols_if_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That of who asks and who answers."""
    monkeypatch.setitem(DEADLINES, (MONITOR, ENGINE), 0.01)
    async with ends(HealthCheckRequest=waits_for(asyncio.Event())) as link:
        with pytest.raises(NoAnswer):
            await link.monitor.ask(HEALTH)


async def test_a_cancelled_wait_leaves_its_answer_to_the_handler() -> None:
    """Cancelling is safe."""
    event = asyncio.Event()
    async with ends(HealthCheckRequest=waits_for(event)) as link:
        wait = asyncio.create_task(link.monitor.ask(HEALTH))
        await eventually(lambda: link.at_engine.messages)
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
        event.set()
        await eventually(lambda: link.at_monitor.messages)


async def test_a_slow_handler_holds_up_nobody() -> None:
    """While one request waits, others are answered."""
    event = asyncio.Event()
    async with ends(HealthCheckRequest=waits_for(event)) as link:
        slow = asyncio.create_task(link.monitor.ask(HEALTH))
        await eventually(lambda: link.at_engine.messages)
        command = ReportSessionsCommand(cp_id="A", session_ids=())
        assert (await link.monitor.ask(command)).status == "success"
        assert not slow.done()
        event.set()
        await slow


async def test_an_error_response_goes_to_its_handler_and_is_not_answered() -> None:
    """When no request waits for its id."""
    async with ends() as link:
        link.engine.tell(ErrorResponse(error=Reason.OVERLOADED))
        await eventually(lambda: link.at_monitor.messages)
        assert isinstance(link.at_monitor.messages[0], ErrorResponse)
        await link.monitor.ask(HEALTH)
        assert [type(m) for m in link.at_engine.messages] == [HealthCheckRequest]


async def test_what_fits_no_frame_is_not_sent() -> None:
    """The asker is told, and the link lives."""
    async with ends() as link:
        many = ReportSessionsCommand(cp_id="A", session_ids=("\x01" * 64,) * 300)
        with pytest.raises(FrameTooLong):
            await link.monitor.ask(many)
        assert (await link.monitor.ask(HEALTH)).status == "success"


async def test_an_answer_that_fits_no_frame_becomes_internal() -> None:
    """Who asked is not left waiting."""

    def long(self: Seen, message: Message, peer: Peer) -> HealthCheckResponse:
        sessions = ("\x01" * 64,) * 300
        return HealthCheckResponse(status=Outcome.SUCCESS, held_sessions=sessions)

    method = typed(long, takes=HealthCheckRequest, returns=HealthCheckResponse)
    async with ends(HealthCheckRequest=method) as link:
        with pytest.raises(Refused, match=r"^internal$"):
            await link.monitor.ask(HEALTH, within=SOON)


# ---- Limits -----------------------------------------------------------------------------------


async def test_a_link_with_too_much_in_work_is_overloaded() -> None:
    """A further request that would wait is refused at once; the others are answered."""
    assert module.MAX_IN_WORK == 32
    event = asyncio.Event()
    async with ends(HealthCheckRequest=waits_for(event)) as link:
        asked = [asyncio.create_task(link.monitor.ask(HEALTH)) for _ in range(module.MAX_IN_WORK)]
        await eventually(lambda: len(link.at_engine.messages) == module.MAX_IN_WORK)
        with pytest.raises(Refused, match=r"^overloaded$"):
            await link.monitor.ask(HEALTH)
        event.set()
        assert {(await answer).status for answer in asked} == {"success"}
        assert (await link.monitor.ask(HEALTH)).status == "success"


async def test_what_is_done_at_once_is_never_overloaded() -> None:
    """Nor is what has no answer: only a request that may wait takes a place."""
    event = asyncio.Event()
    async with ends(HealthCheckRequest=waits_for(event)) as link:
        asked = [asyncio.create_task(link.monitor.ask(HEALTH)) for _ in range(module.MAX_IN_WORK)]
        await eventually(lambda: len(link.at_engine.messages) == module.MAX_IN_WORK)
        command = ReportSessionsCommand(cp_id="A", session_ids=())
        assert (await link.monitor.ask(command)).status == "success"
        link.monitor.tell(ErrorResponse(error=Reason.OVERLOADED))
        await eventually(lambda: isinstance(link.at_engine.messages[-1], ErrorResponse))
        event.set()
        await asyncio.gather(*asked)


async def test_all_links_together_have_a_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many links that each keep their own are still bounded."""
    assert module.MAX_IN_WORK_IN_ALL == 10_000
    monkeypatch.setattr(module, "MAX_IN_WORK_IN_ALL", 3)
    event = asyncio.Event()
    to_engine, at_engine = dispatcher(ENGINE, HealthCheckRequest=waits_for(event))
    to_monitor, _ = dispatcher(MONITOR)
    async with listening(ENGINE, to_engine, peer_role=MONITOR) as listener:
        links = [await dial(listener, MONITOR, to_monitor, peer_role=ENGINE) for _ in range(4)]
        asked = [asyncio.create_task(link.ask(HEALTH)) for link in links[:3]]
        await eventually(lambda: len(at_engine.messages) == 3)
        with pytest.raises(Refused, match=r"^overloaded$"):
            await links[3].ask(HEALTH)
        event.set()
        await asyncio.gather(*asked)
        assert (await links[3].ask(HEALTH)).status == "success"


# ---- How a link ends --------------------------------------------------------------------------


async def test_when_the_link_goes_who_waits_is_told() -> None:
    """At once, not at the deadline; and so is who asks or tells after that."""
    async with ends(HealthCheckRequest=waits_for(asyncio.Event())) as link:
        wait = asyncio.create_task(link.monitor.ask(HEALTH))
        await eventually(lambda: link.at_engine.messages)
        link.engine.close()
        with pytest.raises(LinkLost, match="closed by the peer"):
            await asyncio.wait_for(wait, SOON)
        assert await link.monitor.closed == "closed by the peer"
        assert await link.engine.closed == "closed by us"
        for end in (link.monitor, link.engine):
            assert end.is_closing
            with pytest.raises(LinkLost):
                end.tell(READING)
        with pytest.raises(LinkLost):
            await link.monitor.ask(HEALTH)


async def test_a_handlers_work_outlives_its_link() -> None:
    """What was begun is finished; only its answer goes nowhere."""
    event, finished = asyncio.Event(), asyncio.Event()

    async def slowly(self: Seen, message: Message, peer: Peer) -> HealthCheckResponse:
        self.messages.append(message)
        await event.wait()
        finished.set()
        return HealthCheckResponse(status=Outcome.SUCCESS)

    slow = typed(slowly, takes=HealthCheckRequest, returns=HealthCheckResponse)
    async with ends(HealthCheckRequest=slow) as link:
        wait = asyncio.create_task(link.monitor.ask(HEALTH))
        await eventually(lambda: link.at_engine.messages)
        link.monitor.close()
        await link.engine.closed
        event.set()
        await asyncio.wait_for(finished.wait(), SOON)
        with pytest.raises(LinkLost):
            await wait


async def test_closing_tells_why_and_is_idempotent() -> None:
    """The reason is the last frame; closing again changes nothing."""
    async with ends() as link:
        link.engine.close(ErrorResponse(error=Reason.REPLACED))
        link.engine.close(ErrorResponse(error=Reason.INTERNAL))
        link.engine.close()
        await link.monitor.closed
        (told,) = link.at_monitor.messages
        assert isinstance(told, ErrorResponse)
        assert told.error == "replaced"
        assert await link.engine.closed == link.engine.why == "closed by us: replaced"
        link.engine.close()


async def test_what_is_owed_is_written_before_a_link_closes() -> None:
    """Told, then closed: the peer has all of it."""
    async with ends() as link:
        for _ in range(1_000):
            link.engine.tell(READING)
        link.engine.close()
        await link.monitor.closed
        assert len(link.at_monitor.messages) == 1_000


async def test_a_slow_reader_is_closed() -> None:
    """Over a mebibyte waits for it: no more is kept, and it is told nothing more."""
    async with raw_peer(ADMIN) as (raw, listener, _):
        (link,) = listener.links
        raw._writer.transport.pause_reading()  # type: ignore[attr-defined]
        long = ErrorResponse(error=Reason.OVERLOADED, message="x" * 900)
        while not link.is_closing:
            link.tell(long)
        with pytest.raises(LinkLost, match="does not read"):
            link.tell(long)
        assert await asyncio.wait_for(link.closed, SOON) == "closed by us: it does not read"


async def test_telling_more_waits_until_the_peer_has_read() -> None:
    """Who tells much paces itself by `drained`, and nobody is closed."""
    async with raw_peer(ADMIN) as (raw, listener, _):
        (link,) = listener.links
        transport = raw._writer.transport
        transport.pause_reading()  # type: ignore[attr-defined]
        told = 0
        while link._drained.is_set():
            link.tell(ErrorResponse(error=Reason.OVERLOADED, message="x" * 900))
            told += 1
        waiting = asyncio.ensure_future(link.drained())
        transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(told):
            await raw.read()
        await asyncio.wait_for(waiting, SOON)
        assert not link.is_closing


async def test_who_floods_and_does_not_read_is_closed_without_an_error() -> None:
    """In the middle of the bytes that would be complained about: nothing is told after it."""
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    async with raw_peer(ADMIN) as (raw, listener, _):
        (link,) = listener.links
        raw._writer.transport.pause_reading()  # type: ignore[attr-defined]
        while not link.closed.done():
            raw.write(frame(b'{"type":"x"}') * 1_000)
            await asyncio.sleep(0)
        assert await link.closed == "closed by us: it does not read"
    assert errors == []


async def test_a_peer_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits for it only so long."""
    monkeypatch.setattr(module, "MAX_UNSENT", 1 << 30)
    monkeypatch.setattr(module, "LINGER", 0.05)
    async with raw_peer(ADMIN) as (raw, listener, _):
        (link,) = listener.links
        raw._writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(20_000):
            link.tell(ErrorResponse(error=Reason.OVERLOADED, message="x" * 900))
        link.close()
        assert not link.closed.done()
        await asyncio.wait_for(link.closed, SOON)


async def test_a_link_that_breaks_says_so() -> None:
    """As when the other machine resets it."""
    async with ends() as link:
        link.engine.connection_lost(ConnectionResetError("reset"))
        assert await link.engine.closed == "connection lost: reset"
        link.engine.connection_lost(None)


async def test_a_handler_that_closes_the_link_is_the_last_one() -> None:
    """Messages behind it, in the same bytes, are not handled any more."""

    def shut(self: Seen, message: Message, peer: Peer) -> None:
        self.messages.append(message)
        assert peer.link is not None
        peer.link.close()

    async with raw_peer(DRIVER, ErrorResponse=typed(shut, takes=ErrorResponse, returns=None)) as (
        raw,
        _,
        seen,
    ):
        error = sample(ErrorResponse)
        raw.write(to_frame(error) * 3)
        assert await raw.rest() == []
        assert list(seen.messages) == [error]


async def test_an_answer_over_a_link_that_its_handler_closed_goes_nowhere() -> None:
    """At once or later; nothing is raised for it."""

    def shut(self: Seen, message: Message, peer: Peer) -> HealthCheckResponse:
        assert peer.link is not None
        peer.link.close()
        return HealthCheckResponse(status=Outcome.SUCCESS)

    method = typed(shut, takes=HealthCheckRequest, returns=HealthCheckResponse)
    async with ends(HealthCheckRequest=method) as link:
        with pytest.raises(LinkLost):
            await link.monitor.ask(HEALTH)
        assert await link.engine.closed == "closed by us"


# ---- Silence ----------------------------------------------------------------------------------


async def test_silence_closes_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its patience without a byte."""
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    async with raw_peer(DRIVER, patience=0.05) as (raw, listener, _):
        (link,) = listener.links
        assert await raw.rest() == []
        assert (await link.closed).startswith("silent for 0.")


async def test_what_came_while_we_stood_still_is_read_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If it was us who were busy, the peer is not to blame: it has a moment more to be heard."""
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(module, "READ_FIRST", 0.5)
    async with raw_peer(DRIVER, patience=60) as (raw, listener, _):
        (link,) = listener.links
        link._heard_at -= 100
        before = link._heard_at
        await asyncio.sleep(0.1)
        raw.write(b"\x02")
        await eventually(lambda: link._heard_at > before + 90)
        await asyncio.sleep(0.6)
        assert not link.is_closing


async def test_any_byte_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience counts from the last one; without patience nothing is too long."""
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    async with raw_peer(DRIVER, patience=60) as (raw, listener, _):
        (link,) = listener.links
        link._heard_at -= 50  # seconds of silence
        before = link._heard_at
        raw.write(b"\x02")
        await eventually(lambda: link._heard_at > before + 40)
        link.patience = None
        link._heard_at -= 1_000
        await asyncio.sleep(0.05)
        assert not link.is_closing


# ---- Who is it --------------------------------------------------------------------------------


async def test_a_link_that_does_not_say_who_it_is_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In time, whatever else it says."""
    assert module.IDENTIFY_WITHIN == 5
    monkeypatch.setattr(module, "IDENTIFY_WITHIN", 0.05)
    async with raw_peer() as (raw, listener, _):
        (link,) = listener.links
        raw.write(sample(ErrorResponse))
        assert await raw.rest() == []
        assert await link.closed == "did not say who it is within 0.05 s"


async def test_a_link_that_said_who_it_is_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is for the first message only."""
    monkeypatch.setattr(module, "IDENTIFY_WITHIN", 0.5)
    async with raw_peer() as (raw, listener, _):
        raw.write(sample(PointsRequest))
        assert (await raw.read())["type"] == "points_response"
        await asyncio.sleep(0.6)
        (link,) = listener.links
        assert not link.is_closing


@pytest.mark.parametrize(
    ("first", "role"),
    [
        (sample(RegisterRequest), MONITOR),
        (sample(PointsRequest), ADMIN),
        (AuthRequest(message_id="m", role=DRIVER, driver_id="D"), DRIVER),
    ],
    ids=["register", "points", "auth"],
)
async def test_the_first_message_says_whose_link_it_is(first: Message, role: Role) -> None:
    """It is handled as that role's, and what follows in the same bytes is read as such."""
    async with raw_peer() as (raw, listener, seen):
        follows = {
            MONITOR: sample(HeartbeatRequest),
            DRIVER: sample(ClientHeartbeatRequest),
            ADMIN: sample(ClientHeartbeatRequest),
        }[role]
        raw.write(first, follows)
        assert (await raw.read())["status"] == "success"
        assert (await raw.read())["type"] == "heartbeat_response"
        assert list(seen.messages) == [first, follows]
        assert [peer.role for peer in seen.peers] == [role, role]
        (link,) = listener.links
        assert link.peer.role is role
        assert str(link) == f"{role} ? by tcp"


async def test_nothing_else_may_come_first() -> None:
    """A heartbeat, or what another role would say, is unsupported; the link waits for more."""
    async with raw_peer() as (raw, _, seen):
        raw.write(sample(ClientHeartbeatRequest), sample(HeartbeatRequest), READING_FRAME)
        for _ in range(3):
            assert (await raw.read())["error"] == "unsupported_message"
        raw.write(sample(RegisterRequest))
        assert (await raw.read())["type"] == "register_response"
        assert len(seen.messages) == 1


READING_FRAME = frame(b'{"type":"charging_data","message_id":"m"}')


@pytest.mark.parametrize("role", [CENTRAL, ENGINE, ANYONE])
async def test_nobody_else_has_a_link_to_central(role: Role) -> None:
    """An `auth_request` that names another role is invalid, and names the field."""
    async with raw_peer() as (raw, listener, seen):
        raw.write(AuthRequest(message_id="m-1", role=role))
        told = await raw.read()
        assert (told["error"], told["message_id"]) == ("invalid_message", "m-1")
        assert told["message"].endswith(" - at `$.role`")
        assert not seen.messages
        (link,) = listener.links
        assert link.peer.role is None


async def test_only_that_roles_messages_are_legal_afterwards() -> None:
    """Another role's are unsupported, and the link lives."""
    async with raw_peer() as (raw, _, _seen):
        raw.write(sample(RegisterRequest), sample(PointsRequest))
        assert (await raw.read())["status"] == "success"
        assert (await raw.read())["error"] == "unsupported_message"
        raw.write(sample(HeartbeatRequest))
        assert (await raw.read())["status"] == "success"


async def test_an_identity_is_kept_once_it_is_known() -> None:
    """`identify` without an id leaves the one that is there."""
    async with raw_peer() as (_, listener, _seen):
        (link,) = listener.links
        link.identify(DRIVER, "D-1")
        link.identify(DRIVER)
        assert str(link) == "driver D-1 by tcp"


# ---- Faults -----------------------------------------------------------------------------------


async def test_each_fault_is_answered_and_the_link_lives() -> None:
    """With the offender's id where it could be read, else with a new one."""
    async with raw_peer(DRIVER) as (raw, listener, _):
        raw.write(b"junk", frame(b"no json"), frame(b'{"type":"x","message_id":"m-1"}'))
        raw.write(frame(b'{"type":"charge_request","message_id":"m-2"}'))
        told = [await raw.read() for _ in range(4)]
        assert [t["type"] for t in told] == ["error_response"] * 4
        assert [t["error"] for t in told] == [
            *("bad_frame", "bad_frame", "unsupported_message", "invalid_message"),
        ]
        assert [t["message_id"] for t in told[2:]] == ["m-1", "m-2"]
        assert len({t["message_id"] for t in told}) == 4
        (link,) = listener.links
        assert link.faults == 2
        raw.write(sample(ClientHeartbeatRequest))
        assert (await raw.read())["status"] == "success"


@pytest.mark.parametrize(
    ("data", "told", "why"),
    [
        (frame(b"x") * 7, ["bad_frame"] * 5, "closed by us: bad_frame"),
        (b"\x02" + b"x" * 70_000, ["too_large"], "closed by us: too_large"),
    ],
    ids=["five faults", "too large"],
)
async def test_who_breaks_the_rules_for_good_is_told_and_closed(
    data: bytes, told: list[str], why: str
) -> None:
    """Five faults in a row, or a frame too large; the link says why it ended."""
    async with raw_peer(DRIVER) as (raw, listener, _):
        (link,) = listener.links
        raw.write(data)
        assert [t["error"] for t in await raw.rest()] == told
        assert await link.closed == why


async def test_a_complaint_is_never_longer_than_a_sentence() -> None:
    """However long the offending value was: the peer must be able to read it."""
    async with raw_peer() as (raw, _, _seen):
        raw.write(frame(as_json({"type": "auth_request", "message_id": "m", "role": "x" * 60_000})))
        told = await raw.read()
        assert told["error"] == "invalid_message"
        assert len(told["message"]) <= 1_000


# ---- Logs -------------------------------------------------------------------------------------


async def test_a_link_logs_each_message_when_asked_to() -> None:
    """In and out, with its ids, at debug level."""
    with capture_logs() as lines:
        async with ends() as link:
            await link.monitor.ask(HealthCheckRequest(message_id="m-1", cp_id="A"))
    wire = [line for line in lines if line.get("type", "").startswith("health_check")]
    assert [(line["event"], line["type"]) for line in wire] == [
        ("sent", "health_check_request"),
        ("received", "health_check_request"),
        ("sent", "health_check_response"),
        ("received", "health_check_response"),
    ]
    assert {line["trace_id"] for line in wire} == {"m-1"}


async def test_a_link_does_not_log_messages_at_other_levels() -> None:
    """Nothing is done for lines that nobody wants."""
    with capture_logs() as lines:
        async with ends() as link:
            for end in (link.engine, link.monitor):
                end._wire.on = False
            await link.monitor.ask(HEALTH)
    assert not [line for line in lines if "type" in line]


# ---- Listening --------------------------------------------------------------------------------


async def test_a_port_in_use_is_one_sentence() -> None:
    """No traceback for the person who started us."""
    with taken_port() as port:
        listener = Listener(lambda _: pytest.fail("accepted"))
        with pytest.raises(CannotStart, match=rf"^cannot listen on 127\.0\.0\.1:{port}: .*in use"):
            await listener.open("127.0.0.1", port)
        await listener.close()


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_a_name_that_nobody_knows_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the resolver's words."""

    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_server", unknown)
    listener = Listener(lambda _: pytest.fail("accepted"))
    with pytest.raises(CannotStart, match=r"^cannot listen on nobody:7000: Name or service not kn"):
        await listener.open("nobody", 7000)


async def test_an_address_of_another_machine_is_one_sentence() -> None:
    """Nobody can listen there."""
    listener = Listener(lambda _: pytest.fail("accepted"))
    with pytest.raises(CannotStart, match=r"^cannot listen on 192\.0\.2\.1:7000: "):
        await listener.open("192.0.2.1", 7000)


async def test_closing_a_listener_closes_its_links() -> None:
    """And returns when they are gone."""
    to_engine, _ = dispatcher(ENGINE)
    to_monitor, _ = dispatcher(MONITOR)
    async with listening(ENGINE, to_engine, peer_role=MONITOR) as listener:
        links = [await dial(listener, MONITOR, to_monitor, peer_role=ENGINE) for _ in range(5)]
        await eventually(lambda: len(listener.links) == 5)
        await listener.close()
        assert not listener.links
        for link in links:
            assert await asyncio.wait_for(link.closed, SOON) == "closed by the peer"


async def test_a_link_over_a_socket_pair_works_too() -> None:
    """Whatever carries the bytes."""
    to_engine, _ = dispatcher(ENGINE)
    to_monitor, _ = dispatcher(MONITOR)
    loop = asyncio.get_running_loop()
    one, other = socket.socketpair()
    engine = Link(ENGINE, to_engine, SystemClock(), peer_role=MONITOR)
    monitor = Link(MONITOR, to_monitor, SystemClock(), peer_role=ENGINE)
    await loop.create_connection(lambda: engine, sock=one)
    await loop.create_connection(lambda: monitor, sock=other)
    assert (await monitor.ask(HEALTH)).status == "success"
    monitor.close()
    await asyncio.gather(engine.closed, monitor.closed)


def test_links_run_on_uvloop() -> None:
    """The loop that programs use."""

    async def talk() -> None:
        async with ends() as link:
            assert (await link.monitor.ask(HEALTH)).status == "success"
        async with raw_peer() as (raw, _, _seen):
            raw.write(AuthRequest(message_id="m", role=DRIVER), b"junk")
            assert (await raw.read())["type"] == "auth_response"
            assert (await raw.read())["error"] == "bad_frame"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(talk())


def test_answers_of_auth_are_typed() -> None:
    """A request of another type has another answer."""

    async def ask(link: Link) -> None:
        assert_type(await link.ask(AuthRequest(role=DRIVER)), AuthResponse)

    assert asyncio.iscoroutinefunction(ask)


async def test_who_did_not_connect_cannot_tell() -> None:
    """A link that has no socket yet is down."""
    to_monitor, _ = dispatcher(MONITOR)
    link = Link(MONITOR, to_monitor, SystemClock(), peer_role=ENGINE)
    link.close()
    with capture_logs(), pytest.raises(LinkLost):
        link.tell(HEALTH)
