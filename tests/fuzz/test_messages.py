"""Messages that are wrong in any way: taken or refused by the decoder, on every way there is."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.codec import Decoder, decoder, encode, first_decoder, read_message_id
from common.errors import BadMessage, Reason
from common.framing import MAX_DATA
from common.messages import Message
from common.protocol import ways
from tests.fuzz.nonsense import VALUES, Way, documents

REASONS = {Reason.BAD_FRAME, Reason.INVALID_MESSAGE, Reason.UNSUPPORTED_MESSAGE}
WAYS = ways()


def names(way: Way) -> str:
    return f"{way[0]}-{way[1]}-{way[2] or 'tcp'}"


@pytest.mark.parametrize("way", WAYS, ids=names)
@settings(max_examples=60)
@given(st.data())
def test_whatever_comes_is_taken_or_refused(way: Way, data: st.DataObject) -> None:
    """With a reason and a sentence; what is taken can be sent on, and means the same then."""
    for take in (decoder(*way), first_decoder()):
        found = taken(take, data.draw(documents(way)))
        if isinstance(found, Message):
            assert type(found) in take.messages
            assert take.decode(encode(found)) == found
            continue
        assert found.reason in REASONS
        assert found.text
        assert found.message_id is None or 0 < len(found.message_id) <= 64


def taken(take: Decoder, content: bytes) -> Message | BadMessage:
    """What the decoder makes of it."""
    try:
        return take.decode(content)
    except BadMessage as bad:
        return bad


@settings(max_examples=300)
@given(st.binary(max_size=200) | documents(WAYS[0]))
def test_an_id_is_read_of_anything(content: bytes) -> None:
    """Where it can be; it is one that may be sent back."""
    found = read_message_id(content)
    assert found is None or (0 < len(found) <= 64 and "\0" not in found)


@pytest.mark.parametrize(
    "content",
    [
        b'{"type":"charge_request","message_id":' + b'"' + b"\\u0041" * 10_000 + b'"}',
        b'{"type":"charge_request","cp_id":"A","driver_id":"D","message_id":"m","target_kwh":'
        + b"9" * 65_000
        + b"}",
        b'{"type":"charge_request","cp_id":"A","driver_id":"D","message_id":"m","target_kwh":1e-'
        + b"9" * 65_000
        + b"}",
        b'{"' + b'a":1,"' * 9_000 + b'type":"charge_request"}',
        b"[" * MAX_DATA,
        b'{"x":' * (MAX_DATA // 5),
        b'{"x":"' + b"\\" * 65_000,
        *(b'{"type":"charge_request","message_id":%b}' % value for value in VALUES),
    ],
    ids=lambda content: content[:24].decode(errors="replace"),
)
def test_the_longest_nonsense_is_refused_in_time(content: bytes) -> None:
    """One frame's worth of anything holds nobody up for longer than a good one of that length."""
    begun = time.monotonic()
    with pytest.raises(BadMessage):
        decoder(*WAYS[-1]).decode(content)
    assert time.monotonic() - begun < 1.0
