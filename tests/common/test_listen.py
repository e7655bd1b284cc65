"""How many links are accepted, how much of each is read; nobody is kept waiting by others."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

import common.link as link_module
from common.admittance import Rate
from common.certs import authority, issue
from common.clock import SystemClock
from common.exchange import to_frame
from common.framing import FrameDecoder, frame
from common.link import Link
from common.listen import Limits, Listener
from common.messages import ClientHeartbeatRequest, PointsRequest
from common.protocol import CENTRAL
from common.tls import TlsFiles, client_context, server_context
from tests.common.complete import dispatcher
from tests.common.strategies import sample
from tests.common.stream.waiting import eventually

SOON = 10.0
QUIET = 0.2


class Client:
    """A connection that speaks bytes, from an address of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._frames = FrameDecoder()

    async def answers(self, number: int = 1) -> int:
        """Returns when so many frames have come; fewer if the connection ended before."""
        found = 0
        async with asyncio.timeout(SOON):
            while found < number:
                data = await self.reader.read(1 << 20)
                if not data:
                    break
                found += len(list(self._frames.feed(data)))
        return found

    async def ask(self) -> bool:
        """Whether a question is answered."""
        self.writer.write(to_frame(sample(PointsRequest)))
        return await self.answers() == 1

    async def ended(self, within: float = SOON) -> bool:
        """Whether the other end closes within this time."""
        try:
            async with asyncio.timeout(within):
                while await self.reader.read(1 << 16):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True


class Place:
    """A listener, and connections to it."""

    def __init__(self, listener: Listener, stack: AsyncExitStack) -> None:
        self.listener = listener
        self._stack = stack

    async def connect(self, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Client:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.listener.port,
            local_addr=(source, 0),
            ssl=tls,
            server_hostname="localhost" if tls else None,
        )

        async def close() -> None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

        self._stack.push_async_callback(close)
        return Client(reader, writer)


@asynccontextmanager
async def place(
    limits: Limits | None = None, *, rate: Rate | None = None, tls: TlsFiles | None = None
) -> AsyncIterator[Place]:
    """A central that answers everything at once."""
    handlers, _ = dispatcher(CENTRAL)

    def make_link(listener: Listener) -> Link:
        return Link(
            CENTRAL,
            handlers,
            SystemClock(),
            peer_role=None,
            opened=listener.links.add,
            gone=listener.links.discard,
            rate=rate,
        )

    listener = Listener(make_link, server_context(tls) if tls else None, limits)
    await listener.open("127.0.0.1", 0)
    async with AsyncExitStack() as stack:
        yield Place(listener, stack)
        await listener.close()


# -- How many --


async def test_the_link_too_many_waits_until_another_one_leaves() -> None:
    """It is not refused: the backlog holds it, with what it has said."""
    async with place(Limits(links=2)) as central:
        first, second = await central.connect(), await central.connect()
        assert await first.ask()
        assert await second.ask()
        third = await central.connect()
        third.writer.write(to_frame(sample(PointsRequest)))
        assert not await third.ended(QUIET)
        assert len(central.listener.links) == 2
        first.writer.close()
        assert await third.answers() == 1
        assert await second.ask()


async def test_of_those_that_say_nothing_the_newest_is_closed() -> None:
    """Those that were there stay, others from elsewhere come in, and so does who spoke."""
    async with place(Limits(unidentified=3)) as central:
        silent = [await central.connect() for _ in range(3)]
        await eventually(lambda: len(central.listener.links) == 3)
        fourth = await central.connect()
        assert await fourth.ended()
        assert central.listener.turned_away == 1
        elsewhere = await central.connect("127.0.0.2")
        assert await elsewhere.ask()
        assert await silent[0].ask()  # from now on it does not count
        fifth = await central.connect()
        assert await fifth.ask()
        for each in silent[1:]:
            assert not await each.ended(0.01)


async def test_a_place_is_given_back_by_whoever_leaves() -> None:
    """Also by one that never said anything."""
    async with place(Limits(links=5, unidentified=2)) as central:
        for _ in range(20):
            client = await central.connect()
            await eventually(lambda: len(central.listener.links) == 1)
            client.writer.close()
            await eventually(lambda: not central.listener.links)
        assert central.listener.turned_away == 0


async def test_five_thousand_idle_sockets_keep_nobody_waiting() -> None:
    """All but a hundred are closed, and who comes from elsewhere is served meanwhile."""
    async with place() as central:
        known = await central.connect("127.0.0.2")
        assert await known.ask()
        opened = 0
        while opened < 5_000:
            idle = await asyncio.gather(*(central.connect() for _ in range(250)))
            opened += len(idle)
            assert await known.ask()
            for each in idle:
                each.writer.close()
        another = await central.connect("127.0.0.3")
        assert await another.ask()
        assert len(central.listener.links) <= 102


# -- How much --


def test_who_asks_as_fast_as_it_can_is_slowed_down() -> None:
    """One question after the other, on the loop that the programs run on: none is forgotten."""

    async def ask_on() -> None:
        async with place(rate=Rate(1_000, 100)) as central:
            client = await central.connect()
            for _ in range(500):
                assert await client.ask()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ask_on())


