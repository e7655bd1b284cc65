"""Who a link says it is, whether that is proved, and that it is alive."""

from collections import Counter, defaultdict, deque

import structlog

from central.credentials import Credentials, as_text
from common.admittance import Failures
from common.dispatch import Peer, SoonOrLater, handler
from common.errors import Reason, Refused
from common.link import Link
from common.messages import (
    AuthRequest,
    AuthResponse,
    ClientHeartbeatRequest,
    ErrorResponse,
    HeartbeatResponse,
    Outcome,
    Role,
)
from common.protocol import ADMIN, DRIVER, MONITOR

log = structlog.get_logger()

CLIENT_PATIENCE = 15.0
"""Seconds of silence after which a driver's or operator's link is closed that has once sent a
heartbeat."""

LINKS_OF_AN_ID = 8
"""Links that one driver or operator may have; one more takes the place of the oldest."""

ID_FIELD = {MONITOR: "cp_id", DRIVER: "driver_id", ADMIN: "admin_id"}
"""The field in which each role names itself."""


Who = tuple[Role, str]
"""A role, and an id in it."""


class Identity:
    """Handles what every kind of link may say.

    Attributes:
        turned_away: Credentials that were wrong so far, by the role that was claimed.
    """

    def __init__(self, credentials: Credentials, failures: Failures) -> None:
        self._credentials = credentials
        self._failures = failures
        self.turned_away: Counter[Role] = Counter()
        self._checking: set[Link] = set()
        self._of_id: defaultdict[Who, deque[Link]] = defaultdict(deque)
        self._who: dict[Link, Who] = {}

    # -- Who --

    @handler
    def auth(self, request: AuthRequest, peer: Peer) -> SoonOrLater[AuthResponse]:
        """Take up who the peer is: its word where none must prove it, else its credential."""
        if peer.role not in (None, request.role):
            raise Refused(Reason.NOT_ALLOWED, f"this link is a {peer.role}'s")
        peer_id = getattr(request, ID_FIELD[request.role])
        if peer_id is None:
            field = ID_FIELD[request.role]
            raise Refused(Reason.INVALID_MESSAGE, f"Object missing required field `{field}`")
        if peer.id not in (None, peer_id) and (request.role is MONITOR or peer.proved):
            raise Refused(Reason.NOT_ALLOWED, f"this link is {peer.id}'s")
        if not self._credentials.demanded:
            return self._welcome(request.role, peer_id, _link(peer))
        return self._prove(request, peer_id, peer)

    async def _prove(self, request: AuthRequest, peer_id: str, peer: Peer) -> AuthResponse:
        """Check the credential.

        Raises:
            Refused: `overloaded`: the link's former one is still being checked.
        """
        link = _link(peer)
        if link in self._checking:
            raise Refused(Reason.OVERLOADED, "one credential at a time")
        self._checking.add(link)
        try:
            credential = await self._credentials.find(
                request.role,
                peer_id,
                request.credential or "",
                still=lambda: self._is_wanted(link),
            )
        finally:
            self._checking.discard(link)
        if credential is None or link.is_closing:
            return self._turn_away(request.role, peer_id, link)
        self._credentials.bind(link, credential)
        peer.proved = True
        return self._welcome(request.role, peer_id, link)

    def _is_wanted(self, link: Link) -> bool:
        """Whether its credential is to be checked; closes it where too many were wrong."""
        if self._failures.blocked(link.address):
            link.close()
        return not link.is_closing

    def _turn_away(self, role: Role, peer_id: str, link: Link) -> AuthResponse:
        self.turned_away[role] += 1
        if not link.is_closing:
            self._failures.failed(link.address)
            log.warning("not authenticated", role=role, id=peer_id, address=link.address)
        return AuthResponse(
            status=Outcome.FAILURE,
            error=Reason.NOT_AUTHENTICATED,
            message=f"that is not a credential of {peer_id}",
        )

    def _welcome(self, role: Role, peer_id: str, link: Link) -> AuthResponse:
        link.identify(role, peer_id)
        text, key = f"welcome, {peer_id}", None
        if role is not MONITOR:  # of those the newest registration wins
            self._count((role, peer_id), link)
        if role is DRIVER:
            key = as_text(self._credentials.kafka_key(peer_id))
        return AuthResponse(status=Outcome.SUCCESS, message=text, kafka_key=key)

    def _count(self, who: Who, link: Link) -> None:
        """Let the oldest link of this id go, if it has too many."""
        if self._who.get(link) == who:
            return
        self._forget(link)
        self._who[link] = who
        links = self._of_id[who]
        links.append(link)
        if len(links) > LINKS_OF_AN_ID:
            text = f"{who[1]} has more than {LINKS_OF_AN_ID} links"
            links[0].close(ErrorResponse(error=Reason.REPLACED, message=text))
            self._forget(links[0])

    def _forget(self, link: Link) -> None:
        who = self._who.pop(link, None)
        if who is None:
            return
        self._of_id[who].remove(link)
        if not self._of_id[who]:
            del self._of_id[who]

    def opened(self, link: Link) -> None:
        """A link was made; nothing is proved yet."""
        self._credentials.bind(link, None)

    def gone(self, link: Link) -> None:
        """The link is closed."""
        self._credentials.release(link)
        self._forget(link)

    # -- Alive --

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


def _link(peer: Peer) -> Link:
    assert isinstance(peer.link, Link)
    return peer.link
