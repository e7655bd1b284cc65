"""Central as a program, with a real Kafka: what it acknowledges by `ev.up` outlives its death."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.codec import decoder, encode
from common.connection import HEADER, Connection
from common.epochs import HEADER as EPOCH
from common.exchange import stamped
from common.gateway_messages import BootRequest, MeterReport, Sample
from common.messages import Message, Outcome, RegisterResponse
from common.protocol import CENTRAL, DOWN, GATEWAY, UP, key_of
from common.stream import KafkaSettings, Publisher, Record, Subscription
from tests.central.gateways.desk import down, up
from tests.kafka.broker import Broker
from tests.programs.network import SOON, Network

POINTS = 5
REPORTS = 400


class Gateway:
    """What a gateway writes to Kafka and reads there."""

    def __init__(self, publisher: Publisher, answers: Subscription, where: Connection) -> None:
        self._publisher = publisher
        self._answers = answers
        self._where = where
        self._decoder = decoder(CENTRAL, GATEWAY, DOWN)

    async def say(self, *messages: Message) -> None:
        """Returns when all of them are stored by Kafka."""
        headers: dict[str, str | bytes | None] = {HEADER: self._where.header()}
        await asyncio.gather(
            *(
                self._publisher.publish(UP, key_of(UP, message), encode(message), headers)
                for message in (stamped(message, SystemClock()) for message in messages)
            )
        )

    async def answer(self, message_id: str) -> tuple[Record, Message]:
        """The first answer with this id, and its record."""
        async with asyncio.timeout(SOON):
            async for batch in self._answers:
                for record in batch:
                    message = self._decoder.decode(record.value)
                    if message.message_id == message_id:
                        return record, message
        raise AssertionError("it reads for ever")


@pytest.fixture
async def gateway(fresh_kafka: Broker, tmp_path: Path) -> AsyncIterator[tuple[Network, Gateway]]:
    """A central that serves, and a gateway that holds partition 9."""
    kafka = KafkaSettings(fresh_kafka.bootstrap)
    network = Network(tmp_path, fresh_kafka.bootstrap)
    try:
        await asyncio.to_thread(network.__enter__)
        where = Connection("gw-9", 9, 1_700_000_000_000)
        async with (
            Publisher(kafka) as publisher,
            Subscription(kafka, DOWN, group=None, start="end", partitions=[9]) as answers,
        ):
            yield network, Gateway(publisher, answers, where)
    finally:
        await asyncio.to_thread(network.__exit__)


def sampled(folder: Path) -> list[tuple[str, str]]:
    """Point and value of all samples that central has stored."""
    with closing(sqlite3.connect(folder / "central.db")) as database:
        return database.execute("SELECT cp_id, value FROM samples").fetchall()


def opened(folder: Path) -> list[tuple[str, int]]:
    """Of each charge point, whether its connection is stored as open."""
    with closing(sqlite3.connect(folder / "central.db")) as database:
        return database.execute("SELECT cp_id, open FROM connections ORDER BY cp_id").fetchall()


async def test_what_comes_by_kafka_is_answered_and_stored_once_though_central_is_killed(
    gateway: tuple[Network, Gateway], tmp_path: Path
) -> None:
    """The answer to a boot goes to its gateway's partition; no sample is lost, none is doubled."""
    network, written = gateway
    where = Connection("gw-9", 9, 1_700_000_000_000)
    points = [f"CP-{number}" for number in range(POINTS)]
    for cp_id in points:
        await written.say(
            up(cp_id, where),
            BootRequest(message_id=f"boot-{cp_id}", cp_id=cp_id, vendor="ACME", model="One"),
        )
    record, answer = await written.answer("boot-CP-0")
    assert isinstance(answer, RegisterResponse)
    assert answer.status is Outcome.SUCCESS
    assert (record.partition, record.key) == (9, "CP-0")
    assert record.header(HEADER) == where.header()
    assert record.header(EPOCH) == str(answer.epoch).encode()

    reports = [
        MeterReport(
            message_id=f"m-{cp_id}-{number}",
            cp_id=cp_id,
            connector_id=1,
            samples=(Sample(at_ms=number, value=str(number)),),
        )
        for number in range(REPORTS)
        for cp_id in points
    ]
    half = len(reports) // 2
    await written.say(*reports[:half])
    await asyncio.to_thread(network.central.end, signal.SIGKILL)
    await written.say(*reports[half:], down("CP-1", where))
    await asyncio.to_thread(network.central.start)
    wanted = sorted((cp_id, str(number)) for number in range(REPORTS) for cp_id in points)
    async with asyncio.timeout(SOON):
        while sorted(sampled(tmp_path)) != wanted:  # noqa: ASYNC110 -- another program's file
            await asyncio.sleep(0.05)
        while ("CP-1", 0) not in opened(tmp_path):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert opened(tmp_path) == [(cp_id, cp_id != "CP-1") for cp_id in points]
