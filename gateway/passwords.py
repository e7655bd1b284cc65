"""Passwords of charge points: as HTTP carries them, and whether they are right.

A right password is remembered, not as it is but as its HMAC under a key that this process made and
nobody else knows. So a charge point that comes back costs microseconds instead of an argon2 hash,
and ten thousand that come back at once are let in at once.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

THREADS = 2
"""Passwords that are hashed at the same time; others wait."""

MAX_PASSWORD = 256
"""Bytes; OCPP's have 40 at most."""

MAX_REMEMBERED = 50_000
"""Right passwords that are remembered; of more, those that were looked at longest ago are not."""


def basic(header: str) -> tuple[str, bytes] | None:
    """Who an `Authorization` header says it is, and the password; None if it is no basic one.

    A password may be any bytes: OCPP 1.6 lets a charge point have one that is no text.
    """
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        name = user.decode()
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon and len(password) <= MAX_PASSWORD else None


class Passwords:
    """Compares passwords with their hashes, in threads of its own."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: dict[tuple[str, str], bytes] = {}  # the one looked at longest ago first
        self._hasher = PasswordHasher()  # the parameters of a hash are in the hash
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")

    def known(self, cp_id: str, stored: str, password: bytes) -> bool:
        """Whether this is remembered as the password of that hash."""
        right = self._right.pop((cp_id, stored), None)
        if right is None:
            return False
        self._right[cp_id, stored] = right
        return hmac.compare_digest(right, self._digest(password))

    async def matches(self, cp_id: str, stored: str, password: bytes) -> bool:
        """Whether it is the password of that hash. Others may have to be looked at first."""
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._threads, self._verify, stored, password):
            return False
        self._right[cp_id, stored] = self._digest(password)
        if len(self._right) > MAX_REMEMBERED:
            del self._right[next(iter(self._right))]
        return True

    def forget(self, cp_id: str, stored: str) -> None:
        """That hash counts no more."""
        self._right.pop((cp_id, stored), None)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, stored: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False

    def _digest(self, password: bytes) -> bytes:
        return hmac.digest(self._key, password, hashlib.sha256)
