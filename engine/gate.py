"""Who may command this engine: the monitor that knows its key."""

import hmac

import structlog

from common.admittance import Failures
from common.clock import Clock
from common.dispatch import Peer, PeerLink
from common.errors import Reason, Refused
from common.messages import AuthRequest, AuthResponse, Outcome, Role

log = structlog.get_logger()

PROVE_WITHIN = 5.0
"""Seconds in which a link must prove that it is the monitor's, where there is a key."""


class Gate:
    """Lets in the monitor of one charge point.

    Args:
        key: What it must know; None where this machine's programs trust one another.
    """

    def __init__(self, cp_id: str, key: str | None, clock: Clock) -> None:
        self._cp_id = cp_id
        self._key = key
        self._failures = Failures(clock)

    @property
    def is_locked(self) -> bool:
        """Whether a monitor must prove itself."""
        return self._key is not None

    def answer(self, request: AuthRequest, peer: Peer, address: str | None) -> AuthResponse | None:
        """What somebody is told who says that it is our monitor; None: nothing, it is closed.

        Raises:
            Refused: `not_allowed`: it is no monitor, or another point's.
        """
        if request.role is not Role.MONITOR:
            raise Refused(Reason.NOT_ALLOWED, f"a {request.role} has no business here")
        if request.cp_id != self._cp_id:
            raise Refused(Reason.NOT_ALLOWED, f"this is charge point {self._cp_id}")
        if self._key is None:
            return AuthResponse(status=Outcome.SUCCESS)
        if self._failures.blocked(address):
            return None
        if not hmac.compare_digest(self._key.encode(), (request.credential or "").encode()):
            self._failures.failed(address)
            log.warning("not authenticated", address=address)
            return AuthResponse(
                status=Outcome.FAILURE,
                error=Reason.NOT_AUTHENTICATED,
                message=f"that is not the key of {self._cp_id}",
            )
        peer.proved = True
        return AuthResponse(status=Outcome.SUCCESS)

    def check(self, peer: Peer) -> None:
        """Let nobody else give commands.

        Raises:
            Refused: `not_authenticated`.
        """
        if self._key is not None and not peer.proved:
            text = "say who you are first, by an auth_request with this engine's key"
            raise Refused(Reason.NOT_AUTHENTICATED, text)


def turn_away(link: PeerLink, peer: Peer, gate: Gate) -> None:
    """Close a link that has not proved itself in time."""
    if gate.is_locked and not peer.proved:
        link.close()
