"""How transactions at OCPP charge points begin: authorised, and stored once.

Theory of operation. A charge point repeats a StartTransaction and a StopTransaction until they are
answered, also after central or itself has started anew. Each is known by what it is about, not by
its message id (`rules.transactions`); its answer is committed with its effect, and every repeat
gets that answer. What a charge point says has happened is never refused: a refusal would be
repeated for ever, and hold up all that it has queued behind it. So every start makes a session.

One charge point can never touch another's transaction. What one charge point says is handled in its
order, so nothing here is done twice at a time for the same one.
"""

import secrets
from contextlib import suppress

import structlog

from central.answers import Answers
from central.board import Board
from central.gateways.authorisation import Authorisation
from central.gateways.commands import Commands
from central.gateways.id_tags import IdTags
from central.gateways.settling import Settling
from central.network import LivePoint, LiveSession, Network
from central.rules.records import Session, StopIntent
from central.rules.sessions import end_confirmed
from central.rules.transactions import (
    HIGHEST_TRANSACTION_ID,
    begun,
    displaced,
    moment,
    request_of_start,
    start_key,
    started,
)
from central.sessions import SessionChanges
from central.store import Change, Conflict, SaveStopIntent, Store
from common.clock import ordered_id
from common.dispatch import Peer, handler
from common.gateway_messages import (
    AuthorizeRequest,
    AuthorizeResponse,
    ChargeStarted,
    ChargeStartedResponse,
    IdTagStatus,
)
from common.messages import Outcome, Severity
from common.states import EndReason, SessionState, Status

log = structlog.get_logger()

TRIES = 5
"""Starts that are tried before one is set aside: a new id may be taken, a connector given away."""


