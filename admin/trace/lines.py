"""What a log holds: one JSON object a line, as `--log json` writes them."""

import gzip
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

IDS = ("trace_id", "message_id", "session_id")
"""The fields by which lines belong together."""

STDIN = Path("-")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a log; what else it says stays in `raw`."""

    event: str = ""
    program: str = ""
    timestamp: str = ""
    level: str = ""
    type: str = ""
    peer: str = ""
    trace_id: str | None = None
    message_id: str | None = None
    session_id: str | None = None
    cp_id: str | None = None
    driver_id: str | None = None
    raw: msgspec.Raw = msgspec.Raw(b"{}")

    @property
    def at(self) -> datetime | None:
        """When it was written; None where it does not say, or not how ours do."""
        try:
            return datetime.fromisoformat(self.timestamp)
        except ValueError:
            return None

    @property
    def ids(self) -> set[str]:
        """All that it may be found by."""
        return {value for name in IDS if (value := getattr(self, name))}


class Source:
    """A log file; compressed where its name ends with .gz, stdin where it is `-`.

    Attributes:
        skipped: Lines that were no JSON object, in the latest reading.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped = 0
        self._stdin: list[bytes] | None = None

    def lines(self) -> Iterator[Line]:
        """Every line that is a JSON object, in order.

        Raises:
            OSError: It cannot be read.
        """
        self.skipped = 0
        with self._open() as file:
            for text in file:
                try:
                    yield msgspec.structs.replace(_DECODER.decode(text), raw=msgspec.Raw(text))
                except msgspec.MsgspecError:
                    self.skipped += bool(text.strip())

    @contextmanager
    def _open(self) -> Iterator[Iterable[bytes]]:
        if self.path == STDIN:
            if self._stdin is None:  # it is read twice, and comes once
                self._stdin = list(sys.stdin.buffer)
            yield self._stdin
            return
        with gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb") as file:
            yield file


_DECODER = msgspec.json.Decoder(Line)
