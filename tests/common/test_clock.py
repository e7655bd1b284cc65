"""Time and ids."""

import time
from uuid import RFC_4122, UUID

from common.clock import SystemClock, new_id, ordered_id


def test_the_system_clock_is_the_machines() -> None:
    """`wall` says Unix seconds, `monotonic` never goes back."""
    clock = SystemClock()
    assert abs(clock.wall() - time.time()) < 5
    first = clock.monotonic()
    assert clock.monotonic() >= first


def test_new_ids_are_uuids_and_differ() -> None:
    """A new id is a random UUID, written as usual, and no two are the same."""
    ids = {new_id() for _ in range(1_000)}
    assert len(ids) == 1_000
    for one in ids:
        found = UUID(one)
        assert str(found) == one
        assert (found.version, found.variant) == (4, RFC_4122)


def test_ordered_ids_are_uuids_in_the_order_of_their_time() -> None:
    """Version 7: what is stored under them is stored side by side."""
    moments = [0.0, 0.001, 1_790_000_000.0, 1_790_000_000.0015, 2**47 / 1000]
    ids = [ordered_id(moment) for moment in moments]
    assert ids == sorted(ids)
    for one in ids:
        found = UUID(one)
        assert str(found) == one
        assert (found.version, found.variant) == (7, RFC_4122)
    assert len({ordered_id(1.0) for _ in range(1_000)}) == 1_000
