"""Asking central: over TCP first, by Kafka where that is down, always under one id."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from common.clock import SystemClock
from common.dispatch import Dispatcher
from common.errors import Reason, Refused
from common.messages import (
    AuthRequest,
    AvailableCpsRequest,
    ChargeRequest,
    ChargeRequestResponse,
    ChargingHistoryRequest,
    ClientHeartbeatRequest,
    ErrorResponse,
    Message,
    Request,
    Role,
    StopChargingRequest,
)
from driver import client as module
from driver.client import Client, NotAnswered
from driver.handlers import Handlers
from driver.requests import new_charge
from driver.screen import Screen
from driver.watch import Watch
from tests.driver.central import FAILURE, SUCCESS, PlayedCentral

REQUEST = new_charge("D-1", "CP-1", None, None, now=1_700_000_000)
ANSWER = ChargeRequestResponse(
    message_id=REQUEST.message_id, status=SUCCESS, session_id="S-9", cp_id="CP-1", connector_id=1
)

SOON = 1.0
"""A deadline that a test waits for."""

LATE = 30.0
"""A deadline that no test waits for, however loaded the machine."""


class Driver:
    """A client with all that belongs to it, but Kafka: what it posts is kept."""

    def __init__(self, central: PlayedCentral, deadline: float) -> None:
        self.posted: list[Message] = []
        self.something_posted = asyncio.Event()
        clock = SystemClock()
        self.screen = Screen(clock)
        self.client = Client("D-1", [central.address], self._post, clock, deadline=deadline)
        self.watch = Watch(clock)
        self.dispatcher = Dispatcher(Role.DRIVER, Handlers(self.client, self.watch, self.screen))

    async def _post(self, message: Message) -> None:
        self.posted.append(message)
        self.something_posted.set()

    def comes_by_kafka(self, message: Message) -> None:
        self.dispatcher.dispatch(message, module.INSIDE)


@asynccontextmanager
async def driver(central: PlayedCentral, deadline: float = LATE) -> AsyncIterator[Driver]:
    made = Driver(central, deadline)
    dialling = asyncio.ensure_future(made.client.run(made.dispatcher))
    try:
        yield made
    finally:
        made.client.closing()
        dialling.cancel()
        with suppress(asyncio.CancelledError):
            await dialling


async def test_a_link_begins_with_who_it_is(central: PlayedCentral) -> None:
    """The driver introduces itself, then keeps the link alive, then asks."""
    async with driver(central) as d:
        answer = await d.client.ask(REQUEST)
        assert (answer.session_id, answer.connector_id) == ("S-1", 1)
        await central.until(ClientHeartbeatRequest)
    first = central.received[0]
    assert isinstance(first, AuthRequest)
    assert (first.role, first.driver_id) == (Role.DRIVER, "D-1")
    assert central.all(ChargeRequest) == [REQUEST]
    assert d.posted == []


async def test_a_refusal_is_an_answer(central: PlayedCentral) -> None:
    """It is raised with its reason, and not asked again."""
    busy = ChargeRequestResponse(status=FAILURE, error=Reason.CHARGE_POINT_BUSY)
    central.handle(ChargeRequest, lambda _: busy)
    async with driver(central) as d:
        with pytest.raises(Refused) as raised:
            await d.client.ask(REQUEST)
    assert raised.value.reason is Reason.CHARGE_POINT_BUSY
    assert len(central.all(ChargeRequest)) == 1


async def test_silence_is_asked_again_under_the_same_id(central: PlayedCentral) -> None:
    """The first copy gets no answer within the deadline; the second is the same request."""
    answers = iter([None, ANSWER])
    central.handle(ChargeRequest, lambda _: next(answers))
    async with driver(central, SOON) as d:
        assert await d.client.ask(REQUEST) == ANSWER
    assert central.all(ChargeRequest) == [REQUEST, REQUEST]


async def test_a_late_answer_is_the_answer(central: PlayedCentral) -> None:
    """The answer to the first copy settles the second, which is never answered."""
    central.handle(ChargeRequest, lambda _: None)
    async with driver(central, SOON) as d:
        asked = asyncio.ensure_future(d.client.ask(REQUEST))
        await central.until(ChargeRequest, 2)
        d.comes_by_kafka(ANSWER)
        assert await asked == ANSWER


async def test_a_lost_link_is_made_again_and_asked_over(central: PlayedCentral) -> None:
    """A charge request whose link is cut is repeated under the same id over the next one."""
    cuts = iter([True, False])

    def cut_once(_: ChargeRequest) -> Message | None:
        if next(cuts):
            central.cut()
            return None
        return ANSWER

    central.handle(ChargeRequest, cut_once)
    async with driver(central) as d:
        assert await d.client.ask(REQUEST) == ANSWER
    assert central.all(ChargeRequest) == [REQUEST, REQUEST]
    # While the link was down it went by Kafka too: the same request, the same id.
    assert all(posted == REQUEST for posted in d.posted)


@pytest.mark.parametrize("error", [Reason.OVERLOADED, Reason.INTERNAL])
async def test_what_decides_nothing_is_asked_again(
    central: PlayedCentral, error: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such refusals are not remembered, so the same request may be repeated."""
    monkeypatch.setattr(module, "PAUSE", 0.0)
    answers = iter([ErrorResponse(error=error), ANSWER])
    central.handle(ChargeRequest, lambda _: next(answers))
    async with driver(central) as d:
        assert await d.client.ask(REQUEST) == ANSWER
    assert len(central.all(ChargeRequest)) == 2


