"""Frames: any cut, every fault, and the same as a decoder that is written plainly."""

import time
from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import pairwise
from operator import xor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import framing
from common.errors import FrameTooLong, Reason
from common.framing import ETX, MAX_DATA, STX, Fault, FrameDecoder, frame, lrc

Item = bytes | Fault

JUNK = Fault(Reason.BAD_FRAME, "bytes between frames")
CUT_SHORT = Fault(Reason.BAD_FRAME, "a frame begins inside another")


def wrong_lrc(data: bytes) -> Fault:
    return Fault(Reason.BAD_FRAME, "the LRC does not match", data)


def too_large(limit: int) -> Fault:
    return Fault(Reason.TOO_LARGE, f"more than {limit} bytes of data in a frame")


def decode(chunks: Iterable[bytes]) -> list[Item]:
    decoder = FrameDecoder()
    return [item for chunk in chunks for item in decoder.feed(chunk)]


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in pairwise(ends)]


def plainly(stream: bytes, limit: int = MAX_DATA) -> Iterator[Item]:
    """What must come out: the rules, one byte after the other."""
    state = "between"
    content = bytearray()
    for byte in stream:
        match state:
            case "between" | "junk":
                if byte == STX:
                    state, content = "data", bytearray()
                else:
                    if state == "between":
                        yield JUNK
                    state = "junk"
            case "data":
                if byte == STX:
                    yield CUT_SHORT
                    content = bytearray()
                elif byte == ETX:
                    state = "lrc"
                else:
                    content.append(byte)
                    if len(content) > limit:
                        yield too_large(limit)
                        return
            case "lrc":
                good = byte == reduce(xor, content, 0)
                yield bytes(content) if good else wrong_lrc(bytes(content))
                state = "between"


# ---- What streams are made of -----------------------------------------------------------------

payloads = st.binary(max_size=20).map(lambda data: bytes(b for b in data if b not in (STX, ETX)))
junk = st.binary(min_size=1, max_size=20).filter(lambda data: STX not in data)
pieces = st.one_of(
    payloads.map(frame),
    junk,
    payloads.map(lambda data: b"\x02" + data),
    payloads.map(lambda data: frame(data)[:-1]),
    payloads.map(lambda data: frame(data)[:-1] + bytes([lrc(data) ^ 0xFF])),
    st.sampled_from([b"\x02", b"\x03", b"\x02\x03\x02", b"\x02\x03\x03", b"\x02\x02", b"\x02\x03"]),
    st.binary(max_size=40),
)
streams = st.lists(pieces, max_size=12).map(b"".join)
places = st.lists(st.integers(0, 10**6), max_size=12)


# ---- One frame --------------------------------------------------------------------------------


def test_a_frame_is_stx_data_etx_and_the_xor_of_the_data() -> None:
    """`STX data ETX LRC`, byte for byte."""
    assert frame(b"{}") == b"\x02{}\x03" + bytes([ord("{") ^ ord("}")])
    assert frame(b"") == b"\x02\x03\x00"


@given(st.binary(max_size=300))
def test_the_lrc_is_the_xor_of_all_bytes(data: bytes) -> None:
    """The folded one agrees with the plain one for every length."""
    assert lrc(data) == reduce(xor, data, 0)


@given(payloads, places)
def test_a_frame_comes_out_wherever_it_is_cut(data: bytes, where: list[int]) -> None:
    """What went into `frame` comes out once, however the bytes arrive."""
    assert decode(cut(frame(data), where)) == [data]


@pytest.mark.parametrize("last", range(256))
def test_the_lrc_may_have_any_value(last: int) -> None:
    """STX and ETX included: it is read by position, also when it comes late."""
    data = (
        bytes([last ^ 0x80, 0x80]) if last ^ 0x80 not in (STX, ETX) else bytes([last ^ 0x40, 0x40])
    )
    assert frame(data)[-1] == last
    assert decode([frame(data) * 2]) == [data, data]
    assert decode([frame(data)[:-1], frame(data)[-1:] + frame(data)]) == [data, data]


def test_a_frame_is_yielded_with_its_last_byte() -> None:
    """Nothing waits for what comes after it."""
    decoder = FrameDecoder()
    assert list(decoder.feed(frame(b"a")[:-1])) == []
    assert list(decoder.feed(frame(b"a")[-1:])) == [b"a"]


