"""How a driver proves that a record in Kafka is its own.

Kafka's access rules let every driver write to the topic of requests, so each record carries, as the
header `proof`, the HMAC-SHA256 of its value with a key that only this driver and central have.
"""

import hashlib
import hmac

HEADER = "proof"
"""The header's name."""


def proof_of(key: bytes, value: bytes) -> bytes:
    """What the header of a record with this value says: 64 hexadecimal digits."""
    return hmac.digest(key, value, hashlib.sha256).hex().encode()


def is_proof(proof: bytes | None, key: bytes, value: bytes) -> bool:
    """Whether the header is right; takes the same time however wrong it is."""
    return proof is not None and hmac.compare_digest(proof_of(key, value), proof.lower())
