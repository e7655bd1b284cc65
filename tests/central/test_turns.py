"""More asked of central than it can do: some wait, the rest is told so at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from central import turns
from central.turns import Turns
from common.errors import Reason, Refused
from tests.central.parts import Parts, eventually, serving


class Work:
    """Blocks that are entered one after the other, and left when the test says so."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.entered: list[str] = []
        self.leave = {name: asyncio.Event() for name in "abcd"}

    async def do(self, name: str) -> None:
        """Enter, stay until told to leave, and leave."""
        async with self._turns:
            self.entered.append(name)
            await self.leave[name].wait()

    def begin(self, name: str) -> asyncio.Task[None]:
        """The same, in the background."""
        return asyncio.get_running_loop().create_task(self.do(name))


async def settled() -> None:
    """Return when every task has come as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_those_who_wait_take_their_turns_in_order() -> None:
    """So many at once, the others when one leaves, and the first of them first."""
    work = Work(Turns(1, 2))
    tasks = [work.begin(name) for name in "abc"]
    await settled()
    assert work.entered == ["a"]
    for name, then in (("a", ["a", "b"]), ("b", ["a", "b", "c"])):
        work.leave[name].set()
        await settled()
        assert work.entered == then
    work.leave["c"].set()
    await asyncio.gather(*tasks)


async def test_one_too_many_is_refused_at_once() -> None:
    """It would wait too long; and when there is room again it may come."""
    turns = Turns(1, 1)
    work = Work(turns)
    tasks = [work.begin(name) for name in "ab"]
    await settled()
    with pytest.raises(Refused) as caught:
        await work.do("c")
    assert caught.value.reason is Reason.OVERLOADED
    work.leave["a"].set()
    await settled()
    tasks.append(work.begin("d"))
    for name in "bd":
        work.leave[name].set()
    await asyncio.gather(*tasks)
    assert work.entered == ["a", "b", "d"]


async def test_a_turn_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database hangs, say: who waits is told soon that nothing was done."""
    monkeypatch.setattr(turns, "TURN_WITHIN", 0.01)
    work = Work(Turns(1, 1))
    first = work.begin("a")
    await settled()
    with pytest.raises(Refused) as caught:
        await work.do("b")
    assert caught.value.reason is Reason.OVERLOADED
    work.leave["a"].set()
    await first
    work.leave["c"].set()
    await work.do("c")


async def test_who_leaves_while_waiting_takes_no_turn() -> None:
    """A cancelled request holds nothing."""
    work = Work(Turns(1, 1))
    first, gone = work.begin("a"), work.begin("b")
    await settled()
    gone.cancel()
    await settled()
    third = work.begin("c")
    for name in "ac":
        work.leave[name].set()
    await asyncio.gather(first, third)
    assert work.entered == ["a", "c"]


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    """A serving central on an empty database."""
    async with serving(tmp_path) as parts:
        yield parts


async def test_a_request_too_many_is_overloaded_and_may_be_repeated(parts: Parts) -> None:
    """Nothing was done for it; the one that waits is served as soon as there is room."""
    charging = parts.central.charging
    charging._turns = Turns(1, 1)
    for cp_id in ("CP-1", "CP-2"):
        await parts.monitor(cp_id)
    async with charging._turns:
        waiting = asyncio.ensure_future(parts.charge("ANA", "CP-1"))
        await eventually(lambda: charging._turns._waiting == 1)
        with pytest.raises(Refused) as caught:
            await parts.charge("BEA", "CP-2")
        assert caught.value.reason is Reason.OVERLOADED
        assert parts.central.network.sessions == {}
    assert (await waiting).session_id
    assert (await parts.charge("BEA", "CP-2")).session_id
