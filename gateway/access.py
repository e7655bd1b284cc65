"""Who may connect.

Theory of operation. Central says by `ev.access` which charge points may connect and what their
passwords are, as hashes. The topic is compacted: a gateway reads it from its beginning, lets nobody
in until it has come to where it ended at the start, and goes on. So it needs no database, and what
it knows counts also while Kafka is down.

Which of OCPP's security profiles a charge point uses follows from how it comes: 3, if it shows a
certificate of a CA that this gateway trusts: that names it; 2 with TLS and 1 without, if it has a
password. Without any, which is profile 0, it is let in only where none is demanded: central has
never made a credential, and the gateway listens to this machine only, or `--insecure` was said.
"""

import asyncio
import hmac
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from enum import Enum, auto
from typing import Protocol

import structlog

from common.admittance import Failures
from common.clock import Clock
from common.codec import decoder
from common.errors import BadMessage
from common.gateway_messages import ChargePointAccess
from common.protocol import ACCESS, CENTRAL, GATEWAY
from common.stream import KafkaSettings, KafkaUnreachable, Record, Subscription, ends
from gateway.passwords import Passwords, basic

log = structlog.get_logger()

ANYBODY = "*"
"""In place of a charge point: whether credentials are demanded at all."""

TRY_AGAIN = 1.0
"""Seconds until Kafka is asked again where the topic ends."""

_ID = re.compile(r"[A-Za-z0-9_.-]{1,36}")


class Verdict(Enum):
    """Whether a charge point may connect."""

    ACCEPTED = auto()
    WRONG = auto()
    """Its credential is wrong, missing or revoked, or its address guessed too often: 401."""
    UNKNOWN = auto()
    """There is no such charge point: 404."""
    NOT_YET = auto()
    """It is not known yet who may: 503."""


class Access(Protocol):
    """Decides who may connect.

    Attributes:
        changes: Rises whenever a verdict of `ACCEPTED` may not hold any more. Who waits for
            something between the verdict and the connection compares it.
    """

    changes: int

    async def check(
        self,
        cp_id: str,
        authorization: str | None,
        *,
        common_name: str | None,
        secured: bool,
        address: str | None,
    ) -> Verdict:
        """Whether this charge point may connect. Cancelled, nothing has happened.

        Args:
            cp_id: Who it says it is, as in its path, decoded.
            authorization: The header of its request; None: there is none.
            common_name: Whose certificate it has shown; None: none.
            secured: It comes by TLS.
            address: From where; wrong passwords are counted by it. None: they are not.
        """


class Reading(Protocol):
    """A subscription that is entered."""

    def __aiter__(self) -> AsyncIterator[list[Record]]: ...


