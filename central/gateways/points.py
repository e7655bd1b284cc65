"""What OCPP charge points report of themselves: boots, statuses, faults, events, meter values."""

from common.dispatch import Peer, handler
from common.errors import Reason, Refused
from common.gateway_messages import (
    BootRequest,
    ConnectorFault,
    ConnectorRecovery,
    ConnectorStatus,
    OcppEvent,
    OcppRequest,
    OcppResponse,
)
from common.messages import RegisterResponse


class GatewayPoints:
    """Handles what OCPP charge points report of themselves."""

    @handler
    async def boot(self, request: BootRequest, peer: Peer) -> RegisterResponse:
        """Take up a charge point that has started."""
        raise Refused(Reason.INTERNAL, "not there yet")

    @handler
    def status(self, update: ConnectorStatus, peer: Peer) -> None:
        """Take up a connector's status."""

    @handler
    def fault(self, fault: ConnectorFault, peer: Peer) -> None:
        """Take up a connector's fault."""

    @handler
    def recovery(self, recovery: ConnectorRecovery, peer: Peer) -> None:
        """A connector is well again."""

    @handler
    def event(self, event: OcppEvent, peer: Peer) -> None:
        """Note what else a charge point reports."""

    @handler
    async def request(self, request: OcppRequest, peer: Peer) -> OcppResponse:
        """Answer what else a charge point asks."""
        raise Refused(Reason.INTERNAL, "not there yet")
