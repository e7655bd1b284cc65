"""Leading: taken from the database, kept by renewing it, and given up in time.

Theory of operation. A central leads for as long as its last renewal, counted by its own monotonic
clock from before it asked for it, is younger than `TTL`. Another one takes the lease when it is
older than that by the database's clock, or was not renewed for as long by its own. So two never
lead at once, unless a clock runs wrong; and if one does, nothing it does takes effect: each
transaction checks its epoch (`store.writer`), and its commands and events carry it.

A leader that stood still cannot know it. So it looks at its clock before each message: what it may
not say any more is held back by the fence, on links and before Kafka.
"""

import asyncio
from collections.abc import Callable

import structlog

from central.store import RenewLease, Store
from central.store.database import Database
from central.store.lease import Leader, give_back, look, take
from common.clock import Clock
from common.errors import Reason, StoreUnavailable
from common.messages import ErrorResponse, Message, Response

log = structlog.get_logger()

TTL = 3.0
"""Seconds for which a renewal counts."""

RENEW_EVERY = 1.0
"""Seconds between two renewals."""

LOOK_EVERY = 0.5
"""Seconds between two looks of a standby."""

SENT_AWAY_AFTER = 60.0
"""Seconds without a renewal, because the database does not answer, after which peers are sent away:
another central may reach it, and lead."""


class Lease:
    """The lead of this central, from when it was taken until it is lost.

    Args:
        begun: Monotonic time from before it was taken.

    Attributes:
        on_back: Called when it leads again after it could not renew for a while.
        over: Set when it is lost for good, or when nothing was renewed for `SENT_AWAY_AFTER`.
    """

    def __init__(self, store: Store, clock: Clock, begun: float) -> None:
        self.on_back: Callable[[], None] = lambda: None
        self.over = asyncio.Event()
        self._store = store
        self._clock = clock
        self._renewed = begun

    @property
    def leads(self) -> bool:
        """Whether this central may decide, say and publish anything now."""
        return self._clock.monotonic() - self._renewed < TTL and not self.over.is_set()

    def fence(self, message: Message) -> Message | None:
        """What may be sent in place of a message, now: it itself while this central leads.

        Without the lead an answer becomes `internal`, which promises nothing and may be asked
        again; of what is no answer nothing is sent.
        """
        if self.leads or isinstance(message, ErrorResponse):
            return message
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
            while not watching.done() and self._age() < SENT_AWAY_AFTER:
                await self._renew()
                await asyncio.wait((watching,), timeout=RENEW_EVERY)
        finally:
            watching.cancel()
        self.over.set()

    def _age(self) -> float:
        return self._clock.monotonic() - self._renewed

    async def _renew(self) -> None:
        asked = self._clock.monotonic()
        led = self.leads
        try:
            async with asyncio.timeout(TTL):
                await self._store.write(RenewLease())
        except Exception as error:  # whatever it is: the next try may do better
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
    """

    def __init__(self, database: Database, address: str, clock: Clock) -> None:
        self.leader: Leader | None = None
        self.lives = False
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
        seen = await asyncio.to_thread(look, self._database)
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
            or now - self._unchanged_since >= TTL
        )

    async def give_back(self, epoch: int) -> None:
        """Let the next one lead at once, if the lease is still ours."""
        try:
            await asyncio.to_thread(give_back, self._database, epoch)
        except StoreUnavailable as error:
            log.info("lease not given back", why=str(error))
