"""What an engine says of itself, and whether it serves. All of it is asked in another thread."""

from collections import Counter
from collections.abc import Iterator

from common.metrics import table
from common.metrics.metric import Sample
from common.states import EngineStatus
from engine.charge_point import ChargePoint
from engine.uplink import Uplink


def point_samples(point: ChargePoint) -> Iterator[Sample]:
    """The charge point and its journal."""
    statuses = Counter(connector.status for connector in point.connectors.values())
    for status in EngineStatus:
        yield table.CONNECTORS(statuses[status], status)
    yield table.REGISTER(point.register_wh)
    yield table.ENGINE_READINGS(point.readings)
    yield table.HELD(len(point.book.held()))
    yield table.JOURNAL_BYTES(point.book.journal_bytes)
    yield table.JOURNAL_LIMIT(point.book.limit)
    yield table.JOURNAL_UP(float(not point.book.trouble))
    yield table.JOURNAL_FULL(float(point.book.full))


def uplink_samples(uplink: Uplink) -> Iterator[Sample]:
    """Whether anybody watches it."""
    yield table.ENGINE_MONITORED(float(uplink.link is not None))


def missing(point: ChargePoint) -> str:
    """What the engine lacks to serve, in a sentence; empty if nothing."""
    return point.book.objection
