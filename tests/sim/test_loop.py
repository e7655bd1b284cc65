"""A loop whose time is simulated, and the processes that live on it."""

import asyncio

import pytest

from sim.loop import STEPS_AT_ONE_TIME, Stuck
from tests.sim.parts import Lab


@pytest.fixture
def lab() -> Lab:
    """A simulation with nothing in it."""
    return Lab()


def test_an_hour_goes_by_without_waiting(lab: Lab) -> None:
    """And whoever slept wakes up at the right time."""
    woken: list[float] = []

    async def sleep() -> None:
        await asyncio.sleep(3_600)
        woken.append(asyncio.get_running_loop().time())

    lab.loop.begin(lab.process("a"), sleep())
    lab.loop.run_until(7_200)
    assert woken == [3_600]
    assert lab.loop.now == 7_200


def test_a_machine_that_runs_fast_wakes_early(lab: Lab) -> None:
    """A process lives by its machine's clock."""
    woken: list[tuple[float, float]] = []

    async def sleep() -> None:
        await asyncio.sleep(100)
        woken.append((asyncio.get_running_loop().time(), lab.loop.now))

    lab.loop.begin(lab.process("fast", rate=1.25), sleep())
    lab.loop.run_until(1_000)
    assert woken == [(100, 80)]


def test_what_was_asked_for_first_is_done_first(lab: Lab) -> None:
    """As asyncio has it, within one process."""
    done: list[int] = []

    async def ask() -> None:
        for number in range(10):
            asyncio.get_running_loop().call_soon(done.append, number)

    lab.loop.begin(lab.process("a"), ask())
    lab.loop.run_until(1)
    assert done == list(range(10))


def test_nothing_of_a_killed_process_runs(lab: Lab) -> None:
    """No clean-up either: SIGKILL leaves no time for it."""
    done: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(1)
            done.append("slept")
            await asyncio.sleep(1)
        finally:
            done.append("cleaned up")

    process = lab.process("a")
    lab.loop.begin(process, work())
    lab.loop.run_until(1.5)
    process.die()
    lab.loop.run_until(10)
    assert done == ["slept"]
    process.bury()


def test_a_process_dies_after_the_steps_that_are_left_to_it(lab: Lab) -> None:
    """Between any two of them."""
    done: list[int] = []

    async def count() -> None:
        for number in range(100):
            done.append(number)
            await asyncio.sleep(0)

    process = lab.process("a")
    process.dies_in = 7
    lab.loop.begin(process, count())
    lab.loop.run_until(1)
    assert lab.doomed == [process]
    assert done[6] == 6


def test_a_paused_process_goes_on_where_it_was(lab: Lab) -> None:
    """Late, and in order."""
    done: list[tuple[int, float]] = []

    async def tick() -> None:
        for number in range(4):
            await asyncio.sleep(1)
            done.append((number, lab.loop.now))

    process = lab.process("a")
    lab.loop.begin(process, tick())
    lab.loop.run_until(1.5)
    process.pause()
    lab.loop.run_until(5)
    process.go_on()
    lab.loop.run_until(10)
    assert done == [(0, 1), (1, 5), (2, 6), (3, 7)]


def test_a_program_that_turns_in_circles_is_found_out(lab: Lab) -> None:
    """Instead of turning with it for ever."""

    async def circle() -> None:
        while True:  # noqa: ASYNC110 -- that is the point
            await asyncio.sleep(0)

    process = lab.process("a")
    lab.loop.begin(process, circle())
    with pytest.raises(Stuck, match="a turns in circles"):
        lab.loop.run_until(1)
    assert lab.loop.steps > STEPS_AT_ONE_TIME
    process.bury()


def test_what_a_thread_would_do_is_done_without_one(lab: Lab) -> None:
    """Results and errors come back as from a thread."""
    found: list[object] = []

    async def work() -> None:
        found.append(await asyncio.to_thread(divmod, 7, 2))
        try:
            await asyncio.to_thread(divmod, 7, 0)
        except ZeroDivisionError as error:
            found.append(type(error))

    lab.loop.begin(lab.process("a"), work())
    lab.loop.run_until(1)
    assert found == [(3, 1), ZeroDivisionError]
