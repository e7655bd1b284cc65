"""How central gets to know OCPP charge points, and what else they report and ask."""

from typing import Any

import structlog
from msgspec.structs import replace

from central.board import Board
from central.gateways.connections import Connections
from central.gateways.statuses import MOST_TEXT, GatewayStatuses
from central.network import LivePoint, Network
from central.rules.records import Point
from central.sessions import SessionChanges
from central.store import SavePoint
from common.dispatch import Peer, handler
from common.errors import Reason, Refused
from common.gateway_messages import BootRequest, OcppEvent, OcppRequest, OcppResponse
from common.messages import Outcome, RegisterResponse, Severity
from common.units import Payload, Price, Watts

log = structlog.get_logger()

HIGHEST_RATE = Watts(350_000)
"""Of a charge point that cannot say its own: more than any that speaks OCPP 1.6 supplies. It only
tells a ticket that cannot be."""

ANSWERS: dict[str, Payload] = {
    "DataTransfer": Payload(status="UnknownVendorId"),
    "SignCertificate": Payload(status="Rejected"),
}
"""What is answered to what else a charge point asks: central knows no vendor's data, and signs no
certificates."""

STATUS_EVENTS = {
    "DiagnosticsStatusNotification": "diagnostics",
    "FirmwareStatusNotification": "firmware",
    "LogStatusNotification": "log upload",
    "SignedFirmwareStatusNotification": "signed firmware",
}
"""What is shown of notifications that say a status."""


class GatewayPoints:
    """Handles what OCPP charge points report of themselves.

    Args:
        default_price: Of a new point.
        heartbeat_interval: Seconds between two heartbeats that a charge point is told to send.
    """

    def __init__(
        self,
        network: Network,
        changes: SessionChanges,
        connections: Connections,
        statuses: GatewayStatuses,
        board: Board,
        *,
        default_price: Price,
        heartbeat_interval: int,
    ) -> None:
        self._network = network
        self._changes = changes
        self._connections = connections
        self._statuses = statuses
        self._board = board
        self._default_price = default_price
        self._heartbeat_interval = heartbeat_interval

    # -- Taking up --

    def heard(self, cp_id: str) -> bool:
        """A message of this charge point has come; whether it is known to speak OCPP."""
        live = self._network.points.get(cp_id)
        if live is None or live.point.ocpp_version is None:
            return False
        now = int(self._network.clock.wall())
        if live.point.last_seen != now:
            live.point = replace(live.point, last_seen=now)
        if live.link is None:
            self._connections.attach(live)
        return True

    async def take_up(self, cp_id: str) -> None:
        """Take up a charge point that did not boot since we have known it, and is connected.

        Raises:
            StoreUnavailable: It was not stored.
        """
        await self._save(cp_id, {})

    @handler
    async def boot(self, request: BootRequest, peer: Peer) -> RegisterResponse:
        """Take up a charge point that has started."""
        live = await self._save(
            request.cp_id,
            {
                "vendor": request.vendor,
                "model": request.model,
                "serial_number": request.serial_number or request.box_serial_number,
                "firmware_version": request.firmware_version,
            },
        )
        self._board.event(f"booted: {request.vendor} {request.model}", cp_id=request.cp_id)
        if live.point.stopped:  # what it was told before may not have survived its start
            self._statuses.tell_stopped(live, anew=True)
        return RegisterResponse(
            status=Outcome.SUCCESS,
            message=f"{request.cp_id} is registered",
            epoch=self._network.epoch,
            heartbeat_interval=self._heartbeat_interval,
            stopped=live.point.stopped,
        )

    async def _save(self, cp_id: str, said: dict[str, Any]) -> LivePoint:
        """The point, stored with what it said of itself, and reached by its connection."""
        async with self._network.writing(cp_id):
            known = self._network.points.get(cp_id)
            before = known.point if known else None
            point = replace(
                before or self._new(cp_id),
                ocpp_version=self._connections.version(cp_id),
                time_scale=1.0,
                last_seen=int(self._network.clock.wall()),
                **said,
            )
            if before is None or replace(before, last_seen=point.last_seen) != point:
                await self._changes.write(SavePoint(point))
            live = self._network.put_point(point)
        if before is not None and before.ocpp_version is None:
            live.fault = None  # its monitor's words; its own will follow
            live.faulted.clear()
        self._connections.attach(live)
        self._board.changed(cp_id)
        return live

    def _new(self, cp_id: str) -> Point:
        return Point(cp_id=cp_id, location="", max_rate=HIGHEST_RATE, price=self._default_price)

    # -- All else --

    @handler
    def event(self, event: OcppEvent, peer: Peer) -> None:
        """Let operators see what else a charge point reports."""
        payload, cp_id = event.payload, event.cp_id
        if event.action in STATUS_EVENTS:
            status = _text(payload.get("status"))
            failed = "fail" in status.casefold() or "invalid" in status.casefold()
            severity = Severity.WARNING if failed else Severity.INFO
            self._board.event(f"{STATUS_EVENTS[event.action]}: {status}", severity, cp_id=cp_id)
        elif event.action == "SecurityEventNotification":
            kind, more = _text(payload.get("type")), _text(payload.get("techInfo"))
            text = f"security event: {kind}" + (f": {more}" if more else "")
            self._board.event(text, Severity.WARNING, cp_id=cp_id)
        else:
            self._board.event(event.action, cp_id=cp_id)

    @handler
    def request(self, request: OcppRequest, peer: Peer) -> OcppResponse:
        """Answer what else a charge point asks.

        Raises:
            Refused: It is nothing that central knows.
        """
        payload = ANSWERS.get(request.action)
        if payload is None:
            raise Refused(Reason.NOT_ALLOWED, f"central answers no {request.action}")
        log.info("answered", action=request.action, with_status=payload["status"])
        return OcppResponse(status=Outcome.SUCCESS, payload=payload)


def _text(value: object) -> str:
    return value[:MOST_TEXT] if isinstance(value, str) else ""
