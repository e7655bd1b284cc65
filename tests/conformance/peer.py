"""One raw TCP connection: frames made and taken apart by hand, a strict reader, an inbox.

The reader is strict on purpose. Whatever central writes must be perfect frames; the first
byte out of place is an AssertionError, not something to recover from.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
import uuid
from decimal import Decimal
from functools import reduce
from operator import xor
from types import TracebackType
from typing import Any, Self

Message = dict[str, Any]
Address = tuple[str, int]

STX, ETX = 0x02, 0x03
MAX_DATA = 65_536
DEADLINE = 12.0  # seconds: more than the 8 s which central may take for a driver's request
QUIET = 0.3  # seconds of silence that count as "nothing came"


def new_id(prefix: str) -> str:
    """An id nobody else uses, so that tests sharing a broker do not meet."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def message(type_: str, /, **fields: Any) -> Message:
    """A complete message; `fields` may also replace message_id and timestamp."""
    return {
        "type": type_,
        "message_id": str(uuid.uuid4()),
        "timestamp": int(time.time()),
        **fields,
    }


def lrc(data: bytes) -> int:
    return reduce(xor, data, 0)


def frame(data: bytes) -> bytes:
    return bytes([STX]) + data + bytes([ETX, lrc(data)])


def pack(content: Message) -> bytes:
    """The frame of one message."""
    return frame(json.dumps(content, ensure_ascii=False).encode())


def unpack(data: bytes) -> Message:
    """Numbers with a point become Decimal: no cent is lost while looking at it."""
    content = json.loads(data, parse_float=Decimal)
    assert isinstance(content, dict), f"central sent {content!r}, which is not an object"
    return content


def same_answer(one: Message, other: Message) -> bool:
    """Equal in every field but the timestamp."""
    return {**one, "timestamp": 0} == {**other, "timestamp": 0}


class FrameReader:
    """Bytes in, data of whole frames out; anything but perfect frames is an error."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, received: bytes) -> list[bytes]:
        self._bytes += received
        frames: list[bytes] = []
        while self._bytes:
            assert self._bytes[0] == STX, f"not the start of a frame: {bytes(self._bytes[:40])!r}"
            end = self._bytes.find(ETX)
            if end < 0 or len(self._bytes) < end + 2:
                break
            data = bytes(self._bytes[1:end])
            assert STX not in data, f"a raw STX inside data: {data!r}"
            assert len(data) <= MAX_DATA, f"a frame of {len(data)} bytes"
            assert self._bytes[end + 1] == lrc(data), f"a wrong LRC after {data!r}"
            frames.append(data)
            del self._bytes[: end + 2]
        assert len(self._bytes) <= MAX_DATA + 2, "a frame without an end"
        return frames


class Link:
    """A TCP connection to central. Reading happens only inside the waiting methods."""

    def __init__(
        self, address: Address, receive_buffer: int | None = None, source: str = "127.0.0.1"
    ) -> None:
        self._socket = socket.socket()
        self._socket.bind((source, 0))
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(DEADLINE)
        self._socket.connect(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._frames = FrameReader()
        self._ended = False
        self.inbox: list[Message] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    # Sending

    def write(self, data: bytes) -> None:
        """Bytes as they are: half a frame, several frames, or none at all."""
        self._socket.sendall(data)

    def post(self, content: Message) -> str:
        self.write(pack(content))
        return str(content.get("message_id"))

    def send(self, type_: str, /, **fields: Any) -> str:
        """Send a new message; returns its message_id."""
        return self.post(message(type_, **fields))

    def ask(self, type_: str, /, **fields: Any) -> Message:
        """Send a new message and wait for what answers it, an error_response included."""
        return self.answer_to(self.send(type_, **fields))

    # Receiving

    def answer_to(self, message_id: str, within: float = DEADLINE) -> Message:
        return self.take(within, message_id=message_id)

    def take(self, within: float = DEADLINE, **fields: Any) -> Message:
        """The first message with these fields, removed from the inbox; the others stay there."""
        until = time.monotonic() + within
        while True:
            for position, found in enumerate(self.inbox):
                if all(found.get(name) == value for name, value in fields.items()):
                    return self.inbox.pop(position)
            if self._ended:
                raise AssertionError(f"closed while waiting for {fields}; inbox: {self.inbox}")
            if not self._read(until):
                raise AssertionError(f"no {fields} in {within} s; inbox: {self.inbox}")

    def has(self, within: float = QUIET, **fields: Any) -> bool:
        """Whether such a message is there or comes in this time; it stays in the inbox."""
        until = time.monotonic() + within
        while True:
            if any(all(m.get(k) == v for k, v in fields.items()) for m in self.inbox):
                return True
            if self._ended or not self._read(until):
                return False

    def drain(self, message_id: str) -> list[Message]:
        """Everything up to the answer to `message_id`, that answer last; empties the inbox."""
        last = self.answer_to(message_id)
        before, self.inbox = self.inbox, []
        return [*before, last]

    def wait_closed(self, within: float = DEADLINE) -> None:
        """Read on until central has closed; what it said before stays in the inbox."""
        until = time.monotonic() + within
        while not self._ended:
            if not self._read(until):
                raise AssertionError(f"not closed in {within} s; inbox: {self.inbox}")

    def is_open(self, within: float = 0.0) -> bool:
        """Whether central has not closed the connection."""
        until = time.monotonic() + within
        while not self._ended and self._read(until):
            pass
        return not self._ended

    def _read(self, until: float) -> bool:
        """Wait for bytes or the end of the stream; False when the time is up."""
        wait = max(0.0, until - time.monotonic())
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        if not poller.poll(wait * 1000):
            return False
        received = b""
        with contextlib.suppress(ConnectionError):  # a reset is an end as well
            received = self._socket.recv(1 << 20)
        self._ended = not received
        self.inbox += [unpack(data) for data in self._frames.feed(received)]
        return True
