"""Central's side: its link, the registration, the heartbeats, and what its answers want."""

import asyncio
from functools import partial

import structlog

from common.clock import Clock
from common.dial import MISSED, keep_alive
from common.dispatch import Peer, PeerLink, handler
from common.errors import ChargingError, Reason, Refused
from common.link import Link
from common.messages import (
    AuthRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Outcome,
    RegisterRequest,
    RegisterResponse,
    Role,
)
from common.units import Price, Watts
from monitor.health import Condition, news
from monitor.point import Point

log = structlog.get_logger()

HEARTBEAT_EVERY = 5.0
"""Seconds between two heartbeats where central does not say."""

DEFAULT_RATE = Watts(11_000)
"""The maximum power of an engine that does not say."""


class CentralSide:
    """Speaks for the charge point."""

    def __init__(
        self,
        point: Point,
        clock: Clock,
        *,
        location: str | None,
        price: Price | None,
        credential: str | None,
    ) -> None:
        self._point = point
        self._clock = clock
        self._location = location
        self._price = price
        self._credential = credential

    # -- The link --

    async def session(self, link: Link) -> None:
        """Live with a link to central, until it goes."""
        point = self._point
        try:
            if self._credential is not None:
                await self._authenticate(link, self._credential)
            interval = await self._register(link)
            link.patience = MISSED * interval
            await asyncio.sleep(interval)  # the registration was the first heartbeat
            await keep_alive(link, partial(self._beat, link, interval), interval)
        finally:
            point.central = None

    async def keep_registered(self) -> None:
        """Register again when central must hear anew what only that says, until cancelled."""
        point = self._point
        while True:
            await point.outdated.wait()
            point.outdated.clear()
            link = point.central
            if link is None:
                continue  # the next registration says it all
            try:
                await self._register(link)
            except ChargingError as error:
                log.warning("registering again failed", why=str(error))
                link.close()

    async def _authenticate(self, link: PeerLink, credential: str) -> None:
        request = AuthRequest(role=Role.MONITOR, cp_id=self._point.cp_id, credential=credential)
        try:
            await link.ask(request)
        except Refused as refused:
            text = f"credential refused: {refused.text}"
            raise Refused(refused.reason, text, leader=refused.leader) from None

    async def _register(self, link: PeerLink) -> float:
        """Register; seconds between heartbeats.

        Raises:
            Refused: Central refused, or does not lead any more.
            NoAnswer: It did not answer.
            LinkLost: The link is gone.
        """
        point = self._point
        said = point.condition
        try:
            answer = await link.ask(self._registration(said))
        except Refused as refused:
            told = refused.answer
            reason = told.reason if isinstance(told, RegisterResponse) else None
            text = f"registration refused: {refused.text}"
            raise Refused(reason or refused.reason, text, leader=refused.leader) from None
        if not point.epochs.believes(answer.epoch, self._clock.monotonic()):
            text = f"it is of epoch {answer.epoch}, and one of {point.epochs.last} leads"
            raise Refused(Reason.STANDBY, text)
        if point.central is not link:
            log.info("registered with central", cp_id=point.cp_id, epoch=answer.epoch)
        point.central = link
        for message in news(point.cp_id, said, point.condition):
            point.tell_central(message)  # what happened meanwhile
        if point.condition.shape != said.shape:
            point.outdated.set()
        self._told(answer)
        return float(answer.heartbeat_interval or HEARTBEAT_EVERY)

    def _registration(self, condition: Condition) -> RegisterRequest:
        return RegisterRequest(
            cp_id=self._point.cp_id,
            location=self._location,
            max_charging_rate_kw=condition.max_charging_rate_kw or DEFAULT_RATE,
            price_per_kwh=self._price,
            engine_status=condition.status,
            fault_type=condition.fault_type,
            connectors=condition.connectors or None,
            held_sessions=condition.held_sessions,
            time_scale=condition.time_scale,
        )

    async def _beat(self, link: PeerLink, interval: float) -> None:
        condition = self._point.condition
        request = HeartbeatRequest(
            cp_id=self._point.cp_id,
            status=condition.status,
            connectors=condition.connectors or None,
            fault_type=condition.fault_type,
            held_sessions=condition.held_sessions,
        )
        answer = await link.ask(request, within=interval)
        self._told(answer)

    # -- What its answers want --

    def _told(self, answer: RegisterResponse | HeartbeatResponse) -> None:
        point = self._point
        point.stopping.told(answer.stopped)
        point.settling.told(answer.settled_sessions, answer.unsettled_sessions)
        point.errand.set()

    @handler
    def late_heartbeat(self, answer: HeartbeatResponse, peer: Peer) -> None:
        """What central wants is still what it wants."""
        if answer.status is Outcome.SUCCESS:
            self._told(answer)

    @handler
    def late_registration(self, answer: RegisterResponse, peer: Peer) -> None:
        """Its link is being closed, because central took too long: the next one registers."""
        log.warning("late answer to a registration", status=answer.status)
