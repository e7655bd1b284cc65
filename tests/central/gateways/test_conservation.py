"""Every watt hour that meters counted in transactions is billed once, whatever is said in between.

Charge points start, meter and end transactions; they repeat themselves, lose answers, do not know
ids, use one another's; central is started anew between any two messages, and its database fails.
"""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from central.store import migrate_database
from common.connection import Connection
from common.gateway_messages import ChargeStarted
from tests.central.gateways.charge_point import NOW, ChargePoint, know, tag
from tests.central.gateways.desk import desk

POINTS = {"CP-1": Connection("gw-1", 3, 1), "CP-2": Connection("gw-2", 5, 1)}
TAGS = ("TAG-A", "TAG-B", "STRANGER")

Step = tuple[str, int, int]
"""What happens; the rest chooses where, and how much."""

HAPPENINGS = {
    "start": 6,
    "start again": 2,
    "meter": 4,
    "stop": 2,
    "stop untold": 1,
    "stop again": 2,
    "steal": 3,
    "unknown": 1,
    "restart": 2,
    "outage": 2,
}
"""What may happen, and how often."""


def story(seed: int, length: int) -> list[Step]:
    """As many steps, by chance: a longer one goes on as a shorter one does."""
    chance = Random(seed)
    names, weights = list(HAPPENINGS), list(HAPPENINGS.values())
    return [
        (chance.choices(names, weights)[0], chance.randrange(12), chance.randrange(1, 5_000))
        for _ in range(length)
    ]


# By chance from a seed: of hypothesis' own lists most are too much alike for so few examples.
stories = st.builds(story, st.integers(0, 2**32 - 1), st.integers(5, 40))


@pytest.fixture(scope="module")
def empty() -> Iterator[Path]:
    """A database with our schema, to be copied."""
    with TemporaryDirectory() as folder:
        migrate_database(f"sqlite:///{folder}/central.db")
        yield Path(folder) / "central.db"


@dataclass
class Transaction:
    """A transaction as its charge point knows it."""

    start: ChargeStarted
    transaction_id: int
    meter: int
    stopped_at: int | None = None
    named: bool = False
    """It has used its id: then it has heard it."""

    @property
    def used(self) -> int:
        return self.meter - self.start.meter_start_wh


class Story:
    """What the charge points do, and what they know of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = AsyncExitStack()
        self._clock = float(NOW)
        self._points: dict[str, ChargePoint] = {}
        self._meters: dict[tuple[str, int], int] = {}
        self.all: list[Transaction] = []

    async def __aenter__(self) -> "Story":
        await self._begin()
        await know(self.desk, tag("TAG-A"), tag("TAG-B", max_concurrent=3))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _begin(self) -> None:
        self.desk = await self._stack.enter_async_context(desk(self._folder, self._clock))
        for cp_id, connection in POINTS.items():
            self._points[cp_id] = await ChargePoint(self.desk, cp_id, connection).boot()

    async def restart(self) -> None:
        """Central is started anew."""
        await self._stack.aclose()
        self._stack = AsyncExitStack()
        await self._begin()

    async def step(self, what: str, which: int, amount: int) -> None:
        """One thing happens."""
        self._clock += 1
        self.desk.parts.clock.now = self._clock
        for each in self._points.values():
            each.clock_ms = int(self._clock * 1000)
        chosen = self.all[which % len(self.all)] if self.all else None
        if what == "start":
            await self._start(which, amount)
        elif what == "restart":
            await self.restart()
        elif what == "outage":
            self.desk.parts.outage.writes_to_fail = 1 + amount % 2
        elif what == "unknown":
            await self._points["CP-1"].stop(which + 1, amount)
        elif chosen is not None:
            await self._go_on(what, chosen, amount)

    async def _start(self, which: int, amount: int) -> None:
        cp_id, connector_id = list(POINTS)[which % 2], 1 + which // 2 % 2
        for each in self.all:  # a connector serves one car at a time
            if (each.start.cp_id, each.start.connector_id) == (cp_id, connector_id):
                await self._stop(each)
        cp = self._points[cp_id]
        meter = self._meters.get((cp_id, connector_id), 0) + amount % 3
        start = cp.start_of(TAGS[which % 3], meter, connector_id=connector_id)
        transaction_id, _ = await cp.say_start(start)
        self._meters[cp_id, connector_id] = meter
        self.all.append(Transaction(start, transaction_id, meter))

    async def _go_on(self, what: str, one: Transaction, amount: int) -> None:
        cp = self._points[one.start.cp_id]
        if what == "start again":
            assert (await cp.say_start(one.start))[0] == one.transaction_id
        elif what == "meter" and one.stopped_at is None:
            self._count(one, amount)
            one.named = True
            await cp.meter(one.transaction_id, one.meter, connector_id=one.start.connector_id)
        elif what == "stop":
            self._count(one, amount)
            await self._stop(one)
        elif what == "stop untold" and one.stopped_at is None and not one.named:
            self._count(one, amount)
            one.stopped_at = cp.clock_ms
            await cp.stop(-1, one.meter, id_tag=one.start.id_tag)
        elif what == "stop again" and one.stopped_at is not None:
            await self._stop(one)
        elif what == "steal":
            (thief,) = (each for each in self._points.values() if each is not cp)
            await thief.stop(one.transaction_id, one.meter + amount)

    def _count(self, one: Transaction, amount: int) -> None:
        if one.stopped_at is None:
            one.meter += amount
            self._meters[one.start.cp_id, one.start.connector_id] = one.meter

    async def _stop(self, one: Transaction) -> None:
        """Say its end, the first time or again."""
        cp = self._points[one.start.cp_id]
        one.stopped_at = one.stopped_at or cp.clock_ms
        await cp.stop(one.transaction_id, one.meter, at_ms=one.stopped_at)

    async def end(self) -> None:
        """All that goes on ends, and central is started once more."""
        for one in self.all:
            await self._stop(one)
        await self.restart()


@given(stories)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_metered_is_billed_once(
    empty: Path, monkeypatch: pytest.MonkeyPatch, happening: list[Step]
) -> None:
    """One ticket at most for a session, its transaction's watt hours, at its own charge point."""
    monkeypatch.setattr("central.gateways.intake.TRY_AGAIN", 0.001)

    async def play(folder: Path) -> None:
        async with Story(folder) as story:
            for step in happening:
                await story.step(*step)
            await story.end()
            store = story.desk.central.store
            bills, _ = await store.ticket_list(limit=200)
            billed = sorted((bill.cp_id, bill.connector_id, int(bill.energy)) for bill in bills)
            used = sorted((one.start.cp_id, one.start.connector_id, one.used) for one in story.all)
            assert [each for each in billed if each[2]] == [each for each in used if each[2]]
            for one in story.all:
                session = await store.session_of_transaction(one.transaction_id)
                assert session is not None
                assert (session.cp_id, session.energy) == (one.start.cp_id, one.used)
                assert session.settled
                assert (session.disputed, session.estimated) == (False, False)
            assert not story.desk.central.network.sessions

    with TemporaryDirectory() as folder:
        shutil.copy(empty, Path(folder) / "central.db")
        asyncio.run(play(Path(folder)))
