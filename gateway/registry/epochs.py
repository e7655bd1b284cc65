"""Epochs and times where no Redis gives them."""

from collections.abc import Callable

from common.clock import Clock


class RedisTime:
    """What Redis's clock shows, by what its last answer showed. Until then: what ours shows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = self._ahead_at_most = (clock.wall() - clock.monotonic()) * 1000

    def seen(self, time: int, asked: float) -> None:
        """It has shown this.

        Args:
            time: Unix milliseconds.
            asked: Monotonic seconds before it was asked.
        """
        self._ahead = time - self._clock.monotonic() * 1000
        self._ahead_at_most = time - asked * 1000

    def at_least(self) -> int:
        """Unix milliseconds that it has reached by now."""
        return int(self._clock.monotonic() * 1000 + self._ahead)

    def at_most(self) -> int:
        """Unix milliseconds that it cannot have passed yet."""
        return int(self._clock.monotonic() * 1000 + self._ahead_at_most) + 1


class ClockEpochs:
    """Epochs by a clock, each higher than those of its charge point before.

    Args:
        now: Unix milliseconds.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._reached = 0
        # Those that the clock has not passed yet: by them alone the next could fail to be higher.
        self._ahead: dict[str, int] = {}

    def next(self, cp_id: str, above: int = 0) -> int:
        """A new epoch, also higher than `above`."""
        epoch = max(self._time(), above + 1, self._ahead.get(cp_id, 0) + 1)
        self._ahead[cp_id] = epoch
        return epoch

    def last(self, cp_id: str) -> int:
        """The last epoch of a charge point if the clock may not have passed it yet, or else 0."""
        return self._ahead.get(cp_id, 0)

    def forget(self) -> None:
        """Forget what the clock has passed. To be called now and then."""
        now = self._time()
        self._ahead = {cp_id: epoch for cp_id, epoch in self._ahead.items() if epoch >= now}

    def _time(self) -> int:
        # A clock that was set back stands still here until it is where it was.
        self._reached = max(self._reached, self._now())
        return self._reached