class AccessList:
    """Implements `Access` by what central says.

    Args:
        records: Reads `ev.access` from its beginning, once entered.
        ends: Where its partitions end now. May raise `KafkaUnreachable`.
        always: Credentials are demanded also where central never made one.
        profile: The least of OCPP's security profiles that is enough.

    Attributes:
        known: Set once it is known who may connect.
        unreadable: Records that were no message of central's.
        on_revoked: Called with a charge point whose credential counts no more: whoever is
            connected by it is to be closed.
        on_demanded: Called when credentials are demanded that were not before: whoever is
            connected without one is to be closed.
    """

    def __init__(
        self,
        records: AbstractAsyncContextManager[Reading],
        ends: Callable[[], Awaitable[Mapping[int, int]]],
        clock: Clock,
        *,
        always: bool,
        profile: int = 0,
    ) -> None:
        self.known = asyncio.Event()
        self.changes = 0
        self.unreadable = 0
        self.on_revoked: Callable[[str], None] = lambda cp_id: None
        self.on_demanded: Callable[[], None] = lambda: None
        self._records = records
        self._ends = ends
        self._always = always or profile > 0
        self._profile = profile
        self._announced = False
        self._hashes: dict[str, str] = {}
        self._revoked: set[str] = set()
        self._until: Mapping[int, int] | None = None
        self._read: dict[int, int] = {}
        self._failures = Failures(clock)
        self._passwords = Passwords()
        self._decoder = decoder(CENTRAL, GATEWAY, ACCESS)

    @property
    def demanded(self) -> bool:
        """Whether a charge point must prove who it is."""
        return self._always or self._announced or bool(self._hashes)

    @property
    def trouble(self) -> str | None:
        """Why nobody is let in, in a sentence; None if that is not so."""
        return None if self.known.is_set() else f"{ACCESS} is not read to its end yet"

    def __len__(self) -> int:
        """Charge points that have a credential."""
        return len(self._hashes)

    async def run(self) -> None:
        """Read what central says, for ever."""
        try:
            async with self._records as records, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._find_ends())
                async for batch in records:
                    for record in batch:
                        self._take(record)
                    self._look()
        finally:
            self._passwords.close()

    async def check(
        self,
        cp_id: str,
        authorization: str | None,
        *,
        common_name: str | None,
        secured: bool,
        address: str | None,
    ) -> Verdict:
        if not _ID.fullmatch(cp_id):
            return Verdict.UNKNOWN
        if not self.known.is_set():
            return Verdict.NOT_YET
        if cp_id in self._revoked:
            return Verdict.WRONG
        if common_name is not None:
            return Verdict.ACCEPTED if common_name == cp_id else Verdict.WRONG
        if self._profile > (2 if secured else 1):
            return Verdict.WRONG
        if not self.demanded:
            return Verdict.ACCEPTED
        if cp_id not in self._hashes:
            return Verdict.UNKNOWN
        return await self._prove(cp_id, authorization, address)

    async def _prove(self, cp_id: str, authorization: str | None, address: str | None) -> Verdict:
        if authorization is None:
            return Verdict.WRONG  # nothing was guessed: some ask first whether they must
        stored = self._hashes[cp_id]
        user, password = basic(authorization) or ("", b"")
        named = hmac.compare_digest(user.encode(), cp_id.encode())
        # Also from an address that guesses: behind it others may be, who have a right one.
        if named and self._passwords.known(cp_id, stored, password):
            return Verdict.ACCEPTED
        if self._failures.blocked(address):
            return Verdict.WRONG
        right = named and await self._passwords.matches(cp_id, stored, password)
        # It may have been revoked meanwhile.
        if right and self._hashes.get(cp_id) == stored:
            return Verdict.ACCEPTED
        if not right:
            self._failures.failed(address)
            log.warning("wrong password", cp_id=cp_id, address=address)
        return Verdict.WRONG

    async def _find_ends(self) -> None:
        while self._until is None:
            try:
                self._until = await self._ends()
            except KafkaUnreachable as error:
                log.info("not known where the topic ends", topic=ACCESS.name, why=str(error))
                await asyncio.sleep(TRY_AGAIN)
        self._look()

    def _look(self) -> None:
        """Whether all is read that was there at the start."""
        if self.known.is_set() or self._until is None:
            return
        if all(self._read.get(partition, 0) >= end for partition, end in self._until.items()):
            self.known.set()
            log.info("access known", charge_points=len(self._hashes), demanded=self.demanded)

    def _take(self, record: Record) -> None:
        self._read[record.partition] = record.offset + 1
        demanded = self.demanded
        if not record.value:  # removed from the topic
            self._set(record.key or "", None, revoked=False)
            return
        try:
            message = self._decoder.decode(record.value)
        except BadMessage as error:
            self.unreadable += 1
            log.warning(
                "unreadable record", topic=ACCESS.name, offset=record.offset, why=str(error)
            )
            return
        assert isinstance(message, ChargePointAccess)
        if message.cp_id == ANYBODY:
            self._announced = not message.revoked
        else:
            stored = None if message.revoked else message.password_hash
            self._set(message.cp_id, stored, revoked=stored is None)
        if self.demanded and not demanded:
            self.changes += 1
            self.on_demanded()

    def _set(self, cp_id: str, stored: str | None, *, revoked: bool) -> None:
        before = self._hashes.pop(cp_id, None)
        if stored is not None:
            self._hashes[cp_id] = stored
        was_revoked = cp_id in self._revoked
        (self._revoked.add if revoked else self._revoked.discard)(cp_id)
        if before is not None and before != stored:
            self._passwords.forget(cp_id, before)
        if (before is not None and before != stored) or (revoked and not was_revoked):
            self.changes += 1
            self.on_revoked(cp_id)


def access_list(kafka: KafkaSettings, clock: Clock, *, always: bool, profile: int) -> AccessList:
    """What central says at this Kafka; see `AccessList`."""
    return AccessList(
        Subscription(kafka, ACCESS, group=None, start="beginning"),
        lambda: ends(kafka, ACCESS),
        clock,
        always=always,
        profile=profile,
    )