class Transactions:
    """Handles what begins transactions."""

    def __init__(
        self,
        network: Network,
        store: Store,
        answers: Answers,
        changes: SessionChanges,
        board: Board,
        tags: IdTags,
        authorisation: Authorisation,
        settling: Settling,
        commands: Commands,
    ) -> None:
        self._network = network
        self._store = store
        self._answers = answers
        self._changes = changes
        self._board = board
        self._tags = tags
        self._authorisation = authorisation
        self._settling = settling
        self._commands = commands

    @handler
    def authorize(self, request: AuthorizeRequest, peer: Peer) -> AuthorizeResponse:
        """Whether an id tag may charge (Authorize)."""
        info = self._authorisation.of(request.cp_id, request.id_tag)
        return AuthorizeResponse(status=Outcome.SUCCESS, id_tag_info=info)

    def connector_reported(self, point: LivePoint, connector_id: int, word: Status) -> None:
        """A charge point has said how a connector is; 0 is the whole of it."""
        self._settling.reported(point, connector_id, word)

    # -- Start --

    @handler
    async def started(self, start: ChargeStarted, peer: Peer) -> ChargeStartedResponse:
        """Store a transaction's start, once (StartTransaction). Answered with an id in any case.

        Raises:
            StoreUnavailable: Nothing was stored; to be handled again.
        """
        given = await self._answers.find(request_of_start(start))
        if isinstance(given, ChargeStartedResponse):
            return given
        known = await self._store.session_of_start(start_key(start))
        if known is not None and known.transaction_id is not None:  # its answer was forgotten
            own = self._network.of_transaction(known.transaction_id)
            return self._answer(start, known.transaction_id, own, known.driver_id)
        for _ in range(TRIES):
            with suppress(Conflict):
                answer = await self._start(start)
                if answer is not None:
                    return answer
        raise Conflict(f"no transaction could be made of {start_key(start)}")

    async def _start(self, start: ChargeStarted) -> ChargeStartedResponse | None:
        """Store it, as what is there says it is; None if that has changed meanwhile."""
        if moment(start.at_ms, self._now_ms()) is None:
            log.warning("a charge point's clock is wrong", cp_id=start.cp_id, at_ms=start.at_ms)
        awaited = self._authorisation.awaited(start.cp_id, start.id_tag, start.connector_id)
        if awaited is not None:
            await self._commands.started(start.cp_id, start.connector_id, start.id_tag)
        await self._make_way(start, awaited)
        if awaited is not None and awaited.session.state is SessionState.AUTHORISED:
            return await self._begin(start, awaited)
        return await self._begin_anew(start, awaited)

    async def _make_way(self, start: ChargeStarted, awaited: LiveSession | None) -> None:
        """The connector is the new transaction's: the charge point says so."""
        holder = self._network.holder(start.cp_id, start.connector_id)
        if holder is None:
            return
        now = int(self._network.clock.wall())
        if holder is not awaited:
            await self._changes.apply(holder, lambda session: displaced(session, now))
        elif holder.session.state is not SessionState.AUTHORISED:
            await self._changes.apply(holder, end_confirmed)

    async def _begin(self, start: ChargeStarted, live: LiveSession) -> ChargeStartedResponse | None:
        """It is the transaction that this session waited for."""
        transaction_id, now_ms = new_transaction_id(), self._now_ms()
        answer = self._answer(start, transaction_id, live, live.session.driver_id)
        remember = self._answers.remember(request_of_start(start), answer, start)

        def also(after: Session) -> list[Change]:
            return [remember] if after.transaction_id == transaction_id else []

        after = await self._changes.apply(
            live, lambda session: begun(session, start, transaction_id, now_ms), also
        )
        return answer if after.transaction_id == transaction_id else None

    async def _begin_anew(
        self, start: ChargeStarted, unwanted: LiveSession | None
    ) -> ChargeStartedResponse:
        """It has a session of its own.

        Args:
            unwanted: The session that was to be it, and was taken back: then it is to be stopped.
        """
        driver_id = unwanted.session.driver_id if unwanted else self._tags.driver_of(start.id_tag)
        transaction_id, now = new_transaction_id(), self._network.clock.wall()
        answer = self._answer(start, transaction_id, None, driver_id)
        is_free = self._network.of_driver(driver_id) is None
        is_accepted = _status(answer) is IdTagStatus.ACCEPTED
        session = started(
            start,
            session_id=ordered_id(now),
            transaction_id=transaction_id,
            driver_id=driver_id,
            price=self._network.points[start.cp_id].point.price,
            currency=self._network.currency,
            holds_driver=is_accepted and is_free,
            now_ms=int(now * 1000),
        )
        also: list[Change] = [self._answers.remember(session.request, answer, start)]
        if unwanted is not None:
            also.append(SaveStopIntent(_intent_for(session, unwanted.session, int(now))))
        await self._changes.begin(self._network.reserve(session), *also)
        if unwanted is not None:
            await self._settling.give_up(unwanted)
        if not is_accepted:
            text = f"a charge began with an id tag that is {_status(answer)}"
            self._board.event(
                text, Severity.WARNING, cp_id=start.cp_id, session_id=session.session_id
            )
        return answer

    def _answer(
        self,
        start: ChargeStarted,
        transaction_id: int,
        session: LiveSession | None,
        driver_id: str,
    ) -> ChargeStartedResponse:
        info = self._authorisation.of_start(start, session, driver_id)
        return ChargeStartedResponse(
            status=Outcome.SUCCESS, transaction_id=transaction_id, id_tag_info=info
        )

    def _now_ms(self) -> int:
        return int(self._network.clock.wall() * 1000)


def new_transaction_id() -> int:
    """One that nobody can guess: who knows it can end the transaction."""
    return secrets.randbelow(HIGHEST_TRANSACTION_ID) + 1


def _status(answer: ChargeStartedResponse) -> IdTagStatus | None:
    return answer.id_tag_info.status if answer.id_tag_info else None


def _intent_for(session: Session, unwanted: Session, now: int) -> StopIntent:
    """The intent to end what began though it was taken back."""
    return StopIntent(
        session_id=session.session_id,
        cp_id=session.cp_id,
        connector_id=session.connector_id,
        reason=unwanted.reason or EndReason.CANCELLED,
        since=now,
    )
