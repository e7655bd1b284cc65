"""Dialling: for ever, with growing waits, and never a person left without a word."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import count

import pytest

from common import dial as module
from common.dial import FIRST_WAIT, LIVED, LONGEST_WAIT, MISSED, REPLACED_WAIT, Dialler, keep_alive
from common.errors import ChargingError, LinkLost, NoAnswer, Reason, Refused
from common.link import Link
from common.listen import Listener
from common.messages import ErrorResponse, HealthCheckRequest, Role
from common.program import Address
from tests.common.complete import dispatcher
from tests.common.test_link import SOON, listening, taken_port

MONITOR, ENGINE = Role.MONITOR, Role.ENGINE

really_sleep = asyncio.sleep


class FakeTime:
    """A clock that only sleeping, and tests, move.

    Attributes:
        sleeps: How long was slept, each time.
        enough: Set when as many sleeps as wanted have been.
    """

    def __init__(self) -> None:
        self.now = 1_000.0
        self.sleeps: list[float] = []
        self.wanted = 1
        self.enough = asyncio.Event()

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if seconds == 0:  # nobody's wait, only a turn for the others
            await really_sleep(0)
            return
        self.sleeps.append(seconds)
        self.now += seconds
        if len(self.sleeps) >= self.wanted:
            self.enough.set()
            await asyncio.Event().wait()
        await really_sleep(0)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """Time in which nobody really sleeps."""
    fake = FakeTime()
    monkeypatch.setattr(asyncio, "sleep", fake.sleep)
    return fake


@asynccontextmanager
async def running(dialler: Dialler) -> AsyncIterator[asyncio.Task[None]]:
    """A dialler at work; a bug that ends it fails the test."""
    work = asyncio.create_task(dialler.run())
    try:
        yield work
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


def links() -> Callable[[], Link]:
    """Makes a monitor's ends of links."""
    handlers, _ = dispatcher(MONITOR)
    return lambda: Link(MONITOR, handlers, FakeTime(), peer_role=ENGINE)


def to(listener: Listener) -> Address:
    return Address(listener.host, listener.port)


async def for_ever(link: Link) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def an_engine() -> AsyncIterator[Listener]:
    """Something to dial."""
    handlers, _ = dispatcher(ENGINE)
    async with listening(ENGINE, handlers, peer_role=MONITOR) as listener:
        yield listener


async def waits(
    clock: FakeTime,
    number: int,
    addresses: Iterable[Address],
    session: Callable[[Link], Awaitable[None]] = for_ever,
) -> tuple[list[float], Dialler]:
    """How long a dialler waited the first times."""
    clock.wanted = number
    dialler = Dialler("CENTRAL", list(addresses), links(), session, clock)
    async with running(dialler) as work, asyncio.timeout(SOON):
        done = asyncio.create_task(clock.enough.wait())
        await asyncio.wait((work, done), return_when=asyncio.FIRST_COMPLETED)
        assert done.done(), work.exception()
    return clock.sleeps, dialler


def is_backoff(seconds: float, number: int) -> bool:
    """Whether this can be the wait after this many failures (1, 2, …): doubled, with jitter."""
    least: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (number - 1))
    return least <= seconds <= min(LONGEST_WAIT, least + FIRST_WAIT)


# ---- Waiting ----------------------------------------------------------------------------------


async def test_the_wait_doubles_up_to_the_longest(clock: FakeTime) -> None:
    """From 0.2 s to 10 s, with jitter, and it never gives up."""
    assert (FIRST_WAIT, LONGEST_WAIT) == (0.2, 10)
    with taken_port() as port:
        pass
    found, _ = await waits(clock, 30, [Address("127.0.0.1", port)])
    assert all(is_backoff(seconds, n) for n, seconds in enumerate(found, 1)), found
    assert found[-1] == LONGEST_WAIT
    assert len({round(seconds / FIRST_WAIT % 1, 3) for seconds in found[:5]}) > 1, "no jitter"


async def test_a_peer_that_accepts_and_drops_is_not_hammered(clock: FakeTime) -> None:
    """Having been connected is not enough: the waits go on growing."""

    async def dropped(link: Link) -> None:
        clock.now += LIVED - 1

    async with an_engine() as engine:
        found, _ = await waits(clock, 8, [to(engine)], dropped)
    assert all(is_backoff(seconds, n) for n, seconds in enumerate(found, 1)), found


