"""What each kind of change does to what is stored."""

import pytest
from msgspec.structs import replace

from central.rules.records import Session
from central.store import (
    AddTicket,
    AddToOutbox,
    DropFromOutbox,
    DropStopIntent,
    ForgetAnswers,
    NoteCluster,
    Remember,
    SavePoint,
    SaveReading,
    SaveSession,
    SaveStopIntent,
    Store,
    queries,
    rows,
    schema,
)
from central.store.changes import FORGOTTEN_AT_ONCE
from common.states import SessionState
from common.units import Price, WattHours, Watts
from tests.central.store.samples import (
    NOW,
    answer,
    entry,
    intent,
    over,
    point,
    released,
    session,
    ticket,
)


async def test_saving_a_point_again_replaces_it(store: Store) -> None:
    """The last word about a point counts, for one row of each."""
    await store.write(SavePoint(point("B")), SavePoint(point("A")))
    stopped = replace(point("A"), stopped=True, connectors=2, price=Price(4_200))
    await store.write(SavePoint(stopped))
    assert store.snapshot().points == (stopped, point("B"))


async def test_saving_a_session_again_replaces_it(store: Store) -> None:
    """A session has one row, which follows its state."""
    await store.write(SavePoint(point()), SaveSession(session()))
    moved = replace(
        session(), state=SessionState.CHARGING, confirmed=True, energy=WattHours(5), sequence=1
    )
    await store.write(SaveSession(moved))
    assert await store.session("s-1") == moved


@pytest.mark.parametrize(
    "after",
    [
        replace(session(), confirmed=True, energy=WattHours(5), sequence=1),
        replace(session(), state=SessionState.CHARGING, started_at=NOW + 3),
        replace(session(), holds_driver=False),
        released(session()),
        over(session()),
    ],
)
async def test_a_session_is_the_same_whether_its_former_state_is_told_or_not(
    store: Store, after: Session
) -> None:
    """What has not changed need not be written, and only that."""
    await store.write(SavePoint(point()), SaveSession(session()))
    await store.write(SaveSession(after, session()))
    assert await store.session("s-1") == after
    assert (after in store.snapshot().sessions) == rows.is_open(after)
    await store.write(SaveSession(session(), after))
    assert await store.session("s-1") == session()


def test_every_indexed_column_of_a_session_that_changes_is_known() -> None:
    """Else a change of it alone would not be stored."""
    table = schema.sessions
    indexed = {column.name for index in table.indexes for column in index.columns}
    indexed |= {column.name for column in table.columns if column.unique}
    indexed |= {"open"}  # of a partial index's condition
    fixed = {column.name for column in table.columns if column.info == schema.FIXED}
    assert set(rows.INDEXED) == indexed - fixed - {"session_id"}


async def test_what_a_session_began_with_never_changes(store: Store) -> None:
    """Its price above all: the bill is made with the one it was promised."""
    await store.write(SavePoint(point()), SaveSession(session()))
    await store.write(SaveSession(replace(session(), price=Price(9_999), driver_id="D-9")))
    found = await store.session("s-1")
    assert found is not None
    assert (found.price, found.driver_id) == (Price(3_500), "D-1")


async def test_a_reading_counts_only_if_it_is_later(store: Store) -> None:
    """A repeat or a late one changes nothing; a gap is harmless."""
    await store.write(SavePoint(point()), SaveSession(session()))
    await store.write(SaveReading("s-1", WattHours(70), Watts(11_000), 7))
    for late in (6, 7):
        await store.write(SaveReading("s-1", WattHours(1), Watts(1), late))
    expected = replace(session(), energy=WattHours(70), rate=Watts(11_000), sequence=7)
    assert await store.session("s-1") == expected


async def test_a_reading_changes_nothing_once_there_is_a_ticket(store: Store) -> None:
    """The ticket has the last word, whatever Kafka delivers after it."""
    await store.write(SavePoint(point()), SaveSession(over(session())), AddTicket(ticket()))
    await store.write(SaveReading("s-1", WattHours(99_000), Watts(11_000), 999))
    assert await store.session("s-1") == over(session())


async def test_a_reading_of_an_unknown_session_changes_nothing(store: Store) -> None:
    """It is no conflict: the session may be of a database that was restored."""
    await store.write(SaveReading("unknown", WattHours(1), Watts(1), 1))
    assert await store.session("unknown") is None


async def test_a_session_and_its_reading_may_come_in_one_write(store: Store) -> None:
    """In a table everything is done in the order in which it was given."""
    later = replace(session(), energy=WattHours(20), sequence=2)
    await store.write(
        SavePoint(point()),
        SaveSession(session()),
        SaveReading("s-1", WattHours(10), Watts(1), 1),
        SaveSession(later),
        SaveReading("s-1", WattHours(30), Watts(3), 3),
    )
    expected = replace(session(), energy=WattHours(30), rate=Watts(3), sequence=3)
    assert await store.session("s-1") == expected


