"""How a session changes: one change at a time, committed before anybody is told of it.

`SessionChanges.apply` is the only place where a session is written after its start. It takes the
session's lock, lets a pure rule say what the session becomes, commits that with its ticket, its
entries to the driver and the answer that may depend on it, and only then changes memory.
"""

from collections.abc import Callable, Iterable

import structlog
from msgspec.structs import replace

from central.answers import Answers, remembering
from central.auditing import CENTRAL_ITSELF, CORRECT_TICKET, DISPUTE_TICKET, Auditing
from central.board import Board
from central.counts import SessionCounts
from central.network import LiveSession, Network
from central.outbox import Outbox
from central.rules.billing import closed, estimated, is_suspect, unknown
from central.rules.records import AuditEntry, Session, StopIntent, Ticket
from central.rules.rows import sentence, start_answer, status_update, ticket_message
from central.rules.sessions import confirmed, is_decided, moved
from central.store import (
    AddTicket,
    Change,
    CorrectTicket,
    DropStopIntent,
    Remember,
    SaveAudit,
    SaveSession,
    SaveStopIntent,
    Store,
)
from common.messages import ChargeCompletion, Message, Severity
from common.states import SessionEvent, SessionState

log = structlog.get_logger()

Rule = Callable[[Session], Session]
Also = Callable[[Session], Iterable[Change]]


def _answers(changes: Iterable[Change], session: Session) -> bool:
    """Whether the request that began the session is answered by these."""
    keys = (change.answer.key for change in changes if isinstance(change, Remember))
    return session.request in keys


def _nothing(_: Session) -> Iterable[Change]:
    return ()


