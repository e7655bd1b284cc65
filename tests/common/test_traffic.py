"""What links count: every message, refusal, latency and end, and nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from common import link as module
from common.clock import SystemClock
from common.dispatch import Dispatcher, Peer
from common.errors import LinkLost, NoAnswer, Reason, Refused
from common.link import Link
from common.listen import Listener
from common.messages import (
    HeartbeatRequest,
    HeartbeatResponse,
    PointsRequest,
    PointsResponse,
    RegisterRequest,
    Role,
    StopCpCommand,
)
from common.metrics.histogram import Histogram
from common.metrics.traffic import Ending, Traffic
from tests.common.complete import Method, dispatcher, typed

CENTRAL, MONITOR, ENGINE, DRIVER, ADMIN, *_ = Role

SOON = 5.0
BEAT = HeartbeatRequest(cp_id="A", status="available")
REGISTRATION = RegisterRequest(cp_id="A")

Labels = dict[str, str]


async def eventually(condition: Callable[[], object]) -> None:
    """Return as soon as it holds."""
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110 -- sockets set no events
            await asyncio.sleep(0.001)


def value(traffic: Traffic, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels; of a histogram, how many values."""
    total = 0.0
    for sample in traffic.samples():
        has = dict(zip(sample.metric.labels, sample.labels, strict=True))
        if sample.metric.name == name and labels.items() <= has.items():
            number = sample.value
            total += number.count if isinstance(number, Histogram) else number
    return total


class Both:
    """Central and somebody who dials it, both counting.

    Attributes:
        central, peer: What each has counted.
        link: The dialler's end.
        accepted: Central's end.
    """

    def __init__(self, central: Traffic, peer: Traffic, link: Link, accepted: Link) -> None:
        self.central = central
        self.peer = peer
        self.link = link
        self.accepted = accepted


@asynccontextmanager
async def both(role: Role, *, known: bool = True, **handlers: Method | None) -> AsyncIterator[Both]:
    """A link of this role to central, which may know from the start who it is."""
    at_central, _ = dispatcher(CENTRAL, **handlers)
    at_peer, _ = dispatcher(role)
    at_central.traffic, at_peer.traffic = Traffic(CENTRAL), Traffic(role)

    def make(handled: Dispatcher, me: Role, peer: Role | None, **on: Any) -> Link:
        return Link(me, handled, SystemClock(), peer_role=peer, **on)

    def accept(listener: Listener) -> Link:
        on = {"opened": listener.links.add, "gone": listener.links.discard}
        return make(at_central, CENTRAL, role if known else None, **on)

    listener = Listener(accept)
    await listener.open("127.0.0.1", 0)
    try:
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(
            lambda: make(at_peer, role, CENTRAL), listener.host, listener.port
        )
        await eventually(lambda: listener.links)
        (accepted,) = listener.links
        yield Both(at_central.traffic, at_peer.traffic, link, accepted)
        link.close()
        await link.closed
    finally:
        await listener.close()
        await at_central.settle(0)


async def test_a_request_and_its_answer_are_one_message_each_way() -> None:
    """On both sides, by type and by who is at the other end."""
    async with both(MONITOR) as here:
        for _ in range(3):
            await here.link.ask(BEAT)
        for traffic, peer, request, answer in (
            (here.central, "monitor", "received", "sent"),
            (here.peer, "central", "sent", "received"),
        ):
            asked: Labels = {"type": "heartbeat_request", "peer": peer, "direction": request}
            told: Labels = {"type": "heartbeat_response", "peer": peer, "direction": answer}
            assert value(traffic, "ev_messages_total", **asked) == 3
            assert value(traffic, "ev_messages_total", **told) == 3
            assert value(traffic, "ev_messages_total") == 6
        assert value(here.peer, "ev_request_seconds", side="asked", type="heartbeat_request") == 3
        assert value(here.central, "ev_request_seconds") == 0  # it was answered at once


async def test_only_what_has_to_wait_is_timed_by_who_answers() -> None:
    """An answer that comes at once is as late as the event loop, which has a metric of its own."""

    async def slow(self: object, message: PointsRequest, peer: Peer) -> Any:
        await asyncio.sleep(0)
        raise Refused(Reason.OVERLOADED)

    handler = typed(slow, takes=PointsRequest, returns=PointsResponse)
    async with both(ADMIN, PointsRequest=handler) as here:
        with pytest.raises(Refused):
            await here.link.ask(PointsRequest())
        assert value(here.central, "ev_request_seconds", side="answered", peer="admin") == 1
        assert value(here.peer, "ev_request_seconds", side="asked", peer="central") == 1


