"""What central tells by Kafka, and requests that go by Kafka: on a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from common.clock import SystemClock, new_id
from common.codec import decoder, encode
from common.dispatch import Dispatcher, Peer
from common.epochs import HEADER
from common.errors import Reason
from common.messages import (
    AvailableCpsRequest,
    AvailableCpsResponse,
    ChargeCompletion,
    ChargeRequest,
    ChargeRequestResponse,
    ChargingData,
    ChargingStatusUpdate,
    Message,
    Request,
    Response,
    Role,
    StopChargingRequest,
    StopChargingResponse,
)
from common.program import Address
from common.protocol import DRIVER_EVENTS, DRIVER_REQUESTS
from common.states import EndReason, SessionState
from common.stream import KafkaSettings, Publisher, Subscription, ensure_topics
from common.units import Money, WattHours, Watts
from driver.charge import Charge
from driver.client import Client
from driver.events import Events
from driver.handlers import Handlers
from driver.screen import Screen
from driver.watch import Watch
from tests.driver.central import FAILURE, PRICE, SUCCESS, PlayedCentral, point
from tests.driver.run import options, run
from tests.kafka.broker import Broker

PATIENCE = 60.0
"""Seconds until a test gives up waiting, however loaded the machine is."""


@pytest.fixture
async def settings(fresh_kafka: Broker) -> KafkaSettings:
    """A broker with the driver's two topics, which are empty."""
    settings = KafkaSettings(fresh_kafka.bootstrap)
    await ensure_topics(settings, [DRIVER_REQUESTS, DRIVER_EVENTS])
    return settings


class Follower:
    """A driver's share of Kafka, with all that it moves."""

    def __init__(self, settings: KafkaSettings, driver_id: str) -> None:
        clock = SystemClock()
        self.events = Events(settings, driver_id, clock)
        self.watch = Watch(clock)
        client = Client(driver_id, [Address("127.0.0.1", 1)], self.events.post, clock)
        self.dispatcher = Dispatcher(Role.DRIVER, Handlers(client, self.watch, Screen(clock)))

    async def charge(self, energy: int) -> Charge:
        """The watched charge, once this much has flowed."""
        async with asyncio.timeout(PATIENCE):
            while True:
                charge = await self.watch.moved()
                if charge.energy >= energy:
                    return charge


@asynccontextmanager
async def following(settings: KafkaSettings, driver_id: str = "D-1") -> AsyncIterator[Follower]:
    follower = Follower(settings, driver_id)
    follower.watch.follow(Charge("S-1", "CP-1"))
    follower.events.start()
    work = asyncio.ensure_future(follower.events.run(follower.dispatcher))
    try:
        async with asyncio.timeout(PATIENCE):
            # A request that is posted is posted once its answer would be heard.
            await follower.events.post(AvailableCpsRequest(message_id="m", driver_id=driver_id))
        yield follower
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


