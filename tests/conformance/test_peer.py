"""The suite's own client, checked against itself: a test is worth what its ruler is worth."""

from __future__ import annotations

import socket

import pytest

from .peer import ETX, MAX_DATA, STX, FrameReader, Link, frame, lrc, message, pack, unpack
from .records import _murmur2, partition_of


def test_frames_are_read_alike_at_every_cut() -> None:
    """Two frames come out of the reader whole, wherever the bytes between them were cut."""
    first, second = message("one", text="ñ充"), message("two")
    both = pack(first) + pack(second)
    for cut in range(len(both) + 1):
        reader = FrameReader()
        found = reader.feed(both[:cut]) + reader.feed(both[cut:])
        assert [unpack(data) for data in found] == [first, second]


@pytest.mark.parametrize("end", [STX, ETX])
def test_an_lrc_may_look_like_a_delimiter(end: int) -> None:
    """An LRC byte of 0x02 or 0x03 is taken by its position."""
    data = bytes([0x41, 0x41 ^ end])
    assert lrc(data) == end
    assert FrameReader().feed(frame(data) * 2) == [data, data]


@pytest.mark.parametrize(
    "wrong",
    [b"x" + frame(b"{}"), frame(b"{}")[:-1] + b"\x7f", frame(b"{\x02}"), b"\x02" * (MAX_DATA + 9)],
)
def test_what_is_not_a_frame_is_an_error(wrong: bytes) -> None:
    """Junk, a wrong LRC, an STX inside data and an endless frame are each noticed."""
    with pytest.raises(AssertionError):
        FrameReader().feed(wrong)


def test_the_inbox_keeps_what_was_not_asked_for() -> None:
    """`take` finds its message behind others, which stay for later, as they came."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = Link(server.getsockname())
        far, _ = server.accept()
    with link, far:
        far.sendall(b"".join(pack({"type": "n", "n": n}) for n in range(3)))
        assert link.take(n=1)["n"] == 1
        assert [m["n"] for m in link.inbox] == [0, 2]
        assert not link.has(0.01, n=1)
        assert link.is_open()
        far.close()
        link.wait_closed()
        assert not link.is_open()


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_keys_are_hashed_as_kafka_hashes_them(key: str, signed: int) -> None:
    """The hash agrees with the examples in Kafka's own tests."""
    assert _murmur2(key.encode()) == signed & 0xFFFFFFFF
    assert 0 <= partition_of(key) < 12
