"""What is shown: rows of charge points to watchers and `ev.points`, live data to drivers, events.

All of it is derived: it may be dropped and is made again from what central knows. What must reach
a driver goes through the outbox instead.
"""

import asyncio

import structlog
from msgspec.structs import replace

from central.network import LiveSession, Network
from central.rules.rows import progress, status_update
from common.codec import encode
from common.errors import LinkLost, Refused
from common.exchange import stamped
from common.link import Link
from common.logs import Wiretap
from common.messages import (
    ChargingData,
    EventLogged,
    Message,
    PointChanged,
    Severity,
    WatchReady,
)
from common.protocol import DRIVER_EVENTS, POINTS, Topic
from common.stream import Publisher
from common.units import cost

log = structlog.get_logger()

GATHER = 0.05
"""Seconds for which changes of a row are gathered before it is shown."""

LIVE_FIGURES_EVERY = 5.0
"""Seconds between two records of a point in `ev.points` of which only live figures differ."""

MOST_QUEUED = 20_000
"""Records that may wait for Kafka before live data are dropped: tickets need the room."""


class Board:
    """Tells watchers, drivers and Kafka what has changed.

    Attributes:
        dropped: Live records that were not published because Kafka did not keep up.
    """

    def __init__(self, network: Network, publisher: Publisher) -> None:
        self._network = network
        self._publisher = publisher
        self._watchers: set[Link] = set()
        self._joining: dict[asyncio.Task[None] | None, set[str]] = {}
        self._changed: dict[str, None] = {}  # in the order in which they changed
        self._timer: asyncio.TimerHandle | None = None
        self._published: dict[str, tuple[object, float]] = {}
        self._shown_progress: dict[str, int] = {}
        self._wire = Wiretap()
        self._log = log.bind()  # once: structlog makes a logger anew for each line otherwise
        self._tasks: set[asyncio.Task[None]] = set()
        self.dropped = 0

    # -- Rows --

    def changed(self, cp_id: str) -> None:
        """Something of this point's row has changed; it is shown within a moment."""
        self._changed[cp_id] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER, self.flush)

    def flush(self) -> None:
        """Show the rows that have changed, now."""
        self._timer = None
        changed, self._changed = self._changed, {}
        for cp_id in changed:
            live = self._network.points.get(cp_id)
            if live is not None:
                row = stamped(self._network.row(live), self._network.clock)
                assert isinstance(row, PointChanged)
                self._show(row)

    def _show(self, row: PointChanged) -> None:
        for untold in self._joining.values():
            untold.add(row.cp_id)
        self._tell_watchers(row)
        now = self._network.clock.monotonic()
        essence = _essence(row)
        before = self._published.get(row.cp_id)
        if before and before[0] == essence and now - before[1] < LIVE_FIGURES_EVERY:
            return
        if self._publish(POINTS, row.cp_id, row):
            self._published[row.cp_id] = essence, now

    def show_all(self) -> None:
        """Show every row, as at start."""
        for cp_id in self._network.points:
            self.changed(cp_id)

    # -- Watchers --

    def watch(self, link: Link) -> None:
        """Tell this operator's link every row, then whatever changes."""
        untold = set(self._network.points)
        task = asyncio.ensure_future(self._join(link, untold))
        self._joining[task] = untold  # not by the link, which may ask twice
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, link: Link, untold: set[str]) -> None:
        """Tell every row as fast as the link takes them, then `watch_ready`."""
        task = asyncio.current_task()
        try:
            while untold:
                await link.drained()
                link.tell(self._network.row(self._network.points[untold.pop()]))
            link.tell(WatchReady())
            self._watchers.add(link)
        except LinkLost:
            log.debug("watcher left while it joined")
        finally:
            self._joining.pop(task, None)

    def unwatch(self, link: Link) -> None:
        """The link is gone."""
        self._watchers.discard(link)

    def _tell_watchers(self, message: Message) -> None:
        for link in list(self._watchers):
            try:
                link.tell(message)
            except LinkLost:
                if link.is_closing:  # else nothing may be said now, and all rows are told after
                    self._watchers.discard(link)

    def event(
        self,
        text: str,
        severity: Severity = Severity.INFO,
        *,
        cp_id: str | None = None,
        session_id: str | None = None,
        driver_id: str | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Something happened that an operator would want to see: a log line, and to watchers."""
        ids = {"cp_id": cp_id, "session_id": session_id, "driver_id": driver_id}
        known = {name: value for name, value in ids.items() if value}
        traced = {"trace_id": trace_id} if trace_id else {}
        write = self._log.info if severity is Severity.INFO else self._log.warning
        write(text, **known, **traced)
        if self._watchers:
            self._tell_watchers(
                EventLogged(
                    severity=severity,
                    text=text,
                    cp_id=cp_id,
                    session_id=session_id,
                    driver_id=driver_id,
                    trace_id=trace_id,
                )
            )

    # -- Drivers --

    def reading(self, live: LiveSession, reading: ChargingData) -> None:
        """Forward a reading that counted, with central's cost, and the progress if it moved."""
        session = live.session
        self._to_driver(
            session.driver_id,
            ChargingData(
                message_id=reading.message_id,
                timestamp=reading.timestamp,
                trace_id=session.trace_id,
                cp_id=session.cp_id,
                connector_id=session.connector_id,
                session_id=session.session_id,
                sequence=reading.sequence,
                energy_consumed_kwh=live.energy,
                total_cost=cost(live.energy, session.price),
                charging_rate=live.rate,
                epoch=self._network.epoch,
            ),
        )
        percent = progress(live.energy, session.target)
        if self._shown_progress.get(session.session_id) != percent:
            self._shown_progress[session.session_id] = percent
            update = replace(status_update(live.latest), epoch=self._network.epoch)
            self._to_driver(session.driver_id, update)
        self._moved(session.cp_id)

    def _moved(self, cp_id: str) -> None:
        """Live figures of a row have changed: watchers see it, `ev.points` only now and then."""
        published = self._published.get(cp_id)
        now = self._network.clock.monotonic()
        is_due = published is None or now - published[1] >= LIVE_FIGURES_EVERY
        if is_due or self._watchers or self._joining:
            self.changed(cp_id)

    def over(self, live: LiveSession) -> None:
        """The session is over: nothing more will be forwarded."""
        self._shown_progress.pop(live.session.session_id, None)

    def _to_driver(self, driver_id: str, message: Message) -> None:
        self._publish(DRIVER_EVENTS, driver_id, message)

    def _publish(self, topic: Topic, key: str, message: Message) -> bool:
        if self._publisher.queued >= MOST_QUEUED:
            self.dropped += 1
            return False
        message = stamped(message, self._network.clock)
        try:
            self._publisher.publish(topic, key, encode(message))
        except Refused:
            self.dropped += 1
            return False
        if self._wire.on:
            self._wire.seen("sent", message, f"{key} by {topic}")
        return True


def _essence(row: PointChanged) -> object:
    """What of a row is not merely a live figure."""
    return (
        row.status,
        row.stopped,
        row.fault_type,
        row.location,
        row.price_per_kwh,
        row.max_charging_rate_kw,
        row.epoch,
        (row.ocpp_version, row.vendor, row.model, row.firmware_version),
        tuple((c.connector_id, c.status, c.session_id, c.driver_id) for c in row.connectors),
    )