# ---- Faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"junk", [JUNK]),
        (b"j\x03u\x03nk", [JUNK]),
        (b"junk" + frame(b"a") + b"junk", [JUNK, b"a", JUNK]),
        (frame(b"a") + b"\x03" + frame(b"b"), [b"a", JUNK, b"b"]),
        (b"\x02ab" + frame(b"c"), [CUT_SHORT, b"c"]),
        (b"\x02\x02\x02" + frame(b"c")[1:], [CUT_SHORT, CUT_SHORT, b"c"]),
        (b"\x02ab\x03\x00", [wrong_lrc(b"ab")]),
        (b"\x02ab\x03\x02" + frame(b"c"), [wrong_lrc(b"ab"), b"c"]),
        (b"\x02ab\x03\x02c\x03c", [wrong_lrc(b"ab"), JUNK]),
        (b"\x02ab\x03\x00junk" + frame(b"c"), [wrong_lrc(b"ab"), JUNK, b"c"]),
        (frame(b"") + frame(b""), [b"", b""]),
        (b"", []),
        (b"\x02unfinished", []),
    ],
)
def test_each_fault_is_told_once_and_reading_goes_on(stream: bytes, expected: list[Item]) -> None:
    """In one piece and byte by byte, and by the plain decoder too."""
    assert decode([stream]) == expected
    assert decode(cut(stream, range(len(stream)))) == expected
    assert list(plainly(stream)) == expected


def test_junk_is_told_at_its_first_byte() -> None:
    """And not again, until a frame has begun."""
    decoder = FrameDecoder()
    assert list(decoder.feed(b"x")) == [JUNK]
    assert list(decoder.feed(b"more")) == []
    assert list(decoder.feed(frame(b"a") + b"y")) == [b"a", JUNK]


def test_the_largest_frame_is_read_and_one_byte_more_is_not() -> None:
    """65,536 bytes of data are a frame; at the next one, ETX or not, the decoder ends."""
    assert MAX_DATA == 65_536
    largest = b"x" * MAX_DATA
    assert decode([frame(largest)]) == [largest]
    assert decode([b"\x02" + largest]) == []
    decoder = FrameDecoder()
    assert list(decoder.feed(b"\x02" + largest + b"x")) == [too_large(MAX_DATA)]
    assert decoder.ended
    assert list(decoder.feed(frame(b"a"))) == []
    assert decode([b"\x02" + largest + b"x\x03\x00" + frame(b"a")]) == [too_large(MAX_DATA)]


def test_too_large_is_told_at_the_byte_too_many() -> None:
    """Nobody waits for the end of a frame that is too long already."""
    decoder = FrameDecoder()
    assert list(decoder.feed(b"\x02" + b"x" * MAX_DATA)) == []
    assert list(decoder.feed(b"x")) == [too_large(MAX_DATA)]


def test_we_send_no_frame_that_is_too_long() -> None:
    """It is our fault, and told before a byte is written."""
    assert len(frame(b"x" * MAX_DATA)) == MAX_DATA + 3
    with pytest.raises(FrameTooLong):
        frame(b"x" * (MAX_DATA + 1))


# ---- Any stream -------------------------------------------------------------------------------


@settings(max_examples=500)
@given(streams, places)
def test_any_stream_gives_what_the_plain_decoder_gives(stream: bytes, where: list[int]) -> None:
    """However it is cut."""
    assert decode(cut(stream, where)) == list(plainly(stream))


@settings(max_examples=500)
@given(streams, places, st.integers(0, 12))
def test_the_limit_is_kept_in_any_stream(stream: bytes, where: list[int], limit: int) -> None:
    """The same with a limit so small that many frames break it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(framing, "MAX_DATA", limit)
        assert decode(cut(stream, where)) == list(plainly(stream, limit))


@given(st.lists(st.tuples(junk, payloads), max_size=8), places)
def test_good_frames_between_junk_always_come_out(
    parts: list[tuple[bytes, bytes]], where: list[int]
) -> None:
    """Junk without an STX costs one fault and nothing else."""
    stream = b"".join(noise + frame(data) for noise, data in parts)
    expected = [item for _, data in parts for item in (JUNK, data)]
    assert decode(cut(stream, where)) == expected


@given(streams, payloads)
def test_two_good_frames_after_anything_bring_the_decoder_back(noise: bytes, data: bytes) -> None:
    """Whatever came before, at most what was begun is lost: the second frame comes out."""
    assert decode([noise, frame(data) * 2])[-1] == data


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_what_is_held_is_bounded(chunks: list[bytes]) -> None:
    """A decoder never holds more than the longest frame and its end, here one of 16 bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(framing, "MAX_DATA", 16)
        decoder = FrameDecoder()
        for chunk in chunks:
            list(decoder.feed(chunk))
            assert len(decoder._buffer) <= 16 + 1


def test_a_stranger_cannot_make_us_hold_more_than_a_frame() -> None:
    """A megabyte without an end is dropped as it comes; junk is not held at all."""
    decoder = FrameDecoder()
    list(decoder.feed(b"x" * 1_000_000))
    assert len(decoder._buffer) == 0
    for _ in range(16):
        list(decoder.feed(b"\x02" + b"x" * 60_000))
        assert len(decoder._buffer) <= MAX_DATA + 1
    list(decoder.feed(b"x" * 1_000_000))
    assert len(decoder._buffer) == 0


def test_a_long_frame_in_many_pieces_takes_no_long_time() -> None:
    """What was looked at is not looked at again with each piece."""
    stream = frame(b"x" * MAX_DATA)
    began = time.perf_counter()
    assert len(decode(cut(stream, range(0, len(stream), 16)))) == 1
    assert time.perf_counter() - began < 5
