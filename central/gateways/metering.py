"""What OCPP charge points meter of their transactions: energy so far, and when it is enough."""

import asyncio
from collections import OrderedDict

import structlog

from central.board import Board
from central.gateways.samples import Samples
from central.gateways.unsaved import Unsaved
from central.network import LiveSession, Network
from central.rules.transactions import energy_between
from central.sessions import SessionChanges
from central.stopping import Stopping
from central.store import SaveReading, Store
from common.dispatch import Peer, SoonOrLater, handler
from common.errors import ChargingError
from common.gateway_messages import MeterReport
from common.messages import ChargingData, Severity
from common.states import OPEN_STATES, EndReason

log = structlog.get_logger()

STRAYS_REMEMBERED = 10_000
"""Transactions that are not their charge points', which were said to be so once."""


class Metering:
    """Handles meter values. All of them are stored; those of a transaction count for its session.

    OCPP numbers no readings, so they count by their energy: one that shows less than is known is
    late, or wrong, and changes nothing.
    """

    def __init__(
        self,
        network: Network,
        store: Store,
        changes: SessionChanges,
        stopping: Stopping,
        board: Board,
        samples: Samples,
        unsaved: Unsaved,
    ) -> None:
        self._network = network
        self._store = store
        self._changes = changes
        self._stopping = stopping
        self._board = board
        self._samples = samples
        self._unsaved = unsaved
        self._strays: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._ending: dict[str, asyncio.Task[None]] = {}

    @handler
    def meter(self, report: MeterReport, peer: Peer) -> SoonOrLater[None]:
        """Take up meter values (MeterValues)."""
        self._samples.add(report)
        transaction_id = report.transaction_id
        if transaction_id is None:
            live = self._only_one_at(report.cp_id, report.connector_id)
        else:
            live = self._network.of_transaction(transaction_id)
            if live is None or live.session.cp_id != report.cp_id:
                return self._stray(report.cp_id, transaction_id)
            live.knows_transaction = True
        if live is not None:
            live.named_at = self._network.clock.monotonic()
            self._count(live, report)
        return None

    def _only_one_at(self, cp_id: str, connector_id: int) -> LiveSession | None:
        """The only transaction that goes on at this connector."""
        going_on = [
            live
            for live in self._network.of_point(cp_id)
            if live.session.connector_id == connector_id
            and live.session.transaction_id is not None
            and live.session.state in OPEN_STATES
        ]
        return going_on[0] if len(going_on) == 1 else None

    def _count(self, live: LiveSession, report: MeterReport) -> None:
        session, meter = live.session, report.meter_wh
        if session.revision or session.settled:
            return
        before = live.energy, live.rate
        if meter is not None and session.meter_start_wh is not None:
            energy = energy_between(session.meter_start_wh, meter)
            if energy is not None and energy > live.energy:
                live.energy = energy
        if report.charging_rate is not None:
            live.rate = report.charging_rate
        if (live.energy, live.rate) == before:
            return
        live.sequence += 1
        reading = SaveReading(session.session_id, live.energy, live.rate, live.sequence)
        self._unsaved.put((SaveReading, session.session_id), reading)
        self._show(live, report)
        if session.target is not None and live.energy >= session.target:
            self._end(live)

    def _show(self, live: LiveSession, report: MeterReport) -> None:
        reading = ChargingData(
            message_id=report.message_id,
            timestamp=report.timestamp,
            cp_id=live.session.cp_id,
            connector_id=live.session.connector_id,
            session_id=live.session.session_id,
            sequence=live.sequence,
            energy_consumed_kwh=live.energy,
            charging_rate=live.rate,
        )
        self._board.reading(live, reading)

    # -- Enough --

    def _end(self, live: LiveSession) -> None:
        """It has taken the energy asked for: a charge point knows of no such limit."""
        session_id = live.session.session_id
        if session_id in self._changes.intents or session_id in self._ending:
            return
        task = asyncio.ensure_future(self._stop(live))
        self._ending[session_id] = task
        task.add_done_callback(lambda _: self._ending.pop(session_id))

    async def _stop(self, live: LiveSession) -> None:
        try:
            await self._stopping.stop(live.session, EndReason.TARGET_REACHED, None)
        except ChargingError as error:  # it is an intent, or the next meter value asks again
            log.info("not ended yet", session_id=live.session.session_id, why=str(error))

    # -- What belongs to no session --

    def _stray(self, cp_id: str, transaction_id: int) -> SoonOrLater[None]:
        """Its transaction is not an open one of this charge point."""
        if (cp_id, transaction_id) in self._strays:
            return None
        return self._look_up(cp_id, transaction_id)

    async def _look_up(self, cp_id: str, transaction_id: int) -> None:
        live = self._network.of_transaction(transaction_id)
        session = live.session if live else None
        if session is None and transaction_id > 0:
            session = await self._store.session_of_transaction(transaction_id)
        self._strays[cp_id, transaction_id] = None
        if len(self._strays) > STRAYS_REMEMBERED:
            self._strays.popitem(last=False)
        if session is not None and session.cp_id == cp_id:
            return  # it is over: these came late
        whose = "unknown" if session is None else "another charge point's"
        severity = Severity.WARNING if session is None else Severity.ALARM
        text = f"meter values of transaction {transaction_id}, which is {whose}"
        self._board.event(text, severity, cp_id=cp_id)