class SessionChanges:
    """Commits what happens to sessions, then tells those whom it concerns."""

    def __init__(
        self,
        network: Network,
        store: Store,
        outbox: Outbox,
        answers: Answers,
        board: Board,
        auditing: Auditing,
    ) -> None:
        self._network = network
        self._store = store
        self._outbox = outbox
        self._answers = answers
        self._board = board
        self._auditing = auditing
        self.intents: dict[str, StopIntent] = {}
        self.counts = SessionCounts()

    async def write(self, *changes: Change) -> None:
        """Commit these, then publish and remember what among them is to be.

        Raises:
            StoreUnavailable, Conflict: Nothing of it was committed.
        """
        await self._store.write(*changes)
        for change in changes:
            if isinstance(change, SaveStopIntent):
                self.intents[change.intent.session_id] = change.intent
            elif isinstance(change, DropStopIntent):
                self.intents.pop(change.session_id, None)
        self._outbox.committed(changes)
        self._answers.committed(changes)

    async def apply(self, live: LiveSession, rule: Rule, also: Also = _nothing) -> Session:
        """Commit what `rule` makes of the session, and return it.

        Args:
            rule: The session as it is to be; the same object where nothing changes.
            also: What is to be committed with it, given what the session becomes.

        Raises:
            StoreUnavailable, Conflict: Nothing was committed; the session is as it was.
        """
        async with live.lock:
            before = live.latest
            after = rule(before)
            changes: list[Change] = list(also(after))
            if after is not before:
                changes += [SaveSession(after, before), *self._to_driver(before, after)]
                if not _answers(changes, after):
                    changes += self._answer_if_decided(live, after)
            if changes:
                await self.write(*changes)
            live.answered = live.answered or _answers(changes, after)
            if after is not before:
                self._committed(live, before, after)
            return after

    async def begin(self, live: LiveSession, *also: Change) -> None:
        """Commit a session that began without having been asked for, which is reserved.

        Raises:
            StoreUnavailable, Conflict: Nothing was committed, and nothing is reserved any more.
        """
        session = live.session
        told = self._outbox.entry(session.driver_id, status_update(session))
        try:
            await self.write(SaveSession(session), told, *also)
        except BaseException:
            self._network.release(live)
            raise
        live.answered = True
        live.decided.set()
        self.counts.started += 1
        self._board.changed(session.cp_id)
        self._board.event(
            sentence(session),
            cp_id=session.cp_id,
            session_id=session.session_id,
            driver_id=session.driver_id,
            trace_id=session.trace_id,
        )

    async def event(self, live: LiveSession, event: SessionEvent) -> None:
        """Commit a step that something learned about the session makes it take."""
        now = int(self._network.clock.wall())
        await self.apply(live, lambda session: moved(session, event, now))

    async def confirm(self, live: LiveSession) -> None:
        """Its engine was seen to have it."""
        await self.apply(live, confirmed)

    async def ticket(
        self,
        live: LiveSession,
        completion: ChargeCompletion,
        *also: Change,
        suspect: bool = False,
    ) -> None:
        """Commit the engine's last word; a repeat of it changes nothing.

        Args:
            also: What is to be committed with it.
            suspect: There is more wrong with it than a look at it shows.
        """
        async with live.lock:
            before = live.latest
            if before.revision and not before.estimated:
                await self._compare(live, before, completion)
                return
            if before.disputed and not before.revision:
                return  # nobody knew it when its ticket came: it is never billed
            now = self._network.clock.wall()
            after, ticket = closed(before, completion, live.stop_reason, int(now))
            if after == before:
                return
            if suspect or (ticket is not None and self._is_suspect(before, ticket, now)):
                after = replace(after, suspect=True)
            changes: list[Change] = [SaveSession(after, before)]
            if ticket is not None and before.estimated:
                changes += [CorrectTicket(ticket), SaveAudit(self._correction(before, after))]
            elif ticket is not None:
                changes.append(AddTicket(ticket))
            if after.session_id in self.intents:
                changes.append(DropStopIntent(after.session_id))
            changes += self._to_driver(before, after, ticket)
            changes += self._answer_if_decided(live, after)
            await self.write(*changes, *also)
            self._committed(live, before, after)
            if ticket is not None:
                self._say_what_is_strange(before, after, ticket)

    async def estimate(self, live: LiveSession) -> None:
        """Close a session whose ticket is awaited no longer, from its last reading."""
        async with live.lock:
            before = live.latest
            if before.settled or before.revision:
                return
            after, ticket = estimated(before, int(self._network.clock.wall()))
            if after == before:
                return
            changes: list[Change] = [SaveSession(after, before)]
            if ticket is not None:
                changes.append(AddTicket(ticket))
            if after.transaction_id is not None and after.session_id in self.intents:
                changes.append(DropStopIntent(after.session_id))  # nothing goes on there
            changes += self._to_driver(before, after, ticket)
            changes += self._answer_if_decided(live, after)
            await self.write(*changes)
            self._committed(live, before, after)
            self._alarm("its ticket did not come: closed from its last reading", after)

    async def dispute(
        self, completion: ChargeCompletion, *also: Change, text: str | None = None
    ) -> None:
        """Keep a ticket for a session that nobody knows, for the operator; it is not billed.

        Its point must be known.

        Args:
            also: What is to be committed with it.
            text: What is wrong, where more is known about it.
        """
        point = self._network.points[completion.cp_id].point
        now = int(self._network.clock.wall())
        session = unknown(completion, point.price, self._network.currency, now)
        text = text or f"a ticket over {session.energy} kWh for an unknown session"
        await self.write(SaveSession(session), SaveAudit(self._disputed(session, text)), *also)
        self._network.note_settled(session.session_id)
        self._alarm(text, session)

    def _correction(self, before: Session, after: Session) -> AuditEntry:
        text = (
            f"session {after.session_id}: {before.energy} kWh, {before.cost} {before.currency}"
            f" were estimated; its engine says {after.energy} kWh, {after.cost} {after.currency}"
        )
        return self._auditing.entry(CENTRAL_ITSELF, CORRECT_TICKET, after.cp_id, text, succeeded=1)

    def _disputed(self, session: Session, text: str) -> AuditEntry:
        reason = f"session {session.session_id}: {text}"
        return self._auditing.entry(
            CENTRAL_ITSELF, DISPUTE_TICKET, session.cp_id, reason, succeeded=1
        )

    def _is_suspect(self, before: Session, ticket: Ticket, now: float) -> bool:
        point = self._network.points[before.cp_id].point
        return is_suspect(before, ticket.energy, point.max_rate, point.time_scale, now)

    def _say_what_is_strange(self, before: Session, after: Session, ticket: Ticket) -> None:
        if after.suspect:
            text = f"suspect ticket: {ticket.energy} kWh, the last reading was {before.energy} kWh"
            self._alarm(text, after)
        if ticket.engine_cost and ticket.engine_cost != ticket.cost:
            log.warning(
                "the engine's cost differs, and is not billed",
                session_id=after.session_id,
                engine_cost=str(ticket.engine_cost),
                billed=str(ticket.cost),
            )

    async def compare(self, live: LiveSession, completion: ChargeCompletion) -> None:
        """Take up another last word about a session that is settled: if it differs, as disputed."""
        async with live.lock:
            await self._compare(live, live.session, completion)

    async def _compare(
        self, live: LiveSession, session: Session, completion: ChargeCompletion
    ) -> None:
        """A completion for a session that has its ticket: the same one again, or a dispute."""
        if completion.energy_consumed_kwh == session.energy:
            return
        text = (
            f"a second, different ticket: {completion.energy_consumed_kwh} kWh,"
            f" billed are {session.energy} kWh"
        )
        if not session.disputed:
            disputed = replace(session, disputed=True)
            await self.write(
                SaveSession(disputed, session), SaveAudit(self._disputed(disputed, text))
            )
            self._network.put_session(live, disputed)
        self._alarm(text, session)

    def _alarm(self, text: str, session: Session) -> None:
        self._board.event(
            text,
            Severity.ALARM,
            cp_id=session.cp_id,
            session_id=session.session_id,
            driver_id=session.driver_id,
        )

    # -- What goes with a change --

    def _to_driver(
        self, before: Session, after: Session, ticket: Ticket | None = None
    ) -> list[Change]:
        messages: list[Message] = []
        if after.state is not before.state:
            messages.append(status_update(after))
        if ticket is not None:
            messages.append(ticket_message(ticket, after.trace_id))
        return [self._outbox.entry(after.driver_id, message) for message in messages]

    def _answer_if_decided(self, live: LiveSession, after: Session) -> list[Change]:
        """The answer to the request that began it, where it has none yet and this decides it.

        It may be decided before its command is answered, or by nobody who awaits that any more. To
        be the answer for ever it must be stored now: who repeats the request after a crash would
        begin another charge.
        """
        if live.answered or not is_decided(after):
            return []
        now = int(self._network.clock.wall())
        whole = replace(
            start_answer(after),
            message_id=after.request.message_id,
            trace_id=after.trace_id,
            timestamp=now,
        )
        return [remembering(after.request, after.digest, whole, now)]

    def _committed(self, live: LiveSession, before: Session, after: Session) -> None:
        if is_decided(after):
            live.answered = True
            live.decided.set()
        self._network.put_session(live, after)
        self._board.changed(after.cp_id)
        self.counts.changed(before, after)
        if after.state is before.state:
            return
        if after.state in (SessionState.COMPLETED, SessionState.FAILED):
            self._board.over(live)
        self._board.event(
            sentence(after),
            cp_id=after.cp_id,
            session_id=after.session_id,
            driver_id=after.driver_id,
            trace_id=after.trace_id,
        )