@pytest.mark.parametrize("error", [None, Refused(Reason.INTERNAL), NoAnswer("x", 1)])
async def test_a_link_that_has_lived_resets_the_waits(
    clock: FakeTime, error: ChargingError | None
) -> None:
    """For 30 s at least, however it ended; there is still a wait, so that not all come at once."""
    assert LIVED == 30
    number = count(1)

    async def lives_the_third_time(link: Link) -> None:
        if next(number) == 3:
            clock.now += LIVED + 1
            if error is not None:
                raise error

    async with an_engine() as engine:
        found, _ = await waits(clock, 5, [to(engine)], lives_the_third_time)
    assert [is_backoff(s, n) for s, n in zip(found, [1, 2, 1, 2, 3], strict=True)] == [True] * 5


@pytest.mark.parametrize("lived", [0, LIVED - 1, LIVED + 1, 3_600])
async def test_who_is_replaced_waits_ten_seconds(clock: FakeTime, lived: float) -> None:
    """At least, and however long the link has lived; once, not at every failure after it."""
    assert REPLACED_WAIT == 10
    number = count(1)

    async def replaced_first(link: Link) -> None:
        if next(number) == 1:
            clock.now += lived
            dialler.replaced(ErrorResponse(error=Reason.REPLACED))

    clock.wanted = 2
    async with an_engine() as engine:
        dialler = Dialler("CENTRAL", [to(engine)], links(), replaced_first, clock)
        async with running(dialler), asyncio.timeout(SOON):
            await clock.enough.wait()
    assert clock.sleeps[0] >= REPLACED_WAIT
    assert clock.sleeps[1] < 1


# ---- Whom -------------------------------------------------------------------------------------


async def test_addresses_are_tried_in_turn(clock: FakeTime) -> None:
    """The next one after each failure, until one answers."""
    tried: list[str] = []
    with taken_port() as dead:
        pass
    async with an_engine() as engine:
        clock.wanted = 99
        dialler = Dialler(
            "CENTRAL",
            [Address("127.0.0.1", dead), Address("localhost", dead), to(engine)],
            links(),
            for_ever,
            clock,
            on_trouble=tried.append,
        )
        async with running(dialler), asyncio.timeout(SOON):
            link = await dialler.connected()
            assert link is dialler.link
            assert dialler.address == to(engine)
            assert dialler.trouble == ""
    assert len(tried) == 2
    assert tried[0].startswith(f"cannot reach CENTRAL at 127.0.0.1:{dead} (")
    assert tried[1].startswith(f"cannot reach CENTRAL at localhost:{dead} (")


@pytest.mark.parametrize("lived", [0, LIVED + 1])
@pytest.mark.parametrize("known", [True, False])
async def test_a_standby_sends_to_the_leader(clock: FakeTime, known: bool, lived: float) -> None:
    """Its address is tried next, whether it was in the list or not."""
    sent_on = count()
    async with an_engine() as standby, an_engine() as other, an_engine() as leader:
        addresses = [to(standby), to(other), *([to(leader)] if known else [])]

        async def session(link: Link) -> None:
            if next(sent_on) == 0:
                clock.now += lived
                told = ErrorResponse(error=Reason.STANDBY, leader=str(to(leader)))
                dialler.replaced(told)
                return
            reached.set()
            await for_ever(link)

        reached = asyncio.Event()
        clock.wanted = 99
        dialler = Dialler("CENTRAL", addresses, links(), session, clock)
        async with running(dialler), asyncio.timeout(SOON):
            await reached.wait()
            assert dialler.address == to(leader)
    assert len(clock.sleeps) == 1


async def test_other_refusals_change_nothing(clock: FakeTime) -> None:
    """Only `replaced`, and `standby` with an address, tell a dialler what to do."""
    dialler = Dialler("CENTRAL", [Address("a", 1), Address("b", 2)], links(), for_ever, clock)
    for error in (Reason.OVERLOADED, Reason.STANDBY, Reason.INTERNAL):
        dialler.replaced(ErrorResponse(error=error))
    assert dialler.address == Address("a", 1)
    assert dialler.trouble == ""


# ---- What is said -----------------------------------------------------------------------------


async def test_trouble_is_said_in_a_sentence(clock: FakeTime) -> None:
    """Whom, where, why, and when it is tried again."""
    with taken_port() as port:
        pass
    _, dialler = await waits(clock, 1, [Address("127.0.0.1", port)])
    assert dialler.trouble.startswith(f"cannot reach CENTRAL at 127.0.0.1:{port} (")
    assert dialler.trouble.endswith(f"), next try in {clock.sleeps[0]:.1f} s")


