"""Where a driver sees what happens: a live picture on a terminal, lines where there is none."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live

from common.clock import Clock
from driver import view
from driver.charge import Charge

LINE_EVERY = 1.0
"""Seconds between two lines about a charge, where no picture can be drawn."""

WIDTH = 120
"""Columns of a table that goes to a file or a pipe."""


class Screen:
    """One place for all that a person is to see.

    Attributes:
        is_terminal: Whether pictures can be drawn.
    """

    def __init__(self, clock: Clock, *, on_stderr: bool = False) -> None:
        self._clock = clock
        self._console = Console(stderr=on_stderr, highlight=False, markup=False, emoji=False)
        self.is_terminal = self._console.is_terminal
        if not self.is_terminal:
            self._console.width = WIDTH
        self._live: Live | None = None
        self._line = ""
        self._line_at = 0.0
        self._state = ""
        self._in_trouble = False

    def say(self, text: str, style: str | None = None) -> None:
        """One line; above the picture, if there is one."""
        self._console.print(text, style=style, soft_wrap=True)

    def show(self, table: RenderableType) -> None:
        """A table; above the picture, if there is one."""
        self._console.print(table)

    def prompt(self, text: str) -> None:
        """What is to be answered by typing a line behind it."""
        self._console.print(text, end="", soft_wrap=True)

    def trouble(self, text: str) -> None:
        """Central cannot be reached. The picture shows it by itself; else it is said."""
        if self._live is None and not (self.is_terminal and self._in_trouble):
            self.say(text, style="yellow")
        self._in_trouble = True

    def relief(self) -> None:
        """Central can be reached again."""
        if self._in_trouble and self._live is None:
            self.say("connected to CENTRAL again", style="green")
        self._in_trouble = False

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """While a charge is watched: `draw` changes one picture, which is gone at the end."""
        self._line = ""
        if not self.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as self._live:
            try:
                yield
            finally:
                self._live = None

    def draw(self, charge: Charge, trouble: str = "", hint: str = "") -> None:
        """Show a charge as it is now."""
        if self._live is not None:
            self._live.update(view.live(charge, trouble, hint), refresh=True)
        elif not self.is_terminal:
            self._draw_line(charge)

    def _draw_line(self, charge: Charge) -> None:
        line, now = view.line(charge), self._clock.monotonic()
        due = now - self._line_at >= LINE_EVERY or charge.state != self._state
        if line != self._line and due:
            self.say(line)
            self._line, self._line_at, self._state = line, now, charge.state
