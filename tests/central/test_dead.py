"""Records that fail by themselves wait for `ev.dead` within bounds, and hold up nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import cast

import pytest

from central import dead as dead_module
from central.dead import MAX_HEADERS, MAX_VALUE, MAX_WAITING_BYTES, DeadLetters, headers_of
from common.errors import BadMessage, Reason, Refused
from common.protocol import DEAD, Topic
from common.stream import Headers, NotDelivered, Publisher, Record, Subscription

SOON = 5.0
BAD = BadMessage(Reason.BAD_FRAME, "the data is not JSON")


def record(offset: int = 0, value: bytes = b"x", **more: object) -> Record:
    fields: dict[str, object] = {"headers": (), "key_bytes": b"\xffkey", **more}
    return Record("ev.charging", 3, offset, None, value, 1_700, False, **fields)  # type: ignore[arg-type]


class Letterbox:
    """A Kafka that takes what it is told to take.

    Attributes:
        refuses: Raised instead of taking a record, as long as it is set.
        stored: What it took.
    """

    def __init__(self) -> None:
        self.refuses: Exception | None = None
        self.stored: list[tuple[str | bytes | None, bytes, dict[str, object]]] = []

    def publish(
        self, topic: Topic, key: str | bytes | None, value: bytes, headers: Headers | None = None
    ) -> asyncio.Future[None]:
        assert topic is DEAD
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if isinstance(self.refuses, Refused | TypeError):
            raise self.refuses
        if self.refuses is not None:
            done.set_exception(self.refuses)
            return done
        self.stored.append((key, value, dict(headers or ())))
        done.set_result(None)
        return done


class Source:
    """Notes what becomes of its records."""

    def __init__(self) -> None:
        self.finished: list[int] = []
        self.left: list[int] = []

    def done(self, records: Iterable[Record]) -> None:
        self.finished += [each.offset for each in records]

    def leave(self, one: Record) -> None:
        self.left.append(one.offset)


class Desk:
    """Dead letters that run, between a source and a letterbox."""

    def __init__(self) -> None:
        self.box, self.source = Letterbox(), Source()
        self.dead = DeadLetters(cast(Publisher, self.box))

    def set_aside(self, one: Record, error: BaseException = BAD) -> None:
        self.dead.set_aside(cast(Subscription, self.source), one, error)

    async def until(self, offsets: list[int]) -> None:
        async with asyncio.timeout(SOON):
            while sorted(self.source.finished) != offsets:  # noqa: ASYNC110 -- nothing says so
                await asyncio.sleep(0.005)


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """One that tries again soon."""
    monkeypatch.setattr(dead_module, "TRY_AGAIN", 0.01)
    one = Desk()
    work = asyncio.create_task(one.dead.run())
    yield one
    work.cancel()
    await asyncio.wait([work])


async def test_a_record_is_done_when_it_was_set_aside(desk: Desk) -> None:
    """With its key and value as they came, the reason, and where it stood."""
    desk.set_aside(record(7, b"poison", headers=(("proof", b"\0"), ("offset", b"mine"))))
    assert desk.source.finished == []
    await desk.until([7])
    [(key, value, headers)] = desk.box.stored
    assert (key, value) == (b"\xffkey", b"poison")
    assert headers == {
        "proof": b"\0",
        "reason": "bad_frame: the data is not JSON",
        "topic": "ev.charging",
        "partition": "3",
        "offset": "7",
        "timestamp": "1700",
    }
    assert (desk.dead.taken, desk.dead.waiting) == ({"ev.charging": 1}, 0)


@pytest.mark.parametrize(
    "refusal",
    [
        Refused(Reason.OVERLOADED, "too many records wait for Kafka"),
        Refused(Reason.STANDBY, "this program may not publish now"),
        NotDelivered("ev.dead", "Topic authorization failed"),
    ],
)
async def test_what_kafka_does_not_take_is_tried_again(desk: Desk, refusal: Exception) -> None:
    """It is not done meanwhile, however long that takes."""
    desk.box.refuses = refusal
    for offset in range(3):
        desk.set_aside(record(offset))
    await asyncio.sleep(0.05)
    assert (desk.source.finished, desk.source.left, desk.dead.waiting) == ([], [], 3)
    desk.box.refuses = None
    await desk.until([0, 1, 2])
    assert desk.dead.waiting == 0


async def test_only_so_many_wait(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more, or one whose bytes are too many, is left where it is: for the next central."""
    monkeypatch.setattr(dead_module, "MAX_WAITING", 3)
    desk.box.refuses = NotDelivered("ev.dead", "no")
    huge = bytes(MAX_WAITING_BYTES)
    for one in (record(0), record(1, huge), record(2), record(3), record(4)):
        desk.set_aside(one)
    assert desk.source.left == [1, 4]
    assert (desk.dead.left, desk.dead.taken["ev.charging"]) == (2, 5)
    desk.box.refuses = None
    await desk.until([0, 2, 3])
    desk.set_aside(record(5))
    await desk.until([0, 2, 3, 5])


async def test_one_that_cannot_be_written_holds_up_no_other(desk: Desk) -> None:
    """Whatever its headers make of the client: it is left, and the others are set aside."""
    desk.box.refuses = TypeError("headers")
    desk.set_aside(record(0))
    async with asyncio.timeout(SOON):
        while not desk.source.left:  # noqa: ASYNC110 -- nothing says so
            await asyncio.sleep(0.005)
    desk.box.refuses = None
    desk.set_aside(record(1))
    await desk.until([1])
    assert desk.source.left == [0]


async def test_a_defect_of_ours_names_itself_but_no_secret(desk: Desk) -> None:
    """What is no error on purpose is `internal`, with its class."""
    desk.set_aside(record(0), ZeroDivisionError("of ours"))
    await desk.until([0])
    assert desk.box.stored[0][2]["reason"] == "internal: ZeroDivisionError('of ours')"


async def test_a_value_that_is_too_long_is_cut(desk: Desk) -> None:
    """And says how long it was: a broker may be told to take more than ours takes."""
    desk.set_aside(record(0, bytes(MAX_VALUE + 1)))
    await desk.until([0])
    [(_, value, headers)] = desk.box.stored
    assert (len(value), headers["size"]) == (MAX_VALUE, str(MAX_VALUE + 1))


def test_headers_that_are_too_long_are_left_out() -> None:
    """What is said about the record must fit."""
    long = record(headers=(("a", bytes(MAX_HEADERS)),))
    assert [name for name, _ in headers_of(long, "why")] == [
        *("reason", "topic", "partition", "offset", "timestamp")
    ]
