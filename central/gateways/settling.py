"""When a session at an OCPP charge point is over though the charge point has not said so.

Theory of operation. An OCPP charge point keeps no journal that could be asked about: what has begun
is over when its StopTransaction has come, however long nothing is heard of it meanwhile. It is
closed from its last reading only where it cannot go on any more as far as one can see: the charge
point has been offline, its connector has been `Available`, or taken by another transaction, for as
long as a ticket is awaited. The true end, if it ever comes, replaces that.

What was ordered from here and does not begin is given up: nobody has plugged a car in.
"""

from central.network import LivePoint, LiveSession, Network
from central.rules.transactions import not_begun
from central.sessions import SessionChanges
from central.store import Change, DropStopIntent
from common.states import OPEN_STATES, SessionEvent, SessionState, Status

BEGINS_WITHIN = 120.0
"""Seconds for which a start that was ordered is awaited while its connector is `Available`."""

BEGINS_AT_LAST = 600.0
"""Seconds for which it is awaited otherwise: a car may be there, or the connection may not."""

ENDED_AFTER = 30.0
"""Seconds of `Available` after which a transaction there has ended; its StopTransaction is late."""


class Settling:
    """Looks after sessions at OCPP charge points of which nothing is heard.

    Args:
        settle_timeout: Seconds for which a StopTransaction is awaited.
    """

    def __init__(self, network: Network, changes: SessionChanges, *, settle_timeout: float) -> None:
        self._network = network
        self._changes = changes
        self._settle_timeout = settle_timeout
        self._available_since: dict[tuple[str, int], float] = {}

    def reported(self, point: LivePoint, connector_id: int, word: Status) -> None:
        """A charge point has said how a connector is."""
        if word is not Status.AVAILABLE:
            self._available_since.pop((point.point.cp_id, connector_id), None)

    async def look(self, live: LiveSession) -> None:
        """Do what is due for this session.

        Raises:
            StoreUnavailable: To be looked at again.
        """
        now = self._network.clock.monotonic()
        point = self._network.points[live.session.cp_id]
        if live.session.transaction_id is None:
            await self._look_for_start(live, point, now)
            return
        available_for = self._available_for(live, point, now)
        if live.session.state is SessionState.CHARGING and available_for >= ENDED_AFTER:
            await self._changes.event(live, SessionEvent.ENDED)
        awaited = not (live.session.settled or live.session.estimated)
        if awaited and self._quiet_for(live, point, now) >= self._settle_timeout:
            await self._changes.estimate(live)

    async def _look_for_start(self, live: LiveSession, point: LivePoint, now: float) -> None:
        if live.commanding or live.session.settled:
            return
        is_available = self._available_for(live, point, now) >= 0 and point.link is not None
        if now - live.named_at >= (BEGINS_WITHIN if is_available else BEGINS_AT_LAST):
            await self.give_up(live)

    async def give_up(self, live: LiveSession) -> None:
        """Await a transaction no longer."""
        now = int(self._network.clock.wall())
        session_id = live.session.session_id

        def also(_: object) -> list[Change]:
            return [DropStopIntent(session_id)] if session_id in self._changes.intents else []

        await self._changes.apply(live, lambda session: not_begun(session, now), also)

    def _available_for(self, live: LiveSession, point: LivePoint, now: float) -> float:
        """Seconds since its connector has been `Available`, as far as was seen; else below 0."""
        where = live.session.cp_id, live.session.connector_id
        if point.reported.get(live.session.connector_id) is not Status.AVAILABLE:
            self._available_since.pop(where, None)
            return -1.0
        return now - self._available_since.setdefault(where, now)

    def _quiet_for(self, live: LiveSession, point: LivePoint, now: float) -> float:
        """Seconds for which it cannot have gone on, as far as one can see, and nothing named it."""
        since = live.named_at
        if live.session.state is SessionState.FINISHING:
            since = max(since, live.finishing_since)
        if point.offline_since is not None:
            since = max(since, point.offline_since)
        elif live.session.state in OPEN_STATES:
            return 0.0  # connected, and in use
        return now - since
