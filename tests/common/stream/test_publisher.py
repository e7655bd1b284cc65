"""What is acknowledged is stored, in order; what is not is sent again, or said to be given up."""

import asyncio
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from common.errors import CannotStart, Reason, Refused
from common.stream import KafkaSettings, NotDelivered, Publisher, Subscription, publisher
from tests.common.stream.fakes import Factory, error
from tests.common.stream.topics import MANY, ONE, make
from tests.common.stream.waiting import eventually, take, values
from tests.kafka.broker import Broker

NOWHERE = KafkaSettings("127.0.0.1:1")
GONE = error(KafkaError.UNKNOWN_TOPIC_OR_PART, "Unknown topic or partition")


async def stored(broker: Broker, count: int) -> list[bytes]:
    """The first records in the topic, in their order."""
    settings = KafkaSettings(broker.bootstrap)
    async with Subscription(settings, ONE, group=None, start="beginning") as subscription:
        return values(await take(subscription, count))


def records(count: int) -> list[bytes]:
    """Values that differ."""
    return [b"%d" % number for number in range(count)]


async def made(factory: Factory, count: int) -> None:
    """That many producers have been made, one after the other."""
    await eventually(lambda: len(factory.made) >= count)
    assert len(factory.made) == count


@pytest.fixture
def factory() -> Factory:
    """Makes fake producers."""
    return Factory()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again at once."""
    monkeypatch.setattr(publisher, "RETRY_EVERY", 0.0)
    monkeypatch.setattr(publisher, "REPLACE_EVERY", 0.0)
    monkeypatch.setattr(publisher, "CLOSE_WITHIN", 0.05)


# On a real broker


async def test_what_is_acknowledged_is_stored_in_order(fresh_kafka: Broker) -> None:
    """Every future resolves, and the topic holds what was published as it was published."""
    await make(fresh_kafka.bootstrap, ONE)
    async with Publisher(KafkaSettings(fresh_kafka.bootstrap)) as out:
        sent = [out.publish(ONE, "key", value) for value in records(1000)]
        assert out.queued == 1000
        await asyncio.gather(*sent)
        assert out.queued == 0
        assert out.healthy
    assert await stored(fresh_kafka, 1000) == records(1000)


async def test_a_record_may_be_sent_to_a_partition_of_its_own(fresh_kafka: Broker) -> None:
    """Where its key would not choose it."""
    await make(fresh_kafka.bootstrap, MANY)
    settings = KafkaSettings(fresh_kafka.bootstrap)
    async with Publisher(settings) as out:
        for partition in (1, 0):
            await out.publish(MANY, "key", b"%d" % partition, partition=partition)
    for partition in (0, 1):
        reading = Subscription(
            settings, MANY, group=None, start="beginning", partitions=[partition]
        )
        async with reading:
            (record,) = await take(reading, 1)
            assert (record.value, record.key, record.partition) == (
                b"%d" % partition,
                "key",
                partition,
            )


async def test_closing_waits_for_what_is_under_way(fresh_kafka: Broker) -> None:
    """What was published last is stored, though nobody waited for it."""
    await make(fresh_kafka.bootstrap, ONE)
    async with Publisher(KafkaSettings(fresh_kafka.bootstrap)) as out:
        sent = out.publish(ONE, "key", b"last")
    assert sent.done()
    assert sent.exception() is None
    assert await stored(fresh_kafka, 1) == [b"last"]


async def test_cancelling_does_not_recall_a_record(fresh_kafka: Broker) -> None:
    """It is on its way; only nobody is told."""
    await make(fresh_kafka.bootstrap, ONE)
    async with Publisher(KafkaSettings(fresh_kafka.bootstrap)) as out:
        out.publish(ONE, "key", b"cancelled").cancel()
        await out.publish(ONE, "key", b"next")
    assert await stored(fresh_kafka, 2) == [b"cancelled", b"next"]


async def test_records_wait_for_their_topic(fresh_kafka: Broker) -> None:
    """They are stored in order when it is made, those published meanwhile behind the others."""
    async with Publisher(KafkaSettings(fresh_kafka.bootstrap)) as out:
        first = [out.publish(ONE, "key", value) for value in records(5)]
        await eventually(lambda: out.last_error.startswith(f"{ONE}: "))
        assert not out.healthy
        later = [out.publish(ONE, "key", b"later %d" % number) for number in range(5)]
        await make(fresh_kafka.bootstrap, ONE)
        await asyncio.gather(*first, *later)
        await eventually(lambda: out.healthy)
    assert await stored(fresh_kafka, 10) == records(5) + [b"later %d" % n for n in range(5)]


async def test_a_record_that_the_broker_refuses_fails_at_once(fresh_kafka: Broker) -> None:
    """Sending it again would not help; the others are not touched."""
    await make(fresh_kafka.bootstrap, ONE, max_message_bytes="2000")
    async with Publisher(KafkaSettings(fresh_kafka.bootstrap)) as out:
        too_large = out.publish(ONE, "key", bytes(10_000))
        with pytest.raises(NotDelivered, match=r"^a record for ev\.test\.one was not delivered: "):
            await too_large
        with pytest.raises(NotDelivered, match="too large"):
            await out.publish(ONE, "key", bytes(2_000_000))
        await out.publish(ONE, "key", b"small")
    assert await stored(fresh_kafka, 1) == [b"small"]


async def test_nothing_is_lost_or_doubled_when_the_broker_is_killed(own_kafka: Broker) -> None:
    """It comes back with its data, and takes up where it was."""
    await make(own_kafka.bootstrap, ONE)
    async with Publisher(KafkaSettings(own_kafka.bootstrap)) as out:
        sent = []
        for number, value in enumerate(records(900)):
            sent.append(out.publish(ONE, "key", value))
            if number % 3 == 0:
                await asyncio.sleep(0.001)
            if number == 300:
                own_kafka.kill()
        await eventually(lambda: not out.healthy)
        await asyncio.to_thread(own_kafka.start)
        await asyncio.gather(*sent)
        await eventually(lambda: out.healthy)
    assert await stored(own_kafka, 900) == records(900)


async def test_it_goes_on_when_an_empty_broker_takes_the_place(own_kafka: Broker) -> None:
    """What was not acknowledged waits for the topic, and is stored in order."""
    await make(own_kafka.bootstrap, ONE)
    async with Publisher(KafkaSettings(own_kafka.bootstrap)) as out:
        await out.publish(ONE, "key", b"former")
        own_kafka.kill()
        own_kafka.empty()
        sent = [out.publish(ONE, "key", value) for value in records(10)]
        await asyncio.to_thread(own_kafka.start)
        await eventually(lambda: out.last_error.startswith(f"{ONE}: "))
        await make(own_kafka.bootstrap, ONE)
        await asyncio.gather(*sent)
    assert await stored(own_kafka, 10) == records(10)


# Without a broker


async def test_a_full_queue_refuses() -> None:
    """As overloaded, at once, and what is queued already is not touched."""
    async with Publisher(NOWHERE, max_queued=3, give_up_after=0.1) as out:
        for _ in range(3):
            out.publish(ONE, "key", b"x")
        assert (out.queued, out.room) == (3, 0)
        with pytest.raises(Refused) as refused:
            out.publish(ONE, "key", b"x")
        assert refused.value.reason is Reason.OVERLOADED
        assert out.queued == 3


async def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory that records take is bounded, too."""
    monkeypatch.setattr(publisher, "MAX_QUEUED_KIB", 1)
    async with Publisher(NOWHERE, give_up_after=0.1) as out:
        out.publish(ONE, "key", bytes(900))
        with pytest.raises(Refused, match="bytes"):
            out.publish(ONE, "key", bytes(900))
        assert out.queued == 1


