"""The history as it was: a chronicle for people, and one digest of every byte of it."""

from collections.abc import Callable
from enum import IntEnum
from hashlib import blake2b
from struct import Struct

KEPT = 4_000
"""Lines of a chronicle that are shown: its last ones."""

_moment = Struct("<d").pack


class Detail(IntEnum):
    """How much of a history is told."""

    NOTHING = 0
    """Only its digest is kept."""
    STORY = 1
    """What changes something."""
    EVERYTHING = 2
    """Also what is said every second: heartbeats, health checks, readings."""


QUIET = (
    b'{"type":"health_check',
    b'{"type":"heartbeat',
    b'{"type":"charging_data',
    b'{"type":"charging_status_update',
    b'{"type":"charging_history',
    b'{"type":"point_changed',
)
"""How messages begin that change nothing, or only say again what has."""


class Story:
    """What has happened.

    Args:
        time: Tells the seconds since the history began.
        detail: How much of it is told.

    Attributes:
        lines: The chronicle.
    """

    def __init__(self, time: Callable[[], float], detail: Detail) -> None:
        self._time = time
        self.detail = detail
        self.lines: list[str] = []
        self._digest = blake2b(digest_size=16)

    def happened(self, what: str) -> None:
        """Something that is part of the history."""
        self._digest.update(_moment(self._time()))
        self._digest.update(what.encode())
        self.note(what)

    def went(self, where: str, data: bytes) -> None:
        """Bytes that went somewhere."""
        self._digest.update(_moment(self._time()))
        self._digest.update(data)
        if self.detail and (self.detail is Detail.EVERYTHING or not _is_quiet(data)):
            self.note(f"{where}  {_readable(data)}")

    def add(self, data: bytes) -> None:
        """Bytes that are part of the history, and that nobody wants to read."""
        self._digest.update(data)

    def note(self, line: str) -> None:
        """A line for people only."""
        if self.detail:
            self.lines.append(f"{self._time():9.3f}  {line}")

    @property
    def digest(self) -> str:
        """Of everything so far; two histories with the same one are the same."""
        return self._digest.hexdigest()

    def chronicle(self) -> str:
        """The last lines, for people."""
        left_out = len(self.lines) - KEPT
        head = [f"… {left_out} lines before these"] if left_out > 0 else []
        return "\n".join([*head, *self.lines[-KEPT:]])


def _is_quiet(data: bytes) -> bool:
    # A line of a journal that says how far a supply has come has a number, and no end.
    return data.lstrip(b"\x02").startswith(QUIET) or (
        b'"sequence":' in data and b'"reason":' not in data
    )


def _readable(data: bytes) -> str:
    return data.strip(b"\x02\n").split(b"\x03")[0].decode("utf-8", "replace")
