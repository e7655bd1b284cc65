"""What a monitor says of itself, and whether it serves. All of it is asked in another thread."""

from collections.abc import Iterator

from common.metrics import table
from common.metrics.metric import Sample
from monitor.point import Point
from monitor.records import Records


def point_samples(point: Point) -> Iterator[Sample]:
    """The charge point as the monitor knows it."""
    yield table.ENGINE_UP(float(point.engine is not None))
    yield table.ENGINE_FAULT(float(point.condition.fault_type is not None))
    yield table.REGISTERED(float(point.central is not None))


def record_samples(records: Records) -> Iterator[Sample]:
    """Readings and tickets on their way to Kafka."""
    yield table.BUFFERED(records.buffered)
    yield table.DROPPED(records.dropped)


def missing(point: Point) -> str:
    """What the monitor lacks to serve, in a sentence; empty if nothing."""
    lacks = []
    if point.engine is None:
        lacks.append("the engine cannot be reached")
    if point.central is None:
        lacks.append("it is not registered with central")
    return "; ".join(lacks)
