"""Leading, and standing by: the lease as central lives with it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from central.lease import SENT_AWAY_AFTER, TTL, UNCHANGED_FOR, Candidate, Lease
from central.store import RenewLease, Store
from central.store.database import Database, opened
from central.store.lease import look, take_at_once
from common.errors import Reason, StoreUnavailable
from common.messages import (
    ChargeRequestResponse,
    ErrorResponse,
    HeartbeatResponse,
    Outcome,
    PointsResponse,
    StopCpCommand,
)
from tests.central.parts import SOON, MovedClock, eventually


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty database."""
    return opened(f"sqlite:///{tmp_path / 'central.db'}")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    """The store of a central that leads at here:1."""
    store = Store(database, take_at_once(database, "here:1", MovedClock()), b"")
    yield store
    await store.close()


# -- Taking it --


async def test_a_candidate_leads_where_nobody_does(database: Database) -> None:
    """At once, with the first epoch."""
    assert await Candidate(database, "here:1", MovedClock()).look() == 1


async def test_a_lease_of_the_own_address_is_taken_at_once(
    database: Database, store: Store
) -> None:
    """Its holder was this central's former life: nobody else can listen there."""
    assert await Candidate(database, "here:1", MovedClock()).look() == 2


async def test_a_lease_that_was_given_back_is_taken_at_once(
    database: Database, store: Store
) -> None:
    """Its holder stopped."""
    former = Candidate(database, "here:1", MovedClock())
    await former.give_back(store.epoch)
    assert await Candidate(database, "there:1", MovedClock()).look() == 2


async def test_a_lease_that_is_not_renewed_is_taken(database: Database, store: Store) -> None:
    """After its time by the candidate's own clock, whatever the database's says."""
    clock = MovedClock()
    candidate = Candidate(database, "there:1", clock)
    assert await candidate.look() is None
    assert candidate.leads_elsewhere == "here:1"
    clock.now += UNCHANGED_FOR - 0.1
    assert await candidate.look() is None
    assert not candidate.lives
    clock.now += 0.1
    assert await candidate.look() == 2
    leader = look(database)
    assert leader is not None
    assert leader.address == "there:1"


async def test_a_lease_that_is_renewed_is_left(database: Database, store: Store) -> None:
    """However often it is looked at."""
    clock = MovedClock()
    candidate = Candidate(database, "there:1", clock)
    assert await candidate.look() is None
    assert not candidate.lives
    for _ in range(6):
        clock.now += TTL / 2
        await asyncio.sleep(0.002)  # the clock of SQLite has milliseconds
        await store.write(RenewLease())
        assert await candidate.look() is None
        assert candidate.lives


# -- Keeping it, and losing it --


async def test_what_was_not_renewed_in_time_does_not_lead(store: Store) -> None:
    """Counted from before it was asked for, by the own clock; a renewal brings it back."""
    clock = MovedClock()
    told: list[str] = []
    lease = Lease(store, clock, clock.monotonic())
    lease.on_back = lambda: told.append("back")
    assert lease.leads
    clock.now += TTL
    assert not lease.leads
    keeping = asyncio.ensure_future(lease.keep())
    await eventually(lambda: lease.leads)
    assert told == ["back"]
    keeping.cancel()


async def test_a_taken_lease_is_over(database: Database, store: Store) -> None:
    """Nothing brings it back."""
    clock = MovedClock()
    lease = Lease(store, clock, clock.monotonic())
    take_at_once(database, "there:1", clock)
    async with asyncio.timeout(SOON):
        await lease.keep()
    assert lease.over.is_set()
    assert not lease.leads


def not_writing(store: Store, clock: MovedClock) -> None:
    """Each write fails, and takes half of the time after which peers are sent away."""

    async def fails(*changes: object) -> None:
        clock.now += SENT_AWAY_AFTER / 2
        raise StoreUnavailable("disk full")

    store.write = fails  # type: ignore[method-assign]


async def test_a_leader_that_is_cut_off_sends_its_peers_away_in_the_end(
    database: Database, store: Store
) -> None:
    """After a minute without its database: another one may reach it, and lead."""
    clock = MovedClock()
    not_writing(store, clock)
    with database.writing.begin() as connection:
        connection.execute(text("DROP TABLE lease"))
    lease = Lease(store, clock, clock.monotonic())
    async with asyncio.timeout(SOON):
        await lease.keep()
    assert lease.over.is_set()


async def test_a_leader_on_a_full_disk_is_left_by_nobody(store: Store) -> None:
    """It may not lead, and can read that nobody else does."""
    clock = MovedClock()
    not_writing(store, clock)
    lease = Lease(store, clock, clock.monotonic())
    keeping = asyncio.ensure_future(lease.keep())
    await eventually(lambda: clock.now > 1_000_000 + 2 * SENT_AWAY_AFTER)
    keeping.cancel()
    assert not lease.leads
    assert not lease.over.is_set()


async def test_a_leader_without_its_database_still_shows_what_it_knows(store: Store) -> None:
    """Signs of life and the operator's view pass; what would let anybody do anything does not."""
    clock = MovedClock()
    lease = Lease(store, clock, clock.monotonic())
    seen = PointsResponse(status=Outcome.SUCCESS, message_id="p")
    beat = HeartbeatResponse(
        status=Outcome.SUCCESS, message_id="b", stopped=False, settled_sessions=("s",)
    )
    answer = ChargeRequestResponse(status=Outcome.SUCCESS, message_id="m")
    clock.now += TTL
    assert isinstance(lease.fence(seen), ErrorResponse), "it may have stood still"
    not_writing(store, clock)
    keeping = asyncio.ensure_future(lease.keep())
    await eventually(lambda: lease.fence(seen) is seen)
    assert lease.fence(beat) == HeartbeatResponse(status=Outcome.SUCCESS, message_id="b")
    assert isinstance(lease.fence(answer), ErrorResponse)
    assert lease.fence(StopCpCommand(cp_id="A", reason="", epoch=1)) is None
    keeping.cancel()


def test_who_does_not_lead_promises_nothing(store: Store) -> None:
    """An answer becomes `internal`, which may be asked again; a command is not sent at all."""
    clock = MovedClock()
    lease = Lease(store, clock, clock.monotonic())
    answer = ChargeRequestResponse(status=Outcome.SUCCESS, message_id="m", trace_id="t")
    beat = HeartbeatResponse(status=Outcome.SUCCESS, message_id="b", stopped=False)
    error = ErrorResponse(error=Reason.OVERLOADED)
    command = StopCpCommand(cp_id="A", reason="", epoch=1)
    for message in (answer, beat, error, command):
        assert lease.fence(message) is message
    clock.now += TTL
    for message in (answer, beat):
        instead = lease.fence(message)
        assert isinstance(instead, ErrorResponse)
        assert (instead.error, instead.message_id) == (Reason.INTERNAL, message.message_id)
        assert instead.trace_id == message.trace_id
    assert lease.fence(error) is error
    assert lease.fence(command) is None
