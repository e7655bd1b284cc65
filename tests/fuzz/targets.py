"""What `make fuzz` fuzzes: each takes any bytes, and fails where a promise is broken.

The first bytes say how the others are used; so the fuzzer, which sees what code it reaches, finds
its way to each decoder.
"""

from collections.abc import Callable
from contextlib import suppress

from msgspec import Raw

from common.codec import decoder, encode, first_decoder, read_message_id
from common.errors import BadMessage, CannotStart, Reason
from common.exchange import MAX_FAULTS, Exchange
from common.framing import MAX_DATA, Fault, FrameDecoder
from common.messages import Message
from common.protocol import ways
from engine.journal import parse
from gateway import ocppj
from gateway.v16 import lenient
from gateway.v16.actions import ACTIONS
from gateway.v16.payloads import PayloadDecoder
from gateway.v16.payloads import encode as as_payload
from gateway.v16.types import Payload

WAYS = ways()
CALLED = [action for action in ACTIONS.values() if action.from_charge_point]
ANSWERED = [action for action in ACTIONS.values() if action.to_charge_point]


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


def ocpp_frames(data: bytes) -> None:
    """A frame of a charge point's: a frame, or answered by one, or to be ignored."""
    try:
        frame, expected = ocppj.decode(data), None
    except ocppj.BadFrame as bad:
        if bad.answer is None:
            return
        unread = bad.message_id is None
        frame, expected = bad.answer, ocppj.NO_ID if unread else bad.message_id
    if isinstance(frame, ocppj.Call) and not bytes(frame.payload):
        return  # it came without one, and cannot be written so
    again = ocppj.decode(ocppj.encode(frame))
    assert (type(again), again.id) == (type(frame), frame.id)
    assert expected is None or (isinstance(frame, ocppj.CallError) and frame.id == expected)


def ocpp_payloads(data: bytes) -> None:
    """What a charge point calls and answers: lenient takes more than strict, and the same of it."""
    number, payload = (data[:1] or b"\0")[0], Raw(data[1:])
    called = number < 128
    actions = CALLED if called else ANSWERED
    action = actions[number % len(actions)]
    decoder = PayloadDecoder(action.request if called else action.response)
    mend = lenient.decode_request if called else lenient.decode_response
    strict: Payload | None = None
    with suppress(ocppj.CallFailed):
        strict = decoder.decode(payload)
    try:
        found, faults = mend(action.name, payload)
    except ocppj.CallFailed:
        assert strict is None
        return
    written = as_payload(found)
    assert len(bytes(written)) < 10 * len(data) + 100
    assert bool(faults) is (strict is None)
    assert strict is None or strict == found == decoder.decode(written)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "frames": frames,
    "messages": messages,
    "journal": journal,
    "ocpp_frames": ocpp_frames,
    "ocpp_payloads": ocpp_payloads,
}
