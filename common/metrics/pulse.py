"""How late the event loop is, and whether it turns at all."""

import asyncio
from collections.abc import Iterator

from common.clock import Clock
from common.metrics import table
from common.metrics.histogram import Histogram
from common.metrics.metric import Sample

BEAT = 0.25
"""Seconds between two beats."""

ALIVE_WITHIN = 3.0
"""Seconds since the last beat from which the loop counts as standing still: longer than any pause
of a healthy program, shorter than its peers' patience."""


class Pulse:
    """Beats in the running loop from `begin` to `end`; may be felt from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lag = Histogram()
        self._beat_at = clock.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Beat from now on."""
        self._beat_at = self._clock.monotonic()
        self._timer = asyncio.get_running_loop().call_later(BEAT, self._beat)

    def end(self) -> None:
        """Beat no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def silence(self) -> float:
        """Seconds since the last beat."""
        return max(0.0, self._clock.monotonic() - self._beat_at)

    @property
    def trouble(self) -> str:
        """Why the loop is not well, in a sentence; empty while it is."""
        silence = self.silence
        return f"the event loop has stood still for {silence:.1f} s" * (silence >= ALIVE_WITHIN)

    def samples(self) -> Iterator[Sample]:
        """Its lag so far, and its silence now."""
        yield table.LOOP_LAG(self._lag)
        yield table.LOOP_SILENCE(self.silence)

    def _beat(self) -> None:
        now = self._clock.monotonic()
        self._lag.observe(max(0.0, now - self._beat_at - BEAT))
        self._beat_at = now
        self._timer = asyncio.get_running_loop().call_later(BEAT, self._beat)
