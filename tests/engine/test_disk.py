"""The disk: the real one, and that the one in memory keeps the same promises."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.errors import CannotStart
from engine.disk import Disk, Folder
from tests.engine.fakes import MemoryDisk


@pytest.fixture(params=["in memory", "real"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A disk with nothing on it."""
    if request.param == "in memory":
        yield MemoryDisk()
        return
    folder = Folder(tmp_path / "journal")
    yield folder
    folder.close()


def test_a_new_disk_has_nothing(disk: Disk) -> None:
    """Nothing is not the same as an empty journal."""
    assert disk.read() is None
    disk.replace(b"")
    assert disk.read() == b""


def test_what_is_appended_comes_behind_what_was_put_in_place(disk: Disk) -> None:
    """In the order in which it came."""
    disk.replace(b"one ")
    disk.append(b"two ")
    disk.append(b"three")
    assert disk.read() == b"one two three"


def test_what_is_put_in_place_is_all_that_is_there(disk: Disk) -> None:
    """And what is appended later comes behind it."""
    disk.replace(b"old")
    disk.append(b" and older")
    disk.replace(b"new")
    disk.append(b"er")
    assert disk.read() == b"newer"


def test_a_folder_is_made_where_it_is_missing(tmp_path: Path) -> None:
    """With all folders above it."""
    folder = Folder(tmp_path / "a" / "b")
    folder.replace(b"x")
    assert (tmp_path / "a" / "b" / "journal").read_bytes() == b"x"
    assert folder.name == str(tmp_path / "a" / "b" / "journal")
    folder.close()


def test_a_folder_has_one_engine_at_a_time(tmp_path: Path) -> None:
    """A second one is told in a sentence; when the first is gone it may have it."""
    first = Folder(tmp_path)
    with pytest.raises(CannotStart) as caught:
        Folder(tmp_path)
    assert str(caught.value) == f"the journal folder {tmp_path} is in use by another engine"
    first.close()
    Folder(tmp_path).close()


def test_a_killed_engine_lets_go_of_its_folder(tmp_path: Path) -> None:
    """The lock is its process's, and goes with it."""
    hold = "import sys; from pathlib import Path; from engine.disk import Folder; "
    hold += f"f = Folder(Path({str(tmp_path)!r})); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(CannotStart):
            Folder(tmp_path)
        holder.kill()
    Folder(tmp_path).close()


def _a_file(path: Path) -> Path:
    path.write_text("not a folder")
    return path


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_a_file, "File exists"),
        (lambda path: _a_file(path) / "below", "Not a directory"),
        (lambda path: Path("/proc/engine"), "No such file or directory"),
    ],
)
def test_a_folder_that_cannot_be_used_is_said_in_a_sentence(
    tmp_path: Path, make: Callable[[Path], Path], why: str
) -> None:
    """It names the folder and the system's reason."""
    path = make(tmp_path / "file")
    with pytest.raises(CannotStart) as caught:
        Folder(path)
    assert str(caught.value) == f"cannot write to the journal folder {path}: {why}"


def test_a_folder_that_cannot_be_locked_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system without locks two engines could spoil one journal."""

    def no_locks(file: int, operation: int) -> None:
        raise OSError(os.EX_OSERR, "No locks available")

    monkeypatch.setattr("engine.disk.fcntl.flock", no_locks)
    with pytest.raises(CannotStart, match=r"cannot lock the journal folder .*: No locks available"):
        Folder(tmp_path)


def test_a_full_disk_leaves_the_old_journal_in_place(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the kernel says no, for real."""
    folder = Folder(tmp_path)
    folder.replace(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            folder.replace(b"x" * 1_000)
        assert folder.read() == b"old"
        assert not (tmp_path / Folder.NEW).exists()
        with pytest.raises(OSError, match="File too large"):
            folder.append(b"y" * 1_000)
        assert folder.read() == b"old" + b"y" * 97
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    folder.replace(b"new")
    folder.append(b"er")
    assert folder.read() == b"newer"
    folder.close()


def test_everything_is_synced_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append syncs the file; a replacement the new file, and the folder after the rename."""
    synced: list[str] = []
    real = os.fsync

    def fsync(file: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{file}")).name)
        real(file)

    folder = Folder(tmp_path)
    monkeypatch.setattr("engine.disk.os.fsync", fsync)
    folder.replace(b"a")
    assert synced == ["journal.new", tmp_path.name]
    folder.append(b"b")
    assert synced == ["journal.new", tmp_path.name, "journal"]
    folder.close()
