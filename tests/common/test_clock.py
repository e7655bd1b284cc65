"""Time and ids."""

import time
from uuid import RFC_4122, UUID

from common.clock import SystemClock, new_id


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
