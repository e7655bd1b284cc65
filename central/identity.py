"""Who a link says it is, and that it is alive."""

import structlog

from common.dispatch import Peer, handler
from common.errors import Reason, Refused
from common.messages import (
    AuthRequest,
    AuthResponse,
    ClientHeartbeatRequest,
    ErrorResponse,
    HeartbeatResponse,
    Outcome,
)
from common.protocol import ADMIN, DRIVER, MONITOR

log = structlog.get_logger()


class Identity:
    """Handles what every kind of link may say."""

    @handler
    def auth(self, request: AuthRequest, peer: Peer) -> AuthResponse:
        """Take the link's word for who it is: on loopback the programs trust each other."""
        named = {
            MONITOR: request.cp_id,
            DRIVER: request.driver_id,
            ADMIN: request.admin_id,
        }
        if request.role is not peer.role:
            raise Refused(Reason.NOT_ALLOWED, f"this link is a {peer.role}'s")
        peer_id = named[request.role]
        if peer_id is None:
            field = {MONITOR: "cp_id", DRIVER: "driver_id", ADMIN: "admin_id"}[request.role]
            raise Refused(Reason.INVALID_MESSAGE, f"Object missing required field `{field}`")
        if request.role is MONITOR and peer.id not in (None, peer_id):
            raise Refused(Reason.NOT_ALLOWED, f"this link is {peer.id}'s")
        peer.id = peer_id
        return AuthResponse(status=Outcome.SUCCESS, message=f"welcome, {peer_id}")

    @handler
    def heartbeat(self, beat: ClientHeartbeatRequest, peer: Peer) -> HeartbeatResponse:
        """The program is alive; from now on its silence means that it is not."""
        if peer.link is not None:
            peer.link.patience = CLIENT_PATIENCE
        return HeartbeatResponse(status=Outcome.SUCCESS)

    @handler
    def error(self, error: ErrorResponse, peer: Peer) -> None:
        """The peer could not take something of ours: our fault, or a program of another age."""
        log.warning("peer refused a message", peer=str(peer), error=error.error, text=error.message)


CLIENT_PATIENCE = 15.0
"""Seconds of silence after which a driver's or operator's link is closed that has once sent a
heartbeat."""
