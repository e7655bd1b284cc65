"""What a node says of itself, for Prometheus. All of it is asked in another thread."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields

from common.messages import CommandOutcome
from common.metrics import table
from common.metrics.histogram import Histogram
from common.metrics.metric import Metric, Sample
from gateway.connections import Connections
from gateway.counts import Counts
from gateway.ending import Ending
from gateway.ocppj import CallErrorCode, FrameFault
from gateway.registry import Registry
from gateway.server import VERSIONS
from gateway.uplink import Uplink

ADMITTED = ("101", "400", "401", "404", "426", "503")
"""The answers to a request for a WebSocket that are shown from the start."""


CALLED = (
    *dict.fromkeys(name for version in VERSIONS.values() for name in version.upward),
    "unknown",
)
"""The actions of charge points, whichever version they speak."""


def link_samples(connections: Connections, counts: Counts) -> Iterator[Sample]:
    """Charge points that are connected, and those that came and went."""
    yield table.GATEWAY_CONNECTIONS(len(connections))
    yield from _each(table.GATEWAY_ADMITTED, ADMITTED, counts.admitted)
    yield from _each(table.GATEWAY_ENDED, Ending, counts.ended)


def call_samples(uplink: Uplink, counts: Counts) -> Iterator[Sample]:
    """What charge points call, and what they are answered."""
    yield table.GATEWAY_HEARTBEATS(counts.heartbeats)
    yield from _each(table.GATEWAY_CALLS, CALLED, counts.calls)
    yield from _timed(table.GATEWAY_CALL_SECONDS, counts.seconds)
    yield from _each(table.GATEWAY_CALL_ERRORS, CallErrorCode, counts.errors)
    yield table.GATEWAY_UNANSWERED(uplink.unanswered)
    yield table.GATEWAY_ASIDE(uplink.aside)
    yield from _each(table.GATEWAY_BAD_FRAMES, FrameFault, counts.bad_frames)
    yield table.GATEWAY_STRAYS(counts.strays)
    yield from _each(table.GATEWAY_FAULTS, (), counts.faults)


def central_samples(counts: Counts) -> Iterator[Sample]:
    """What central sends."""
    yield table.GATEWAY_DROPPED(counts.late, "late")
    yield table.GATEWAY_DROPPED(counts.misdirected, "misdirected")
    yield table.GATEWAY_DROPPED(counts.deposed, "deposed")
    yield table.GATEWAY_DROPPED(counts.unreadable, "unreadable")
    yield from _each(table.GATEWAY_COMMANDS, CommandOutcome, counts.commands)
    yield from _timed(table.GATEWAY_COMMAND_SECONDS, counts.command_seconds)


def frame_samples(counts: Counts) -> Iterator[Sample]:
    """What was published for inspection."""
    yield table.GATEWAY_FRAMES(counts.frames, "published")
    yield table.GATEWAY_FRAMES(counts.frames_dropped, "dropped")


def registry_samples(registry: Registry) -> Iterator[Sample]:
    """How the node stands with the others."""
    yield table.GATEWAY_REGISTRY_UP(float(registry.healthy))
    counts = registry.counts
    for field in fields(counts):
        yield table.GATEWAY_REGISTRY(getattr(counts, field.name), field.name)


def _each(metric: Metric, usual: Iterable[str], counts: Mapping[str, int]) -> Iterator[Sample]:
    """Everything that was counted, and a 0 for what may come."""
    found = {str(name): 0 for name in usual}
    found |= {str(name): count for name, count in list(counts.items())}
    for name, count in found.items():
        yield metric(count, name)


def _timed(metric: Metric, timed: Mapping[str, Histogram]) -> Iterator[Sample]:
    for name, histogram in list(timed.items()):
        yield metric(histogram, name)
