"""Journals that somebody, or a disk, has changed: read as they were, or refused in a sentence."""

from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.errors import CannotStart
from common.states import EndReason
from engine.journal import Contents, Journal, parse
from tests.engine.fakes import CP, MemoryDisk, a_session
from tests.engine.played import try_engine, usual
from tests.fuzz.mutations import Edit, edited, edits


def written() -> bytes:
    """A journal with three records put in place as a whole, and four appended."""
    disk = MemoryDisk()
    journal = Journal(disk, CP)
    kept = [a_session(f"kept-{n}", reason=EndReason.FAULT) for n in range(3)]
    journal.rewrite(kept, {1: 100, 2: 7}, 50)
    for number in range(4):
        journal.append([a_session("runs", sequence=number + 1)], {1: 101 + number}, 51 + number)
    assert disk.data is not None
    return disk.data


GOOD = written()
WHOLE = parse(GOOD, CP, "j")


def read(data: bytes) -> Contents | str:
    """What a journal of these bytes holds, or the sentence with which it is refused."""
    try:
        return parse(data, CP, "j")
    except CannotStart as error:
        sentence = str(error)
        assert "\n" not in sentence
        assert len(sentence) < 300
        return sentence


@settings(max_examples=500)
@given(edits)
def test_a_journal_that_was_changed_tells_nothing_that_was_not_written(edit: Edit) -> None:
    """A part of what was written, up to some append, or a sentence; never anything else."""
    data = edited(GOOD, edit)
    found = read(data)
    if isinstance(found, Contents):
        assert found.records == WHOLE.records[: len(found.records)]
        assert len(found.records) >= 3
        assert data[: len(data) - found.torn] == GOOD[: len(data) - found.torn]


@settings(max_examples=300)
@given(st.lists(edits, min_size=2, max_size=6))
def test_many_changes_are_no_crash(changes: list[Edit]) -> None:
    """Whatever was done to it."""
    data = GOOD
    for edit in changes:
        data = edited(data, edit)
    found = read(data)
    if isinstance(found, Contents):
        assert found.records == WHOLE.records[: len(found.records)]


@settings(max_examples=300)
@given(st.integers(0, 7), edits)
@example(1, ("flip", 0.25, b"\x80"))
def test_a_line_with_a_right_checksum_is_not_believed_for_that(number: int, edit: Edit) -> None:
    """Whoever writes checksums may still write nonsense."""
    lines = GOOD.split(b"\n")
    lines[number] = _checked(edited(lines[number][9:], edit))
    read(b"\n".join(lines))


@pytest.mark.parametrize(
    "body",
    [
        b'{"n":0,"meters":{},"records":[' + b"[" * 100_000,
        b'{"n":0,"meters":{},"records":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"n":0,"meters":{"1":1e400},"records":[]}',
        b'{"n":0,"meters":{"x":1},"records":[]}',
        b'{"n":0,"meters":{},"records":[{"type":"journal","version":1,"cp_id":"ALC-001"}]}',
        b'{"n":' + b"9" * 5_000 + b',"meters":{},"records":[]}',
    ],
)
def test_nonsense_with_a_right_checksum_is_a_sentence(body: bytes) -> None:
    """However deep or long it is."""
    assert "is damaged at byte 0" in str(read(_checked(body) + b"\n"))


def _checked(body: bytes) -> bytes:
    return b"%08x %b" % (crc32(body), body)


@given(st.binary(max_size=300))
def test_any_bytes_are_no_crash(data: bytes) -> None:
    """An empty file is a journal that lost its end; all else says no such thing as a journal."""
    assert isinstance(read(data), str)


def test_every_flipped_bit_is_seen() -> None:
    """A checksum of 32 bits sees every single one: in the last line it is torn, else damage."""
    last = GOOD.rindex(b"\n", 0, -1) + 1
    for place in range(0, len(GOOD), 7):
        for bit in range(8):
            data = bytearray(GOOD)
            data[place] ^= 1 << bit
            found = read(bytes(data))
            if place < last:
                assert isinstance(found, str), (place, bit)
            else:
                assert isinstance(found, Contents)
                assert found.records == WHOLE.records[:-1]


def test_millions_of_broken_lines_are_read_in_time() -> None:
    """Looking for a good line behind a bad one must not look at everything again each time."""
    broken = b'00000000 {"n":1}\n' * 200_000
    found = read(GOOD + broken)
    assert isinstance(found, Contents)
    assert found.torn == len(broken)
    assert isinstance(read(GOOD[:60] + b"x" + GOOD[61:] + broken), str)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is damaged at byte 0: its end is missing"),
        (b"garbage\n" + GOOD, "is damaged at byte 0: a checksum is wrong"),
        (GOOD[:200] + b"\0\0\0\0" + GOOD[204:], "is damaged at byte"),
        (GOOD[GOOD.index(b"\n") + 1 :], "line 0 is missing"),
        (GOOD * 2, "is missing"),
    ],
)
def test_an_engine_does_not_start_on_a_damaged_journal(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    """One sentence that names the file, and exit code 1; the file stays as it is."""
    journal = tmp_path / "journal" / "journal"
    journal.parent.mkdir()
    journal.write_bytes(content)
    code, said = try_engine(*usual(tmp_path))
    assert (code, said.count("\n")) == (1, 1)
    assert str(journal) in said
    assert sentence in said
    assert journal.read_bytes() == content


def test_an_engine_does_not_start_on_what_is_no_file(tmp_path: Path) -> None:
    """A folder in the journal's place is said to be one."""
    (tmp_path / "journal" / "journal").mkdir(parents=True)
    code, said = try_engine(*usual(tmp_path))
    assert (code, said.count("\n")) == (1, 1)
    assert "Is a directory" in said
