"""Which charge points gateways let in: told to them by `ev.access`, so that they need no database.

At the start of a term everything is told, then each change within a second. The topic is
compacted: a gateway that starts reads the latest word about each charge point, and goes on. Who
has no credential any more is told as revoked, for ever: nothing else would reach a gateway.

Central reads the topic too. A charge point that it was told of there, and that the database does
not know, had its credential in a database that was replaced, by an older backup perhaps: it is
revoked, because no list would show it and nobody could revoke it any more.
"""

import asyncio
from contextlib import suppress

import structlog

from central.credentials import Credentials
from common.clock import Clock
from common.codec import decoder, encode
from common.epochs import HEADER as EPOCH
from common.errors import BadMessage, Refused
from common.exchange import stamped
from common.gateway_messages import ChargePointAccess
from common.protocol import ACCESS, CENTRAL, GATEWAY
from common.stream import Publisher, Record, Subscription

log = structlog.get_logger()

ANYBODY = "*"
"""In place of a charge point's id: whether credentials are demanded at all."""

AT_ONCE = 1_000
"""Records that are told before their acknowledgements are awaited."""

TRY_AGAIN = 0.5
"""Seconds until what Kafka did not take is told again."""

TELL_ALL_EVERY = 600.0
"""Seconds after which all is told again, to a Kafka that may have lost what it was told."""


class Access:
    """Tells gateways the credentials of charge points.

    Attributes:
        topic: The topic, from its beginning.
    """

    def __init__(
        self, credentials: Credentials, publisher: Publisher, clock: Clock, epoch: int
    ) -> None:
        self._credentials = credentials
        self._publisher = publisher
        self._clock = clock
        self._epoch = epoch
        self._told: dict[str, ChargePointAccess] = {}
        self._strangers: set[str] = set()
        self._decoder = decoder(CENTRAL, GATEWAY, ACCESS)
        self.topic: Subscription | None = None

    async def watch(self) -> None:
        """Find those that the topic knows and the database does not, for ever."""
        assert self.topic is not None  # set before it is run
        async for batch in self.topic:
            for record in batch:
                self._look_at(record)

    def _look_at(self, record: Record) -> None:
        if not record.value:  # somebody removed it from the topic
            return
        try:
            access = self._decoder.decode(record.value)
        except BadMessage as error:
            log.warning("unreadable record", topic=ACCESS.name, why=str(error))
            return
        assert isinstance(access, ChargePointAccess)
        cp_id = access.cp_id
        if cp_id == ANYBODY or access.revoked or cp_id in self._credentials.charge_points:
            return
        if cp_id not in self._strangers:
            log.warning("credential of another database is revoked", cp_id=cp_id)
            self._strangers.add(cp_id)
            self._credentials.changed.set()

    async def run(self) -> None:
        """Tell all, then what changes, for ever."""
        while True:
            self.tell_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(TELL_ALL_EVERY):
                    await self._tell_changes()

    def tell_all(self) -> None:
        """Let all be told again: Kafka may have lost it."""
        self._told.clear()
        self._credentials.changed.set()

    async def _tell_changes(self) -> None:
        while True:
            await self._credentials.changed.wait()
            self._credentials.changed.clear()
            try:
                await self.tell()
            except Refused as no:
                log.warning("credentials not told to gateways yet", why=str(no))
                self._credentials.changed.set()
                await asyncio.sleep(TRY_AGAIN)

    async def tell(self) -> None:
        """Tell what was not told like this before; returns once Kafka has it.

        Raises:
            Refused: Kafka takes no more now; the rest is to be told again.
        """
        untold = [each for each in self._wanted() if self._told.get(each.cp_id) != each]
        for start in range(0, len(untold), AT_ONCE):
            some = untold[start : start + AT_ONCE]
            await asyncio.gather(*map(self._publish, some))
            self._told |= {each.cp_id: each for each in some}

    def _wanted(self) -> list[ChargePointAccess]:
        """What gateways are to know; whether credentials are demanded comes last, so that nobody
        is turned away whose credential is on its way."""
        known = self._credentials.charge_points
        wanted = [
            ChargePointAccess(cp_id=cp_id, password_hash=hash_, revoked=hash_ is None)
            for cp_id, hash_ in known.items()
        ]
        wanted += [
            ChargePointAccess(cp_id=cp_id, revoked=True)
            for cp_id in sorted(self._strangers - known.keys())
        ]
        demanded = self._credentials.demanded
        return [*wanted, ChargePointAccess(cp_id=ANYBODY, revoked=not demanded)]

    def _publish(self, access: ChargePointAccess) -> "asyncio.Future[None]":
        value = encode(stamped(access, self._clock))
        return self._publisher.publish(ACCESS, access.cp_id, value, {EPOCH: str(self._epoch)})
