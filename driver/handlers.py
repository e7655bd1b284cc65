"""What a driver does with each message that it may be sent."""

from common.dispatch import Peer, handler
from common.messages import (
    AuthResponse,
    AvailableCpsResponse,
    ChargeCompletion,
    ChargeRequestResponse,
    ChargingData,
    ChargingHistoryResponse,
    ChargingStatusUpdate,
    ConnectionError,
    ConnectionLost,
    ErrorResponse,
    HeartbeatResponse,
    StopChargingResponse,
)
from driver.client import Client
from driver.screen import Screen
from driver.watch import Watch


class Handlers:
    """Every message ends here that no request waits for."""

    def __init__(self, client: Client, watch: Watch, screen: Screen) -> None:
        self._client = client
        self._watch = watch
        self._screen = screen

    # -- What central tells of the session --

    @handler
    def charging_status_update(self, update: ChargingStatusUpdate, _: Peer) -> None:
        self._watch.seen(update)

    @handler
    def charging_data(self, reading: ChargingData, _: Peer) -> None:
        self._watch.seen(reading)

    @handler
    def charge_completion(self, ticket: ChargeCompletion, _: Peer) -> None:
        self._watch.seen(ticket)

    # -- Answers that came by Kafka, or after their link's deadline --

    @handler
    def charge_request_response(self, answer: ChargeRequestResponse, _: Peer) -> None:
        self._client.settle(answer)

    @handler
    def stop_charging_response(self, answer: StopChargingResponse, _: Peer) -> None:
        self._client.settle(answer)

    @handler
    def available_cps_response(self, answer: AvailableCpsResponse, _: Peer) -> None:
        self._client.settle(answer)

    @handler
    def charging_history_response(self, answer: ChargingHistoryResponse, _: Peer) -> None:
        self._client.settle(answer)

    @handler
    def formality(self, answer: AuthResponse | HeartbeatResponse, _: Peer) -> None:
        """Too late: the link has drawn its conclusion from the silence."""

    @handler
    def error_response(self, error: ErrorResponse, peer: Peer) -> None:
        self._client.settle(error)
        if peer.link is not None:
            self._client.sent_away(error)

    # -- What this driver's own link tells --

    @handler
    def connection_lost(self, lost: ConnectionLost, _: Peer) -> None:
        self._client.unreachable(lost.message)
        self._screen.trouble(lost.message)

    @handler
    def connection_error(self, error: ConnectionError, _: Peer) -> None:
        self._client.unreachable(error.message)
        self._screen.trouble(error.message)
