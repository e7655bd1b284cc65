"""The charge points that are connected to this node: one link each, the newest."""

from collections.abc import Iterator

from gateway.ending import Ending
from gateway.link import Link


class Connections:
    """The links of this node, by charge point.

    Of two links of a charge point the one with the higher epoch stays, whichever opened first; and
    an older one that goes never takes the newer one along.
    """

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}

    def __len__(self) -> int:
        return len(self._links)

    def __iter__(self) -> Iterator[Link]:
        """Those that are open now."""
        return iter(list(self._links.values()))

    def add(self, link: Link) -> bool:
        """A link has opened; an older one of its charge point is closed.

        Returns:
            False if it is the older one itself, and was closed.
        """
        other = self._links.get(link.cp_id)
        if other is not None and other.connection.epoch > link.connection.epoch:
            link.close(Ending.REPLACED)
            return False
        self._links[link.cp_id] = link
        if other is not None:
            other.close(Ending.REPLACED)
        return True

    def remove(self, link: Link) -> None:
        """A link has ended."""
        if self._links.get(link.cp_id) is link:
            del self._links[link.cp_id]

    def find(self, cp_id: str, epoch: int) -> Link | None:
        """This very connection of a charge point, if it is open here."""
        link = self._links.get(cp_id)
        return link if link is not None and link.connection.epoch == epoch else None

    def moved(self, cp_id: str, epoch: int) -> None:
        """It has a connection elsewhere that is as new as this epoch."""
        link = self._links.get(cp_id)
        if link is not None and link.connection.epoch < epoch:
            link.close(Ending.REPLACED)

    def revoked(self, cp_id: str) -> None:
        """It may not be connected any more."""
        link = self._links.get(cp_id)
        if link is not None:
            link.close(Ending.REVOKED)

    def must_prove(self) -> None:
        """Credentials are demanded from now on: who is here without one comes again with it."""
        for link in self:
            if link.security_profile == 0:
                link.close(Ending.REVOKED)
