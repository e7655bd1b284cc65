"""Who is let in: credentials as the database has them.

Theory of operation. A credential is 256 random bits, shown once and stored as an argon2 hash; a
charge point's is shorter, because OCPP wants it so, or an operator's own.
Central holds all hashes in memory and asks the database twice a second what has changed, so that
a credential that is made or revoked by another process counts within a second. A link is bound to
the credential that opened it, and is closed when that one is revoked. Charge points that speak OCPP
are let in by gateways instead: see `gateways.access`.
"""

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from contextlib import suppress

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from central.rules.records import Credential
from central.store import Store
from common.dispatch import PeerLink
from common.errors import Reason, StoreUnavailable
from common.messages import ErrorResponse, Role
from common.proof import is_proof
from common.protocol import ADMIN, DRIVER, MONITOR

log = structlog.get_logger()

LOOK_EVERY = 0.5
"""Seconds between two looks for credentials that were made or revoked."""

AT_ONCE = 2
"""Credentials that are checked at the same time, each in a thread; others wait."""

CHARGE_POINT = "charge_point"
"""Whose credential lets a charge point that speaks OCPP into a gateway; no role of the protocol."""

ROLES: tuple[str, ...] = (MONITOR, DRIVER, ADMIN, CHARGE_POINT)
"""Who has credentials."""

PASSWORD = re.compile("[!-~]{16,40}")
"""What a charge point's password may be: OCPP's AuthorizationKey has 16 to 40 characters."""

_HASHER = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
# 0.4 ms. Costlier parameters slow down who guesses; nobody guesses 256 random bits, and ten
# thousand monitors that come back after a restart of central must not wait for minutes.


def new_secret() -> str:
    """A credential: 256 random bits as text."""
    return secrets.token_urlsafe(32)


def new_password() -> str:
    """A charge point's credential: 160 random bits in the 40 hexadecimal digits that each takes."""
    return secrets.token_hex(20)


def hash_of(secret: str) -> str:
    """What of a credential is stored."""
    return _HASHER.hash(secret)


_NOBODYS = hash_of(new_secret())
# Checked where an id has no credential, so that the time taken does not tell which ids have one.


def matches(stored: str, secret: str) -> bool:
    """Whether this is the secret of that hash."""
    try:
        return _HASHER.verify(stored, secret)
    except (Argon2Error, InvalidHashError):
        return False


class Credentials:
    """The credentials that count now, and the links that they opened.

    Args:
        always: Demand credentials even if none was ever made: central listens to others.

    Attributes:
        charge_points: Of each charge point that ever had one, the hash of its credential; None
            where it was revoked.
        changed: Set when anything was made or revoked.
    """

    def __init__(self, store: Store, *, always: bool) -> None:
        self._store = store
        self._always = always
        self._live: dict[tuple[str, str], Credential] = {}
        self._seen = 0
        self.charge_points: dict[str, str | None] = {}
        self.changed = asyncio.Event()
        self._opened: dict[PeerLink, Credential | None] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)

    @property
    def demanded(self) -> bool:
        """Whether a peer must prove who it is. Once one credential was made, for ever."""
        return self._always or self._seen > 0

    @property
    def count(self) -> int:
        """Credentials that count now."""
        return len(self._live)

    async def find(
        self, role: Role, peer_id: str, secret: str, *, still: Callable[[], bool]
    ) -> Credential | None:
        """The credential of this id, if this is its secret. Others may have to be checked first.

        Args:
            still: Asked when its turn has come: whether it is still worth checking.
        """
        async with self._gate:
            if not still():
                return None
            found = self._live.get((role, peer_id))
            stored = found.hash if found else _NOBODYS
            right = await asyncio.to_thread(matches, stored, secret)
        # It may have been revoked meanwhile.
        return found if right and self._live.get((role, peer_id)) is found else None

    def bind(self, link: PeerLink, credential: Credential | None) -> None:
        """This link is open because of this credential; None: because none was demanded."""
        self._opened[link] = credential

    def release(self, link: PeerLink) -> None:
        """The link is gone."""
        self._opened.pop(link, None)

    def kafka_key(self, driver_id: str) -> bytes:
        """The key with which this driver proves its records; another one for a new credential."""
        credential = self._live.get((DRIVER, driver_id))
        number = credential.change if credential else 0
        what = f"driver {driver_id} {number}".encode()
        return hmac.digest(self._store.kafka_secret, what, hashlib.sha256)

    def proves(self, driver_id: str, value: bytes, proof: bytes | None) -> bool:
        """Whether a record is this driver's: nobody else can have made its proof."""
        return (DRIVER, driver_id) in self._live and is_proof(
            proof, self.kafka_key(driver_id), value
        )

    async def run(self) -> None:
        """Take up what changes, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            with suppress(StoreUnavailable):  # said where it hurts; what is known still counts
                await self.refresh()

    async def refresh(self) -> None:
        """Take up what was made or revoked since the last look, and close what it opened.

        Raises:
            StoreUnavailable: The database cannot be read now.
        """
        before = self.demanded
        for credential in await self._store.credentials(self._seen):
            self._seen = max(self._seen, credential.change)
            self._take_up(credential)
            self.changed.set()
        if self.demanded and not before:
            log.info("credentials are demanded from now on")
            self._close(None)

    def _take_up(self, credential: Credential) -> None:
        key = credential.role, credential.id
        known = self._live.get(key)
        if credential.revoked_at is None:
            self._live[key] = credential
            if known is not None and known.hash != credential.hash:
                self._close(known)
        elif known is not None and known.hash == credential.hash:
            del self._live[key]
            self._close(known)
        if credential.role == CHARGE_POINT:
            now = self._live.get(key)
            self.charge_points[credential.id] = now.hash if now else None

    def _close(self, credential: Credential | None) -> None:
        """Close the links that this credential opened."""
        why = ErrorResponse(
            error=Reason.NOT_AUTHENTICATED,
            message="the credential was revoked" if credential else "a credential is needed now",
        )
        for link in [each for each, opened in self._opened.items() if opened is credential]:
            link.close(why)


def as_text(key: bytes) -> str:
    """A key as `auth_response` carries it."""
    return base64.b64encode(key).decode()
