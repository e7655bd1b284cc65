"""What only time decides, looked at once a second."""

import asyncio

import structlog

from central.answers import Answers
from central.board import Board
from central.gateways.settling import Settling
from central.network import LivePoint, LiveSession, Network
from central.rules.sessions import driver_released
from central.sessions import SessionChanges
from central.stopping import Stopping
from central.store import ForgetAnswers, Store
from common.errors import StoreUnavailable
from common.states import FINISHING_SHOWN_FOR, SessionState

log = structlog.get_logger()

EVERY = 1.0
"""Seconds between two looks."""

DRIVER_HELD_OFFLINE = 120.0
"""Seconds for which a point may be offline before its driver is free to charge elsewhere."""

INTENTS_EVERY = 5
"""Looks between two deliveries of stops that an engine has not confirmed."""

FORGET_EVERY = 5
"""Looks between two clearings of remembered answers."""


class Patrol:
    """Does what is due.

    Releases drivers of offline points, ends the show of `Finishing`, repeats stops, closes
    sessions of which nothing is heard any more, forgets old answers. When a session at an OCPP
    charge point is closed is `gateways.settling`'s to say.
    """

    def __init__(
        self,
        network: Network,
        store: Store,
        answers: Answers,
        changes: SessionChanges,
        stopping: Stopping,
        board: Board,
        settling: Settling,
        *,
        settle_timeout: float,
    ) -> None:
        self._network = network
        self._store = store
        self._answers = answers
        self._changes = changes
        self._stopping = stopping
        self._board = board
        self._settling = settling
        self._settle_timeout = settle_timeout
        self._looks = 0

    async def run(self) -> None:
        """Look, for ever. What the database does not take now is looked at again."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.look()
            except StoreUnavailable as error:
                log.warning("patrol not done", why=str(error))

    async def look(self) -> None:
        """Do what has become due."""
        self._looks += 1
        now = self._network.clock.monotonic()
        for live in list(self._network.sessions.values()):
            if live.session.state is SessionState.FINISHING:
                shown_for = now - live.finishing_since
                if FINISHING_SHOWN_FOR <= shown_for < FINISHING_SHOWN_FOR + 2 * EVERY:
                    self._board.changed(live.session.cp_id)
            point = self._network.points.get(live.session.cp_id)
            if live.session.holds_driver and point is not None and self._long_offline(point, now):
                await self._changes.apply(live, driver_released)
            if live.session.id_tag is not None:
                await self._settling.look(live)
            elif self._is_given_up(live, now):
                await self._changes.estimate(live)
        if self._looks % INTENTS_EVERY == 0:
            for point in self._stopping.points_with_intents():
                self._stopping.begin_delivery(point)
        if self._looks % FORGET_EVERY == 0:
            await self._store.write(ForgetAnswers(self._answers.forget_old()))

    def _is_given_up(self, live: LiveSession, now: float) -> bool:
        """Whether its ticket is awaited no longer: nothing has told of it for too long."""
        session = live.session
        awaited = not (session.settled or session.estimated or live.commanding)
        over = session.state is SessionState.FAILED and not session.holds_connector
        return awaited and not over and now - live.named_at >= self._settle_timeout

    def _long_offline(self, point: LivePoint, now: float) -> bool:
        return point.offline_since is not None and now - point.offline_since >= DRIVER_HELD_OFFLINE
