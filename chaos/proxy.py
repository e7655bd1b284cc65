"""A TCP proxy that does to a connection what networks do to it.

Theory of operation. A real network never loses bytes inside a TCP stream: it delays them, and what
is lost on the way is sent again, until one end gives up. So a direction that is `held` keeps what
comes, and delivers all of it in order once it is let go, also to a peer that has long made a new
connection. Both directions held make a half-open connection: both ends believe in it, and nothing
comes through. One direction held is a one-way loss. Only a `cut` ends connections.

All that a proxy is told counts for connections that are there and for those to come. It may be told
from any thread.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Self, TypeVar

CHUNK = 16_384
"""Bytes that are passed on at once."""

CHUNKS = 8
"""Chunks of a direction that the proxy takes before it reads no more: who writes to a peer that
does not read must feel it."""

ANSWERS_WITHIN = 10.0
"""Seconds in which a proxy does what another thread tells it."""

T = TypeVar("T")


class Direction:
    """What happens to the bytes that go one way.

    Attributes:
        latency: Seconds by which each byte comes later.
        rate: Bytes in a second that come through; None for as many as there are. It makes a slow
            reader of whoever they go to.
        waiting: Chunks that were taken and not passed on yet.
    """

    def __init__(self) -> None:
        self.latency = 0.0
        self.rate: float | None = None
        self.waiting = 0
        self._open = asyncio.Event()
        self._open.set()

    @property
    def held(self) -> bool:
        """Whether nothing comes through."""
        return not self._open.is_set()

    @held.setter
    def held(self, held: bool) -> None:
        if held:
            self._open.clear()
        else:
            self._open.set()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what one end says until it says no more."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS)
        delivering = asyncio.ensure_future(self._deliver(chunks, writer))
        try:
            await self._take(reader, chunks)
            await delivering
        finally:
            delivering.cancel()
            self.waiting -= chunks.qsize()

    async def _take(
        self, reader: asyncio.StreamReader, chunks: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        data = b"-"
        while data:
            try:
                data = await reader.read(CHUNK)
            except ConnectionError:
                data = b""
            await chunks.put((asyncio.get_running_loop().time() + self.latency, data))
            self.waiting += 1

    async def _deliver(
        self, chunks: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await chunks.get()
            try:
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._open.wait()
            finally:
                self.waiting -= 1
            if not data:
                break
            writer.write(data)
            await writer.drain()
            if self.rate is not None:
                await asyncio.sleep(len(data) / self.rate)
        if writer.can_write_eof():
            writer.write_eof()


class Proxy:
    """Stands before a server. `open` it, dial `address`, tell it what to do, `close` it.

    Args:
        host: Of the server.
        port: Of the server.

    Attributes:
        to_server: What happens to the bytes of those who dial.
        to_client: What happens to the server's bytes.
        refusing: New connections are closed at once.
    """

    def __init__(self, host: str, port: int) -> None:
        self.to_server = Direction()
        self.to_client = Direction()
        self.refusing = False
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._loop = asyncio.get_running_loop()
        self._connections: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    async def open(self, port: int = 0) -> None:
        """Listen on this port of 127.0.0.1, or on a free one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, limit=CHUNK)

    async def close(self) -> None:
        """Listen no more, and cut every connection."""
        assert self._server is not None
        self._server.close()
        self._abort()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def address(self) -> str:
        """Where to dial, as `host:port`."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._connections)

    # -- Faults --

    def half_open(self) -> None:
        """Let nothing through, either way, and say so to nobody."""
        self._tell(lambda: self._hold(to_server=True, to_client=True))

    def lose_to_server(self) -> None:
        """Let only the server's bytes through."""
        self._tell(lambda: self._hold(to_server=True, to_client=False))

    def lose_to_client(self) -> None:
        """Let only the clients' bytes through."""
        self._tell(lambda: self._hold(to_server=False, to_client=True))

    def delay(self, seconds: float) -> None:
        """Let everything come this much later, both ways."""

        def slow() -> None:
            self.to_server.latency = self.to_client.latency = seconds

        self._tell(slow)

    def read_slowly(self, rate: float) -> None:
        """Let clients get only so many bytes in a second."""

        def slow() -> None:
            self.to_client.rate = rate

        self._tell(slow)

    def cut(self, *, refuse: bool = False) -> None:
        """Reset every connection.

        Args:
            refuse: Let no new one live either, until `heal`.
        """

        def cut() -> None:
            self.refusing = refuse
            self._abort()

        self._tell(cut)

    def heal(self) -> None:
        """Be a wire: what was held is delivered first."""

        def heal() -> None:
            self._hold(to_server=False, to_client=False)
            self.to_server.latency = self.to_client.latency = 0.0
            self.to_server.rate = self.to_client.rate = None
            self.refusing = False

        self._tell(heal)

    # -- Inside --

    def _hold(self, *, to_server: bool, to_client: bool) -> None:
        self.to_server.held, self.to_client.held = to_server, to_client

    def _abort(self) -> None:
        for writers in self._connections.values():
            for writer in writers:
                writer.transport.abort()
        for connection in self._connections:
            connection.cancel()

    def _tell(self, change: Callable[[], None]) -> None:
        """Do this in our loop's thread; it is done when this returns."""
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            change()
            return

        async def do() -> None:
            change()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(ANSWERS_WITHIN)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections[task] = [writer]
        task.add_done_callback(self._connections.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None
        with suppress(OSError):
            try:
                if self.refusing:
                    return
                back_reader, back = await asyncio.open_connection(*self._target, limit=CHUNK)
                self._connections[me].append(back)
                async with asyncio.TaskGroup() as both:
                    both.create_task(self.to_server.pump(reader, back))
                    both.create_task(self.to_client.pump(back_reader, writer))
            except* OSError:
                pass  # one end is gone: so is the connection
            finally:
                for each in self._connections[me]:
                    each.transport.abort()


class Wires:
    """Proxies in a thread of their own, for those who have no loop. Use as a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._proxies: list[Proxy] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for proxy in self._proxies:
            self._do(proxy.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def to(self, address: str) -> Proxy:
        """A new proxy before this `host:port`."""
        host, _, port = address.rpartition(":")

        async def opened() -> Proxy:
            proxy = Proxy(host, int(port))
            await proxy.open()
            return proxy

        proxy = self._do(opened())
        self._proxies.append(proxy)
        return proxy

    def _do(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWERS_WITHIN)
