"""What a driver remembers on disk: a crash never makes a second charge."""

import os
from pathlib import Path

import pytest

from common.errors import CannotStart
from common.messages import ChargeRequest
from common.units import WattHours
from driver import state
from driver.requests import begun, held_of, new_charge, new_stop
from driver.state import Held, NotRemembered, Remembered, StateFolder

REQUEST = new_charge("D-1", "CP-1", None, WattHours(7_500), now=1_700_000_000)
SESSION = Held(session_id="S-1", cp_id="CP-1", target_kwh=WattHours(7_500), trace_id="T-1")


def test_a_new_folder_remembers_nothing(tmp_path: Path) -> None:
    """Nothing is there at first, and nothing is made by looking."""
    folder = StateFolder(tmp_path / "new", "D-1")
    assert folder.remembered == Remembered(driver_id="D-1")
    assert folder.pending_stop() is None
    assert not (tmp_path / "new").exists()


def test_what_is_remembered_is_there_again(tmp_path: Path) -> None:
    """A request and a session come back in every field, amounts included."""
    StateFolder(tmp_path, "D-1").remember(request=REQUEST, session=SESSION)
    again = StateFolder(tmp_path, "D-1").remembered
    assert again == Remembered(driver_id="D-1", request=REQUEST, session=SESSION)
    assert again.request is not None
    assert again.request.message_id == again.request.trace_id == REQUEST.message_id
    assert type(again.request.target_kwh) is WattHours


def test_a_stop_is_kept_apart_from_the_charge(tmp_path: Path) -> None:
    """It may be asked for from another terminal, which must not undo what the first remembers."""
    first, second = StateFolder(tmp_path, "D-1"), StateFolder(tmp_path, "D-1")
    stop = new_stop("D-1", SESSION, now=1)
    second.remember_stop(stop)
    first.remember(request=REQUEST, session=SESSION)
    assert stop == StateFolder(tmp_path, "D-1").pending_stop()
    second.forget_stop()
    assert StateFolder(tmp_path, "D-1").pending_stop() is None
    assert StateFolder(tmp_path, "D-1").remembered.session == SESSION


def test_it_is_on_the_disk_before_it_is_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced, put in place, and its folder synced: in this order."""
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        steps.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        sync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        steps.append("replaced")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    StateFolder(tmp_path, "D-1").remember(request=REQUEST, session=None)
    assert steps == ["file", "replaced", "folder"]


def test_a_crash_while_writing_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the new file is whole, the old one is read."""
    folder = StateFolder(tmp_path, "D-1")
    folder.remember(request=REQUEST, session=None)
    monkeypatch.setattr(state, "encode", lambda _: b'{"driver_id":"D-1","requ')
    monkeypatch.setattr(os, "fsync", _power_cut)
    with pytest.raises(KeyboardInterrupt):
        folder.remember(request=None, session=None)
    assert StateFolder(tmp_path, "D-1").remembered.request == REQUEST


def _power_cut(_: int) -> None:
    raise KeyboardInterrupt


def test_what_cannot_be_written_is_said_and_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is one sentence."""
    folder = StateFolder(tmp_path, "D-1")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotRemembered) as raised:
        folder.remember(request=REQUEST, session=None)
    expected = f"cannot write {tmp_path / 'charge.json'}: No space left on device; nothing was sent"
    assert expected == str(raised.value)


def test_one_process_charges_from_a_folder(tmp_path: Path) -> None:
    """The second is told so, and may once the first has ended."""
    first, second = StateFolder(tmp_path, "D-1"), StateFolder(tmp_path, "D-1")
    with first.locked(), pytest.raises(CannotStart, match="another ev-driver charges as D-1"):
        second.locked().__enter__()
    with second.locked():
        pass


def test_the_lock_brings_the_latest_state(tmp_path: Path) -> None:
    """What another process did between start and lock is seen."""
    late = StateFolder(tmp_path, "D-1")
    StateFolder(tmp_path, "D-1").remember(request=REQUEST, session=None)
    with late.locked():
        assert late.remembered.request == REQUEST


def test_another_drivers_folder_is_refused(tmp_path: Path) -> None:
    """Two drivers never share one state."""
    StateFolder(tmp_path, "D-1").remember(request=REQUEST, session=None)
    with pytest.raises(CannotStart, match="holds the state of driver D-1, not of D-2"):
        StateFolder(tmp_path, "D-2")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b'{"driver_id": "a b"}', b'{"driver_id":"D-1","session":{}}'],
)
def test_a_file_that_is_no_state_is_named(tmp_path: Path, content: bytes) -> None:
    """One sentence says which file it is, and what can be done."""
    (tmp_path / "charge.json").write_bytes(content)
    with pytest.raises(CannotStart, match=r"charge\.json is no driver's state .* delete it"):
        StateFolder(tmp_path, "D-1")


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """The sentence says why."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(CannotStart, match="Not a directory"):
        StateFolder(file, "D-1")


def test_a_session_becomes_a_charge_and_back() -> None:
    """What is remembered is enough to watch the charge, and to stop it."""
    charge = begun(SESSION)
    assert (charge.session_id, charge.target) == ("S-1", 7_500)
    assert held_of(charge) == Held(session_id="S-1", cp_id="CP-1")
    stop = new_stop("D-1", SESSION, now=1)
    assert (stop.trace_id, stop.session_id, stop.driver_id) == ("T-1", "S-1", "D-1")
    assert isinstance(REQUEST, ChargeRequest)
