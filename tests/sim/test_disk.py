"""The engine's folder on a simulated disk, and what is left of it after a crash."""

import os
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import disk
from sim.disk import Calls, JournalFolder, Killed, SimulatedDisk
from sim.journal import journal_of, registers_of
from tests.sim.parts import Lab


def simulated(seed: int = 0) -> SimulatedDisk:
    """A disk that a process uses."""
    made = SimulatedDisk("journal", Random(seed), lambda disk, data: None)
    made.process = Lab().process("engine-1")
    return made


@pytest.fixture(autouse=True)
def system(monkeypatch: pytest.MonkeyPatch) -> list[SimulatedDisk]:
    """The engine's folder reaches the disk that is last in this list."""
    disks = [simulated()]
    monkeypatch.setattr(disk, "os", Calls(lambda: disks[-1]))
    return disks


def test_what_was_appended_survives_the_loss_of_power(system: list[SimulatedDisk]) -> None:
    """Each append syncs, and a new journal has its name."""
    folder = JournalFolder(system[-1])
    folder.replace(b"begin\n")
    folder.append(b"one\n")
    assert system[-1].durable == b"begin\none\n"
    system[-1].lose_power()
    assert JournalFolder(system[-1]).read() == b"begin\none\n"


def write_on(folder: JournalFolder) -> None:
    """Until it dies of it."""
    for _ in range(100):
        folder.append(b"two\n")
        folder.replace(b"BEGIN\n")


@given(st.integers(0, 2_000))
def test_the_power_goes_at_any_operation(seed: int) -> None:
    """What was synced is there, and of the rest a beginning, of the old journal or the new."""
    torn = simulated(seed)
    vars(disk)["os"] = Calls(lambda: torn)
    try:
        folder = JournalFolder(torn)
        folder.replace(b"begin\n")
        folder.append(b"one\n")
        died: list[bool] = []
        torn.dies_at_write = lambda: died.append(True)
        with pytest.raises(Killed):
            write_on(folder)
        torn.lose_power()
        assert died == [True]
        found = torn.read("journal") or b""
        old = found.startswith(b"begin\none\n") and b"begin\none\ntwo\n".startswith(found)
        assert old or b"BEGIN\ntwo\n".startswith(found[: len(b"BEGIN\ntwo\n")])
        assert old or found.startswith(b"BEGIN\n")
    finally:
        vars(disk)["os"] = os


def test_a_full_disk_says_so(system: list[SimulatedDisk]) -> None:
    """What was there stays."""
    folder = JournalFolder(system[-1])
    folder.replace(b"begin\n")
    system[-1].full = True
    with pytest.raises(OSError, match="No space left"):
        folder.replace(b"new\n")
    assert folder.read() == b"begin\n"


def test_nothing_is_written_by_who_is_dead(system: list[SimulatedDisk]) -> None:
    """Whatever it still tries on its way out."""
    folder = JournalFolder(system[-1])
    folder.replace(b"begin\n")
    process = system[-1].process
    assert process is not None
    process.die()
    with pytest.raises(Killed):
        folder.append(b"more\n")
    assert folder.read() == b"begin\n"


def test_a_journal_is_read_up_to_what_is_torn() -> None:
    """By nothing of the engine's code."""
    line = b'{"n":0,"meters":{"1":42},"records":[{"type":"tombstone","session_id":"s1","at":1}]}'
    good = b"%08x %b\n" % (0x1F6A2C7F, line)
    assert journal_of(b"").meters == {}
    assert journal_of(good).meters == {}  # its checksum is another line's
    assert registers_of(good) == {}