async def test_a_record_is_given_up_in_time() -> None:
    """Its future fails with the reason, and there is room again."""
    async with Publisher(NOWHERE, give_up_after=0.2) as out:
        with pytest.raises(NotDelivered, match="timed out"):
            await asyncio.wait_for(out.publish(ONE, "key", b"x"), 10)
        assert out.queued == 0


async def test_closing_fails_what_could_not_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever, and closing is no exception."""
    monkeypatch.setattr(publisher, "CLOSE_WITHIN", 0.05)
    async with Publisher(NOWHERE) as out:
        sent = out.publish(ONE, "key", b"x")
    with pytest.raises(NotDelivered, match="the publisher was closed"):
        await sent


async def test_a_broker_that_is_not_there_is_said_once() -> None:
    """With the reason, which the panel shows."""
    with capture_logs() as lines:
        async with Publisher(NOWHERE) as out:
            assert not out.healthy
            assert out.last_error == "Kafka has not answered yet"
            await eventually(lambda: "Connection refused" in out.last_error)
            assert not out.healthy
    assert len([line for line in lines if line["log_level"] == "warning"]) == 1


async def test_wrong_settings_are_a_start_up_error() -> None:
    """Nothing is begun with them."""
    with pytest.raises(CannotStart, match="No such configuration property"):
        Publisher(KafkaSettings("127.0.0.1:1", {"no.such.thing": "1"}))


# With a producer that fails as it is told


async def test_a_producer_that_fails_is_replaced(factory: Factory, at_once: None) -> None:
    """What it had not acknowledged is sent again in order; what it had is not."""
    async with Publisher(NOWHERE, make_producer=factory) as out:
        sent = {value: out.publish(ONE, "key", value) for value in records(4)}
        broken = factory.last
        broken.report(b"1")
        broken.fail(error(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True))
        await made(factory, 2)
        assert broken.purged
        assert factory.last.sent == [b"0", b"2", b"3"]
        assert sent[b"1"].done()
        sent[b"4"] = out.publish(ONE, "key", b"4")
        for value in factory.last.sent.copy():
            factory.last.report(value)
        await asyncio.gather(*sent.values())


@pytest.mark.parametrize(
    "failure",
    [
        error(KafkaError._FATAL),
        error(KafkaError._PURGE_QUEUE),
        error(KafkaError.UNKNOWN_PRODUCER_ID),
        error(KafkaError.UNKNOWN, fatal=True),
    ],
    ids=lambda failure: failure.name(),
)
async def test_a_report_may_say_that_the_producer_failed(
    factory: Factory, at_once: None, failure: KafkaError
) -> None:
    """Then its record is not given up, but sent by the next one."""
    async with Publisher(NOWHERE, make_producer=factory) as out:
        sent = out.publish(ONE, "key", b"x")
        factory.last.report(b"x", failure)
        await made(factory, 2)
        assert factory.last.sent == [b"x"]
        factory.last.report(b"x")
        await sent


async def test_a_producer_that_fails_again_and_again_is_no_busy_loop(factory: Factory) -> None:
    """A new one is made once a second at most; what is published meanwhile waits for it."""
    begun = asyncio.get_running_loop().time()
    async with Publisher(NOWHERE, make_producer=factory) as out:
        for count in (2, 3):
            factory.last.fail(error(KafkaError._FATAL, fatal=True))
            await eventually(lambda: factory.last.polled)
            out.publish(ONE, "key", b"%d" % count)
            await made(factory, count)
        assert factory.last.sent == [b"2", b"3"]
        assert asyncio.get_running_loop().time() - begun >= publisher.REPLACE_EVERY
        for value in (b"2", b"3"):
            factory.last.report(value)


async def test_held_records_keep_their_order(factory: Factory, at_once: None) -> None:
    """A record is not sent ahead of those that wait for the same topic."""
    async with Publisher(NOWHERE, make_producer=factory) as out:
        sent = [out.publish(ONE, "key", value) for value in records(3)]
        for value in records(2):
            factory.last.report(value, GONE)
        factory.last.report(b"2")
        await eventually(lambda: len(factory.last.sent) == 5)
        assert factory.last.sent == [*records(3), *records(2)]
        for value in records(2):
            factory.last.report(value)
        await asyncio.gather(*sent)


async def test_held_records_are_given_up_in_time(factory: Factory, at_once: None) -> None:
    """A topic that never comes is a record that was not delivered."""
    async with Publisher(NOWHERE, make_producer=factory, give_up_after=0.1) as out:
        sent = out.publish(ONE, "key", b"x")
        reporter = asyncio.create_task(_report_always(factory, lambda: sent.done()))
        with pytest.raises(NotDelivered):
            await sent
        await reporter
        assert out.queued == 0
        await eventually(lambda: out.healthy)


async def _report_always(factory: Factory, until: Callable[[], bool]) -> None:
    while not until():
        if factory.last.waits(b"x"):
            factory.last.report(b"x", GONE)
        await asyncio.sleep(0.001)


async def test_a_dropped_future_is_no_complaint(factory: Factory, at_once: None) -> None:
    """Who publishes for what it is worth need not look back."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with Publisher(NOWHERE, make_producer=factory) as out:
        out.publish(ONE, "key", b"x")
        factory.last.report(b"x", error(KafkaError.TOPIC_AUTHORIZATION_FAILED))
        await eventually(lambda: out.queued == 0)
    assert complaints == []
