"""The journal: what an engine must still know after it was killed.

Theory of operation. The journal is a file of lines, each written and synced by one `append`:

    CRC32 {"n": 17, "age": 86400, "meters": {"1": 41234}, "records": [...]}

`n` counts the lines from 0; `meters` are the lifetime registers in Wh at that time; `age` is for
how many seconds engines have run on this journal, all their runs together; a record is complete in
itself and the last one of a session counts. Numbers are in the smallest unit, as in `common.units`.

Line 0 says whose journal it is, and how many lines were written with it as a whole: at every start,
when it has grown, and to recover from a write that failed, the journal is written anew from the
ledger and put in place by an atomic rename.

Only the last append can be torn: whatever is at the end and not followed by a good line was never
synced, so nobody was told of it, and it is dropped. A bad line with a good one behind it, or a
number that is missing, is damage, and the engine does not start on it.

After a failed sync nobody knows what is on the disk, so nothing more is appended until a rewrite
has succeeded.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import msgspec

from common.errors import CannotStart, ChargingError
from common.units import Quantity
from engine.disk import Disk
from engine.session import Record, Session, Tombstone

VERSION = 1
"""Of the format of the lines."""


class _Header(msgspec.Struct, frozen=True, kw_only=True, tag="journal"):
    """Whose journal it is; always the first record.

    Attributes:
        lines: How many lines, this one included, were put in place as a whole.
    """

    version: int
    cp_id: str
    lines: int


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    n: int
    age: int = 0
    meters: dict[int, int]
    records: list[_Header | Session | Tombstone]


def _to_file(value: Any) -> int:
    assert isinstance(value, Quantity)
    return int(value)


def _from_file(kind: Any, value: Any) -> Any:
    assert issubclass(kind, Quantity)
    return kind(value)


_encoder = msgspec.json.Encoder(enc_hook=_to_file)
_decoder = msgspec.json.Decoder(_Line, dec_hook=_from_file)
_line_begins = re.compile(rb'[0-9a-f]{8} \{"n":')


class JournalDamaged(CannotStart):
    """The journal cannot be trusted; carries where and what."""

    def __init__(self, name: str, offset: int, what: str) -> None:
        super().__init__(name, offset, what)
        self.name = name
        self.offset = offset
        self.what = what

    def __str__(self) -> str:
        return f"the journal {self.name} is damaged at byte {self.offset}: {self.what}"


class JournalFailed(ChargingError):
    """The disk does not take what must be journaled."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.name = name
        self.why = why

    def __str__(self) -> str:
        return f"cannot write the journal {self.name}: {self.why}"


@dataclass(slots=True)
class Contents:
    """What a journal held.

    Attributes:
        records: In the order in which they were written.
        meters: The lifetime register in Wh of each connector.
        torn: Bytes at the end that were dropped.
        age: For how many seconds engines have run on it.
    """

    records: list[Record] = field(default_factory=list)
    meters: dict[int, int] = field(default_factory=dict)
    torn: int = 0
    age: int = 0


