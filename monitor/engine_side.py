"""The engine's side: its link, a health check every second, and what it sends by itself."""

import asyncio
from collections.abc import Iterable
from functools import partial

import structlog

from common.clock import Clock
from common.dial import MISSED, keep_alive
from common.dispatch import Peer, PeerLink, handler
from common.errors import Reason, Refused
from common.link import Link
from common.logs import ids_of
from common.messages import (
    AuthRequest,
    ChargeCompletion,
    ChargingData,
    HealthCheckRequest,
    HealthCheckResponse,
    Message,
    Outcome,
    Role,
    StatusUpdate,
)
from monitor.health import Condition, knocked_out
from monitor.point import Point
from monitor.records import Records

log = structlog.get_logger()

CHECK_EVERY = 1.0
"""Seconds between two health checks, and for which one waits for its answer."""

LOOK_EVERY = 0.25
"""Seconds between two looks at the engine's silence."""


class EngineSide:
    """Keeps the engine under watch."""

    def __init__(
        self, point: Point, records: Records, clock: Clock, credential: str | None
    ) -> None:
        self._point = point
        self._records = records
        self._clock = clock
        self._credential = credential

    # -- The link --

    async def session(self, link: Link) -> None:
        """Live with a link to the engine, until it goes."""
        link.patience = MISSED * CHECK_EVERY
        if self._credential is not None:
            await link.ask(
                AuthRequest(role=Role.MONITOR, cp_id=self._point.cp_id, credential=self._credential)
            )
        try:
            await keep_alive(link, partial(self.check, link), CHECK_EVERY)
        finally:
            self._point.engine = None

    async def check(self, link: PeerLink) -> None:
        """Ask the engine how it is, and take note of the answer.

        Raises:
            Refused: It says something else than that it is well or broken.
            NoAnswer: It says nothing.
            LinkLost: The link is gone.
        """
        request = HealthCheckRequest(cp_id=self._point.cp_id)
        try:
            answer = await link.ask(request, within=CHECK_EVERY)
        except Refused as refused:
            broken = knocked_out(refused)
            if broken is None:
                raise
            answer = broken
        self._heard(answer, link)

    async def watch(self) -> None:
        """Notice the engine's silence, until cancelled."""
        looked_at = self._clock.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now = self._clock.monotonic()
            before = self._point.condition
            self._announce(before, self._point.health.passed(now - looked_at))
            looked_at = now

    def _heard(self, answer: HealthCheckResponse, link: PeerLink) -> None:
        point = self._point
        before = point.condition
        self._announce(before, point.health.answered(answer))
        if point.engine is not link:
            point.engine = link
            log.info("engine linked", cp_id=point.cp_id)
            point.stopping.engine_is_new()
            point.errand.set()
            # Central sends what the engine missed when the point registers.
            point.outdated.set()
        elif point.condition.shape != before.shape:
            point.outdated.set()
        if self._records.wants_again:
            point.errand.set()

    def _announce(self, before: Condition, news: Iterable[Message]) -> None:
        point, fault_type = self._point, self._point.condition.fault_type
        if fault_type and fault_type != before.fault_type:
            log.warning("fault", cp_id=point.cp_id, fault_type=fault_type)
        elif before.fault_type and not fault_type:
            log.info("recovered", cp_id=point.cp_id)
        for message in news:
            if isinstance(message, StatusUpdate):
                ids = ids_of(message)
                log.info("connector", number=message.connector_id, status=message.status, **ids)
            point.tell_central(message)
        if point.condition.decided:
            point.decided.set()

    # -- What the engine sends by itself --

    @handler
    def reading(self, message: ChargingData, peer: Peer) -> None:
        """A reading, on its way to Kafka."""
        self._record(message)

    @handler
    def ticket(self, message: ChargeCompletion, peer: Peer) -> None:
        """A ticket, on its way to Kafka."""
        if self._record(message):
            log.info(
                "ticket",
                connector_id=message.connector_id,
                energy_kwh=str(message.energy_consumed_kwh),
                reason=message.reason,
            )

    def _record(self, message: ChargingData | ChargeCompletion) -> bool:
        if message.cp_id != self._point.cp_id:
            log.warning("a record of another charge point is not passed on")
            return False
        taken = self._records.take(message)
        if report := self._point.settling.came(message):
            self._point.tell_central(report)
        return taken

    @handler
    def late_health(self, answer: HealthCheckResponse, peer: Peer) -> None:
        """An answer after its deadline is still a word of the engine's."""
        broken = knocked_out(Refused(answer.error or Reason.INTERNAL, answer=answer))
        if peer.link is not None and (answer.status is Outcome.SUCCESS or broken):
            self._heard(answer, peer.link)
