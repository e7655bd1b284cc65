"""What a metric is, and a sample of one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from common.metrics.histogram import Histogram

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of the table.

    Attributes:
        name: As Prometheus shows it; a counter's ends in `_total`.
        kind: A counter only grows, and begins at 0 when its program starts.
        meaning: A sentence.
        programs: Who has it, without `ev-`.
        labels: What it is told apart by. Every label has few values, whatever peers send: never an
            id or an address.
    """

    name: str
    kind: Kind
    meaning: str
    programs: tuple[str, ...]
    labels: tuple[str, ...] = ()

    def __call__(self, value: "float | Histogram", *labels: str) -> "Sample":
        """A sample of it; labels in the order of `labels`."""
        assert len(labels) == len(self.labels), f"{self.name} has the labels {self.labels}"
        return Sample(self, value, labels)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a metric is now, for one set of labels."""

    metric: Metric
    value: float | Histogram
    labels: tuple[str, ...]


Source = Callable[[], Iterable[Sample]]
"""Says what it knows. Called in another thread than the event loop's: see the package."""
