"""How transactions at OCPP charge points end: billed once, or kept for the operator.

Theory of operation. As for starts, see `transactions`: an end is known by its transaction, its
answer is committed with the bill, and it is never refused. One that belongs to no transaction of
its charge point is disputed, and never billed. One whose charge point never heard an id (it says
-1) ends the one transaction there that it fits, if there is one, and that bill is suspect.
"""

from contextlib import suppress
from hashlib import blake2b

import structlog

from central.answers import Answers
from central.board import Board
from central.gateways.authorisation import Authorisation
from central.gateways.commands import Commands
from central.gateways.id_tags import IdTags
from central.gateways.samples import changes_of
from central.gateways.unsaved import Unsaved
from central.network import LiveSession, Network
from central.rules.records import Session
from central.rules.transactions import completion_of, fits, request_of_end, unplaced
from central.sessions import SessionChanges
from central.store import SaveReading, Store
from common.dispatch import Peer, handler
from common.errors import StoreUnavailable
from common.gateway_messages import TransactionCompletion, TransactionResponse
from common.messages import Outcome, Severity
from common.states import EndReason

log = structlog.get_logger()


class Ends:
    """Handles what ends transactions."""

    def __init__(
        self,
        network: Network,
        store: Store,
        answers: Answers,
        changes: SessionChanges,
        board: Board,
        tags: IdTags,
        authorisation: Authorisation,
        commands: Commands,
        unsaved: Unsaved,
    ) -> None:
        self._network = network
        self._store = store
        self._answers = answers
        self._changes = changes
        self._board = board
        self._tags = tags
        self._authorisation = authorisation
        self._commands = commands
        self._unsaved = unsaved

    @handler
    async def ended(self, end: TransactionCompletion, peer: Peer) -> TransactionResponse:
        """Store a transaction's end, once (StopTransaction); bill it, or keep it as disputed.

        Raises:
            StoreUnavailable: Nothing was stored; to be handled again.
        """
        given = await self._answers.find(request_of_end(end))
        answer = given if isinstance(given, TransactionResponse) else self._answer_to_end(end)
        if given is not None and end.transaction_id <= 0:
            return answer
        live = await self._of(end)
        if live is None:
            if given is None:
                await self._keep(end, answer)
            return answer
        try:
            await self._end(live, end, answer)
        finally:
            self._network.let_go_if_over(live)
        return answer

    async def _of(self, end: TransactionCompletion) -> LiveSession | None:
        """The session that ends; None if it is not this charge point's, as far as is known."""
        if end.transaction_id <= 0:
            return self._only_one_that_fits(end)
        live = self._network.of_transaction(end.transaction_id)
        if live is None:
            session = await self._store.session_of_transaction(end.transaction_id)
            live = self._network.of_transaction(end.transaction_id)
            if live is None and session is not None and session.cp_id == end.cp_id:
                live = self._network.restore(session, answered=True)
        return live if live is not None and live.session.cp_id == end.cp_id else None

    def _only_one_that_fits(self, end: TransactionCompletion) -> LiveSession | None:
        """The one transaction here whose end this can be, of those whose ids were never told."""
        now_ms = self._now_ms()
        fitting = [
            live
            for live in self._network.of_point(end.cp_id)
            if not live.knows_transaction
            and fits(live.latest, end, now_ms)
            and (not end.id_tag or self._may_end(end.id_tag, live.session))
        ]
        return fitting[0] if len(fitting) == 1 else None

    async def _end(
        self, live: LiveSession, end: TransactionCompletion, answer: TransactionResponse
    ) -> None:
        session = live.session
        completion, is_impossible = completion_of(session, end, self._asked(live), self._now_ms())
        if session.settled and not session.estimated:
            await self._changes.compare(live, completion)
            return
        if is_impossible:
            text = (
                f"the meter stood at {session.meter_start_wh} Wh, and ends at {end.meter_stop_wh}"
            )
            self._board.event(
                text,
                Severity.ALARM,
                cp_id=session.cp_id,
                session_id=session.session_id,
                driver_id=session.driver_id,
            )
        if end.id_tag and not self._may_end(end.id_tag, session):
            log.warning("ended with another id tag", session_id=session.session_id)
        of = end.cp_id, session.connector_id, session.transaction_id
        await self._changes.ticket(
            live,
            completion,
            self._answers.remember(request_of_end(end), answer, end),
            *changes_of(*of, end.samples),
            suspect=is_impossible or end.transaction_id <= 0,
        )
        self._unsaved.drop((SaveReading, session.session_id))
        with suppress(StoreUnavailable):  # it only explains a command
            await self._commands.stopped(end.cp_id, session.transaction_id or 0)

    async def _keep(self, end: TransactionCompletion, answer: TransactionResponse) -> None:
        """Keep the end of a transaction that is not this charge point's, once, for the operator."""
        key = request_of_end(end)
        digest = blake2b(f"{key.sender}/{key.message_id}".encode(), digest_size=16).hexdigest()
        session_id = f"tx-{digest}"
        if await self._store.session(session_id) is not None:
            return
        owner = self._network.of_transaction(end.transaction_id)
        whose = "another charge point's" if owner else "unknown"
        if end.transaction_id > 0 and owner is None:
            stored = await self._store.session_of_transaction(end.transaction_id)
            whose = "another charge point's" if stored else whose
        await self._changes.dispute(
            unplaced(end, session_id, self._now_ms()),
            self._answers.remember(key, answer, end),
            *changes_of(end.cp_id, 0, end.transaction_id, end.samples),
            text=f"the end of transaction {end.transaction_id}, which is {whose}, at"
            f" {end.meter_stop_wh} Wh",
        )

    def _answer_to_end(self, end: TransactionCompletion) -> TransactionResponse:
        info = self._authorisation.of(end.cp_id, end.id_tag) if end.id_tag else None
        return TransactionResponse(status=Outcome.SUCCESS, id_tag_info=info)

    def _may_end(self, id_tag: str, session: Session) -> bool:
        return self._tags.are_one_group(id_tag, session.id_tag or "")

    def _asked(self, live: LiveSession) -> EndReason | None:
        """Why the charge point was told to end this, also by a central before this one."""
        intent = self._changes.intents.get(live.session.session_id)
        return live.stop_reason or (intent.reason if intent else None)

    def _now_ms(self) -> int:
        return int(self._network.clock.wall() * 1000)
