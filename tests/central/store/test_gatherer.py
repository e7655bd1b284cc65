"""The thread that does at once whatever waits for it."""

import asyncio
from collections.abc import Sequence
from threading import Event

import pytest

from central.store.gatherer import Gatherer
from common.errors import Reason, Refused, StoreUnavailable


class Work:
    """Doubles numbers; the first group waits until it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = Event()
        self.may_go_on = Event()
        self.cleaned_up = False

    def do(self, jobs: Sequence[int]) -> list[int | Exception]:
        self.begun.set()
        assert self.may_go_on.wait(5)
        self.groups.append(list(jobs))
        return [ValueError(job) if job < 0 else 2 * job for job in jobs]

    def clean_up(self) -> None:
        self.cleaned_up = True


@pytest.fixture
def work() -> Work:
    return Work()


def gatherer(work: Work, *, at_once: int = 100, waiting: int = 100) -> Gatherer[int, int]:
    return Gatherer("test", work.do, work.clean_up, at_once=at_once, waiting=waiting)


async def begun(gatherer: Gatherer[int, int], work: Work, job: int) -> "asyncio.Task[int]":
    """A job that the thread has taken, alone, and is held in."""
    task = asyncio.create_task(gatherer.do(job))
    assert await asyncio.to_thread(work.begun.wait, 5)
    return task


async def test_what_waits_is_done_in_one_group_in_its_order(work: Work) -> None:
    """While one group is being done the next one gathers, and each gets its own result."""
    gathering = gatherer(work)
    first = await begun(gathering, work, 0)
    rest = asyncio.gather(*(gathering.do(job) for job in range(1, 10)))
    await asyncio.sleep(0)
    work.may_go_on.set()
    assert await first == 0
    assert await rest == [2 * job for job in range(1, 10)]
    assert work.groups == [[0], list(range(1, 10))]
    await gathering.close()


async def test_a_group_has_a_limit(work: Work) -> None:
    """A transaction does not become longer than its limit; the others are in the next one."""
    gathering = gatherer(work, at_once=4)
    first = await begun(gathering, work, 0)
    rest = asyncio.gather(*(gathering.do(job) for job in range(1, 10)))
    await asyncio.sleep(0)
    work.may_go_on.set()
    await asyncio.gather(first, rest)
    assert [len(group) for group in work.groups] == [1, 4, 4, 1]
    await gathering.close()


async def test_too_many_jobs_are_refused_and_not_done(work: Work) -> None:
    """At the limit the answer is `overloaded` at once; below it again, jobs are taken again."""
    gathering = gatherer(work, waiting=3)
    first = await begun(gathering, work, 0)
    rest = [asyncio.create_task(gathering.do(job)) for job in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as refused:
        await gathering.do(3)
    assert refused.value.reason is Reason.OVERLOADED
    work.may_go_on.set()
    await asyncio.gather(first, *rest)
    assert await gathering.do(4) == 8
    assert [job for group in work.groups for job in group] == [0, 1, 2, 4]
    await gathering.close()


async def test_an_error_is_its_own_callers(work: Work) -> None:
    """The others of its group have their results."""
    work.may_go_on.set()
    gathering = gatherer(work)
    results = await asyncio.gather(*map(gathering.do, (1, -1, 2)), return_exceptions=True)
    assert results[::2] == [2, 4]
    assert isinstance(results[1], ValueError)
    await gathering.close()


async def test_a_job_whose_caller_is_cancelled_is_done_all_the_same(work: Work) -> None:
    """And it disturbs nobody in its group."""
    gathering = gatherer(work)
    first = await begun(gathering, work, 0)
    cancelled, other = (asyncio.create_task(gathering.do(job)) for job in (1, 2))
    await asyncio.sleep(0)
    cancelled.cancel()
    work.may_go_on.set()
    assert [await first, await other] == [0, 4]
    assert work.groups == [[0], [1, 2]]
    await gathering.close()


async def test_a_bug_in_the_work_ends_its_callers_waiting_and_not_the_thread() -> None:
    """Every wait ends, and the next job is done."""

    def do(jobs: Sequence[int]) -> list[int | Exception]:
        if 0 in jobs:
            raise ZeroDivisionError
        return list(jobs)

    gathering: Gatherer[int, int] = Gatherer("test", do, lambda: None, at_once=9, waiting=9)
    with pytest.raises(ZeroDivisionError):
        await gathering.do(0)
    assert await gathering.do(1) == 1
    await gathering.close()


async def test_closing_does_what_was_handed_over_and_refuses_the_rest(work: Work) -> None:
    """Nothing that waits at a clean stop is lost, and nothing waits for ever after it."""
    gathering = gatherer(work, at_once=2)
    first = await begun(gathering, work, 0)
    rest = [asyncio.create_task(gathering.do(job)) for job in range(1, 6)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(gathering.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="closed"):
        await gathering.do(99)
    work.may_go_on.set()
    await closing
    assert await asyncio.gather(first, *rest) == [0, 2, 4, 6, 8, 10]
    assert work.cleaned_up
    await gathering.close()
