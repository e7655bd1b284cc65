"""What proves a record: nobody without the key can make it, and no other content has it."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from common.proof import is_proof, proof_of

BYTES = st.binary(max_size=200)


def test_a_proof_is_the_hmac_of_the_value_in_hexadecimal() -> None:
    """Other programs make it with their own libraries."""
    made = hmac.new(b"key", b'{"type":"x"}', hashlib.sha256).hexdigest().encode()
    assert proof_of(b"key", b'{"type":"x"}') == made


@given(BYTES, BYTES)
def test_a_proof_proves_its_value_in_either_case(key: bytes, value: bytes) -> None:
    assert is_proof(proof_of(key, value), key, value)
    assert is_proof(proof_of(key, value).upper(), key, value)


@given(BYTES, BYTES, BYTES)
def test_a_proof_proves_nothing_else(key: bytes, value: bytes, other: bytes) -> None:
    """Neither another value, nor with a text that is no proof."""
    if other != value:
        assert not is_proof(proof_of(key, value), key, other)
    assert not is_proof(other, key, value)


def test_no_proof_is_none() -> None:
    assert not is_proof(None, b"key", b"value")
