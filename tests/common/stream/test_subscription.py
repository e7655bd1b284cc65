"""Every record is handed out, and after what was committed no record twice."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise

import pytest
from confluent_kafka import Producer
from structlog.testing import capture_logs

from common.errors import CannotStart
from common.stream import (
    KafkaSettings,
    Publisher,
    Subscription,
    place,
    reader,
    record,
    subscription,
)
from tests.common.stream.topics import (
    MANY,
    ONE,
    committed,
    cut,
    drop,
    fill,
    key_of_partition,
    make,
    set_offset,
)
from tests.common.stream.waiting import eventually, take, values
from tests.kafka.broker import Broker

GROUP = "test-group"


def numbers(first: int, end: int) -> list[bytes]:
    """Values that differ."""
    return [b"%d" % number for number in range(first, end)]


def from_start(broker: Broker) -> Subscription:
    """All that is in the topic."""
    return Subscription(KafkaSettings(broker.bootstrap), ONE, group=None, start="beginning")


def of_group(broker: Broker, *, max_batch: int = 500, max_in_work: int = 20_000) -> Subscription:
    """What the group has not committed."""
    settings = KafkaSettings(broker.bootstrap)
    return Subscription(settings, ONE, group=GROUP, max_batch=max_batch, max_in_work=max_in_work)


async def commit_until(subscription: Subscription, broker: Broker, offset: int) -> None:
    """Commit, again while the broker is not ready, until it has stored that offset."""
    async with asyncio.timeout(30):
        while (await committed(broker.bootstrap, GROUP, ONE)).get(0) != offset:
            await subscription.commit()


async def finish(subscription: Subscription) -> None:
    """Get done with whatever comes."""
    async for batch in subscription:
        subscription.done(batch)


def waits(subscription: Subscription, batches: int) -> bool:
    """That many batches wait to be taken."""
    return len(subscription._batches) == batches


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic that was made anew is noticed soon."""
    monkeypatch.setattr(place, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(place, "RETRY_EVERY", 0.1)


# What is handed out


async def test_all_is_handed_out_in_order(fresh_kafka: Broker) -> None:
    """With key, value, partition, offset and time, and with nothing left behind."""
    await make(fresh_kafka.bootstrap, ONE)
    await fill(fresh_kafka.bootstrap, ONE, *numbers(0, 1200))
    async with from_start(fresh_kafka) as records:
        found = await take(records, 1200)
        assert values(found) == numbers(0, 1200)
        assert [record.offset for record in found] == list(range(1200))
        assert {(r.topic, r.partition, r.key) for r in found} == {(ONE.name, 0, "k")}
        assert records.healthy
        await eventually(lambda: records.lag() == 0)


async def test_a_batch_is_no_larger_than_asked_for(fresh_kafka: Broker) -> None:
    """And no more than a couple of them wait while nobody takes one."""
    await make(fresh_kafka.bootstrap, ONE)
    await fill(fresh_kafka.bootstrap, ONE, *numbers(0, 50))
    async with of_group(fresh_kafka, max_batch=5) as records:
        found: list[bytes] = []
        for left in range(10, 0, -1):
            await eventually(partial(waits, records, min(reader.SLOTS, left)))
            batch = await anext(records)
            assert len(batch) == 5
            found += values(batch)
            # A commit is no fetch: it is not held up by batches that wait.
            records.done(batch)
            await records.commit()
    assert found == numbers(0, 50)


async def test_no_more_is_handed_out_than_may_be_in_work(fresh_kafka: Broker) -> None:
    """Who does not get done with records gets no further ones, until some are."""
    await make(fresh_kafka.bootstrap, ONE)
    await fill(fresh_kafka.bootstrap, ONE, *numbers(0, 30))
    async with of_group(fresh_kafka, max_batch=1, max_in_work=5) as records:
        found = await take(records, 5)
        # What was being fetched when it became too much is handed out as well.
        with suppress(TimeoutError):
            while len(found) < 30:
                found += await take(records, 1, within=0.3)
        assert len(found) < 5 + reader.SLOTS
        while len(found) < 30:
            records.done(found)
            found += await take(records, 1)
    assert values(found) == numbers(0, 30)


async def test_a_cancelled_wait_loses_nothing(fresh_kafka: Broker) -> None:
    """The next one gets what that one would have got."""
    await make(fresh_kafka.bootstrap, ONE)
    async with from_start(fresh_kafka) as records:
        waiting = asyncio.ensure_future(anext(records))
        await asyncio.sleep(0)
        waiting.cancel()
        await fill(fresh_kafka.bootstrap, ONE, b"0")
        assert values(await take(records, 1)) == [b"0"]


async def test_keys_and_values_may_be_missing_or_no_text(fresh_kafka: Broker) -> None:
    """Whatever a stranger wrote, it is a record."""
    await make(fresh_kafka.bootstrap, ONE)
    producer = Producer({"bootstrap.servers": fresh_kafka.bootstrap, "log_level": 0})
    producer.produce(ONE.name, None, None)
    producer.produce(ONE.name, b"\xff", b"\xff")
    await asyncio.to_thread(producer.flush, 30)
    async with from_start(fresh_kafka) as records:
        found = await take(records, 2)
    assert [(record.key, record.value) for record in found] == [(None, b""), (None, b"\xff")]


# Where it begins


async def test_the_end_is_where_it_was_on_entering(fresh_kafka: Broker) -> None:
    """What is published after that is seen, what was before is not."""
    await make(fresh_kafka.bootstrap, ONE)
    await fill(fresh_kafka.bootstrap, ONE, b"before")
    settings = KafkaSettings(fresh_kafka.bootstrap)
    async with Subscription(settings, ONE, group=None, start="end") as records:
        await fill(fresh_kafka.bootstrap, ONE, b"after")
        assert values(await take(records, 1)) == [b"after"]


async def test_a_key_reads_its_own_partition(fresh_kafka: Broker) -> None:
    """However many the topic has; records of other partitions do not come."""
    await make(fresh_kafka.bootstrap, MANY)
    settings = KafkaSettings(fresh_kafka.bootstrap)
    own, other = key_of_partition(1, MANY), key_of_partition(2, MANY)
    async with Subscription(settings, MANY, group=None, start="end", key=own) as records:
        await fill(fresh_kafka.bootstrap, MANY, b"other", key=other)
        await fill(fresh_kafka.bootstrap, MANY, b"own", key=own)
        assert values(await take(records, 1)) == [b"own"]


async def test_only_these_partitions_are_read(fresh_kafka: Broker) -> None:
    """All of them where none are named."""
    await make(fresh_kafka.bootstrap, MANY)
    for number in range(4):
        key = key_of_partition(number, MANY)
        await fill(fresh_kafka.bootstrap, MANY, b"%d" % number, key=key)
    settings = KafkaSettings(fresh_kafka.bootstrap)
    async with Subscription(settings, MANY, group=GROUP, partitions=[0, 3]) as some:
        assert sorted(values(await take(some, 2))) == [b"0", b"3"]
        await eventually(lambda: some.lag() == 0)
    async with Subscription(settings, MANY, group=GROUP) as everything:
        assert sorted(values(await take(everything, 4))) == numbers(0, 4)


async def test_a_topic_may_come_later(fresh_kafka: Broker) -> None:
    """It is waited for quietly, and all in it is new, also to who begins at the end."""
    settings = KafkaSettings(fresh_kafka.bootstrap)
    with capture_logs() as lines:
        async with from_start(fresh_kafka) as records:
            await eventually(lambda: "Unknown topic" in records.last_error)
            assert not records.healthy
            late = Subscription(settings, ONE, group=None, start="end")
            entering = asyncio.ensure_future(late.__aenter__())
            await eventually(lambda: "Unknown topic" in late.last_error)
            await make(fresh_kafka.bootstrap, ONE)
            await entering
            await fill(fresh_kafka.bootstrap, ONE, b"0")
            for each in (records, late):
                assert values(await take(each, 1)) == [b"0"]
                assert each.healthy
            await late.__aexit__(None, None, None)
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == [
        "Kafka fails",
        "Kafka fails",
    ]


async def test_a_broker_may_come_later(own_kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is published after entering is seen, though nobody knew where the end was then."""
    await make(own_kafka.bootstrap, ONE)
    own_kafka.kill()
    monkeypatch.setattr(subscription, "ENTER_WITHIN", 0.2)
    settings = KafkaSettings(own_kafka.bootstrap)
    async with Subscription(settings, ONE, group=None, start="end") as records:
        async with Publisher(settings) as publisher:
            sent = publisher.publish(ONE, "k", b"after")
            await eventually(lambda: "Connection refused" in records.last_error)
            await asyncio.to_thread(own_kafka.start)
            await sent
        assert values(await take(records, 1)) == [b"after"]


# What is committed


async def test_only_what_is_done_is_committed(fresh_kafka: Broker) -> None:
    """After a restart exactly what was not done comes again, and what is done behind it."""
    await make(fresh_kafka.bootstrap, ONE)
    await fill(fresh_kafka.bootstrap, ONE, *numbers(0, 10))
    async with of_group(fresh_kafka) as records:
        found = await take(records, 10)
        records.done(found[:4])
        records.done(found[6:])
        await commit_until(records, fresh_kafka, 4)
    async with of_group(fresh_kafka) as records:
        found = await take(records, 6)
        assert values(found) == numbers(4, 10)
        records.done(reversed(found))
        await commit_until(records, fresh_kafka, 10)
    await fill(fresh_kafka.bootstrap, ONE, b"new")
    async with of_group(fresh_kafka) as records:
        assert values(await take(records, 1)) == [b"new"]


async def test_nothing_is_committed_unasked(fresh_kafka: Broker) -> None:
    """What was handed out, and even what is done, comes again without a commit."""
    await make(fresh_kafka.bootstrap, ONE)
    await fill(fresh_kafka.bootstrap, ONE, b"0")
    for _ in range(2):
        async with of_group(fresh_kafka) as records:
            found = await take(records, 1)
            assert values(found) == [b"0"]
            records.done(found)
    assert await committed(fresh_kafka.bootstrap, GROUP, ONE) == {}


async def test_two_of_one_group_both_read_everything(fresh_kafka: Broker) -> None:
    """No membership: nobody takes partitions away, nobody has to be noticed dead."""
    await make(fresh_kafka.bootstrap, ONE)
    async with of_group(fresh_kafka) as one, of_group(fresh_kafka) as other:
        await fill(fresh_kafka.bootstrap, ONE, b"0")
        assert values(await take(one, 1)) == values(await take(other, 1)) == [b"0"]


async def test_an_offset_that_a_person_set_counts(fresh_kafka: Broker) -> None:
    """An operator skips records, or wants them again."""
    await make(fresh_kafka.bootstrap, ONE)
    await fill(fresh_kafka.bootstrap, ONE, *numbers(0, 5))
    await set_offset(fresh_kafka.bootstrap, GROUP, ONE, 3)
    async with of_group(fresh_kafka) as records:
        assert values(await take(records, 2)) == numbers(3, 5)


async def test_records_too_old_to_be_kept_are_skipped(fresh_kafka: Broker) -> None:
    """An offset that is no more is no reason to stop."""
    await make(fresh_kafka.bootstrap, ONE)
    await fill(fresh_kafka.bootstrap, ONE, *numbers(0, 5))
    await set_offset(fresh_kafka.bootstrap, GROUP, ONE, 1)
    await cut(fresh_kafka.bootstrap, ONE, before=3)
    async with of_group(fresh_kafka) as records:
        assert values(await take(records, 2)) == numbers(3, 5)


async def test_a_commit_without_a_broker_is_no_failure(
    own_kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends in time, says so, and the next one stores what it could not."""
    monkeypatch.setattr(subscription, "COMMIT_WITHIN", 0.5)
    await make(own_kafka.bootstrap, ONE)
    await fill(own_kafka.bootstrap, ONE, *numbers(0, 3))
    async with of_group(own_kafka) as records:
        records.done(await take(records, 3))
        own_kafka.kill()
        async with asyncio.timeout(10):
            await records.commit()
        assert records.last_error.startswith("offsets were not committed: ")
        await asyncio.to_thread(own_kafka.start)
        await commit_until(records, own_kafka, 3)


# Brokers that die, topics that are made anew


async def test_it_goes_on_when_the_broker_was_killed(own_kafka: Broker) -> None:
    """Each record once, before and after, and with a line for each change."""
    await make(own_kafka.bootstrap, ONE)
    await fill(own_kafka.bootstrap, ONE, *numbers(0, 3))
    with capture_logs() as lines:
        async with of_group(own_kafka) as records:
            found = await take(records, 3)
            records.done(found)
            await commit_until(records, own_kafka, 3)
            own_kafka.kill()
            await eventually(lambda: not records.healthy)
            await asyncio.to_thread(own_kafka.start)
            await fill(own_kafka.bootstrap, ONE, *numbers(3, 6))
            found += await take(records, 3)
            assert values(found) == numbers(0, 6)
            await eventually(lambda: records.healthy)
            records.done(found)
            await commit_until(records, own_kafka, 6)
    ours = [line["event"] for line in lines if line.get("client") == f"subscription {ONE}"]
    assert set(ours) == {"Kafka answers", "Kafka fails"}
    assert all(line != following for line, following in pairwise(ours))


async def test_an_empty_broker_is_read_from_its_beginning(own_kafka: Broker) -> None:
    """Though it has more records than the former one had: none of them is missed."""
    await make(own_kafka.bootstrap, ONE)
    await fill(own_kafka.bootstrap, ONE, *numbers(0, 5))
    async with of_group(own_kafka) as records:
        former = await take(records, 5)
        records.done(former[:3])
        await commit_until(records, own_kafka, 3)
        own_kafka.kill()
        own_kafka.empty()
        await asyncio.to_thread(own_kafka.start)
        await make(own_kafka.bootstrap, ONE)
        await fill(own_kafka.bootstrap, ONE, *numbers(100, 110))
        found: list[bytes] = []
        latest = []
        async with asyncio.timeout(40):
            while not set(numbers(100, 110)) <= set(found):
                latest += await anext(records)
                found = values(latest)
        # What the former topic's records say about offsets is of no account in this one.
        records.done(former)
        await records.commit()
        assert (await committed(own_kafka.bootstrap, GROUP, ONE)).get(0, 0) == 0
        records.done(latest)
        # What it read there before it noticed comes twice.
        rest = asyncio.create_task(finish(records))
        await commit_until(records, own_kafka, 10)
        rest.cancel()


@pytest.mark.usefixtures("looks_often")
async def test_a_topic_made_anew_is_read_from_its_beginning(fresh_kafka: Broker) -> None:
    """Also by who began at the end: all in it is new."""
    await make(fresh_kafka.bootstrap, ONE)
    settings = KafkaSettings(fresh_kafka.bootstrap)
    async with Subscription(settings, ONE, group=None, start="end") as records:
        await fill(fresh_kafka.bootstrap, ONE, *numbers(0, 5))
        await take(records, 5)
        await drop(fresh_kafka.bootstrap, ONE)
        await make(fresh_kafka.bootstrap, ONE)
        await fill(fresh_kafka.bootstrap, ONE, *numbers(100, 110))
        found: set[bytes] = set()
        async with asyncio.timeout(40):
            while not set(numbers(100, 110)) <= found:
                found |= set(values(await anext(records)))


async def test_an_offset_of_a_former_topic_is_not_believed(fresh_kafka: Broker) -> None:
    """A commit that came too late, among the new topic's offsets, makes no record be missed."""
    await make(fresh_kafka.bootstrap, ONE)
    await fill(fresh_kafka.bootstrap, ONE, *numbers(0, 10))
    await set_offset(fresh_kafka.bootstrap, GROUP, ONE, 5, metadata="the former topic's id")
    async with of_group(fresh_kafka) as records:
        assert values(await take(records, 10)) == numbers(0, 10)


# How it ends


async def test_no_thread_is_left_when_it_is_closed(
    fresh_kafka: Broker, free_ports: Callable[[int], list[int]]
) -> None:
    """With or without a broker; and who waited for a batch is told that none will come."""
    await make(fresh_kafka.bootstrap, ONE)
    (port,) = free_ports(1)
    for bootstrap in (fresh_kafka.bootstrap, f"127.0.0.1:{port}"):
        records = Subscription(KafkaSettings(bootstrap), ONE, group=GROUP)
        async with records:
            waiting = asyncio.ensure_future(anext(records, None))
            await eventually(lambda: f"kafka-{ONE}" in {t.name for t in threading.enumerate()})
        assert await waiting is None
        assert f"kafka-{ONE}" not in {t.name for t in threading.enumerate()}


async def test_a_cancelled_entering_leaves_no_thread(
    free_ports: Callable[[int], list[int]],
) -> None:
    """Nobody will leave what was not entered."""
    (port,) = free_ports(1)
    records = Subscription(KafkaSettings(f"127.0.0.1:{port}"), ONE, group=None, start="end")
    entering = asyncio.ensure_future(records.__aenter__())
    await eventually(lambda: f"kafka-{ONE}" in {t.name for t in threading.enumerate()})
    entering.cancel()
    await asyncio.wait([entering])
    await eventually(lambda: f"kafka-{ONE}" not in {t.name for t in threading.enumerate()})


async def test_wrong_settings_are_a_start_up_error() -> None:
    """On entering, in one sentence."""
    settings = KafkaSettings("127.0.0.1:1", {"no.such.thing": "1"})
    with pytest.raises(CannotStart, match="No such configuration property"):
        async with Subscription(settings, ONE, group=GROUP):
            pass


async def test_a_bug_in_the_thread_is_not_silence(
    fresh_kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reaches who waits for a batch."""
    await make(fresh_kafka.bootstrap, ONE)
    await fill(fresh_kafka.bootstrap, ONE, b"0")
    monkeypatch.setattr(record, "_text", lambda _: 1 / 0)
    async with from_start(fresh_kafka) as records:
        with pytest.raises(ZeroDivisionError):
            await take(records, 1)


PROGRAM = """
import asyncio, sys
from common.stream import KafkaSettings, Publisher, Subscription
from common.protocol import Topic

ONE = Topic("ev.test.one", "key", partitions=1)

async def main():
    settings = KafkaSettings(sys.argv[1])
    async with Subscription(settings, ONE, group="g") as records, Publisher(settings) as publisher:
        await publisher.publish(ONE, "k", b"x")
        records.done(await anext(records))
        await records.commit()

asyncio.run(main())
"""


async def test_a_program_ends_without_a_word(fresh_kafka: Broker) -> None:
    """No warning, no traceback of a thread, nothing that librdkafka has to say."""
    await make(fresh_kafka.bootstrap, ONE)
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, fresh_kafka.bootstrap]
    ended = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
