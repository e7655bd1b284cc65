"""Bytes to frames: `STX data ETX LRC`.

Theory of operation. `FrameDecoder.feed` takes bytes however they were cut and yields frames and
faults in the order in which their deciding byte arrived; what comes out never depends on the
cuts. It looks only at STX (0x02), ETX (0x03), the length and the LRC; it has no I/O and decodes no
JSON.

- Between frames every byte but STX is junk: one run of it is one fault, reported at its first byte.
- Inside data an STX begins a new frame: the one cut short is one fault.
- The byte after ETX is the LRC, whatever its value. A wrong one is one fault; reading goes on at
  the next STX behind it.
- Data over `MAX_DATA` bytes ends the decoder: `too_large`, and nothing after it is read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from common.errors import FrameTooLong, Reason

STX = 0x02
ETX = 0x03
MAX_DATA = 65_536
"""The most bytes of data in a frame: thousands of times a usual message, and a bound on what a
stranger can make us hold. Answers that could grow beyond it are paged."""

_MARK = re.compile(b"[\x02\x03]")


def lrc(data: bytes) -> int:
    """The XOR of all bytes (0 for none), folded from one big integer: six times `reduce(xor)`."""
    number = int.from_bytes(data, "little")
    bits = 8 << max(len(data) - 1, 0).bit_length()
    while bits > 8:
        bits >>= 1
        number = (number >> bits) ^ (number & ((1 << bits) - 1))
    return number


def frame(data: bytes) -> bytes:
    """The frame of this data.

    Raises:
        FrameTooLong: It is longer than `MAX_DATA`.
    """
    if len(data) > MAX_DATA:
        raise FrameTooLong(len(data), MAX_DATA)
    return b"\x02%b\x03%c" % (data, lrc(data))


@dataclass(frozen=True, slots=True)
class Fault:
    """Bytes that are no frame.

    Attributes:
        reason: `bad_frame`, or `too_large`, after which nothing more is read.
        text: What was wrong.
        data: The data of a frame whose LRC was wrong; empty for every other fault.
    """

    reason: Reason
    text: str
    data: bytes = b""


class FrameDecoder:
    """Cuts a stream of bytes into frames.

    Attributes:
        ended: A frame was too long; nothing more will come out.
        begun: Frames that have begun so far.
    """

    def __init__(self) -> None:
        self.ended = False
        self.begun = 0
        self._buffer = b""
        self._in_data = False
        self._in_junk = False
        self._scanned = 0

    @property
    def unfinished(self) -> int:
        """Which frame, counted from 1, has begun and not ended; 0 if none has."""
        return self.begun if self._in_data else 0

    def feed(self, data: bytes) -> Iterator[bytes | Fault]:
        """Yield the data of each frame, and each fault, that these bytes complete.

        The iterator must be exhausted before the next call.
        """
        if self.ended:
            return
        buffer = self._buffer + data if self._buffer else data
        position = 0
        while position < len(buffer) and not self.ended:
            if not self._in_data:
                start = buffer.find(STX, position)
                if start != position and not self._in_junk:
                    self._in_junk = True
                    yield Fault(Reason.BAD_FRAME, "bytes between frames")
                if start < 0:
                    position = len(buffer)
                    break
                position, self._scanned = start + 1, 0
                self._in_data, self._in_junk = True, False
                self.begun += 1
            mark = _MARK.search(buffer, position + self._scanned)
            length = (mark.start() if mark else len(buffer)) - position
            if length > MAX_DATA:
                self.ended = True
                yield Fault(Reason.TOO_LARGE, f"more than {MAX_DATA} bytes of data in a frame")
                break
            if mark is None:
                self._scanned = length
                break
            end = mark.start()
            if buffer[end] == STX:
                position, self._scanned = end + 1, 0
                self.begun += 1
                yield Fault(Reason.BAD_FRAME, "a frame begins inside another")
                continue
            if end + 1 == len(buffer):
                self._scanned = length  # the LRC has not come yet
                break
            content = buffer[position:end]
            position, self._scanned, self._in_data = end + 2, 0, False
            if lrc(content) == buffer[end + 1]:
                yield content
            else:
                yield Fault(Reason.BAD_FRAME, "the LRC does not match", content)
        self._buffer = b"" if self.ended else buffer[position:]
