"""A simulated disk keeps what was synced, and any part of what was not."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.disk import JournalDisk, Killed
from sim.journal import journal_of
from tests.sim.parts import Lab


def disk(seed: int = 0) -> JournalDisk:
    """A disk that a process uses, with a journal on it."""
    made = JournalDisk("journal", Random(seed), lambda disk, data: None)
    made.process = Lab().process("engine-1")
    made.replace(b"begin\n")
    return made


def test_what_was_synced_survives_the_loss_of_power() -> None:
    """Each append syncs."""
    kept = disk()
    kept.append(b"one\n")
    kept.lose_power()
    assert kept.read() == b"begin\none\n"


@given(st.integers(0, 1_000))
def test_a_write_that_is_cut_leaves_a_beginning_of_it(seed: int) -> None:
    """And the process dies at that very point."""
    torn = disk(seed)
    died: list[bool] = []
    torn.dies_at_write = lambda: died.append(True)
    with pytest.raises(Killed):
        torn.append(b"a line\n")
    torn.lose_power()
    assert died == [True]
    assert torn.content.startswith(b"begin\n")
    assert b"begin\na line\n".startswith(torn.content)


def test_a_full_disk_says_so() -> None:
    """What was there stays."""
    full = disk()
    full.full = True
    with pytest.raises(OSError, match="No space left"):
        full.replace(b"new\n")
    assert full.content == b"begin\n"


def test_a_journal_is_read_up_to_what_is_torn() -> None:
    """By nothing of the engine's code."""
    line = b'{"n":0,"meters":{"1":42},"records":[]}'
    good = b"e3a1c2fd " + line
    assert journal_of(b"").meters == {}
    assert journal_of(good + b"\n").meters == {}  # its checksum is another line's
