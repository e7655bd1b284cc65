"""The charge point: its connectors and its book of sessions, and all that can happen to them.

Theory of operation. Whatever happens is a method that takes a `Moment`. It asks the connectors
what becomes of their sessions, and then does always the same: `_save` puts the new records into the
journal, and only when they are on the disk is anything told to the monitor.

When the journal fails, what runs is ended, nothing new begins, and the tickets are kept in memory
until the journal can be written anew; they are told only then. When it is full, what runs is ended
too, but its tickets are journaled, and told.
"""

from collections.abc import Callable, Iterable, Sequence

import structlog
from msgspec.structs import replace

from common.messages import Message, StartChargingCommand
from common.states import EndReason, EngineStatus
from common.units import Watts, cost
from engine.book import LIMIT, Book
from engine.connector import Connector
from engine.journal import Journal
from engine.meter import Meter
from engine.moment import Moment
from engine.session import Record, Session, Tombstone, reading_of, ticket_of

_IMPORTANCE = (
    EngineStatus.CHARGING,
    EngineStatus.PREPARING,
    EngineStatus.FINISHING,
    EngineStatus.AVAILABLE,
    EngineStatus.STOPPED,
    EngineStatus.FAULTED,
)
"""The point's word is the first of these that one of its connectors has."""


class ChargePoint:
    """All connectors of one engine.

    Args:
        tell: Gets what the monitor is to be told; loses it where there is no monitor.
        tell_at_length: The same for what is too much to be told at once.
        power_limit: The most that each connector supplies.
        auto_plug: Cars plug themselves in.
        time_scale: Simulated seconds in a real one.
        journal_limit: Bytes that the journal may have.

    Attributes:
        connectors: By id.
        book: What is known of all sessions.
        readings: Readings that were journaled so far.

    Raises:
        CannotStart: The journal cannot be read or is not ours.
        JournalFailed: The journal cannot be written.
    """

    def __init__(
        self,
        cp_id: str,
        journal: Journal,
        tell: Callable[[Message], None],
        now: Moment,
        *,
        power_limit: Watts,
        tell_at_length: Callable[[Iterable[Message]], None] | None = None,
        connectors: int = 1,
        auto_plug: bool = True,
        time_scale: float = 1.0,
        journal_limit: int = LIMIT,
    ) -> None:
        self.cp_id = cp_id
        self.readings = 0
        self.book = Book(journal, now, journal_limit)
        self._tell = tell
        self._tell_at_length = tell_at_length or self._tell_at_once
        self._log = structlog.get_logger().bind(cp_id=cp_id)
        ids = range(1, connectors + 1)
        self._meters = {i: Meter(self.book.meters.get(i, 0)) for i in {*ids, *self.book.meters}}
        self.connectors = {
            i: Connector(
                i,
                self._meters[i],
                power_limit=power_limit,
                auto_plug=auto_plug,
                # No more steps in a real second, at any scale, than 100.
                step_seconds=max(1, round(time_scale / 100)),
                last_session_id=self.book.last_on(i),
            )
            for i in ids
        }
        self.book.open(self._registers(), now)
        for session in self.book.ended:
            self._say_end(session)

    # -- What is known --

    @property
    def status(self) -> EngineStatus:
        """The point's word."""
        words = {connector.status for connector in self.connectors.values()}
        return next(word for word in _IMPORTANCE if word in words)

    @property
    def running(self) -> list[Session]:
        """The sessions that run or wait for their plug, by connector."""
        return [c.session for c in self.connectors.values() if c.session is not None]

    @property
    def register_wh(self) -> int:
        """All energy that its connectors ever supplied, in Wh."""
        return sum(meter.register_wh for meter in self._meters.values())

    # -- Sessions --

    def begin(self, connector: Connector, command: StartChargingCommand, now: Moment) -> bool:
        """Begin a session to which there is no objection; whether it is in the journal."""
        session = connector.begin(command, now)
        if not self._save([session], now):
            return False
        waits = connector.status is EngineStatus.PREPARING
        self._say_begun("waits for the plug" if waits else "charging", session)
        return True

    def bury(self, session_ids: Sequence[str], now: Moment) -> bool:
        """These will never begin; whether that is in the journal."""
        if not self.book.has_room_for_tombstones():
            return False
        age = self.book.age(now)
        return self._save([Tombstone(session_id=s, at=now.unix, age=age) for s in session_ids], now)

    def end(self, session: Session, reason: EndReason, now: Moment) -> None:
        """End a session that runs or waits for its plug."""
        self._finish([self.connectors[session.connector_id].end(reason, now)], now)

    def settle(self, sessions: Sequence[Session], now: Moment) -> bool:
        """Hold the tickets of these no longer; whether that is in the journal."""
        age = self.book.age(now)
        settled = [replace(s, settled_at=now.unix, settled_age=age) for s in sessions]
        return self._save(settled, now)

    def tell_of(self, session: Session) -> None:
        """Tell a session's ticket or, while it runs, its latest reading if there is one."""
        if session.reason is not None:
            self._tell(ticket_of(session, self.cp_id))
        elif session.sequence:
            self._tell(reading_of(session, self.cp_id))

    def tell_again(self, since: int) -> int:
        """Tell all tickets of sessions that have ended since, settled or not; how many those are.

        Args:
            since: Unix seconds.
        """
        ended = self.book.ended_since(since)
        self._tell_at_length(ticket_of(session, self.cp_id) for session in ended)
        return len(ended)

    # -- The operator --

    def stop(self, now: Moment, why: str = "") -> None:
        """Take all connectors out of order; what runs ends first."""
        if not all(connector.stopped for connector in self.connectors.values()):
            self._log.info("stopped by the operator", why=why)
        self._finish([c.stop(now) for c in self.connectors.values()], now)

    def resume(self) -> None:
        """Put all connectors back in order."""
        if any(connector.stopped for connector in self.connectors.values()):
            self._log.info("resumed by the operator")
        for connector in self.connectors.values():
            connector.resume()

    # -- At the point itself --

    def plug(self, connector: Connector, now: Moment) -> None:
        """A car is plugged in."""
        event = "a car is plugged in already" if connector.plugged else "plugged in"
        self._log.info(event, connector_id=connector.connector_id)
        began = connector.plug(now)
        if began is not None and self._save([began], now):
            self._say_begun("charging", began)

    def unplug(self, connector: Connector, now: Moment) -> None:
        """The car is unplugged."""
        event = "unplugged" if connector.plugged else "no car is plugged in"
        self._log.info(event, connector_id=connector.connector_id)
        self._finish([connector.unplug(now)], now)

    def break_down(self, connectors: Iterable[Connector], now: Moment) -> None:
        """These connectors break."""
        broken = list(connectors)
        self._log.warning("broken", connector_ids=[c.connector_id for c in broken])
        self._finish([c.break_down(now) for c in broken], now)

    def repair(self, connectors: Iterable[Connector]) -> None:
        """These connectors work again."""
        for connector in connectors:
            connector.repair()
            self._log.info("repaired", connector_id=connector.connector_id)

    # -- As time passes --

    def advance(self, now: Moment) -> None:
        """Meter what flows; end what is done, or has waited for its plug for too long."""
        self._finish([c.advance(now) for c in self.connectors.values()], now)

    def read(self, now: Moment) -> None:
        """Take the readings, which are journaled and told; mend a journal that needs it."""
        for session in self.book.mend(self._registers(), now):
            self.tell_of(session)
        taken = [c.read(now) for c in self.connectors.values()]
        readings = [session for session in taken if session is not None]
        if readings and self._save(readings, now):
            self.readings += len(readings)
            for session in readings:
                if self.book[session.session_id] is session:  # else the journal is full: it ended
                    self.tell_of(session)

    def monitor_lost(self, now: Moment) -> None:
        """Nothing had come from the monitor for too long then: end what still ran."""
        self.advance(now)
        self._end_all(EndReason.MONITOR_LOST, now)

    def leave(self, now: Moment) -> None:
        """The engine stops: journal all energy up to now. Its next start ends what runs."""
        taken = [c.read(now) for c in self.connectors.values()]
        readings = [session for session in taken if session is not None]
        if readings:
            self._save(readings, now)
        for session in self.running:
            self._say("stopping; the next start gives its ticket", session)

    # -- Inside --

    def _tell_at_once(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._tell(message)

    def _registers(self) -> dict[int, int]:
        """The registers as far as they are accounted for: a supply's as of its last entry."""
        registers = {i: meter.register_wh for i, meter in self._meters.items()}
        return registers | {s.connector_id: s.meter_wh for s in self.running}

    def _end_all(self, reason: EndReason, now: Moment) -> None:
        self._finish([c.end(reason, now) for c in self.connectors.values()], now)

    def _finish(self, outcomes: Iterable[Session | None], now: Moment) -> None:
        """Journal those that have ended, then tell their tickets."""
        ended = [session for session in outcomes if session is not None]
        if not ended:
            return
        for session in ended:
            self._say_end(session)
        if self._save(ended, now):
            for session in ended:
                self.tell_of(session)

    def _save(self, records: Sequence[Record], now: Moment) -> bool:
        """Journal these; whether they are on the disk. If not, or if they are the last that fit,
        whatever runs has been ended."""
        saved = self.book.save(records, self._registers(), now)
        if self.book.objection:
            self._end_all(EndReason.FAULT, now)
        return saved

    def _say_begun(self, event: str, session: Session) -> None:
        target = f"{session.target} kWh" if session.target is not None else "full"
        self._say(event, session, limit=f"{session.limit} kW", target=target)

    def _say_end(self, session: Session) -> None:
        self._say(
            "ended",
            session,
            reason=str(session.reason),
            energy=f"{session.energy} kWh",
            cost=str(cost(session.energy, session.price)),
        )

    def _say(self, event: str, session: Session, **details: str) -> None:
        self._log.info(
            event,
            connector_id=session.connector_id,
            **details,
            session_id=session.session_id,
            driver_id=session.driver_id,
            trace_id=session.trace_id,
        )
