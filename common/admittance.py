"""How much may come from others: messages of a link, wrong credentials of an address."""

from collections import OrderedDict, deque

from common.clock import Clock

MAX_FAILURES = 10
"""Wrong credentials from one address within `FAILURES_WITHIN`; then it is blocked."""

FAILURES_WITHIN = 60.0
"""Seconds in which failures are counted, and for which an address is blocked after the last."""

ADDRESSES = 10_000
"""Addresses whose failures are remembered; the one that failed longest ago is forgotten first."""


class Rate:
    """A token bucket: a message costs one, and so many come back in a second.

    Args:
        per_second: Messages in a second, for long.
        at_once: Messages that may come at once after a while without any.
    """

    __slots__ = ("_at", "_at_once", "_per_second", "_tokens")

    def __init__(self, per_second: int, at_once: int) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._tokens = float(at_once)
        self._at = 0.0

    def spend(self, messages: int, now: float) -> float:
        """These have come; seconds for which no more are to be taken, 0 if there is room.

        Args:
            now: In seconds, never falling.
        """
        refilled = self._tokens + (now - self._at) * self._per_second
        self._tokens = min(self._at_once, refilled) - messages
        self._at = now
        return -self._tokens / self._per_second if self._tokens < 0 else 0.0


class Failures:
    """Counts failed authentications, by address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def failed(self, address: str | None) -> None:
        """A credential from this address was wrong; None, which is no address, is not counted."""
        if address is None:
            return
        times = self._failed.setdefault(address, deque(maxlen=MAX_FAILURES))
        times.append(self._clock.monotonic())
        self._failed.move_to_end(address)
        if len(self._failed) > ADDRESSES:
            self._failed.popitem(last=False)

    def blocked(self, address: str | None) -> bool:
        """Whether so many failed lately that a further one is not looked at."""
        times = self._failed.get(address or "")
        if times is None or len(times) < MAX_FAILURES:
            return False
        now = self._clock.monotonic()
        return times[-1] - times[0] <= FAILURES_WITHIN and now - times[-1] <= FAILURES_WITHIN