class Journal:
    """An engine's journal on a disk. `rewrite` it before the first `append`.

    Attributes:
        trouble: Why it takes nothing now, in a sentence; empty while all is well.
        size: Bytes that were written since it was last put in place as a whole, that included.
    """

    def __init__(self, disk: Disk, cp_id: str) -> None:
        self.trouble = ""
        self.size = 0
        self._disk = disk
        self._cp_id = cp_id
        self._next = 0

    def read(self) -> Contents:
        """What the disk holds; nothing if it is new.

        Raises:
            CannotStart: It cannot be read, is damaged, or is another charge point's.
        """
        try:
            data = self._disk.read()
        except OSError as error:
            why = error.strerror or error
            raise CannotStart(f"cannot read the journal {self._disk.name}: {why}") from None
        return Contents() if data is None else parse(data, self._cp_id, self._disk.name)

    def append(self, records: Iterable[Record], meters: Mapping[int, int], age: int = 0) -> None:
        """Write records as one line; they are on the disk when this returns.

        Raises:
            JournalFailed: They may, or may not, be there after a restart.
        """
        if self.trouble:
            raise JournalFailed(self._disk.name, self.trouble)
        line = _line(self._next, age, meters, records)
        self._do(self._disk.append, line)
        self.size += len(line)
        self._next += 1

    def rewrite(self, records: Iterable[Record], meters: Mapping[int, int], age: int = 0) -> None:
        """Put a new journal of only these records in place, as a whole or not at all.

        Raises:
            JournalFailed: The old one is still there, or already the new one.
        """
        kept = list(records)
        header = _Header(version=VERSION, cp_id=self._cp_id, lines=len(kept) + 1)
        lines = [_line(0, age, meters, [header])]
        lines += [_line(n, age, meters, [record]) for n, record in enumerate(kept, 1)]
        data = b"".join(lines)
        self._do(self._disk.replace, data)
        self.size = len(data)
        self._next = len(lines)
        self.trouble = ""

    def _do(self, write: Any, data: bytes) -> None:
        try:
            write(data)
        except OSError as error:
            self.trouble = error.strerror or str(error)
            raise JournalFailed(self._disk.name, self.trouble) from None


def _line(
    n: int, age: int, meters: Mapping[int, int], records: Iterable[_Header | Record]
) -> bytes:
    body = _encoder.encode(_Line(n=n, age=age, meters=dict(meters), records=list(records)))
    return b"%08x %b\n" % (crc32(body), body)


def size_of(record: Record) -> int:
    """How many bytes a record takes of its line."""
    return len(_encoder.encode(record))


def _read_line(line: bytes) -> bytes | None:
    """The body of a line without its end; None if its checksum is wrong."""
    body = line[9:]
    return body if line[:9] == b"%08x " % crc32(body) else None


def parse(data: bytes, cp_id: str, name: str) -> Contents:
    """Read a journal.

    Args:
        cp_id: Whose it should be.
        name: What people call it.

    Raises:
        JournalDamaged: It is damaged elsewhere than in the last append.
        CannotStart: It is another charge point's, or of another version.
    """
    contents = Contents()
    whole = 1  # lines that cannot be torn
    n = offset = 0
    while offset < len(data):
        end = data.find(b"\n", offset)
        body = _read_line(data[offset:end]) if end >= 0 else None
        if body is None:
            if n < whole or _good_line_in(data, offset + 1):
                raise JournalDamaged(name, offset, "a checksum is wrong")
            contents.torn = len(data) - offset
            break
        line = _decode(body, name, offset)
        if line.n != n:
            raise JournalDamaged(name, offset, f"line {n} is missing")
        if n == 0:
            whole = _check_header(line, cp_id, name)
        contents.meters.update(line.meters)
        contents.age = max(contents.age, line.age)
        contents.records += [r for r in line.records if not isinstance(r, _Header)]
        n, offset = n + 1, end + 1
    if n < whole:
        raise JournalDamaged(name, len(data), "its end is missing")
    return contents


def _good_line_in(data: bytes, offset: int) -> bool:
    return any(
        _read_line(data[begin.start() : end]) is not None
        for begin in _line_begins.finditer(data, offset)
        if (end := data.find(b"\n", begin.start())) >= 0
    )


def _decode(body: bytes, name: str, offset: int) -> _Line:
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # ValueError: no UTF-8
        raise JournalDamaged(name, offset, str(error)) from None


def _check_header(line: _Line, cp_id: str, name: str) -> int:
    header = line.records[0] if line.records else None
    if not isinstance(header, _Header):
        raise JournalDamaged(name, 0, "it does not say whose it is")
    if header.version != VERSION:
        raise CannotStart(
            f"the journal {name} is of version {header.version}; this engine reads {VERSION}"
        )
    if header.cp_id != cp_id:
        raise CannotStart(f"the journal {name} is of charge point {header.cp_id}, not {cp_id}")
    return header.lines
