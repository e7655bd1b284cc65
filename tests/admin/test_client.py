"""The console's link to central, where it goes while something is asked over it."""

import asyncio
from typing import cast

import pytest

from admin.client import Client, NotAnswered
from admin.handlers import Handlers
from common.clock import SystemClock
from common.codec import decoder, encode
from common.dispatch import Dispatcher
from common.errors import LinkLost
from common.framing import Fault, FrameDecoder, frame
from common.link import Link
from common.messages import (
    AuthRequest,
    AuthResponse,
    HealthRequest,
    HealthResponse,
    Message,
    Outcome,
    Role,
)
from common.program import Address


class LostLink:
    """A link that has gone, of which nobody has been told yet."""

    is_closing = True

    async def ask(self, request: object, *, within: float) -> None:
        raise LinkLost("central", "connection lost")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A central that answers all that an operator's link asks first."""
    answers = decoder(Role.ADMIN, Role.CENTRAL)
    frames = FrameDecoder()
    while data := await reader.read(65_536):
        for item in frames.feed(data):
            assert not isinstance(item, Fault)
            asked = answers.decode(item)
            said: Message
            if isinstance(asked, AuthRequest):
                said = AuthResponse(message_id=asked.message_id, status=Outcome.SUCCESS)
            else:
                said = HealthResponse(message_id=asked.message_id, status=Outcome.SUCCESS)
            writer.write(frame(encode(said)))
    writer.close()


async def stand_still(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A central that was stopped: its port takes links, and nobody is there."""
    await reader.read(-1)
    writer.close()


async def test_a_central_that_stands_still_is_passed_over_within_the_deadline() -> None:
    """The next address answers the question."""
    stopped = await asyncio.start_server(stand_still, "127.0.0.1", 0)
    leader = await asyncio.start_server(serve, "127.0.0.1", 0)
    addresses = [Address(*each.sockets[0].getsockname()) for each in (stopped, leader)]
    client = Client("admin", addresses, SystemClock(), deadline=3.0)
    running = asyncio.ensure_future(client.run(Dispatcher(Role.ADMIN, Handlers(client))))
    async with asyncio.timeout(3.0):
        assert isinstance(await client.ask(HealthRequest()), HealthResponse)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for server in (stopped, leader):
        server.close()


async def test_a_question_over_a_link_that_has_gone_waits_for_the_next() -> None:
    """It is not asked again at once over the same link: then nothing else would ever happen."""
    client = Client("admin", [Address("127.0.0.1", 1)], SystemClock(), deadline=0.05)
    client.link = cast(Link, LostLink())
    asking = asyncio.ensure_future(client.ask(HealthRequest()))
    with pytest.raises(NotAnswered):
        await asking
    assert client.link is None
