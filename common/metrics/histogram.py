"""How often something was how big."""

from bisect import bisect_left
from collections.abc import Sequence

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds for times: from a fast answer to the longest deadline of the protocol."""

COUNTS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""Upper bounds for how many did something together."""


class Histogram:
    """Counts of values, by upper bound. One thread observes; any may read.

    Attributes:
        bounds: Upper bounds, inclusive, ascending; what is above the last is counted as well.
        sum: Of all values.
    """

    __slots__ = ("_counts", "bounds", "sum")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self.sum = 0.0
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """Values so far."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[str, float]]:
        """For each bound how many values were no greater, and then all of them, as `+Inf`."""
        counts = self._counts.copy()
        so_far = 0
        found: list[tuple[str, float]] = []
        for bound, count in zip((*self.bounds, float("inf")), counts, strict=True):
            so_far += count
            found.append(("+Inf" if bound == float("inf") else str(bound), so_far))
        return found
