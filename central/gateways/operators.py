"""What operators ask about OCPP charge points: commands, id tags, meter values."""

from common.dispatch import Peer, handler
from common.errors import Reason, Refused
from common.gateway_messages import (
    CommandRequest,
    CommandRequestResponse,
    CommandsRequest,
    CommandsResponse,
    IdTagChange,
    IdTagChangeResponse,
    IdTagsRequest,
    IdTagsResponse,
    SamplesRequest,
    SamplesResponse,
)


class GatewayOperators:
    """Handles what operators ask about OCPP charge points."""

    @handler
    async def command(self, request: CommandRequest, peer: Peer) -> CommandRequestResponse:
        """Send a charge point a call."""
        raise Refused(Reason.INTERNAL, "not there yet")

    @handler
    async def commands(self, request: CommandsRequest, peer: Peer) -> CommandsResponse:
        """List commands."""
        raise Refused(Reason.INTERNAL, "not there yet")

    @handler
    async def id_tags(self, request: IdTagsRequest, peer: Peer) -> IdTagsResponse:
        """List id tags."""
        raise Refused(Reason.INTERNAL, "not there yet")

    @handler
    async def change_id_tag(self, request: IdTagChange, peer: Peer) -> IdTagChangeResponse:
        """Store or forget an id tag."""
        raise Refused(Reason.INTERNAL, "not there yet")

    @handler
    async def samples(self, request: SamplesRequest, peer: Peer) -> SamplesResponse:
        """List meter values."""
        raise Refused(Reason.INTERNAL, "not there yet")
