"""Leading: taken from the database, kept by renewing it, and given up in time.

Theory of operation. A central leads for as long as its last renewal, counted by its own monotonic
clock from before it asked for it, is younger than `TTL`. Another one takes the lease when it is
older than that by the database's clock, or was not renewed for twice as long by its own. So two
never lead at once, unless a clock runs wrong; and if one does, nothing it does takes effect: each
transaction checks its epoch (`store.writer`), and its commands and events carry it.

A leader that stood still cannot know it. So it looks at its clock before each message: what it may
not say any more is held back by the fence, on links and before Kafka. Where it has learned that
its database does not answer, so that nobody can have taken the lease, it still shows what it knows.
"""

import asyncio
from collections.abc import Callable

import structlog
from msgspec.structs import replace

from central.store import RenewLease, Store
from central.store.database import Database
from central.store.lease import Leader, give_back, look, take
from common.clock import Clock
from common.errors import ChargingError, Reason, StoreUnavailable
from common.messages import (
    AuthResponse,
    CommandResponse,
    ErrorResponse,
    EventLogged,
    HealthResponse,
    HeartbeatResponse,
    Message,
    PointChanged,
    PointsResponse,
    Response,
    WatchReady,
)

log = structlog.get_logger()

TTL = 3.0
"""Seconds for which a renewal counts."""

UNCHANGED_FOR = 2 * TTL
"""Seconds by its own clock after which a standby takes a lease that nobody renews, whatever the
database's clock says: that one may have been set back. Longer, because a clock may run fast."""

RENEW_EVERY = 1.0
"""Seconds between two renewals."""

LOOK_EVERY = 0.5
"""Seconds between two looks of a standby."""

SENT_AWAY_AFTER = 60.0
"""Seconds without a renewal after which peers are sent away, if the database cannot be read either:
another central may reach it, and lead."""


SHOWS = (
    AuthResponse,
    PointsResponse,
    HealthResponse,
    CommandResponse,  # to who wants to watch
    PointChanged,
    EventLogged,
    WatchReady,
)
"""What only shows an operator how things are, and lets nobody do anything."""


class Lease:
    """The lead of this central, from when it was taken until it is lost.

    Args:
        begun: Monotonic time from before it was taken.

    Attributes:
        on_back: Called when it leads again after it could not renew for a while.
        over: Set when it is lost for good, or when this central was cut off from the database for
            `SENT_AWAY_AFTER`.
    """

    def __init__(self, store: Store, clock: Clock, begun: float) -> None:
        self.on_back: Callable[[], None] = lambda: None
        self.over = asyncio.Event()
        self._store = store
        self._clock = clock
        self._renewed = begun
        self._failed = float("-inf")

    @property
    def leads(self) -> bool:
        """Whether this central may decide, say and publish anything now."""
        return self._clock.monotonic() - self._renewed < TTL and not self.over.is_set()

    @property
    def _has_no_database(self) -> bool:
        """Whether the database has just said no, so that nobody can have taken the lease.

        Not where it only did not answer in time, or where that was before we stood still.
        """
        return self._clock.monotonic() - self._failed < TTL

    def fence(self, message: Message) -> Message | None:
        """What may be sent in place of a message, now: it itself while this central leads.

        Without the lead an answer becomes `internal`, which promises nothing and may be asked
        again; of what is no answer nothing is sent. While the database does not answer, a
        heartbeat's answer is a bare sign of life, and operators see what there is to see.
        """
        if self.leads or isinstance(message, ErrorResponse):
            return message
        if self._has_no_database and not self.over.is_set():
            if isinstance(message, SHOWS):
                return message
            if isinstance(message, HeartbeatResponse):
                return replace(
                    message, stopped=None, settled_sessions=None, unsettled_sessions=None
                )
        if isinstance(message, Response):
            return ErrorResponse(
                message_id=message.message_id,
                trace_id=message.trace_id,
                timestamp=message.timestamp,
                error=Reason.INTERNAL,
                message="the database does not answer; ask again",
            )
        return None

    async def keep(self) -> None:
        """Renew it until it is over; then return."""
        watching = asyncio.ensure_future(self._store.lost_lead.wait())
        try:
            while not watching.done() and not await self._is_cut_off():
                await self._renew()
                await asyncio.wait((watching,), timeout=RENEW_EVERY)
        finally:
            watching.cancel()
        self.over.set()

    async def _is_cut_off(self) -> bool:
        """Whether another central may lead by now without our having heard of it.

        Not where the database can be read, and only takes no writes: a disk that is full is so for
        every central.
        """
        if self._clock.monotonic() - self._renewed < SENT_AWAY_AFTER:
            return False
        try:
            return await self._store.lease_epoch() != self._store.epoch
        except ChargingError:
            return True

    async def _renew(self) -> None:
        asked = self._clock.monotonic()
        led = self.leads
        try:
            async with asyncio.timeout(TTL):
                await self._store.write(RenewLease())
        except Exception as error:  # whatever it is: the next try may do better
            if isinstance(error, StoreUnavailable) and not self._store.lost_lead.is_set():
                self._failed = self._clock.monotonic()
            why = str(error) or f"no answer within {TTL:g} s"
            log.warning("lease not renewed", why=why, epoch=self._store.epoch)
            return
        self._renewed = asked
        if not led:
            log.warning("leads again", epoch=self._store.epoch)
            self.on_back()


class Candidate:
    """A central that would lead.

    Args:
        address: Where it is found by others.

    Attributes:
        leader: The lease as it was last seen; None if nobody ever led.
        lives: Whether its holder was seen to renew it.
        trouble: Why the database could not be looked at; None if it could.
    """

    def __init__(self, database: Database, address: str, clock: Clock) -> None:
        self.leader: Leader | None = None
        self.lives = False
        self.trouble: str | None = None
        self._database = database
        self._address = address
        self._clock = clock
        self._unchanged_since = 0.0

    @property
    def leads_elsewhere(self) -> str | None:
        """Where the central is that leads, if it is known and not this one."""
        leader = self.leader
        return leader.address if leader and leader.address not in ("", self._address) else None

    async def look(self) -> int | None:
        """Look at the lease, and take it if it may be taken; our epoch, or None.

        One that was held at our own address is ours: nobody else can listen there.

        Raises:
            StoreUnavailable: The database does not answer now.
        """
        try:
            seen = await asyncio.to_thread(look, self._database)
        except StoreUnavailable as error:
            self.trouble = error.why
            raise
        self.trouble = None
        now = self._clock.monotonic()
        if seen is None or not self._is_as_before(seen):
            self._unchanged_since = now
        self.lives = self.lives or (
            self.leader is not None and seen is not None and not self._is_as_before(seen)
        )
        self.leader = seen
        if seen is not None and not self._may_be_taken(seen, now):
            return None
        return await asyncio.to_thread(take, self._database, self._address, self._clock, seen)

    def _is_as_before(self, seen: Leader) -> bool:
        before = self.leader
        return before is not None and (before.epoch, before.renewed_at) == (
            seen.epoch,
            seen.renewed_at,
        )

    def _may_be_taken(self, seen: Leader, now: float) -> bool:
        return (
            seen.address in ("", self._address)
            or seen.age >= TTL
            or now - self._unchanged_since >= UNCHANGED_FOR
        )

    async def give_back(self, epoch: int) -> None:
        """Let the next one lead at once, if the lease is still ours."""
        try:
            await asyncio.to_thread(give_back, self._database, epoch)
        except StoreUnavailable as error:
            log.info("lease not given back", why=str(error))
