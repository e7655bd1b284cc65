"""A monitor played by a test, and an engine as a process."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

from common.clock import SystemClock
from common.dispatch import Dispatcher, Handled, Peer
from common.framing import FrameDecoder
from common.link import Link
from common.messages import HealthCheckRequest, HealthCheckResponse, Message, Role
from tests.engine.fakes import CP

M = TypeVar("M", bound=Message)

SOON = 10.0
"""Seconds in which anything should have happened, also on a loaded machine."""


class _Heard(Dispatcher):
    """Keeps what the engine says; answers what it asks with `answer`."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.answer: Callable[[Message], Handled] = lambda message: None

    def dispatch(self, message: Message, peer: Peer) -> Handled:
        self.messages.put_nowait(message)
        return self.answer(message)

    def waits(self, message: Message) -> bool:
        return False

    @property
    def in_work(self) -> int:
        return 0


class _NotingLink(Link):
    """A link that notes the type of each message in the order in which they came."""

    def data_received(self, data: bytes) -> None:
        for content in self.frames.feed(data):
            assert isinstance(content, bytes)
            self.order.append(json.loads(content)["type"])
        super().data_received(data)

    frames: FrameDecoder
    order: list[str]


class PlayedMonitor:
    """The other end of the engine's link.

    Attributes:
        link: Asks, tells, closes.
        order: The types of all messages that came, answers too, in their order.
    """

    def __init__(self) -> None:
        self._heard = _Heard()
        self.link = _NotingLink(Role.MONITOR, self._heard, SystemClock(), peer_role=Role.ENGINE)
        self.link.frames = FrameDecoder()
        self.order = self.link.order = []

    @classmethod
    async def dial(cls, port: int) -> Self:
        monitor = cls()
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: monitor.link, "127.0.0.1", port)
        return monitor

    def answer_with(self, answer: Callable[[Message], Handled]) -> None:
        """What the engine asks is answered so."""
        self._heard.answer = answer

    async def health(self) -> HealthCheckResponse:
        return await self.link.ask(HealthCheckRequest(cp_id=CP))

    async def next(self, kind: type[M], accept: Callable[[M], bool] = lambda message: True) -> M:
        """The next message of a kind that is acceptable; others are skipped."""
        async with asyncio.timeout(SOON):
            while True:
                message = await self._heard.messages.get()
                if isinstance(message, kind) and accept(message):
                    return message

    def heard(self) -> list[Message]:
        """All that has come and was not taken."""
        return [self._heard.messages.get_nowait() for _ in range(self._heard.messages.qsize())]

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Check the engine's health all the while, as a monitor does."""

        async def watch() -> None:
            while True:
                await self.health()
                await asyncio.sleep(0.3)

        task = asyncio.create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


class EngineProcess:
    """`ev-engine`, started; its log is JSON lines in a file."""

    def __init__(self, folder: Path, *options: str, stdin: Any = subprocess.DEVNULL) -> None:
        self.journal = folder / "journal"
        self.log_path = folder / "engine.log"
        # A file of its own for what it logs: nobody reads a pipe while the test waits.
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*ENGINE, *usual(folder), "--log", "json", *options],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline()
        self.port = int(self.ready.split(" on 127.0.0.1:")[1].split(",")[0]) if self.ready else 0

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, wait until it is gone, and return its exit code."""
        self.send(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(SOON)
        assert self.process.stdout is not None
        self.process.stdout.close()
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        return code

    def logged(self) -> list[dict[str, Any]]:
        """What it has logged, as objects."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]

    def type(self, text: str) -> None:
        """Write to its pipe."""
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)


ENGINE = [sys.executable, "-m", "engine"]


def usual(folder: Path) -> list[str]:
    """The options that every engine of these tests has."""
    journal = str(folder / "journal")
    return ["--cp-id", CP, "--listen", "127.0.0.1:0", "--journal", journal]


def try_engine(*options: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Start an engine that should not start; its exit code and what it says."""
    done = subprocess.run(
        [*ENGINE, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SOON,
        env=os.environ | (env or {}),
    )
    return done.returncode, done.stderr


def lines_until(lines: Iterator[str], word: str) -> list[str]:
    """Read lines up to the one that has this word in it."""
    read = []
    for line in lines:
        read.append(line)
        if word in line:
            break
    return read
