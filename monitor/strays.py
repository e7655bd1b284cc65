"""Answers that nobody waits for any more, and errors about nothing that was asked."""

from collections.abc import Callable

import structlog

from common.dispatch import Peer, handler
from common.errors import Reason
from common.messages import AuthResponse, ChargeRequestResponse, ErrorResponse, Role

log = structlog.get_logger()

SENT_AWAY = frozenset({Reason.REPLACED, Reason.STANDBY})
"""Errors with which a peer ends a link."""

Replaced = Callable[[Role, ErrorResponse], None]


class Strays:
    """Takes what comes late or unasked."""

    def __init__(self, replaced: Replaced) -> None:
        self._replaced = replaced

    @handler
    def error(self, error: ErrorResponse, peer: Peer) -> None:
        """A message of ours was not taken, or the peer will not have us on this link."""
        say = {"reason": error.error, "text": error.message, "message_id": error.message_id}
        if error.error in SENT_AWAY and peer.role is not None and peer.link is not None:
            log.warning("sent away", peer=str(peer.role), leader=error.leader, **say)
            self._replaced(peer.role, error)
            peer.link.close()
        else:
            log.warning("a message was not taken", peer=str(peer.role), **say)

    @handler
    def late_authentication(self, answer: AuthResponse, peer: Peer) -> None:
        """Its link is being closed, because the peer took too long: the next one asks again."""
        log.warning("late answer to auth_request", peer=str(peer.role), status=answer.status)

    @handler
    def late_charge(self, answer: ChargeRequestResponse, peer: Peer) -> None:
        """The point's menu was told `timed_out`; the engine shows a session that began all the
        same, and the same request again gets this answer again."""
        log.warning("late answer to charge_request", status=answer.status, error=answer.error)
