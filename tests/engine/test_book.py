"""Ledger and journal together: nothing is told that is not on the disk."""

import pytest
from structlog.testing import capture_logs

from common.states import EndReason
from engine.book import LIMIT, Book
from engine.journal import Journal, JournalFailed
from engine.ledger import KEEP_SECONDS
from engine.session import Record, Tombstone
from tests.engine.fakes import BEGAN, CP, MemoryDisk, a_session, at

ENDED = EndReason.DRIVER_REQUEST
METERS = {1: 1_030}
NOW = at(0)


def opened(disk: MemoryDisk, *, limit: int = LIMIT) -> Book:
    book = Book(Journal(disk, CP), NOW, limit)
    book.open(METERS, NOW)
    return book


def on_disk(disk: MemoryDisk) -> list[Record]:
    return Journal(disk, CP).read().records


def test_what_is_saved_is_known_and_on_the_disk() -> None:
    """And may be told."""
    disk = MemoryDisk()
    book = opened(disk)
    assert book.save([a_session()], METERS, NOW)
    assert book["s1"] == a_session()
    assert book.is_saved("s1")
    assert on_disk(disk) == [a_session()]


def test_a_start_compacts_the_journal() -> None:
    """Only the last record of each session, what ran ended, what is old enough forgotten."""
    disk = MemoryDisk()
    book = opened(disk)
    for sequence in range(1, 100):
        book.save([a_session("ran", sequence=sequence)], METERS, NOW)
    book.save([a_session("held", reason=ENDED)], METERS, NOW)
    book.save([a_session("old", reason=ENDED, settled_at=BEGAN)], METERS, NOW)
    book.save([Tombstone(session_id="long ago", at=BEGAN)], METERS, NOW)
    settled = a_session("settled", reason=ENDED, settled_at=BEGAN, settled_age=100)
    never = Tombstone(session_id="never", at=BEGAN, age=100)
    book.save([settled, never], METERS, at(KEEP_SECONDS))

    again = opened(disk)
    ended = a_session("ran", sequence=99, reason=EndReason.ENGINE_RESTARTED)
    assert again.ended == [ended]
    assert again.meters == METERS
    assert again.last_on(1) in ("ran", "held", "settled")
    assert {record.session_id: record for record in on_disk(disk)} == {
        "ran": ended,
        "held": a_session("held", reason=ENDED),
        "settled": settled,
        "never": never,
    }
    assert again.held() == ("held", "ran")
    assert opened(disk).ended == []


def test_a_torn_end_is_said_once() -> None:
    """A warning with its length, and the start goes on."""
    disk = MemoryDisk()
    opened(disk).save([a_session()], METERS, NOW)
    assert disk.data is not None
    disk.data += b"torn"
    with capture_logs() as logs:
        opened(disk)
    assert [(line["event"], line["bytes"]) for line in logs] == [
        ("torn end of the journal dropped", 4)
    ]
    with capture_logs() as logs:
        opened(disk)
    assert logs == []


def test_a_disk_that_takes_nothing_at_the_start_is_an_error() -> None:
    """An engine that cannot journal does not start."""
    disk = MemoryDisk(None)
    book = Book(Journal(disk, CP), NOW)
    disk.failing = "Read-only file system"
    with pytest.raises(JournalFailed, match="Read-only file system"):
        book.open(METERS, NOW)


def test_what_the_disk_does_not_take_is_known_but_not_told() -> None:
    """It is neither held nor saved until the journal is written anew; then it is to be told."""
    disk = MemoryDisk()
    book = opened(disk)
    book.save([a_session("before", reason=ENDED)], METERS, NOW)
    disk.failing = "No space left on device"
    with capture_logs() as logs:
        assert not book.save([a_session("a")], METERS, NOW)
        assert not book.save([a_session("a", reason=ENDED)], METERS, NOW)
        assert not book.save([Tombstone(session_id="never", at=BEGAN)], METERS, NOW)
    assert [line["log_level"] for line in logs] == ["error"]
    assert book.trouble == "No space left on device"
    assert book["a"] == a_session("a", reason=ENDED)
    assert not book.is_saved("a")
    assert book.held() == ("before",)
    assert book.mend(METERS, NOW) == []

    disk.failing = ""
    assert book.mend(METERS, NOW) == [a_session("a", reason=ENDED)]
    assert book.trouble == ""
    assert book.held() == ("before", "a")
    assert book.is_saved("never")
    assert {record.session_id for record in on_disk(disk)} == {"before", "a", "never"}
    assert book.mend(METERS, NOW) == []
