"""What a person does at the terminal: lines typed, and Ctrl-C."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LONGEST_LINE = 4096
"""Bytes read at once: a terminal gives no longer line."""


class Keyboard:
    """The terminal's lines and its Ctrl-C, while `listening`.

    A Ctrl-C that nobody waits for means that the program is to end.
    """

    def __init__(self, prompt: Callable[[str], None], on_leave: Callable[[], None]) -> None:
        self._prompt = prompt
        self._on_leave = on_leave
        self._ended = False
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._interrupted = asyncio.Event()
        self._waiting = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the terminal's input, and its Ctrl-C, until the end of the block."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._on_interrupt)
        loop.add_reader(sys.stdin.fileno(), self._on_input)
        try:
            yield
        finally:
            loop.remove_reader(sys.stdin.fileno())
            loop.add_signal_handler(signal.SIGINT, self._on_leave)

    async def line(self, prompt: str) -> str | None:
        """What is typed after this prompt; None for Ctrl-C and at the end of input."""
        if self._ended:
            return None
        self._prompt(prompt)
        typed = asyncio.ensure_future(self._lines.get())
        interrupted = asyncio.ensure_future(self.interrupted())
        try:
            await asyncio.wait((typed, interrupted), return_when=asyncio.FIRST_COMPLETED)
            return typed.result() if typed.done() else None
        finally:
            typed.cancel()
            interrupted.cancel()

    async def interrupted(self) -> None:
        """Return at the next Ctrl-C."""
        self._interrupted.clear()
        self._waiting += 1
        try:
            await self._interrupted.wait()
        finally:
            self._waiting -= 1

    def _on_interrupt(self) -> None:
        if self._waiting:
            self._interrupted.set()
        else:
            self._on_leave()

    def _on_input(self) -> None:
        data = os.read(sys.stdin.fileno(), LONGEST_LINE)
        if not data:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self._ended = True
            self._lines.put_nowait(None)
        for line in data.decode(errors="replace").splitlines():
            self._lines.put_nowait(line.strip())
