"""Which sessions to ask the engine about, and what to tell central of them.

Theory of operation. Every answer of central lists the sessions of this point that are not settled,
and those of the held ones that are. The latest lists count. The settled ones the engine may
forget. An unsettled one that the engine shows as charging needs nothing: its connector's entry
names it. About the others the engine is asked: it names those that it has never seen, and sends a
ticket, or a reading, of each that it knows; that is the outcome which central is told, once for
each time that it was asked. Whatever is lost on the way is on central's next list again.
"""

from collections.abc import Iterable

from common.messages import (
    ChargeCompletion,
    ChargingData,
    ReportSessionsCommand,
    SessionOutcome,
    SessionReport,
    SettleSessionsCommand,
)
from common.states import EngineStatus
from monitor.health import Condition


class Settling:
    """What is to be settled between central and one engine."""

    def __init__(self, cp_id: str) -> None:
        self._cp_id = cp_id
        self._settled: tuple[str, ...] = ()
        self._unsettled: tuple[str, ...] = ()
        self._asked: set[str] = set()

    def told(self, settled: Iterable[str] | None, unsettled: Iterable[str] | None) -> None:
        """Central answered with these lists; None says nothing."""
        if settled is not None:
            self._settled = tuple(settled)
        if unsettled is not None:
            self._unsettled = tuple(unsettled)

    def next_command(
        self, condition: Condition
    ) -> SettleSessionsCommand | ReportSessionsCommand | None:
        """What to tell or ask the engine now; None if nothing. What was given is not given again
        before central lists it again."""
        if self._settled:
            settled, self._settled = self._settled, ()
            return SettleSessionsCommand(cp_id=self._cp_id, session_ids=settled)
        unknown = tuple(s for s in self._unsettled if s not in condition.running)
        self._unsettled = ()
        if unknown:
            self._asked = set(unknown)
            return ReportSessionsCommand(cp_id=self._cp_id, session_ids=unknown)
        return None

    def waiting(self, condition: Condition) -> list[SessionReport]:
        """The unsettled sessions that wait for the plug: they run, and no reading says so yet."""
        waiting = condition.sessions(EngineStatus.PREPARING)
        return [self._report(s, SessionOutcome.RUNNING) for s in self._unsettled if s in waiting]

    def never_seen(self, session_ids: Iterable[str]) -> list[SessionReport]:
        """The engine has never seen these; returns what central is to be told."""
        asked = [s for s in session_ids if s in self._asked]
        self._asked.difference_update(asked)
        return [self._report(s, SessionOutcome.NEVER_SEEN) for s in asked]

    def came(self, message: ChargingData | ChargeCompletion) -> SessionReport | None:
        """A reading or a ticket came; returns what central is to be told, if it was asked for."""
        if message.session_id not in self._asked:
            return None
        self._asked.discard(message.session_id)
        ended = isinstance(message, ChargeCompletion)
        outcome = SessionOutcome.ENDED if ended else SessionOutcome.RUNNING
        return self._report(message.session_id, outcome, message.connector_id)

    def _report(
        self, session_id: str, outcome: SessionOutcome, connector_id: int = 1
    ) -> SessionReport:
        return SessionReport(
            cp_id=self._cp_id, session_id=session_id, outcome=outcome, connector_id=connector_id
        )
