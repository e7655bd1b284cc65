"""The load generator's links: as little work for each message as Python allows.

It speaks the protocol with the frames of `common`, but decodes only what it must know.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec

from common.codec import encode
from common.framing import Fault, FrameDecoder, frame
from common.messages import Message


class Heard(msgspec.Struct):
    """What is read of a message from central."""

    type: str
    message_id: str
    status: str = ""
    session_id: str = ""
    cp_id: str = ""
    error: str = ""


_heard = msgspec.json.Decoder(Heard)


class Peer(asyncio.Protocol):
    """A link to central."""

    def __init__(self, on_message: Callable[["Peer", Heard], None]) -> None:
        self._on_message = on_message
        self._frames = FrameDecoder()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        for item in self._frames.feed(data):
            assert not isinstance(item, Fault), item
            self._on_message(self, _heard.decode(item))

    def send(self, message: Message) -> None:
        """Write a message that has its id."""
        self.send_frame(frame(encode(message)))

    def send_frame(self, data: bytes) -> None:
        """Write a frame made before."""
        assert self.transport is not None
        self.transport.write(data)

    def close(self) -> None:
        """Close the link."""
        if self.transport is not None:
            self.transport.close()


async def connect(address: tuple[str, int], on_message: Callable[[Peer, Heard], None]) -> Peer:
    """A link to central, which has not said who it is."""
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_connection(lambda: Peer(on_message), *address)
    return peer
