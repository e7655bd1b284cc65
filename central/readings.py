"""What engines tell central by Kafka, through their monitors: readings and tickets."""

import asyncio

import structlog

from central.board import Board
from central.network import LiveSession, Network
from central.rules.sessions import counts
from central.sessions import SessionChanges
from central.store import Conflict, SaveReading, Store
from common.dispatch import Peer, handler
from common.errors import BadMessage, ChargingError, Reason
from common.messages import ChargeCompletion, ChargingData, Severity
from common.states import SessionEvent, SessionState
from common.stream import Record, Subscription

log = structlog.get_logger()


class Readings:
    """Handles readings and tickets.

    A reading changes memory at once and the store once a second; `flush` makes both durable before
    the records they came in are said to be done.
    """

    def __init__(
        self, network: Network, store: Store, changes: SessionChanges, board: Board
    ) -> None:
        self._network = network
        self._store = store
        self._changes = changes
        self._board = board
        self._unsaved: dict[str, LiveSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @handler
    def reading(self, reading: ChargingData, peer: Peer) -> None:
        """Take up a reading that is newer than what is known; any other changes nothing."""
        live = self._network.sessions.get(reading.session_id)
        if live is None:
            log.debug("reading of a session that is over")
            return
        self._must_agree(live, reading, peer)
        live.named_at = self._network.clock.monotonic()
        if counts(live, reading):
            live.energy = reading.energy_consumed_kwh
            live.rate = reading.charging_rate
            live.sequence = reading.sequence or live.sequence
            self._unsaved[reading.session_id] = live
            self._board.reading(live, reading)
        if live.session.state is SessionState.AUTHORISED:
            self._supplying(live)

    def _supplying(self, live: LiveSession) -> None:
        async def learn() -> None:
            try:
                await self._changes.event(live, SessionEvent.SUPPLYING)
            except ChargingError as error:  # the next reading brings it again
                log.warning("not taken up yet", why=str(error))

        task = asyncio.ensure_future(learn())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @handler
    async def ticket(self, completion: ChargeCompletion, peer: Peer) -> None:
        """Commit an engine's last word about a session, once.

        Raises:
            StoreUnavailable: Nothing was committed; the record is to be handled again.
        """
        live = self._network.sessions.get(completion.session_id)
        if live is None:
            session = await self._store.session(completion.session_id)
            live = self._network.sessions.get(completion.session_id)
            if session is None and live is None:
                await self._unknown(completion, peer)
                return
            if live is None:
                assert session is not None
                live = self._network.restore(session, answered=True)
        self._must_agree(live, completion, peer)
        try:
            await self._changes.ticket(live, completion)
        except Conflict as error:
            log.error("ticket not stored", why=str(error), session_id=completion.session_id)
        finally:
            self._network.let_go_if_over(live)
        self._unsaved.pop(completion.session_id, None)

    async def _unknown(self, completion: ChargeCompletion, peer: Peer) -> None:
        """Keep a ticket for a session that neither memory nor the store knows.

        Raises:
            BadMessage: Its point is unknown too, or the record is not its.
        """
        if completion.cp_id != peer.id or completion.cp_id not in self._network.points:
            text = f"a ticket of {peer.id} for an unknown session at {completion.cp_id}"
            raise BadMessage(Reason.INVALID_MESSAGE, text, completion.message_id)
        try:
            await self._changes.dispute(completion)
        except Conflict:  # a repeat of it was faster
            log.info("a disputed ticket again", session_id=completion.session_id)

    def _must_agree(
        self, live: LiveSession, message: ChargingData | ChargeCompletion, peer: Peer
    ) -> None:
        """Take nothing of another point than the session's.

        Raises:
            BadMessage: The record's key, the message and the session do not name the same one.
        """
        if message.cp_id == peer.id == live.session.cp_id:
            return
        text = f"record of {peer.id} about {message.cp_id} for a session at {live.session.cp_id}"
        self._board.event(text, Severity.ALARM, cp_id=message.cp_id, session_id=message.session_id)
        raise BadMessage(Reason.INVALID_MESSAGE, text, message.message_id)

    async def flush(self, subscription: Subscription, applied: list[Record]) -> None:
        """Make readings durable, then commit the offsets of the records that were applied.

        Raises:
            StoreUnavailable: Nothing was written; `applied` is to be flushed again.
        """
        unsaved, self._unsaved = self._unsaved, {}
        try:
            if unsaved:
                await self._store.write(
                    *(
                        SaveReading(session_id, live.energy, live.rate, live.sequence)
                        for session_id, live in unsaved.items()
                    )
                )
        except BaseException:
            self._unsaved = unsaved | self._unsaved
            raise
        subscription.done(applied)
        await subscription.commit()
