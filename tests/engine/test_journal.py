"""The journal: what was synced is there after any kill, and damage is never read as data."""

import re
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import CannotStart
from common.states import EndReason
from common.units import Price, WattHours, Watts
from engine.disk import Folder
from engine.journal import Contents, Journal, JournalDamaged, JournalFailed, parse
from engine.session import Record, Session, Tombstone
from tests.engine.fakes import BEGAN, CP, MemoryDisk, a_session

TOMBSTONE = Tombstone(session_id="never", at=BEGAN)
KEPT: list[Record] = [a_session("kept", reason=EndReason.FAULT), TOMBSTONE]
METERS = {1: 1_030, 2: 0}

texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=64)
sessions = st.builds(
    Session,
    session_id=texts,
    connector_id=st.integers(1, 100),
    driver_id=st.from_regex(r"[A-Za-z0-9_.-]{1,36}", fullmatch=True),
    price=st.integers(0, 10**7).map(Price),
    limit=st.integers(0, 10**7).map(Watts),
    target=st.none() | st.integers(0, 10**8).map(WattHours),
    trace_id=texts,
    started_at=st.integers(0, 2**40 - 1),
    at=st.integers(0, 2**40 - 1),
    meter_start_wh=st.integers(0, 2**53 - 1),
    meter_wh=st.integers(0, 2**53 - 1),
    sequence=st.integers(0, 2**53 - 1),
    rate=st.integers(0, 10**7).map(Watts),
    reason=st.none() | st.sampled_from(EndReason),
    settled_at=st.none() | st.integers(0, 2**40 - 1),
)
records = sessions | st.builds(Tombstone, session_id=texts, at=st.integers(0, 2**40 - 1))
meters = st.dictionaries(st.integers(1, 100), st.integers(0, 2**53 - 1), max_size=4)


def written(*appended: Record, kept: list[Record] = KEPT) -> MemoryDisk:
    """A disk with a journal: rewritten with `kept`, then one append for each record."""
    disk = MemoryDisk()
    journal = Journal(disk, CP)
    journal.rewrite(kept, METERS)
    for record in appended:
        journal.append([record], METERS)
    return disk


def content_of(disk: MemoryDisk) -> bytes:
    assert disk.data is not None
    return disk.data


def read(data: bytes) -> Contents:
    return parse(data, CP, "j")


@given(st.lists(records, max_size=3), st.lists(st.lists(records, max_size=3), max_size=4), meters)
def test_all_that_was_appended_is_read_again(
    kept: list[Record], appended: list[list[Record]], registers: dict[int, int]
) -> None:
    """Every record, in its order, to the last field, and the registers."""
    disk = MemoryDisk()
    journal = Journal(disk, CP)
    journal.rewrite(kept, registers)
    for batch in appended:
        journal.append(batch, registers)
    expected = kept + [record for batch in appended for record in batch]
    assert Journal(disk, CP).read() == Contents(expected, registers, torn=0)


def test_a_new_disk_has_no_journal() -> None:
    """Where there never was one, nothing is known, and that is no damage."""
    assert Journal(MemoryDisk(), CP).read() == Contents()


def test_the_latest_register_counts() -> None:
    """Each line carries the registers of its time, also of connectors not there any more."""
    disk = MemoryDisk()
    journal = Journal(disk, CP)
    journal.rewrite([], {1: 5, 2: 7})
    journal.append([TOMBSTONE], {1: 6})
    assert Journal(disk, CP).read().meters == {1: 6, 2: 7}


def test_a_record_torn_at_any_byte_is_dropped() -> None:
    """What was appended before it is all there."""
    data = content_of(written(a_session("a"), a_session("b")))
    last = data.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(data)):
        found = read(data[:end])
        assert found.records == [*KEPT, a_session("a")]
        assert found.torn == end - last
    assert read(data).records == [*KEPT, a_session("a"), a_session("b")]


@pytest.mark.parametrize(
    "garbage", [b"\0" * 4_096, b"\n", b"\n\n\n", b"\xff" * 10, b'12345678 {"n":4}\n', b'{"n":4']
)
def test_any_end_that_no_good_record_follows_is_torn(garbage: bytes) -> None:
    """A file may have grown without its data: zeros, or whatever the disk had there."""
    found = read(content_of(written(a_session("a"))) + garbage)
    assert found.records == [*KEPT, a_session("a")]
    assert found.torn == len(garbage)


def test_an_end_torn_out_of_several_pages_is_dropped() -> None:
    """One append is one checksum: if its middle is missing, all of it is dropped."""
    disk = MemoryDisk()
    journal = Journal(disk, CP)
    journal.rewrite(KEPT, METERS)
    before = content_of(disk)
    journal.append([a_session("a"), a_session("b")], METERS)
    data = bytearray(content_of(disk))
    middle = (len(before) + len(data)) // 2
    data[middle : middle + 20] = bytes(20)
    assert read(bytes(data)).records == KEPT


def test_damage_before_the_last_append_is_refused_wherever_it_is() -> None:
    """Each byte of it that is not what it was keeps the engine from starting."""
    data = content_of(written(a_session("a"), a_session("b")))
    last = data.rindex(b"\n", 0, -1) + 1
    for place in range(last):
        damaged = bytearray(data)
        damaged[place] ^= 0x01
        with pytest.raises(JournalDamaged):
            read(bytes(damaged))


