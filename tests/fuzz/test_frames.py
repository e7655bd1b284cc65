"""Frames that were cut, flipped, doubled and mixed with junk: what comes out is the same however
the bytes were cut, a good frame is found again, and nothing grows."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from common.codec import decoder
from common.errors import BadMessage, Reason
from common.exchange import MAX_FAULTS, Exchange
from common.framing import MAX_DATA, Fault, FrameDecoder, frame
from common.messages import Message
from common.protocol import CENTRAL, DRIVER
from tests.fuzz.mutations import edited, edits
from tests.fuzz.nonsense import documents

WAY = (DRIVER, CENTRAL, None)
GOOD = frame(b'{"type":"heartbeat_request","message_id":"good"}')

frames = documents(WAY).filter(lambda data: len(data) < 2_000).map(frame)
mangled = st.tuples(frames, st.lists(edits, max_size=2)).map(
    lambda given: _edited_all(given[0], given[1])
)
streams = st.lists(frames | mangled | st.binary(max_size=12), max_size=8).map(b"".join)
cuts = st.lists(st.floats(0, 1), max_size=6)


def _edited_all(data: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    for change in changes:
        data = edited(data, change)
    return data


def pieces(stream: bytes, where: list[float]) -> list[bytes]:
    """The stream, cut there."""
    at = [0, *sorted(round(part * len(stream)) for part in where), len(stream)]
    return [stream[a:b] for a, b in pairwise(at)]


@settings(max_examples=200)
@given(streams, cuts)
def test_what_comes_out_does_not_depend_on_the_cuts(stream: bytes, where: list[float]) -> None:
    """Frames and faults alike, and what is kept of them."""
    whole, cut = FrameDecoder(), FrameDecoder()
    expected = list(whole.feed(stream))
    assert [item for piece in pieces(stream, where) for item in cut.feed(piece)] == expected
    assert (whole.ended, whole.begun, whole.unfinished) == (cut.ended, cut.begun, cut.unfinished)


@settings(max_examples=200)
@given(streams)
def test_after_any_junk_the_second_good_frame_is_found(stream: bytes) -> None:
    """Of the first the junk may have eaten the beginning; none that is good is invented."""
    frames = FrameDecoder()
    list(frames.feed(stream))
    if not frames.ended:
        found = [item for item in frames.feed(GOOD * 2) if isinstance(item, bytes)]
        assert found[-1] == GOOD[1:-2]
        assert len(found) in (1, 2, 3)


@settings(max_examples=100)
@given(
    st.lists(st.binary(max_size=30) | st.sampled_from([b"\x02", b"\x03", b"\x02" * 9]), max_size=9)
)
def test_what_is_kept_is_never_longer_than_a_frame(chunks: list[bytes]) -> None:
    """However much comes: an unfinished frame and its LRC, and no junk."""
    frames = FrameDecoder()
    for _ in range(60):
        for chunk in [*chunks, b"x" * 2_000]:
            list(frames.feed(chunk))
            assert len(frames._buffer) <= MAX_DATA + 2


@settings(max_examples=200)
@given(streams, cuts)
def test_an_exchange_counts_faults_and_gives_up(stream: bytes, where: list[float]) -> None:
    """After five bad frames in a row, or one that is too long, and then nothing more comes."""
    exchange = Exchange(decoder(*WAY))
    in_a_row, seen = 0, []
    for piece in pieces(stream, where):
        for item in exchange.receive(piece):
            assert in_a_row < MAX_FAULTS
            seen.append(item)
            bad = isinstance(item, BadMessage) and item.reason is Reason.BAD_FRAME
            in_a_row = in_a_row + 1 if bad else 0
    assert exchange.ended == (in_a_row >= MAX_FAULTS)
    assert all(isinstance(item, Message | BadMessage) for item in seen)


def test_a_frame_that_is_too_long_ends_it_at_its_first_byte_too_many() -> None:
    """Whether it would ever have ended or not."""
    frames = FrameDecoder()
    assert list(frames.feed(b"\x02" + b"x" * MAX_DATA)) == []
    (fault,) = frames.feed(b"x")
    assert isinstance(fault, Fault)
    assert fault.reason is Reason.TOO_LARGE
    assert list(frames.feed(GOOD)) == []