async def test_a_refusal_that_stays_is_raised_in_the_end(
    central: PlayedCentral, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last deadline it is said why, not that nobody answered."""
    monkeypatch.setattr(module, "PAUSE", 0.05)
    central.handle(ChargeRequest, lambda _: ErrorResponse(error=Reason.OVERLOADED))
    async with driver(central, 0.3) as d:
        with pytest.raises(Refused) as raised:
            await d.client.ask(REQUEST)
    assert raised.value.reason is Reason.OVERLOADED


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        StopChargingRequest(cp_id="CP-1", session_id="S-1"),
        AvailableCpsRequest(driver_id="D-1"),
    ],
)
async def test_where_tcp_is_down_it_goes_by_kafka(
    absent: PlayedCentral, request_: Request[Any]
) -> None:
    """The request is posted, and its answer is taken from Kafka."""
    async with driver(absent) as d:
        asked = asyncio.ensure_future(d.client.ask(request_))
        await d.something_posted.wait()
        [posted] = d.posted
        assert type(posted) is type(request_)
        refusal = ErrorResponse(message_id=posted.message_id, error=Reason.INVALID_MESSAGE)
        d.comes_by_kafka(refusal)
        with pytest.raises(Refused) as raised:
            await asked
    assert raised.value.reason is Reason.INVALID_MESSAGE


async def test_tcp_is_taken_as_soon_as_it_is_up(absent: PlayedCentral) -> None:
    """A request that waits by Kafka is asked over TCP too when central is back."""
    async with driver(absent) as d:
        asked = asyncio.ensure_future(d.client.ask(REQUEST))
        await d.something_posted.wait()
        await absent.open()
        assert (await asked).session_id == "S-1"
    assert absent.all(ChargeRequest) == [REQUEST]


async def test_by_no_way_is_said_with_the_address(absent: PlayedCentral) -> None:
    """Every wait ends: after the deadlines one sentence says who could not be reached where."""
    async with driver(absent, 0.2) as d:
        with pytest.raises(NotAnswered) as raised:
            await d.client.ask(REQUEST)
    where = absent.address
    expected = f"cannot reach CENTRAL at {where}: no answer to charge_request within 0.4 s"
    assert expected == str(raised.value)
    assert d.posted == [REQUEST] * len(d.posted)


async def test_what_kafka_cannot_carry_waits_for_tcp_alone(absent: PlayedCentral) -> None:
    """The history is asked over TCP only: it is given up after one deadline without a link."""
    async with driver(absent, 0.2) as d:
        with pytest.raises(NotAnswered, match=r"charging_history_request within 0\.2 s"):
            await d.client.ask(ChargingHistoryRequest(driver_id="D-1"))
    assert d.posted == []


async def test_the_link_tells_of_itself_through_the_dispatcher(
    central: PlayedCentral, capsys: pytest.CaptureFixture[str]
) -> None:
    """That it was lost, and that it cannot be made again, ends in the trouble that is shown."""
    async with driver(central) as d:
        await d.client.ask(REQUEST)
        await central.close()
        lost = "lost CENTRAL: "
        unreachable = f"cannot reach CENTRAL at {central.address}"
        await _until(lambda: d.client.trouble.startswith(unreachable))
        await central.open()
        await d.client.connected()
        assert d.client.trouble == ""
    shown = capsys.readouterr().out
    assert shown.index(lost) < shown.index(unreachable)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LATE):
        while not condition():  # noqa: ASYNC110  # what is waited for is told to nobody
            await asyncio.sleep(0.01)


async def test_an_answer_for_nobody_changes_nothing(central: PlayedCentral) -> None:
    """An answer that comes once more, by another way, goes to its handler and is dropped."""
    async with driver(central) as d:
        answer = await d.client.ask(REQUEST)
        d.comes_by_kafka(answer)
        d.comes_by_kafka(ErrorResponse(message_id="unknown", error=Reason.INTERNAL))
        again: Awaitable[ChargeRequestResponse] = d.client.ask(REQUEST)
        assert (await again).session_id == answer.session_id
