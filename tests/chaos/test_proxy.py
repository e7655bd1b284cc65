"""The proxy: a wire while nobody tells it otherwise, and each fault as it is said to be."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from chaos.proxy import CHUNK, CHUNKS, Proxy, Wires

WITHIN = 10.0
"""Seconds in which anything must have happened."""


class Ends:
    """Both ends of a connection through a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self._accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        self._accepted = asyncio.Queue()

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._accepted.put((reader, writer))

    async def connect(self) -> None:
        """A new connection, with both ends known."""
        host, _, port = self.proxy.address.rpartition(":")
        self.here, self.say = await asyncio.open_connection(host, int(port))
        self.there, self.reply = await self._accepted.get()

    def close(self) -> None:
        for writer in (self.say, self.reply):
            writer.transport.abort()


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    """A connection through a proxy that is a wire."""
    ends: Ends

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ends.accepted(reader, writer)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    proxy = Proxy(*server.sockets[0].getsockname())
    await proxy.open()
    ends = Ends(proxy)
    async with asyncio.timeout(WITHIN):
        await ends.connect()
        yield ends
        ends.close()
        await proxy.close()
        server.close()


async def until(condition: Callable[[], bool]) -> None:
    """Return when this is so."""
    while not condition():  # noqa: ASYNC110 -- nobody tells what a proxy holds
        await asyncio.sleep(0.001)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the other end is gone, in whatever way it was told."""
    try:
        return await reader.read(1) == b""
    except ConnectionResetError:
        return True


async def test_it_is_a_wire(ends: Ends) -> None:
    """Both ways, in order, to the end: each end hears that the other says no more."""
    data = bytes(range(256)) * 1024
    ends.say.write(data)
    ends.say.write_eof()
    assert await ends.there.read(-1) == data
    ends.reply.write(b"heard")
    ends.reply.write_eof()
    assert await ends.here.read(-1) == b"heard"
    await until(lambda: not ends.proxy.connections)


async def test_half_open_keeps_both_ways_and_delivers_when_healed(ends: Ends) -> None:
    """Nothing is lost, doubled or out of order; and meanwhile nobody is told."""
    ends.proxy.half_open()
    ends.say.write(b"there")
    ends.reply.write(b"here")
    await until(lambda: ends.proxy.to_server.waiting == 1 and ends.proxy.to_client.waiting == 1)
    assert ends.proxy.connections == 1
    ends.proxy.heal()
    assert await ends.there.readexactly(5) == b"there"
    assert await ends.here.readexactly(4) == b"here"
    assert (ends.proxy.to_server.waiting, ends.proxy.to_client.waiting) == (0, 0)


async def test_the_end_of_one_who_leaves_is_kept_as_well(ends: Ends) -> None:
    """A half-open connection: one end is gone, and the other does not know."""
    ends.proxy.half_open()
    ends.say.write(b"last words")
    ends.say.close()
    await until(lambda: ends.proxy.to_server.waiting == 2)
    assert ends.proxy.connections == 1
    assert not ends.there.at_eof()
    ends.proxy.heal()
    assert await ends.there.read(-1) == b"last words"


@pytest.mark.parametrize("lost", ["to_server", "to_client"])
async def test_one_way_loss_lets_the_other_way_through(ends: Ends, lost: str) -> None:
    """Either way."""
    if lost == "to_server":
        ends.proxy.lose_to_server()
        spoken, heard, other, there = ends.say, ends.there, ends.reply, ends.here
    else:
        ends.proxy.lose_to_client()
        spoken, heard, other, there = ends.reply, ends.here, ends.say, ends.there
    spoken.write(b"lost")
    other.write(b"through")
    assert await there.readexactly(7) == b"through"
    assert getattr(ends.proxy, lost).waiting == 1
    ends.proxy.heal()
    assert await heard.readexactly(4) == b"lost"


async def test_a_delay_delays(ends: Ends) -> None:
    """Each way by so much, and not more for much than for little."""
    ends.proxy.delay(0.1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(20):
        ends.say.write(b"x")
        await ends.say.drain()
    await ends.there.readexactly(20)
    assert 0.1 <= loop.time() - began < 1.0
    ends.reply.write(b"y")
    await ends.here.readexactly(1)
    assert loop.time() - began >= 0.2


async def test_a_slow_reader_is_felt_by_who_writes_to_it(ends: Ends) -> None:
    """The proxy takes little: the rest waits in the writer."""
    ends.proxy.read_slowly(1)
    ends.reply.write(b"x" * 8_000_000)
    await until(lambda: ends.proxy.to_client.waiting == CHUNKS)
    assert ends.reply.transport.get_write_buffer_size() > 0
    ends.proxy.heal()
    assert len(await ends.here.readexactly(CHUNK)) == CHUNK


async def test_a_cut_ends_connections_and_a_refusal_new_ones(ends: Ends) -> None:
    """Both ends notice; after a mere cut one may dial again."""
    ends.proxy.cut()
    for reader in (ends.here, ends.there):
        assert await ended(reader)
    ends.close()
    await ends.connect()
    ends.proxy.cut(refuse=True)
    host, _, port = ends.proxy.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    assert await ended(reader)
    writer.close()
    ends.close()
    ends.proxy.heal()
    await ends.connect()


async def test_a_server_that_is_away_is_no_connection() -> None:
    """Who dials is told at once, and the proxy lives on."""
    async with asyncio.timeout(WITHIN):
        proxy = Proxy("127.0.0.1", 1)
        await proxy.open()
        host, _, port = proxy.address.rpartition(":")
        for _ in range(2):
            reader, writer = await asyncio.open_connection(host, int(port))
            assert await ended(reader)
            writer.close()
        await proxy.close()


async def test_it_may_be_told_from_another_thread(ends: Ends) -> None:
    """What it was told counts when the call returns."""
    await asyncio.to_thread(ends.proxy.half_open)
    assert ends.proxy.to_server.held
    await asyncio.to_thread(ends.proxy.heal)
    assert not ends.proxy.to_client.held


def test_wires_live_in_a_thread_of_their_own() -> None:
    """For those without a loop; leaving the block closes all of them."""
    with Wires() as wires:
        first, second = wires.to("127.0.0.1:1"), wires.to("127.0.0.1:2")
        assert first.address != second.address
        first.half_open()
        assert first.to_client.held
