"""What is written to the outbox is what a driver gets, once."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from central.outbox import runs, with_epoch
from central.rules.records import OutboxEntry
from common.codec import decoder, encode
from common.messages import Message
from common.protocol import CENTRAL, DRIVER, DRIVER_EVENTS
from tests.common.strategies import messages

DECODER = decoder(CENTRAL, DRIVER, DRIVER_EVENTS)
WITH_EPOCH = [m for m in DECODER.messages if "epoch" in m.__struct_fields__]
EVENTS = sorted(WITH_EPOCH, key=lambda message: message.__name__)


@given(st.sampled_from(EVENTS).flatmap(messages), st.integers(0, 2**53 - 1))
def test_an_epoch_is_put_into_the_text_of_a_message(message: Message, epoch: int) -> None:
    """Whatever the message says, it then says the epoch as well, and nothing else is changed."""
    bare = replace(message, epoch=None)
    assert DECODER.decode(with_epoch(encode(bare), epoch)) == replace(message, epoch=epoch)


@given(st.sets(st.integers(1, 40)))
def test_runs_are_all_of_the_numbers_and_no_other(numbers: set[int]) -> None:
    """However many were published, and in whatever order they were acknowledged."""
    entries = [OutboxEntry(number=n, topic="t", key="k", value=b"") for n in numbers]
    found = runs(entries)
    assert {n for first, last in found for n in range(first, last + 1)} == numbers
    assert all(one[1] + 1 < other[0] for one, other in pairwise(found))
