"""Time and ids."""

import time
from uuid import UUID

from common.clock import SystemClock, new_id


def test_the_system_clock_is_the_machines() -> None:
    """`wall` says Unix seconds, `monotonic` never goes back."""
    clock = SystemClock()
    assert abs(clock.wall() - time.time()) < 5
    first = clock.monotonic()
    assert clock.monotonic() >= first


def test_new_ids_are_uuids_and_differ() -> None:
    """A new id is a UUID of 36 characters, and no two are the same."""
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(str(UUID(one)) == one for one in ids)
