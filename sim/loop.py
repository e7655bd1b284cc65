"""An event loop whose time is simulated: it does not wait, it goes on to the next event.

Theory of operation. Every callback belongs to the process that asked for it, and runs as that
process: what it asks for in turn belongs to the same one, and reads the time of its machine. So a
process is killed by no longer running what belongs to it; no clean-up of its own runs, as after
SIGKILL. The order is that of asyncio within one process, and that of time between processes.

Nothing here depends on anything but the order of calls: no thread, no socket, no clock, no hash of
an object. Tasks and futures are hashed by their number, because asyncio keeps them in sets.
"""

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any

from sim.clocks import Machine
from sim.process import Process

if TYPE_CHECKING:
    from sim.network import Network

STEPS_AT_ONE_TIME = 200_000
"""Steps without any time going by after which a program is taken to turn in circles."""

IN_A_THREAD = 0.002
"""Seconds that something takes which a program lets a thread do."""


class Stuck(BaseException):
    """A program turns in circles, or does not let go of the processor."""


class _Handle(asyncio.TimerHandle):
    __slots__ = ("process",)

    process: Process | None


class _Task(asyncio.Task[Any]):
    """A task that is hashed by its number: what is kept in a set keeps its order."""

    def __init__(self, coro: Any, loop: "SimulatedLoop", name: str | None) -> None:
        self._number = loop.numbered()
        super().__init__(coro, loop=loop, name=name or f"task-{self._number}")

    def __hash__(self) -> int:
        return self._number


class SimulatedLoop(asyncio.BaseEventLoop):
    """The one loop of a history.

    Attributes:
        now: Seconds since the history began.
        steps: Callbacks that were run.
        process: Whose callback runs now; None for what the history itself does.
        network: What the processes' sockets are connected to.
        on_error: Told of what no program has caught.
    """

    network: "Network"

    def __init__(self, on_error: Callable[[Process | None, dict[str, Any]], None]) -> None:
        # Not BaseEventLoop's own beginning: nothing of what it prepares is used.
        self.now = 0.0
        self.steps = 0
        self.process: Process | None = None
        self.on_error = on_error
        self._ready: deque[_Handle] = deque()
        self._timers: list[tuple[float, int, _Handle]] = []
        self._numbers = 0
        self._closed = False

    def __del__(self) -> None:
        """It holds nothing of the machine's, so nobody need close it."""

    # -- What the history does --

    def run_until(self, deadline: float, over: Callable[[], bool] = lambda: False) -> None:
        """Let everything happen up to this time, or until `over` says so between two steps.

        Raises:
            Stuck: A program turns in circles.
        """
        events._set_running_loop(self)
        at_this_time = 0
        try:
            while not over():
                if not self._ready:
                    if not self._timers or self._timers[0][0] > deadline:
                        self.now = deadline
                        break
                    when, _, handle = heapq.heappop(self._timers)
                    if when > self.now:
                        self.now, at_this_time = when, 0
                    self._ready.append(handle)
                self._step(self._ready.popleft())
                at_this_time += 1
                if at_this_time > STEPS_AT_ONE_TIME:
                    raise Stuck(f"{self.process} turns in circles")
        finally:
            self.process = None
            events._set_running_loop(None)

    def _step(self, handle: _Handle) -> None:
        process = handle.process
        if handle.cancelled() or (process is not None and not process.takes(handle)):
            return
        self.process = process
        self.steps += 1
        if process is not None:
            process.machine.now = self.now
        handle._run()
        if process is not None and process.dies_in is not None:
            process.step()

    def begin(self, process: Process, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Let this process do this work."""
        with self.acting(process):
            return self.create_task(work)

    def acting(self, process: Process | None) -> "_Acting":
        """What is asked for inside the block is asked for by this process."""
        return _Acting(self, process)

    def do(
        self,
        process: Process | None,
        after: float,
        callback: Callable[..., object],
        *args: object,
    ) -> asyncio.TimerHandle:
        """Run something as this process, after so many seconds of the history."""
        return self._put(process, self.now + max(0.0, after), callback, args, None)

    def numbered(self) -> int:
        """The next number."""
        self._numbers += 1
        return self._numbers

    def _put(
        self,
        process: Process | None,
        when: float,
        callback: Callable[..., object],
        args: tuple[object, ...],
        context: Context | None,
    ) -> _Handle:
        handle = _Handle(when, callback, args, self, context)
        handle.process = process
        if when <= self.now:
            self._ready.append(handle)
        else:
            self._numbers += 1
            heapq.heappush(self._timers, (when, self._numbers, handle))
        return handle

    def resume(self, handles: list[Any]) -> None:
        """Run what a process had to do while it was paused."""
        self._ready.extend(handles)

    # -- What asyncio asks of a loop --

    def time(self) -> float:
        return self.now if self.process is None else self._clock(self.process).monotonic()

    def _clock(self, process: Process) -> Machine:
        process.machine.now = self.now
        return process.machine

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _Handle(self.now, callback, args, self, context)
        handle.process = self.process
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        process = self.process
        at = when if process is None else process.machine.when(when)
        return self._put(process, at, callback, args, context)

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time has come."""

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> "asyncio.Task[Any]":
        task = _Task(coro, self, name)
        if self.process is not None:
            self.process.keep(task)
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """There are no threads: it is done in one go, a moment later."""
        done = self.create_future()

        def work() -> None:
            if done.done():
                return
            try:
                done.set_result(func(*args))
            except Exception as error:
                done.set_exception(error)

        self.do(self.process, IN_A_THREAD, work)
        return done

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """The history is over: whatever is still to be done is not done."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._closed:
            self.on_error(self.process, context)

    # -- Sockets, which are the network's --

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, **_: Any
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        assert self.process is not None
        return await self.network.dial(self.process, protocol_factory, host, port)

    async def getaddrinfo(  # type: ignore[override]
        self, host: str, port: int, **_: Any
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(0, 0, 0, "", (host, port))]

    async def sock_accept(self, sock: Any) -> tuple[Any, Any]:
        return await self.network.accept(sock)

    async def connect_accepted_socket(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], sock: Any, **_: Any
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        return self.network.accepted(protocol_factory, sock)

    # -- Signals --

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Any, *args: Any
    ) -> None:
        """No signal ever comes."""


class _Acting:
    def __init__(self, loop: SimulatedLoop, process: Process | None) -> None:
        self._loop = loop
        self._process = process

    def __enter__(self) -> None:
        self._before = self._loop.process
        self._running = events._get_running_loop()
        events._set_running_loop(self._loop)
        self._loop.process = self._process

    def __exit__(self, *_: object) -> None:
        self._loop.process = self._before
        events._set_running_loop(self._running)