async def test_a_ticket_may_be_given_before_its_session(store: Store) -> None:
    """The order of the tables is the store's affair."""
    await store.write(AddTicket(ticket()), SaveSession(over(session())), SavePoint(point()))
    assert await store.ticket("s-1") == ticket()


async def test_the_last_word_about_a_stop_intent_counts(store: Store) -> None:
    """Saved, dropped and saved again in one write, it is there; the other way round, it is not."""
    await store.write(
        SaveStopIntent(intent("a")), DropStopIntent("a"), SaveStopIntent(intent("a", since=NOW + 1))
    )
    assert store.snapshot().stop_intents == (intent("a", since=NOW + 1),)
    await store.write(DropStopIntent("a"), SaveStopIntent(intent("b")), DropStopIntent("b"))
    assert store.snapshot().stop_intents == ()
    await store.write(DropStopIntent("a"))


async def test_answers_are_forgotten_by_age(store: Store) -> None:
    """Those given before the time go; the others stay."""
    old, new = answer("old", answered_at=NOW - 1), answer("new", answered_at=NOW)
    await store.write(Remember(old), Remember(new))
    await store.write(ForgetAnswers(NOW))
    assert await store.answer(old.key) is None
    assert await store.answer(new.key) == new


async def test_not_all_answers_are_forgotten_at_once(store: Store) -> None:
    """The oldest go first, and the next change takes the rest."""
    some = [answer(f"m-{n}", answered_at=NOW - n) for n in range(FORGOTTEN_AT_ONCE + 1)]
    await store.write(*map(Remember, some))
    await store.write(ForgetAnswers(NOW + 1))
    assert await store.answer(some[0].key) == some[0]
    assert await store.answer(some[1].key) is None
    await store.write(ForgetAnswers(NOW + 1))
    assert await store.answer(some[0].key) is None


@pytest.mark.parametrize(("limit", "found", "complete"), [(2, [1, 2], False), (3, [0, 1, 2], True)])
async def test_the_snapshot_has_the_latest_answers(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    found: list[int],
    complete: bool,
) -> None:
    """Oldest first, and it says whether there are others."""
    monkeypatch.setattr(queries, "ANSWERS_AT_ONCE", limit)
    some = [answer(f"m-{n}", answered_at=NOW + n) for n in range(3)]
    await store.write(*map(Remember, reversed(some)))
    snapshot = store.snapshot()
    assert snapshot.answers == tuple(some[n] for n in found)
    assert snapshot.answers_complete is complete


async def test_the_outbox_is_read_in_its_order(store: Store) -> None:
    """From after a number, so many at most, without those that were published."""
    await store.write(*(AddToOutbox(entry(number)) for number in (3, 1, 5, 2, 4)))
    await store.write(DropFromOutbox(2, 2), DropFromOutbox(99, 99))
    assert [e.number for e in await store.outbox(0, 10)] == [1, 3, 4, 5]
    assert [e.number for e in await store.outbox(1, 2)] == [3, 4]
    assert store.snapshot().highest_outbox == 5


async def test_the_last_cluster_is_remembered(store: Store) -> None:
    """So that a broker replaced by another one is recognised."""
    assert store.snapshot().cluster_id is None
    await store.write(NoteCluster("first"))
    await store.write(NoteCluster("second"))
    assert store.snapshot().cluster_id == "second"


async def test_the_snapshot_has_the_sessions_of_which_something_is_to_come(store: Store) -> None:
    """Those that run, are not settled or hold something; the rest is history."""
    done = over(session("done"))
    running = session("running", driver_id="D-1", cp_id="P-1")
    finishing = released(session("finishing"))
    unsettled = replace(over(session("unsettled")), settled=False)
    holding = replace(over(session("holding", cp_id="P-2")), holds_connector=True)
    await store.write(
        *(SavePoint(point(cp_id)) for cp_id in ("ALC-001", "P-1", "P-2")),
        *map(SaveSession, (done, running, finishing, unsettled, holding)),
    )
    found = {s.session_id: s for s in store.snapshot().sessions}
    assert found == {s.session_id: s for s in (running, finishing, unsettled, holding)}


async def test_sessions_are_found_by_their_ids(store: Store) -> None:
    """Also by more ids than fit one statement; those that are not stored are left out."""
    stored = [over(session(f"s-{n}")) for n in range(3)]
    await store.write(SavePoint(point()), *map(SaveSession, stored))
    ids = ["s-0", "s-2", *(f"none-{n}" for n in range(40_000))]
    assert await store.sessions(ids) == {"s-0": stored[0], "s-2": stored[2]}
    assert await store.sessions(()) == {}
    assert await store.ticket("s-0") is None


async def test_writing_nothing_is_no_transaction(store: Store) -> None:
    """It returns at once, also where the database is away."""
    await store.close()
    await store.write()
