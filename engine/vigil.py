"""Ends what runs when the monitor has been silent for too long, also if it was us who slept.

An engine that was paused, or whose disk hung, does not know for how long its monitor was there
meanwhile. What then waits to be read is old: it proves nothing, and who asked has stopped waiting.
So whatever wakes the engine first calls `woke`, before it does anything else: what ran ended when
the grace was over, and the link over which old commands may come is closed.
"""

from common.clock import Clock
from engine.charge_point import ChargePoint
from engine.moment import Timepiece
from engine.uplink import Uplink

ASKED_WITHIN = 3.0
"""Seconds of our own sleep after which nobody waits any more for what was asked meanwhile: the
protocol's deadline of a monitor."""


class Vigil:
    """Watches the monitor's silence, and our own.

    Args:
        grace: Real seconds of silence after which supplies end.
    """

    def __init__(
        self,
        point: ChargePoint,
        uplink: Uplink,
        clock: Clock,
        timepiece: Timepiece,
        grace: float,
    ) -> None:
        self._point = point
        self._uplink = uplink
        self._clock = clock
        self._timepiece = timepiece
        self._grace = grace
        self._awake_at = clock.monotonic()

    def woke(self) -> bool:
        """To be called before anything is done; whether we had slept for too long."""
        now = self._clock.monotonic()
        slept, self._awake_at = now - self._awake_at, now
        if slept >= self._grace:
            self._end()
        if slept < ASKED_WITHIN:
            return False
        self._uplink.hang_up()
        return True

    @property
    def is_over(self) -> bool:
        """Whether something runs, and the monitor has been silent for too long."""
        return bool(self._point.running) and self._uplink.silence >= self._grace

    def end(self) -> None:
        """End what runs if the silence has lasted for too long."""
        if self.is_over:
            self._end()

    def _end(self) -> None:
        over_at = self._uplink.heard_at + self._grace
        if self._point.running:
            self._point.monitor_lost(self._timepiece.at(min(over_at, self._clock.monotonic())))
