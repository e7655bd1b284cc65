"""Standard input as the keys of a charge point.

On a terminal each key counts as it is pressed; on a pipe each line. Anything else, such as
/dev/null, a closed input or a terminal in whose foreground we are not, means that nobody is there:
the engine runs headless.
"""

import asyncio
import codecs
import contextlib
import os
import stat
import termios
import tty
from collections.abc import Callable
from typing import Any, Self

import click

from engine.keys import HELP, PROMPT, KeyCommand, Keys

Act = Callable[[KeyCommand], None]
"""Obeys a command that was given by keys."""

_READ = 4096
_BEGIN_OF_LINE = "\r\x1b[K"  # and what was there is cleared


def is_foreground(fd: int) -> bool:
    """Whether this is our terminal and we are in its foreground.

    Whoever is not is stopped by the kernel for reading it or changing its settings.
    """
    try:
        return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


def _is_pipe(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class Terminal:
    """Reads keys while it is entered; gives the terminal back as it was.

    Args:
        act: Gets each command.
    """

    def __init__(self, act: Act, fd: int = 0) -> None:
        self._act = act
        self._fd = fd
        self._keys = Keys()
        self._text = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._cooked: list[Any] | None = None
        self._by_key = False
        self._reading = False

    def __enter__(self) -> Self:
        self._by_key = is_foreground(self._fd)
        if self._by_key:
            self._cooked = termios.tcgetattr(self._fd)
            self._cbreak()
            click.echo(HELP)
        if self._by_key or _is_pipe(self._fd):
            asyncio.get_running_loop().add_reader(self._fd, self._readable)
            self._reading = True
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_reading()
        if self._cooked is not None and is_foreground(self._fd):
            with contextlib.suppress(termios.error):  # the terminal has gone
                termios.tcsetattr(self._fd, termios.TCSANOW, self._cooked)

    def continued(self) -> None:
        """We were suspended and are back: the shell has put the terminal back to normal."""
        if self._cooked is not None and is_foreground(self._fd):
            self._cbreak()

    def _cbreak(self) -> None:
        tty.setcbreak(self._fd, termios.TCSANOW)

    def _stop_reading(self) -> None:
        if self._reading:
            asyncio.get_running_loop().remove_reader(self._fd)
            self._reading = False

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _READ)
        except OSError:  # the terminal has gone
            data = b""
        text = self._text.decode(data, final=not data)
        if self._by_key:
            self._press(text)
        else:
            self._take_lines(text, ended=not data)
        if not data:
            self._stop_reading()

    def _take_lines(self, text: str, *, ended: bool) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        if ended:
            lines.append(self._rest)
        for line in lines:
            self._take(self._keys.line(line))

    def _press(self, text: str) -> None:
        if len(text) > 1 and text.startswith("\x1b"):
            return  # an arrow or function key
        for char in text:
            was_prompting = self._keys.prompting
            outcome = self._keys.key(char)
            if self._keys.prompting:  # this mode shows nothing that is typed, so we do
                click.echo(f"{_BEGIN_OF_LINE}{PROMPT}{self._keys.typed}", nl=False)
                continue
            if was_prompting:
                click.echo()
            self._take(outcome)

    def _take(self, outcome: KeyCommand | str | None) -> None:
        if isinstance(outcome, KeyCommand):
            self._act(outcome)
        elif outcome is not None:
            click.echo(outcome)
