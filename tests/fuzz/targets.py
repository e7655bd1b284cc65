"""What `make fuzz` fuzzes: each takes any bytes, and fails where a promise is broken.

The first bytes say how the others are used; so the fuzzer, which sees what code it reaches, finds
its way to each decoder.
"""

from collections.abc import Callable
from contextlib import suppress

from common.codec import decoder, encode, first_decoder, read_message_id
from common.errors import BadMessage, CannotStart, Reason
from common.exchange import MAX_FAULTS, Exchange
from common.framing import MAX_DATA, Fault, FrameDecoder
from common.messages import Message
from common.protocol import ways
from engine.journal import parse

WAYS = ways()


def frames(data: bytes) -> None:
    """A stream of bytes, cut in three places: the cuts change nothing, and nothing is kept."""
    where, stream = data[:3], data[3:]
    whole, cut = FrameDecoder(), FrameDecoder()
    expected = list(whole.feed(stream))
    found: list[bytes | Fault] = []
    rest = stream
    for length in where:
        found += cut.feed(rest[:length])
        rest = rest[length:]
    found += cut.feed(rest)
    assert found == expected
    assert len(whole._buffer) <= MAX_DATA + 2
    exchange, in_a_row = Exchange(decoder(*WAYS[len(stream) % len(WAYS)])), 0
    for item in exchange.receive(stream):
        assert isinstance(item, Message | BadMessage)
        bad = isinstance(item, BadMessage) and item.reason is Reason.BAD_FRAME
        in_a_row = in_a_row + 1 if bad else 0
    assert exchange.ended == (in_a_row >= MAX_FAULTS or whole.ended)


def messages(data: bytes) -> None:
    """The data of a frame, for each decoder: refused with a reason, or the same when sent on."""
    which, content = data[:1] or b"\0", data[1:]
    number = which[0] % (len(WAYS) + 1)
    take = first_decoder() if number == len(WAYS) else decoder(*WAYS[number])
    read_message_id(content)
    with suppress(BadMessage):
        message = take.decode(content)
        assert take.decode(encode(message)) == message


def journal(data: bytes) -> None:
    """A file in a journal's place: refused in a sentence, or no more of it read than is there."""
    with suppress(CannotStart):
        contents = parse(data, "ALC-001", "journal")
        assert 0 <= contents.torn <= len(data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "frames": frames,
    "messages": messages,
    "journal": journal,
}
