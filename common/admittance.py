"""Who may try again: addresses from which too many wrong credentials came."""

from collections import OrderedDict, deque

from common.clock import Clock

MAX_FAILURES = 10
"""Wrong credentials from one address within `FAILURES_WITHIN`; then it is blocked."""

FAILURES_WITHIN = 60.0
"""Seconds in which failures are counted, and for which an address is blocked after the last."""

ADDRESSES = 10_000
"""Addresses whose failures are remembered; the one that failed longest ago is forgotten first."""


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
