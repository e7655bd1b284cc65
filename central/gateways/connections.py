"""Where each OCPP charge point is connected: by which gateway, on which partition, since when."""

from common.dispatch import Peer, handler
from common.gateway_messages import LinkDown, LinkUp, NodeAlive


class Connections:
    """Handles what gateways say of connections."""

    @handler
    def link_up(self, message: LinkUp, peer: Peer) -> None:
        """A charge point has connected."""

    @handler
    def link_down(self, message: LinkDown, peer: Peer) -> None:
        """A connection is closed."""

    @handler
    def alive(self, message: NodeAlive, peer: Peer) -> None:
        """A gateway runs."""
