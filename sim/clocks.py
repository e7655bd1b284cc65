"""The time of one machine: it drifts, and somebody may set it."""

BEGAN = 1_750_000_000.0
"""Unix seconds when every history begins."""


class Machine:
    """A machine's clocks, as functions of the history's own time.

    Args:
        rate: How many seconds they count in a second of the history.
        offset: By how much its wall clock is wrong at first, in seconds.

    Attributes:
        name: What it is called, and where it is found on the network.
        now: The history's time; set by the loop.
    """

    def __init__(self, name: str, rate: float = 1.0, offset: float = 0.0) -> None:
        self.name = name
        self.now = 0.0
        self._rate = rate
        self._offset = offset

    @property
    def is_sound(self) -> bool:
        """Whether its clocks are of any use."""
        return abs(self._rate - 1.0) < 0.1

    def wall(self) -> float:
        """Unix seconds."""
        return BEGAN + self._offset + self.monotonic()

    def monotonic(self) -> float:
        """Seconds since the history began, as this machine counts them."""
        return self.now * self._rate

    def when(self, monotonic: float) -> float:
        """The history's time at which `monotonic` will show this."""
        return monotonic / self._rate

    def set_wall(self, seconds: float) -> None:
        """Somebody sets the wall clock, by so much; it is not the monotonic one."""
        self._offset += seconds