async def test_a_peer_that_does_not_accept_is_given_up_in_time(
    clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every wait ends, also that for a connection."""
    monkeypatch.setattr(module, "CONNECT_WITHIN", 0.01)

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    _, dialler = await waits(clock, 1, [Address("127.0.0.1", 1)])
    assert "(no answer)" in dialler.trouble


async def test_a_session_that_fails_is_trouble_too(clock: FakeTime) -> None:
    """As when central refuses the registration: it is tried again."""

    async def refused(link: Link) -> None:
        raise Refused(Reason.NOT_ALLOWED, "who are you")

    async with an_engine() as engine:
        _, dialler = await waits(clock, 2, [to(engine)], refused)
    assert "(not_allowed: who are you)" in dialler.trouble


async def test_a_link_that_goes_is_trouble_too(clock: FakeTime) -> None:
    """With the reason that the link gives."""

    async def closed(link: Link) -> None:
        link.close()
        await for_ever(link)

    async with an_engine() as engine:
        _, dialler = await waits(clock, 1, [to(engine)], closed)
    assert "closed by us" in dialler.trouble


# ---- Living -----------------------------------------------------------------------------------


async def test_a_session_lives_as_long_as_its_link(clock: FakeTime) -> None:
    """It is cancelled when the link goes, and then there is no link."""
    ended = asyncio.Event()

    async def session(link: Link) -> None:
        try:
            assert (await link.ask(HealthCheckRequest(cp_id="A"))).status == "success"
            asked.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    asked = asyncio.Event()
    async with an_engine() as engine:
        dialler = Dialler("ENGINE", [to(engine)], links(), session, clock)
        async with running(dialler), asyncio.timeout(SOON):
            await asked.wait()
            assert dialler.link is not None
            for link in list(engine.links):
                link.close()
            await ended.wait()
            await clock.enough.wait()
            assert dialler.link is None
            assert "closed by the peer" in dialler.trouble


async def test_a_link_lives_no_longer_than_its_session(clock: FakeTime) -> None:
    """When the session is done the link is closed."""
    seen: list[Link] = []

    async def short(link: Link) -> None:
        seen.append(link)

    async with an_engine() as engine:
        await waits(clock, 1, [to(engine)], short)
        assert await seen[0].closed == "closed by us"


async def test_a_bug_in_a_session_is_not_retried(clock: FakeTime) -> None:
    """It ends the program, with its traceback."""

    async def bug(link: Link) -> None:
        raise KeyError("bug")

    async with an_engine() as engine:
        dialler = Dialler("ENGINE", [to(engine)], links(), bug, clock)
        with pytest.raises(KeyError):
            await dialler.run()
    assert clock.sleeps == []


async def test_cancelling_a_dialler_closes_its_link(clock: FakeTime) -> None:
    """A program that ends says goodbye."""
    async with an_engine() as engine:
        dialler = Dialler("ENGINE", [to(engine)], links(), for_ever, clock)
        async with running(dialler), asyncio.timeout(SOON):
            link = await dialler.connected()
        assert link.closed.done()
        assert dialler.link is None


# ---- Heartbeats -------------------------------------------------------------------------------


@asynccontextmanager
async def a_link() -> AsyncIterator[Link]:
    """A link that is up."""
    async with an_engine() as engine:
        link = links()()
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: link, engine.host, engine.port)
        yield link
        link.close()
        await link.closed


async def test_three_beats_without_an_answer_close_the_link() -> None:
    """In a row: one answer between them begins the count again."""
    assert MISSED == 3
    beats = count(1)

    async def answered_at_third() -> None:
        if next(beats) != 3:
            raise NoAnswer("heartbeat_request", 5)

    async with a_link() as link:
        await asyncio.wait_for(keep_alive(link, answered_at_third, 0), SOON)
        assert next(beats) == 7
        assert link.is_closing


async def test_beats_end_with_their_link() -> None:
    """And nothing is asked over one that is gone."""
    beats = count(1)

    async def goes_at_third() -> None:
        if next(beats) == 3:
            link.close()
            await link.closed

    async with a_link() as link:
        await asyncio.wait_for(keep_alive(link, goes_at_third, 0), SOON)
        assert next(beats) == 4


async def test_a_beat_that_fails_otherwise_ends_them() -> None:
    """A refusal or a lost link is the session's to judge."""

    async def lost() -> None:
        raise LinkLost("CENTRAL")

    async with a_link() as link:
        with pytest.raises(LinkLost):
            await asyncio.wait_for(keep_alive(link, lost, 0), SOON)
        assert not link.is_closing


async def test_beats_keep_their_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that an answer took is not added to it."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await really_sleep(0)
        if len(slept) == 2:
            raise asyncio.CancelledError

    async def beat() -> None:
        await really_sleep(0.02)

    async with a_link() as link:
        monkeypatch.setattr(asyncio, "sleep", sleep)
        with pytest.raises(asyncio.CancelledError):
            await keep_alive(link, beat, 5.0)
        monkeypatch.undo()
    assert all(4 < seconds < 5 for seconds in slept)
