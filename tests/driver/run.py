"""`ev-driver` as a person or a program starts it: on pipes, or at a terminal."""

import asyncio
import fcntl
import json
import os
import pty
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.driver.central import PlayedCentral

EV_DRIVER = str(Path(sys.executable).parent / "ev-driver")

NO_KAFKA = "127.0.0.1:1"
"""Where no Kafka is: nobody listens on port 1."""

PATIENCE = 60.0
"""Seconds until a test gives up waiting, however loaded the machine is."""


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one document, amounts as they are written."""
        return json.loads(self.out, parse_float=Decimal)


def options(central: PlayedCentral, state: Path, kafka: str = NO_KAFKA) -> list[str]:
    """The options before the command, of driver D-1."""
    return [
        *("--driver-id", "D-1", "--central", str(central.address)),
        *("--kafka", kafka, "--state", str(state)),
    ]


async def start(*arguments: str) -> asyncio.subprocess.Process:
    """Start it on pipes."""
    return await asyncio.create_subprocess_exec(
        EV_DRIVER,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> Ended:
    """Wait for its end."""
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert process.returncode is not None
    assert "Traceback" not in err.decode()
    return Ended(process.returncode, out.decode(), err.decode())


async def run(*arguments: str) -> Ended:
    """Run it on pipes, to its end."""
    return await ended(await start(*arguments))


class Terminal:
    """A terminal with `ev-driver` in its foreground.

    Attributes:
        shown: All that it has shown so far, control sequences included.
    """

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self.shown = ""
        self._master = master
        self._process = process
        self._read_to = 0
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._on_output)

    async def expect(self, text: str) -> None:
        """Wait until this is shown, behind what was expected before."""
        async with asyncio.timeout(PATIENCE):
            while (found := self.shown.find(text, self._read_to)) < 0:
                self._news.clear()
                await self._news.wait()
        self._read_to = found + len(text)

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._master, line.encode() + b"\n")

    def ctrl_c(self) -> None:
        """Press Ctrl-C."""
        os.write(self._master, b"\x03")

    async def ended(self) -> int:
        """Wait for the program's end; its exit code."""
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    def _on_output(self) -> None:
        try:
            self.shown += os.read(self._master, 65_536).decode(errors="replace")
        except OSError:  # the program has ended and closed the terminal
            asyncio.get_running_loop().remove_reader(self._master)
        self._news.set()


@asynccontextmanager
async def terminal(*arguments: str) -> AsyncIterator[Terminal]:
    """Start it at a terminal of its own; it is killed at the end of the block."""
    master, slave = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = await asyncio.create_subprocess_exec(
        EV_DRIVER,
        *arguments,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
        preexec_fn=take_terminal,
    )
    os.close(slave)
    opened = Terminal(master, process)
    try:
        yield opened
    finally:
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
        if process.returncode is None:
            process.kill()
            await process.wait()
