"""Which central leads: a lower epoch than the last seen comes from one that does no longer.

An epoch that went back for good means something else: central's database was replaced by an older
or a new one. A central that lost its lead learns that within seconds, so one that goes on for
longer is the leader.
"""

HEADER = "epoch"
"""The header of a record with an answer that says the epoch: the answer itself stays the same."""

TAKEN_BACK_AFTER = 10.0
"""Seconds after which a lower epoch, with no higher one since, is believed: three times as long as
a central that was held up can take to learn that it no longer leads."""


class Epochs:
    """The highest epoch that was seen.

    Attributes:
        last: It; None before the first.
    """

    def __init__(self) -> None:
        self.last: int | None = None
        self._lower_since: float | None = None

    def admits(self, epoch: int | None) -> bool:
        """Whether a command with this epoch comes from the central that leads."""
        if epoch is None or self.last is None or epoch >= self.last:
            self.last = self.last if epoch is None else epoch
            return True
        return False

    def believes(self, epoch: int | None, now: float) -> bool:
        """Whether the central leads that says this in a registration, or publishes it.

        Args:
            now: Monotonic seconds.
        """
        if self.admits(epoch):
            self._lower_since = None
            return True
        if self._lower_since is None:
            self._lower_since = now
        if now - self._lower_since < TAKEN_BACK_AFTER:
            return False
        self.last, self._lower_since = epoch, None
        return True
