"""What registries are made of: epochs by the clock, the time of Redis, batches."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.registry.batches import Batches
from gateway.registry.epochs import ClockEpochs, RedisTime
from tests.central.parts import MovedClock

# -- Epochs --

moves = st.lists(
    st.tuples(st.sampled_from(["CP-1", "CP-2"]), st.integers(-5, 5), st.booleans()), max_size=30
)


@given(moves)
def test_epochs_rise_whatever_the_clock_does(history: list[tuple[str, int, bool]]) -> None:
    """Also where what it has passed was forgotten."""
    now = 1_000
    epochs = ClockEpochs(lambda: now)
    last = {"CP-1": 0, "CP-2": 0}
    for cp_id, move, forget in history:
        now += move
        if forget:
            epochs.forget()
        epoch = epochs.next(cp_id)
        assert epoch > last[cp_id]
        last[cp_id] = epoch


def test_an_epoch_is_above_what_it_must_be() -> None:
    """Such as one that somebody with a fast clock gave."""
    epochs = ClockEpochs(lambda: 1_000)
    assert epochs.next("CP-1", above=5_000) == 5_001
    assert epochs.last("CP-1") == 5_001


def test_what_the_clock_has_passed_is_forgotten() -> None:
    """Or else a gateway would remember every charge point it ever saw."""
    clock = MovedClock()
    epochs = ClockEpochs(lambda: int(clock.now * 1000))
    epochs.next("CP-1")
    epochs.forget()
    assert epochs.last("CP-1") > 0
    clock.now += 1
    epochs.forget()
    assert epochs.last("CP-1") == 0


# -- The time of Redis --


def test_before_redis_was_seen_its_time_is_ours() -> None:
    """There is no better guess."""
    clock = MovedClock()
    assert RedisTime(clock).at_least() == clock.now * 1000


def test_the_time_of_redis_is_known_to_within_a_round_trip() -> None:
    """And goes on from there."""
    clock = MovedClock()
    time = RedisTime(clock)
    asked = clock.monotonic()
    clock.now += 0.25  # until it answered
    time.seen(5_000_000, asked)
    assert time.at_least() == 5_000_000
    assert 5_000_250 <= time.at_most() <= 5_000_251
    clock.now += 2
    assert time.at_least() == 5_002_000


# -- Batches --


async def test_what_is_asked_at_once_is_answered_at_once() -> None:
    """Each gets its own answer; what comes meanwhile is the next batch."""
    seen: list[list[int]] = []

    async def double(numbers: Sequence[int]) -> list[int]:
        seen.append(list(numbers))
        await asyncio.sleep(0)
        return [2 * number for number in numbers]

    batches: Batches[int, int] = Batches(double, 3)
    first = [batches.ask(number) for number in range(5)]
    await asyncio.sleep(0)
    later = batches.ask(9)
    assert await asyncio.gather(*first, later) == [0, 2, 4, 6, 8, 18]
    assert seen == [[0, 1, 2], [3, 4, 9]]


async def test_a_batch_that_fails_fails_for_its_askers_alone() -> None:
    """The next one is answered."""

    async def invert(numbers: Sequence[int]) -> list[float]:
        return [1 / number for number in numbers]

    batches: Batches[int, float] = Batches(invert, 2)
    asked = [batches.ask(number) for number in (1, 0, 2, 4)]
    with pytest.raises(ZeroDivisionError):
        await asked[0]
    with pytest.raises(ZeroDivisionError):
        await asked[1]
    assert [await asked[2], await asked[3]] == [0.5, 0.25]


async def test_an_answer_that_nobody_wants_any_more_harms_nobody() -> None:
    """Its asker was cancelled."""

    async def same(numbers: Sequence[int]) -> Sequence[int]:
        return numbers

    batches: Batches[int, int] = Batches(same, 10)
    unwanted, wanted = batches.ask(1), batches.ask(2)
    unwanted.cancel()
    assert await wanted == 2
    await batches.finish()
