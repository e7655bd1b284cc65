"""The load generator's links: as little work for each message as Python allows.

It speaks the protocol with the frames of `common`, but decodes only what it must know.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import cast

import msgspec

from common.codec import encode
from common.framing import Fault, FrameDecoder, frame
from common.messages import Message


class HeardCommand(msgspec.Struct):
    """What is read of a command to an OCPP charge point."""

    command_id: str
    state: str


class Heard(msgspec.Struct):
    """What is read of a message from central: of an answer, or of a command."""

    type: str
    message_id: str
    status: str = ""
    session_id: str = ""
    cp_id: str = ""
    error: str = ""
    epoch: int = 0
    reason: str | None = None
    trace_id: str | None = None
    target_kwh: Decimal | None = None
    heartbeat_interval: int | None = None
    stopped: bool | None = None
    settled_sessions: tuple[str, ...] | None = None
    unsettled_sessions: tuple[str, ...] | None = None
    command: HeardCommand | None = None


_heard = msgspec.json.Decoder(Heard)


class Peer(asyncio.Protocol):
    """A link to central.

    Args:
        on_message: Called with each message.
        on_lost: Called once when the link is gone, unless `close` was called.
    """

    def __init__(
        self,
        on_message: Callable[["Peer", Heard], None],
        on_lost: Callable[["Peer"], None] | None = None,
    ) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._frames = FrameDecoder()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        for item in self._frames.feed(data):
            assert not isinstance(item, Fault), item
            self._on_message(self, _heard.decode(item))

    def connection_lost(self, _: Exception | None) -> None:
        self.transport = None
        if self._on_lost is not None:
            self._on_lost(self)

    @property
    def is_open(self) -> bool:
        """Whether what is sent now is written."""
        return self.transport is not None and not self.transport.is_closing()

    def send(self, message: Message) -> None:
        """Write a message that has its id; nothing happens once the link is gone."""
        self.send_frame(frame(encode(message)))

    def send_frame(self, data: bytes) -> None:
        """Write a frame made before; nothing happens once the link is gone."""
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        """Close the link."""
        self._on_lost = None
        if self.transport is not None:
            self.transport.close()


async def connect(
    address: tuple[str, int],
    on_message: Callable[[Peer, Heard], None],
    *,
    on_lost: Callable[[Peer], None] | None = None,
    source: str | None = None,
) -> Peer:
    """A link to central, which has not said who it is.

    Args:
        source: The address of this machine that it comes from; any 127.x for a central here.

    Raises:
        OSError: Nobody listens there.
    """
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_connection(
        lambda: Peer(on_message, on_lost), *address, local_addr=(source, 0) if source else None
    )
    return peer
