"""How far a partition is done with, when its records are done in any order."""

from typing import Generic, Protocol, TypeVar


class Positioned(Protocol):
    """What stands at an offset of a partition."""

    @property
    def offset(self) -> int: ...


R = TypeVar("R", bound=Positioned)


class OffsetTracker(Generic[R]):
    """The records of one partition that are in work, and the offset below which all are done.

    Records are told apart by identity, not by offset: one that comes again, after its topic was
    made anew, is not done because the former one at its offset is.
    """

    def __init__(self) -> None:
        self._in_work: dict[int, R] = {}
        self._next: int | None = None
        self._left: int | None = None

    def begin(self, record: R) -> None:
        """A record is handed out.

        Offsets grow, and may leave gaps. One that does not grow means that the broker lost the
        end of the log: what was in work from there is no more.
        """
        if self._next is not None and record.offset < self._next:
            self._in_work.clear()
            if self._left is not None and record.offset <= self._left:
                self._left = None
        self._in_work[record.offset] = record
        self._next = record.offset + 1

    def done(self, record: R) -> bool:
        """A record is done with; False if it was not in work here, which changes nothing."""
        if self._in_work.get(record.offset) is not record:
            return False
        del self._in_work[record.offset]
        return True

    def leave(self, record: R) -> bool:
        """A record is not going to be done here: nothing from it on is committed any more."""
        if not self.done(record):
            return False
        self._left = record.offset if self._left is None else min(self._left, record.offset)
        return True

    @property
    def in_work(self) -> int:
        """How many records were handed out and are not done."""
        return len(self._in_work)

    @property
    def committable(self) -> int | None:
        """The offset below which everything is done; None before the first record."""
        first = next(iter(self._in_work), self._next)
        return first if self._left is None or first is None else min(first, self._left)
