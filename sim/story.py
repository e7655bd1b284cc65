"""The history as it was: a chronicle for people, and one digest of every byte of it."""

from collections.abc import Callable
from hashlib import blake2b
from struct import Struct

KEPT = 4_000
"""Lines of a chronicle that are shown: its last ones."""

_moment = Struct("<d").pack


class Story:
    """What has happened.

    Args:
        time: Tells the seconds since the history began.
        told: Whether a chronicle is kept; the digest always is.

    Attributes:
        lines: The chronicle.
    """

    def __init__(self, time: Callable[[], float], *, told: bool) -> None:
        self._time = time
        self.told = told
        self.lines: list[str] = []
        self._digest = blake2b(digest_size=16)

    def happened(self, what: str) -> None:
        """Something that is part of the history."""
        self._digest.update(_moment(self._time()))
        self._digest.update(what.encode())
        if self.told:
            self.note(what)

    def went(self, where: str, data: bytes) -> None:
        """Bytes that went somewhere."""
        self._digest.update(_moment(self._time()))
        self._digest.update(data)
        if self.told:
            self.note(f"{where}  {_readable(data)}")

    def add(self, data: bytes) -> None:
        """Bytes that are part of the history, and that nobody wants to read."""
        self._digest.update(data)

    def note(self, line: str) -> None:
        """A line for people only."""
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


def _readable(data: bytes) -> str:
    return data.strip(b"\x02\n").split(b"\x03")[0].decode("utf-8", "replace")
