"""What must never happen twice cannot, whatever the code above the store does."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from central.store import (
    AddTicket,
    AddToOutbox,
    Change,
    Conflict,
    Remember,
    SavePoint,
    SaveSession,
    Store,
)
from common.units import Money
from tests.central.store.samples import (
    answer,
    entry,
    over,
    point,
    released,
    session,
    ticket,
)


@pytest.mark.parametrize(
    ("stored", "refused"),
    [
        pytest.param(
            [SaveSession(session("s-1", driver_id="D-1"))],
            SaveSession(session("s-2", driver_id="D-2")),
            id="a second session that holds a connector",
        ),
        pytest.param(
            [SaveSession(session("s-1", cp_id="ALC-001"))],
            SaveSession(session("s-2", cp_id="ALC-002")),
            id="a second session that holds a driver",
        ),
        pytest.param(
            [SaveSession(replace(over(session("s-1")), transaction_id=7))],
            SaveSession(replace(over(session("s-2")), transaction_id=7)),
            id="a second session of a transaction",
        ),
        pytest.param(
            [SaveSession(replace(over(session("s-1")), transaction_id=7, start_key="k"))],
            SaveSession(replace(over(session("s-2")), transaction_id=8, start_key="k")),
            id="a second transaction of a start",
        ),
        pytest.param(
            [SaveSession(over(session("s-1"))), AddTicket(ticket("s-1"))],
            AddTicket(replace(ticket("s-1"), cost=Money(1))),
            id="a second ticket of a session",
        ),
        pytest.param(
            [],
            AddTicket(ticket("unknown")),
            id="a ticket of a session that is not stored",
        ),
        pytest.param(
            [],
            SaveSession(session(cp_id="unknown")),
            id="a session at a point that is not stored",
        ),
        pytest.param(
            [Remember(answer("m-1"))],
            Remember(replace(answer("m-1"), answer=b"another")),
            id="a second answer to a request",
        ),
        pytest.param(
            [AddToOutbox(entry(1))],
            AddToOutbox(replace(entry(1), key="D-2")),
            id="a second outbox entry with a number",
        ),
    ],
)
async def test_what_may_be_only_once_is_a_conflict(
    store: Store, stored: Sequence[Change], refused: Change
) -> None:
    """The change is refused with `Conflict`, and what was written with it is not there."""
    await store.write(SavePoint(point("ALC-001")), SavePoint(point("ALC-002")), *stored)
    before = store.snapshot()
    with pytest.raises(Conflict, match="the database refuses this change"):
        await store.write(Remember(answer("with-it")), refused)
    assert store.snapshot() == before
    assert await store.answer(answer("with-it").key) is None
    assert store.trouble is None, "the database is well"


async def test_a_connector_and_a_driver_can_be_had_again_once_they_are_released(
    store: Store,
) -> None:
    """`finishing` holds nothing, so the next driver need not wait for the ticket."""
    first = session("s-1")
    await store.write(SavePoint(point()), SaveSession(first))
    await store.write(SaveSession(released(first)), SaveSession(session("s-2")))
    assert [s.session_id for s in store.snapshot().sessions] == ["s-1", "s-2"]


async def test_two_connectors_of_a_point_are_held_apart(store: Store) -> None:
    """A point with two connectors serves two drivers."""
    other = replace(session("s-2", driver_id="D-2"), connector_id=2)
    await store.write(SavePoint(point()), SaveSession(session("s-1")), SaveSession(other))
    assert len(store.snapshot().sessions) == 2
