"""Whether an id tag may charge at an OCPP charge point now, by what central knows of it."""

from central.gateways.id_tags import IdTags
from central.network import LiveSession, Network
from central.rules.id_tags import info_of, status_of
from central.rules.transactions import awaits
from common.gateway_messages import ChargeStarted, IdTagInfo, IdTagStatus
from common.states import OPEN_STATES, SessionState


class Authorisation:
    """Says of id tags whether they may charge.

    Args:
        accept_unknown: Id tags that are not stored may charge as well: for trying out.
    """

    def __init__(self, network: Network, tags: IdTags, *, accept_unknown: bool) -> None:
        self._network = network
        self._tags = tags
        self._accept_unknown = accept_unknown

    def of(self, cp_id: str, id_tag: str) -> IdTagInfo:
        """Whether it may charge here, or end a charge (Authorize, StopTransaction).

        Whether its driver charges elsewhere already is no matter: by OCPP that counts for a
        StartTransaction alone, and who wants to end a charge is asked about as well.
        """
        awaited = self.awaited(cp_id, id_tag)
        if awaited is not None and awaited.session.state is SessionState.AUTHORISED:
            return info_of(self._tags.find(id_tag), IdTagStatus.ACCEPTED)
        return self._judged(id_tag, running=0)

    def of_start(
        self, start: ChargeStarted, session: LiveSession | None, driver_id: str
    ) -> IdTagInfo:
        """What a StartTransaction is answered.

        Args:
            session: Its own, where it has one already: authorised from here, it is accepted.
        """
        if session is not None and session.session.state is SessionState.AUTHORISED:
            return info_of(self._tags.find(start.id_tag), IdTagStatus.ACCEPTED)
        others = (each for each in self._network.all_of_driver(driver_id) if each is not session)
        running = sum(each.session.state in OPEN_STATES for each in others)
        return self._judged(start.id_tag, running=running)

    def _judged(self, id_tag: str, *, running: int) -> IdTagInfo:
        tag, now = self._tags.find(id_tag), self._network.clock.wall()
        status = status_of(tag, now=now, running=running, accept_unknown=self._accept_unknown)
        return info_of(tag, status)

    def awaited(
        self, cp_id: str, id_tag: str, connector_id: int | None = None
    ) -> LiveSession | None:
        """The session that a transaction with this id tag at this charge point would belong to.

        One that is wanted rather than one that was taken back; of several the one at this
        connector.
        """
        waiting = [live for live in self._network.of_point(cp_id) if awaits(live.session, id_tag)]
        return max(
            waiting,
            key=lambda live: (
                live.session.state is SessionState.AUTHORISED,
                live.session.connector_id == connector_id,
            ),
            default=None,
        )