def reading(wh: int, sequence: int) -> ChargingData:
    return ChargingData(
        message_id=new_id(),
        cp_id="CP-1",
        session_id="S-1",
        sequence=sequence,
        energy_consumed_kwh=WattHours(wh),
        total_cost=Money(wh // 10),
        charging_rate=Watts(11_000),
        epoch=1,
    )


async def test_a_driver_hears_what_is_its_own(settings: KafkaSettings) -> None:
    """Other drivers' records, and what cannot be read, are passed over."""
    async with following(settings) as driver, Publisher(settings) as publisher:
        for key, value in [
            ("D-1", encode(reading(100, 1))),
            ("D-2", encode(reading(900, 9))),
            ("D-1", b"\xff no message"),
            ("D-1", encode(AvailableCpsRequest(message_id="m", driver_id="D-1"))),
            ("D-1", encode(reading(200, 2))),
        ]:
            await publisher.publish(DRIVER_EVENTS, key, value)
        charge = await driver.charge(200)
    assert (charge.energy, charge.sequence, charge.state) == (200, 2, SessionState.CHARGING)


async def test_a_central_that_leads_no_more_is_not_heard(settings: KafkaSettings) -> None:
    """Neither what it tells nor what it answers; a header says the epoch of an answer."""
    heard: list[str] = []
    answer = encode(ChargeRequestResponse(message_id="old", status=SUCCESS, session_id="S-9"))
    async with following(settings) as driver, Publisher(settings) as publisher:
        dispatch = driver.dispatcher.dispatch

        def hear(message: Message, peer: Peer) -> object:
            heard.append(message.message_id)
            return dispatch(message, peer)

        driver.dispatcher.dispatch = hear  # type: ignore[method-assign,assignment]
        for value, headers in [
            (encode(replace(reading(100, 1), epoch=7, message_id="first")), {}),
            (encode(replace(reading(900, 9), epoch=6, message_id="woken")), {}),
            (answer, {HEADER: "6"}),
            (answer.replace(b"old", b"odd"), {HEADER: "six"}),
            (answer.replace(b"old", b"new"), {HEADER: "7"}),
            (encode(replace(reading(200, 2), epoch=8, message_id="next")), {}),
            (answer, {HEADER: "7"}),
            (encode(replace(reading(300, 3), epoch=None, message_id="none")), {}),
        ]:
            await publisher.publish(DRIVER_EVENTS, "D-1", value, dict(headers))
        await driver.charge(300)
    assert heard == ["first", "odd", "new", "next", "none"]


async def test_what_was_before_is_the_historys_business(settings: KafkaSettings) -> None:
    """A driver follows from the end that it found."""
    async with Publisher(settings) as publisher:
        await publisher.publish(DRIVER_EVENTS, "D-1", encode(reading(999, 9)))
        async with following(settings) as driver:
            await publisher.publish(DRIVER_EVENTS, "D-1", encode(reading(100, 1)))
            charge = await driver.charge(100)
    assert charge.energy == 100


class CentralByKafka:
    """A central whose port is closed: it answers requests that come by Kafka."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.requests: list[Message] = []
        self._settings = settings

    async def run(self) -> None:
        decode = decoder(Role.DRIVER, Role.CENTRAL, DRIVER_REQUESTS).decode
        requests = Subscription(self._settings, DRIVER_REQUESTS, group="played", start="beginning")
        async with requests, Publisher(self._settings) as publisher:
            async for batch in requests:
                for record in batch:
                    request = decode(record.value)
                    self.requests.append(request)
                    assert record.key == "D-1"
                    for told in self._told(request):
                        value = encode(replace(told, message_id=told.message_id or new_id()))
                        publisher.publish(DRIVER_EVENTS, "D-1", value)

    def _told(self, request: Message) -> list[Message]:
        answer = self._answer(request)
        answered: list[Message] = [replace(answer, message_id=request.message_id)]
        if isinstance(request, ChargeRequest) and answer.status is SUCCESS:
            return [*answered, *self._a_charge()]
        return answered

    def _answer(self, request: Message) -> Response:
        match request:
            case ChargeRequest(cp_id="CP-1"):
                return ChargeRequestResponse(status=SUCCESS, session_id="S-1", cp_id="CP-1")
            case ChargeRequest():
                return ChargeRequestResponse(status=FAILURE, error=Reason.CHARGE_POINT_BUSY)
            case StopChargingRequest():
                return StopChargingResponse(status=SUCCESS)
            case _:
                assert isinstance(request, Request)
                return AvailableCpsResponse(status=SUCCESS, charging_points=(point(),))

    def _a_charge(self) -> list[Message]:
        return [
            ChargingStatusUpdate(session_id="S-1", cp_id="CP-1", status=SessionState.CHARGING),
            reading(1_000, 1),
            ChargeCompletion(
                cp_id="CP-1",
                session_id="S-1",
                energy_consumed_kwh=WattHours(2_000),
                total_cost=Money(70),
                price_per_kwh=PRICE,
                currency="EUR",
                reason=EndReason.TARGET_REACHED,
                revision=1,
                epoch=1,
            ),
        ]


@pytest.fixture
async def by_kafka(settings: KafkaSettings) -> AsyncIterator[CentralByKafka]:
    """Answers requests by Kafka."""
    central = CentralByKafka(settings)
    work = asyncio.ensure_future(central.run())
    yield central
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work


async def test_a_charge_by_kafka_alone(
    absent: PlayedCentral, by_kafka: CentralByKafka, settings: KafkaSettings, tmp_path: Path
) -> None:
    """While central's port is closed, a charge is asked for, watched and ended by Kafka."""
    driver = options(absent, tmp_path, settings.bootstrap)
    listed = await run(*driver, "available", "--json")
    assert [p["cp_id"] for p in listed.json["charging_points"]] == ["CP-1"]
    charged = await run(*driver, "charge", "CP-1", "--json")
    assert (charged.code, charged.json["session_id"]) == (0, "S-1")
    assert str(charged.json["total_cost"]) == "0.70"
    refused = await run(*driver, "charge", "CP-2")
    assert refused.code == 1
    assert "charge_point_busy" in refused.err
    [request, _] = [r for r in by_kafka.requests if isinstance(r, ChargeRequest)]
    assert request.trace_id == request.message_id
