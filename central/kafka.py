"""Whether Kafka is there and as it must be: looked at before serving, and every few seconds after.

A first start wants its broker, so that a wrong address does not go unseen. A central that has once
reached a Kafka with this database serves TCP without it: charges go on, live data pause.
"""

import asyncio
from collections.abc import Callable

import structlog

from central.board import Board
from central.store import NoteCluster, Store
from common.errors import CannotStart, StoreUnavailable
from common.messages import Severity
from common.protocol import ALL_TOPICS
from common.stream import KafkaSettings, KafkaUnreachable, ensure_topics

log = structlog.get_logger()

LOOK_EVERY = 3.0
"""Seconds between two looks at Kafka."""

FIRST_WITHIN = 10.0
"""Seconds in which Kafka must answer a first start."""

LATER_WITHIN = 3.0
"""Seconds in which it must answer any other look."""


class KafkaWatch:
    """Keeps Kafka's topics in place, and says when it goes and comes back.

    Attributes:
        trouble: Why Kafka cannot be used now; empty while it can.
        on_back: Called when it is back, with or without what it was told before.
    """

    def __init__(self, settings: KafkaSettings, store: Store, board: Board) -> None:
        self._settings = settings
        self._store = store
        self._board = board
        self.trouble = ""
        self.on_back: Callable[[], None] = lambda: None

    async def first_look(self, known_cluster: str | None) -> None:
        """Create what topics are missing before anything is served.

        Raises:
            CannotStart: A topic has a wrong shape; or Kafka does not answer, and never has.
        """
        try:
            cluster = await ensure_topics(
                self._settings, ALL_TOPICS, within=LATER_WITHIN if known_cluster else FIRST_WITHIN
            )
        except KafkaUnreachable as error:
            if known_cluster is None:
                text = f"{error}; a first start needs it, later ones serve TCP without"
                raise CannotStart(text) from None
            self._went(str(error))
            return
        if cluster.embedded:
            log.warning("the embedded broker keeps nothing: for trying out only")
        if cluster.cluster_id != known_cluster:
            await self._store.write(NoteCluster(cluster.cluster_id))

    async def run(self) -> None:
        """Look, for ever: an empty broker in the old one's place gets its topics."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await ensure_topics(self._settings, ALL_TOPICS, within=LATER_WITHIN)
            except (KafkaUnreachable, CannotStart) as error:
                self._went(str(error))
            except StoreUnavailable as error:
                log.warning("not stored", why=str(error))
            else:
                self._came()

    def _went(self, why: str) -> None:
        if not self.trouble:
            self._board.event(f"Kafka is down: {why}; TCP is served", Severity.ALARM)
        self.trouble = why

    def _came(self) -> None:
        if self.trouble:
            self._board.event("Kafka is back")
            self.on_back()
        self.trouble = ""