async def test_a_refusal_is_counted_by_who_gives_and_by_who_gets_it() -> None:
    """By its reason."""

    def no(self: object, message: HeartbeatRequest, peer: Peer) -> HeartbeatResponse:
        raise Refused(Reason.NOT_ALLOWED)

    handler = typed(no, takes=HeartbeatRequest, returns=HeartbeatResponse)
    async with both(MONITOR, HeartbeatRequest=handler) as here:
        with pytest.raises(Refused):
            await here.link.ask(BEAT)
        reason: Labels = {"reason": "not_allowed"}
        assert value(here.central, "ev_refusals_total", side="given", **reason) == 1
        assert value(here.peer, "ev_refusals_total", side="got", **reason) == 1
        assert value(here.central, "ev_refusals_total") == value(here.peer, "ev_refusals_total")


async def test_a_request_without_an_answer_is_counted_apart() -> None:
    """After its deadline, and when the link goes."""

    async def silent(self: object, message: HeartbeatRequest, peer: Peer) -> HeartbeatResponse:
        await asyncio.Event().wait()
        raise AssertionError("unexpected")

    handler = typed(silent, takes=HeartbeatRequest, returns=HeartbeatResponse)
    async with both(MONITOR, HeartbeatRequest=handler) as here:
        with pytest.raises(NoAnswer):
            await here.link.ask(BEAT, within=0.01)
        waiting = asyncio.ensure_future(here.link.ask(BEAT))
        await eventually(lambda: value(here.central, "ev_messages_total") == 2)
        here.accepted.close()
        with pytest.raises(LinkLost):
            await waiting
        assert value(here.peer, "ev_requests_unanswered_total", type="heartbeat_request") == 2
        assert value(here.peer, "ev_request_seconds") == 0


async def test_a_link_moves_to_its_role_when_it_says_who_it_is() -> None:
    """Its first message already counts there."""
    async with both(MONITOR, known=False) as here:
        assert value(here.central, "ev_links", peer="unknown") == 1
        await here.link.ask(REGISTRATION)
        assert value(here.central, "ev_links", peer="unknown") == 0
        assert value(here.central, "ev_links", peer="monitor") == 1
        assert value(here.central, "ev_messages_total", peer="monitor") == 2
        assert value(here.central, "ev_messages_total", peer="unknown") == 0


async def test_a_bad_message_is_counted_by_its_reason() -> None:
    """And is no message that was received."""
    async with both(MONITOR) as here:
        transport = here.link._transport
        assert transport is not None
        transport.write(b"no frame\n")
        await eventually(lambda: value(here.central, "ev_bad_messages_total", reason="bad_frame"))
        assert value(here.central, "ev_messages_total", direction="received") == 0
        assert value(here.central, "ev_messages_total", type="error_response") == 1


@pytest.mark.parametrize("ending", Ending)
async def test_a_link_ends_for_one_reason(ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    """Central counts it once, and no link is open any more."""
    monkeypatch.setattr(module, "IDENTIFY_WITHIN", 0.01)
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(module, "MAX_UNSENT", 1000)
    async with both(MONITOR, known=ending is not Ending.UNIDENTIFIED) as here:
        transport = here.link._transport
        assert transport is not None
        match ending:
            case Ending.PEER:
                here.link.close()
            case Ending.US:
                here.accepted.close()
            case Ending.LOST:
                here.accepted.connection_lost(OSError("no route"))
            case Ending.SILENT:
                here.accepted.patience = 0.01
            case Ending.UNIDENTIFIED:
                pass  # it says nothing
            case Ending.SLOW_READER:
                transport.pause_reading()
                while not here.accepted.is_closing:
                    here.accepted.tell(StopCpCommand(cp_id="A", reason="x" * 200))
            case Ending.BAD_FRAMES:
                transport.write(b"\x02{}\x03\x00" * 10)
        await eventually(lambda: here.accepted.closed.done())
        assert value(here.central, "ev_links") == 0
        assert value(here.central, "ev_links_ended_total", cause=ending) == 1
        assert value(here.central, "ev_links_ended_total") == 1


async def test_without_metrics_nothing_is_counted() -> None:
    """A dispatcher that has no traffic makes links that have no tally."""
    at_monitor, _ = dispatcher(MONITOR)
    assert at_monitor.traffic is None
    assert Link(MONITOR, at_monitor, SystemClock(), peer_role=CENTRAL)._tally is None


def test_what_may_come_is_there_from_the_start() -> None:
    """So that the first of it is a step up from 0."""
    traffic = Traffic(CENTRAL)
    labels = [sample.labels for sample in traffic.samples() if sample.metric.name == "ev_links"]
    assert labels == [("admin",), ("driver",), ("monitor",)]
    types = {s.labels[0] for s in traffic.samples() if s.metric.name == "ev_messages_total"}
    assert {"charge_request", "register_request", "manual_command", "points_response"} <= types
