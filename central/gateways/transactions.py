"""Transactions at OCPP charge points: authorised, started, metered, stopped, each once."""

from common.dispatch import Peer, handler
from common.errors import Reason, Refused
from common.gateway_messages import (
    AuthorizeRequest,
    AuthorizeResponse,
    ChargeStarted,
    ChargeStartedResponse,
    MeterReport,
    TransactionCompletion,
    TransactionResponse,
)


class Transactions:
    """Handles id tags and transactions."""

    @handler
    async def authorize(self, request: AuthorizeRequest, peer: Peer) -> AuthorizeResponse:
        """Whether an id tag may charge."""
        raise Refused(Reason.INTERNAL, "not there yet")

    @handler
    async def started(self, request: ChargeStarted, peer: Peer) -> ChargeStartedResponse:
        """Store a transaction's start, once."""
        raise Refused(Reason.INTERNAL, "not there yet")

    @handler
    async def meter(self, report: MeterReport, peer: Peer) -> None:
        """Take up meter values."""

    @handler
    async def ended(self, request: TransactionCompletion, peer: Peer) -> TransactionResponse:
        """Store a transaction's end, once."""
        raise Refused(Reason.INTERNAL, "not there yet")
