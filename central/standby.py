"""A central that does not lead: it sends everybody to the one that does."""

import asyncio

from central.lease import Candidate
from common.clock import Clock
from common.dispatch import Dispatcher, Peer
from common.errors import Reason
from common.link import Link
from common.listen import Listener
from common.messages import ErrorResponse, Message
from common.protocol import CENTRAL


class Standby:
    """Answers every message `standby`, with the leader's address where it is known.

    Where the database cannot be looked at nobody knows who leads: then it is `internal`.
    """

    def __init__(self, candidate: Candidate, clock: Clock) -> None:
        self._candidate = candidate
        self._clock = clock
        self._dispatcher = Dispatcher.of_one(CENTRAL, self._turn_away)

    def accept(self, listener: Listener) -> Link:
        """The link of a connection that was accepted; it is closed after its first answer."""
        return Link(
            CENTRAL,
            self._dispatcher,
            self._clock,
            peer_role=None,
            opened=listener.links.add,
            gone=listener.links.discard,
        )

    def sentence(self) -> ErrorResponse:
        """What whoever asks is told."""
        if self._candidate.trouble is not None:
            return ErrorResponse(error=Reason.INTERNAL, message="the database does not answer")
        leader = self._candidate.leads_elsewhere
        return ErrorResponse(
            error=Reason.STANDBY,
            message="another central leads" if leader else "no central leads yet; ask again",
            leader=leader,
        )

    def _turn_away(self, message: Message, peer: Peer) -> ErrorResponse | None:
        if isinstance(message, ErrorResponse):
            return None
        assert isinstance(peer.link, Link)
        asyncio.get_running_loop().call_soon(peer.link.close)  # after the answer
        return self.sentence()