async def test_a_flood_is_slowed_down_and_nothing_of_it_is_dropped() -> None:
    """Every message is answered, in its time; others are served at once."""
    async with place(rate=Rate(1_000, 100)) as central:
        flood, other = await central.connect(), await central.connect("127.0.0.2")
        begun = asyncio.get_running_loop().time()
        flood.writer.write(to_frame(sample(PointsRequest)))
        flood.writer.write(to_frame(sample(ClientHeartbeatRequest)) * 599)
        assert await other.ask()
        assert asyncio.get_running_loop().time() - begun < 0.4
        assert await flood.answers(600) == 600
        assert await flood.ask()
        assert asyncio.get_running_loop().time() - begun >= 0.4


@given(
    st.lists(st.tuples(st.integers(0, 50), st.floats(0, 10)), max_size=50),
    st.integers(1, 100),
    st.integers(1, 100),
)
def test_a_rate_lets_through_what_it_says(
    spent: list[tuple[int, float]], per_second: int, at_once: int
) -> None:
    """Who waits as long as told never gets more than the burst and so many a second."""
    rate, now, taken = Rate(per_second, at_once), 0.0, 0
    for messages, pause in spent:
        now += pause
        now += rate.spend(messages, now)
        taken += messages
        assert taken <= at_once + per_second * now + 1e-6 * taken + 1


async def test_a_frame_that_does_not_end_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps no link open; a link that sends whole frames stays."""
    monkeypatch.setattr(link_module, "FRAME_WITHIN", 1.0)
    async with place() as central:
        slow, good = await central.connect(), await central.connect()
        for each in (slow, good):
            assert await each.ask()

        async def drip() -> None:
            slow.writer.write(b"\x02{")
            while True:
                await asyncio.sleep(0.1)
                slow.writer.write(b" ")

        dripping = asyncio.create_task(drip())
        assert await slow.ended(5)
        dripping.cancel()
        assert await good.ask()


async def test_a_large_frame_in_pieces_is_taken() -> None:
    """What is slow but gets there in time is a frame like any other."""
    async with place() as central:
        client = await central.connect()
        data = to_frame(sample(PointsRequest))[1:-2]
        padded = frame(data[:-1] + b" " * 60_000 + b"}")
        for start in range(0, len(padded), 6_000):
            client.writer.write(padded[start : start + 6_000])
            await asyncio.sleep(0.01)
        assert await client.answers() == 1


# -- TLS --


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """A listener's certificate, and its CA."""
    folder = tmp_path_factory.mktemp("certs")
    ca = authority(folder)
    issue(ca, folder, "central", ("localhost", "127.0.0.1"))
    issue(ca, folder, "admin", ("localhost",))
    return TlsFiles(folder / "central.pem", folder / "central.key", folder / "ca.pem")


def listening(files: TlsFiles) -> TlsFiles:
    """TLS without certificates of peers."""
    return TlsFiles(files.cert, files.key)


async def test_a_link_speaks_tls(files: TlsFiles) -> None:
    async with place(tls=listening(files)) as central:
        trusting = client_context(TlsFiles(ca=files.ca))
        client = await central.connect(tls=trusting)
        assert await client.ask()


def test_a_place_is_given_back_under_tls_on_the_loop_of_the_programs(files: TlsFiles) -> None:
    """Whoever leaves, before the handshake, after it, or known."""

    async def come_and_go() -> None:
        async with place(Limits(links=6, unidentified=3), tls=listening(files)) as central:
            trusting = client_context(TlsFiles(ca=files.ca))
            for _ in range(5):
                silent = await central.connect()
                shaken = await central.connect(tls=trusting)
                known = await central.connect(tls=trusting)
                assert await known.ask()
                for each in (silent, shaken, known):
                    each.writer.close()
                await eventually(lambda: not central.listener.links)
            assert central.listener.turned_away == 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(come_and_go())


async def test_who_speaks_no_tls_is_closed_and_others_are_served(files: TlsFiles) -> None:
    """A frame in the clear, junk, and silence: none of them holds up a handshake."""
    async with place(Limits(unidentified=50), tls=listening(files)) as central:
        clear, junk, silent = [await central.connect() for _ in range(3)]
        clear.writer.write(to_frame(sample(PointsRequest)))
        junk.writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert await clear.ended()
        assert await junk.ended()
        client = await central.connect(tls=client_context(TlsFiles(ca=files.ca)))
        assert await client.ask()
        assert not await silent.ended(0.01)


async def test_handshakes_that_do_not_get_on_count_for_their_address(files: TlsFiles) -> None:
    async with place(Limits(unidentified=2), tls=listening(files)) as central:
        _silent = [await central.connect() for _ in range(2)]
        third = await central.connect()
        assert await third.ended()
        trusting = client_context(TlsFiles(ca=files.ca))
        elsewhere = await central.connect("127.0.0.2", tls=trusting)
        assert await elsewhere.ask()


async def test_mutual_tls_wants_a_certificate_of_the_ca(files: TlsFiles, tmp_path: Path) -> None:
    """Who shows none, or a stranger's, says nothing."""
    assert files.ca is not None
    folder = files.ca.parent
    stranger = issue(authority(tmp_path), tmp_path, "admin", ("localhost",))
    async with place(tls=files) as central:
        ours = TlsFiles(folder / "admin.pem", folder / "admin.key", files.ca)
        assert await (await central.connect(tls=client_context(ours))).ask()
        for shown in (
            TlsFiles(ca=files.ca),
            TlsFiles(stranger, stranger.with_suffix(".key"), files.ca),
        ):
            assert not await is_let_in(central, shown)


async def is_let_in(central: Place, files: TlsFiles) -> bool:
    """Whether who has these files is answered."""
    try:
        client = await central.connect(tls=client_context(files))
        return await client.ask()
    except (ssl.SSLError, ConnectionError):
        return False
