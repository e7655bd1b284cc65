"""Many callers share a transaction, and none of them notices the others."""

import pytest
from msgspec.structs import replace

from central.store import (
    AddToOutbox,
    Change,
    Conflict,
    Remember,
    SavePoint,
    SaveReading,
    SaveSession,
    queries,
)
from central.store.changes import DropFromOutbox
from common.errors import ChargingError
from common.units import WattHours, Watts
from tests.central.store.base import Base
from tests.central.store.samples import answer, entry, key, point, session


@pytest.fixture(autouse=True)
def empty(base: Base) -> None:
    """Each test begins without what another one has written."""
    base.empty()
    base.commits = 0


def test_callers_that_wait_together_share_one_commit(base: Base) -> None:
    """A hundred callers cost one sync of the disk."""
    outcomes = base.write_group([[AddToOutbox(entry(number))] for number in range(1, 101)])
    assert outcomes == [None] * 100
    assert base.commits == 1
    with base.reading() as connection:
        assert len(queries.outbox_page(connection, 0, 1_000)) == 100


def test_only_the_guilty_caller_is_refused(base: Base) -> None:
    """Its changes are gone, all others' are there, and there is still one commit."""
    base.write(SavePoint(point()))
    base.commits = 0
    guilty: list[Change] = [Remember(answer("m-2")), AddToOutbox(entry(1))]
    outcomes = base.write_group(
        [
            [Remember(answer("m-1")), AddToOutbox(entry(1))],
            guilty,
            [SaveSession(session()), AddToOutbox(entry(3))],
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), Conflict, type(None)]
    assert base.commits == 1
    with base.reading() as connection:
        assert [e.number for e in queries.outbox_page(connection, 0, 10)] == [1, 3]
        assert queries.answer(connection, key("m-1")) is not None
        assert queries.answer(connection, key("m-2")) is None
        assert queries.sessions_of(connection, ["s-1"]) == {"s-1": session()}


@pytest.mark.parametrize(
    "change",
    [
        AddToOutbox(replace(entry(2), key="\ud800")),
        AddToOutbox(replace(entry(2), number=2**70)),
        SaveReading("s-1", WattHours(1), Watts(1), 2**70),
    ],
)
def test_a_value_that_cannot_be_stored_fails_alone(base: Base, change: Change) -> None:
    """A bug of one caller is that caller's exception, and everybody else's success."""
    first, guilty, last = base.write_group(
        [[AddToOutbox(entry(1))], [change], [DropFromOutbox(1, 1)]]
    )
    assert isinstance(guilty, Exception)
    assert not isinstance(guilty, ChargingError), "no outage and no conflict: a bug"
    assert (first, last) == (None, None)
    assert base.writer.trouble is None


def test_the_changes_of_all_callers_are_done_in_their_order(base: Base) -> None:
    """What a later caller takes back is gone, what it adds again is there."""
    outcomes = base.write_group(
        [
            [AddToOutbox(entry(1)), AddToOutbox(entry(2))],
            [DropFromOutbox(1, 1)],
            [AddToOutbox(replace(entry(1), key="again"))],
        ]
    )
    assert outcomes == [None] * 3
    with base.reading() as connection:
        found = queries.outbox_page(connection, 0, 10)
    assert [(e.number, e.key) for e in found] == [(1, "again"), (2, "D-1")]
