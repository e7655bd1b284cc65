"""What OCPP charge points say of their connectors: statuses, faults, and that they are well again.

Theory of operation. A charge point says such a thing once, to whichever central leads then, so its
last word of each connector is stored, and is there again after a start. Any status that is not
Faulted ends a fault: its gateway knows of faults on the same connection only. A connector that was
not known makes its point be stored; there is no other way to learn how many it has.
"""

import asyncio
from collections.abc import Iterable

import structlog
from msgspec.structs import replace

from central.board import Board
from central.gateways.transactions import Transactions
from central.gateways.unsaved import Unsaved
from central.network import LivePoint, Network
from central.rules.records import ConnectorWord
from central.sessions import SessionChanges
from central.store import SaveConnector, SavePoint
from common.dispatch import Peer, SoonOrLater, handler
from common.errors import ChargingError
from common.gateway_messages import ConnectorFault, ConnectorRecovery, ConnectorStatus
from common.messages import Severity, StopCpCommand
from common.states import Status, read_reported

log = structlog.get_logger()

TOLD_EVERY = 60.0
"""Seconds between two orders to a charge point that is stopped and says that it is not."""

MOST_TEXT = 200
"""Characters of what a charge point says that an event shows."""


class GatewayStatuses:
    """Handles what OCPP charge points say of their connectors."""

    def __init__(
        self,
        network: Network,
        changes: SessionChanges,
        transactions: Transactions,
        board: Board,
        unsaved: Unsaved,
    ) -> None:
        self._network = network
        self._changes = changes
        self._transactions = transactions
        self._board = board
        self._unsaved = unsaved
        self._told: dict[str, float] = {}
        self._errors: dict[tuple[str, int], str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def restore(self, words: Iterable[ConnectorWord]) -> None:
        """Take up what charge points said before this start; they do not say it again for us."""
        for word in words:
            live = self._network.points.get(word.cp_id)
            if live is not None and live.point.ocpp_version is not None:
                _set_fault(live, word.connector_id, word.fault)
                _set_word(live, word.connector_id, read_reported(word.status or ""))

    @handler
    def status(self, update: ConnectorStatus, peer: Peer) -> SoonOrLater[None]:
        """Take up a connector's status (StatusNotification).

        Raises:
            StoreUnavailable: That there is such a connector was not stored; to be handled again.
        """
        live = self._network.points[update.cp_id]
        word = read_reported(update.status)
        if update.status.casefold() == Status.FAULTED.casefold():
            self._note(live, update.connector_id, None, update.error_code or "OtherError")
        else:
            self._note(live, update.connector_id, word, None)
            self._note_error(update)
        if live.point.stopped and word in (Status.AVAILABLE, Status.PREPARING):
            self.tell_stopped(live)
        return self._grown(live, update.connector_id)

    @handler
    def fault(self, fault: ConnectorFault, peer: Peer) -> SoonOrLater[None]:
        """Take up a connector's fault."""
        live = self._network.points[fault.cp_id]
        self._note(live, fault.connector_id, None, fault.fault_type, fault.info or "")
        return self._grown(live, fault.connector_id)

    @handler
    def recovery(self, recovery: ConnectorRecovery, peer: Peer) -> None:
        """A connector is well again; its status follows."""
        live = self._network.points[recovery.cp_id]
        self._note(live, recovery.connector_id, None, None)

    def _note(
        self,
        live: LivePoint,
        connector_id: int,
        word: Status | None,
        fault: str | None,
        info: str = "",
    ) -> None:
        """The connector's word and fault are these now; without a word it keeps its last one."""
        cp_id = live.point.cp_id
        if fault is None and word is None:
            word = live.reported.get(connector_id)
        where = f"connector {connector_id} " if connector_id else ""
        if _set_fault(live, connector_id, fault):
            if fault is None:
                self._board.event(f"{where}recovered", cp_id=cp_id)
            else:
                text = f"{where}fault: {fault}" + (f": {info[:MOST_TEXT]}" if info else "")
                self._board.event(text, Severity.ALARM, cp_id=cp_id)
        _set_word(live, connector_id, word)
        said = ConnectorWord(cp_id=cp_id, connector_id=connector_id, status=word, fault=fault)
        self._unsaved.put((SaveConnector, cp_id, connector_id), SaveConnector(said))
        self._board.changed(cp_id)
        if word is not None:
            self._transactions.connector_reported(live, connector_id, word)

    def _note_error(self, update: ConnectorStatus) -> None:
        """An error that leaves the connector in use is shown once, until it is over."""
        where = update.cp_id, update.connector_id
        error = update.error_code or "NoError"
        if error == "NoError":
            self._errors.pop(where, None)
        elif self._errors.get(where) != error:
            self._errors[where] = error
            text = f"connector {update.connector_id}: {error} while {update.status}"
            self._board.event(text, Severity.WARNING, cp_id=update.cp_id)

    def _grown(self, live: LivePoint, connector_id: int) -> SoonOrLater[None]:
        return self._grow(live, connector_id) if connector_id > live.point.connectors else None

    async def _grow(self, live: LivePoint, connector_id: int) -> None:
        """The point has more connectors than was known."""
        async with self._network.writing(live.point.cp_id):
            grown = replace(live.point, connectors=max(connector_id, live.point.connectors))
            await self._changes.write(SavePoint(grown))
            live.point = replace(live.point, connectors=grown.connectors)
        self._board.changed(live.point.cp_id)

    # -- Out of order --

    def tell_stopped(self, live: LivePoint, *, anew: bool = False) -> None:
        """Let a charge point know, now and then, that an operator took it out of order.

        Args:
            anew: What it was told before may be forgotten there.
        """
        cp_id, now = live.point.cp_id, self._network.clock.monotonic()
        told = -TOLD_EVERY if anew else self._told.get(cp_id, -TOLD_EVERY)
        if live.link is None or now - told < TOLD_EVERY:
            return
        self._told[cp_id] = now
        task = asyncio.ensure_future(self._ask_to_stop(live))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_to_stop(self, live: LivePoint) -> None:
        cp_id = live.point.cp_id
        if live.link is None or not live.point.stopped:
            return
        try:
            await live.link.ask(StopCpCommand(cp_id=cp_id, epoch=self._network.epoch))
        except ChargingError as error:
            log.warning("not out of order yet", cp_id=cp_id, why=str(error))


def _set_word(live: LivePoint, connector_id: int, word: Status | None) -> None:
    if word is None:
        live.reported.pop(connector_id, None)
    else:
        live.reported[connector_id] = word


def _set_fault(live: LivePoint, connector_id: int, fault: str | None) -> bool:
    """Whether that is news."""
    if connector_id == 0:
        before, live.fault = live.fault, fault
        return before != fault
    faulted = fault is not None
    if faulted == (connector_id in live.faulted):
        return False
    (live.faulted.add if faulted else live.faulted.discard)(connector_id)
    return True