def test_a_journal_without_an_end_that_cannot_be_torn_is_refused() -> None:
    """What was put in place as a whole is there as a whole, or is damaged."""
    data = content_of(written())
    for end in range(len(data)):
        with pytest.raises(JournalDamaged):
            read(data[:end])
    assert read(data).records == KEPT


def test_a_missing_line_is_damage() -> None:
    """Lines are numbered, so one that was cut out is missed; so is one that stands twice."""
    lines = content_of(written(a_session("a"), a_session("b"))).splitlines(keepends=True)
    with pytest.raises(JournalDamaged, match=r"the journal j is damaged at byte \d+: line 3 is mi"):
        read(b"".join(lines[:3] + lines[4:]))
    with pytest.raises(JournalDamaged, match="line 4 is missing"):
        read(b"".join([*lines[:4], lines[3], *lines[4:]]))


def _with(data: bytes, old: str, new: str) -> bytes:
    """The journal with something else in it, and good checksums."""
    bodies = [line[9:] for line in data.replace(old.encode(), new.encode()).splitlines()]
    return b"".join(b"%08x %b\n" % (crc32(body), body) for body in bodies)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("ALC-001", "ALC-002", "the journal j is of charge point ALC-002, not ALC-001"),
        ('"version":1', '"version":2', "the journal j is of version 2; this engine reads 1"),
        ('"type":"journal"', '"type":"jrnl"', "the journal j is damaged at byte 0: Invalid value"),
        ('"at":', '"when":', "the journal j is damaged at byte "),
        (
            '{"type":"journal","version":1,"cp_id":"ALC-001","lines":3}',
            "",
            "the journal j is damaged at byte 0: it does not say whose it is",
        ),
    ],
)
def test_a_journal_that_is_not_ours_to_read_is_refused(old: str, new: str, sentence: str) -> None:
    """Another charge point's, another version's, or something that says not what it is."""
    data = _with(content_of(written()), old, new)
    with pytest.raises(CannotStart, match=re.escape(sentence)):
        read(data)


_TOMBSTONE_JSON = '{"type":"tombstone","session_id":"x","at":1},'


def test_a_header_with_other_records_before_it_is_none() -> None:
    """The first record says whose it is."""
    data = _with(content_of(written(kept=[])), '"records":[', '"records":[' + _TOMBSTONE_JSON)
    with pytest.raises(JournalDamaged, match="it does not say whose it is"):
        read(data)


def test_a_disk_that_cannot_be_read_keeps_the_engine_from_starting() -> None:
    """In one sentence with the disk's own words."""
    disk = MemoryDisk()
    disk.failing = "Input/output error"
    with pytest.raises(CannotStart, match="cannot read the journal in memory: Input/output error"):
        Journal(disk, CP).read()


def test_after_a_failed_append_nothing_is_taken_until_a_rewrite() -> None:
    """Nobody knows what a failed sync has left, so nothing is put behind it."""
    disk = MemoryDisk()
    journal = Journal(disk, CP)
    journal.rewrite([], METERS)
    disk.failing, disk.part = "No space left on device", 20
    with pytest.raises(JournalFailed, match="cannot write the journal in memory: No space left"):
        journal.append([TOMBSTONE], METERS)
    disk.failing = ""
    before = disk.data
    with pytest.raises(JournalFailed):
        journal.append([TOMBSTONE], METERS)
    assert disk.data == before
    assert journal.trouble == "No space left on device"

    journal.rewrite([TOMBSTONE], METERS)
    assert journal.trouble == ""
    journal.append([a_session("a")], METERS)
    assert Journal(disk, CP).read().records == [TOMBSTONE, a_session("a")]


def test_a_failed_rewrite_leaves_the_old_journal() -> None:
    """As a whole or not at all."""
    disk = written(a_session("a"))
    journal = Journal(disk, CP)
    before = disk.data
    disk.failing = "No space left on device"
    with pytest.raises(JournalFailed):
        journal.rewrite([], METERS)
    assert disk.data == before


def test_a_real_disk_keeps_the_same_bytes(tmp_path: Path) -> None:
    """A journal on a real disk is, byte by byte, the one in memory."""
    memory, folder = MemoryDisk(), Folder(tmp_path)
    for disk in (memory, folder):
        journal = Journal(disk, CP)
        journal.rewrite(KEPT, METERS)
        journal.append([a_session("a"), a_session("b")], METERS)
        journal.append([], {1: 2_000})
    assert folder.read() == memory.data
    assert Journal(folder, CP).read() == Journal(memory, CP).read()
    folder.close()


@given(st.binary(max_size=200), st.integers(0, 10_000), st.data())
def test_no_bytes_are_read_as_what_was_never_written(
    noise: bytes, cut: int, data: st.DataObject
) -> None:
    """Whatever is done to a journal, it is refused, or gives a beginning of what was appended."""
    appended = [a_session(str(n)) for n in range(3)]
    whole = content_of(written(*appended, kept=[]))
    place = data.draw(st.integers(0, len(whole)))
    mangled = whole[:place] + noise + whole[place + cut :]
    try:
        found = read(mangled)
    except CannotStart:
        return
    assert found.records == appended[: len(found.records)]
