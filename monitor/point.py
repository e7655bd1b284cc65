"""The charge point as its monitor knows it: what the engine's side and central's side share."""

import asyncio

import structlog

from common.dispatch import PeerLink
from common.epochs import Epochs
from common.errors import LinkLost
from common.messages import Message
from monitor.health import Condition, Health
from monitor.settling import Settling
from monitor.stopping import Stopping

log = structlog.get_logger()


class Point:
    """One charge point.

    Attributes:
        cp_id: Its id.
        health: How its engine is.
        settling: Which sessions are to be settled.
        stopping: Whether it is to be stopped.
        epochs: Which central leads.
        engine: The link to its engine, once that has answered on it; None while there is none.
        central: The link to central, once registered on it; None while there is none.
        decided: Set once it is known how the engine is, well or not.
        errand: Set when there may be something to ask of the engine.
        look: The engine is to be looked at out of turn.
        outdated: Set when central must hear anew what only a registration says.
    """

    def __init__(self, cp_id: str) -> None:
        self.cp_id = cp_id
        self.health = Health(cp_id)
        self.settling = Settling(cp_id)
        self.stopping = Stopping(cp_id)
        self.epochs = Epochs()
        self.engine: PeerLink | None = None
        self.central: PeerLink | None = None
        self.decided = asyncio.Event()
        self.errand = asyncio.Event()
        self.look = False
        self.outdated = asyncio.Event()

    @property
    def condition(self) -> Condition:
        """How the engine is now."""
        return self.health.condition

    def look_soon(self) -> None:
        """Have the engine looked at out of turn: it was told to do something."""
        self.look = True
        self.errand.set()

    def tell_central(self, message: Message) -> None:
        """Tell central, if it can be told now: what is lost, its next heartbeat mends."""
        if self.central is None:
            return
        try:
            self.central.tell(message)
        except LinkLost as lost:
            log.debug("central not told", type=type(message).__name__, why=str(lost))
