"""The real panel in a real terminal, on a real network."""

import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pyte
import pytest

from tests.programs.network import BIN, SOON, Network


class Terminal:
    """A terminal with a program in it."""

    def __init__(self, columns: int, rows: int, command: list[str]) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._end, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(other)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._end)

    def type(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    def shows(self, *texts: str, within: float = SOON) -> float:
        """Seconds until there is a line with all of these texts."""
        begun = time.monotonic()
        while not any(all(text in line for text in texts) for line in self.lines()):
            assert time.monotonic() - begun < within, "\n".join([str(texts), *self.lines()])
            self._read(0.05)
        return time.monotonic() - begun

    def _read(self, seconds: float) -> None:
        if select.select([self._end], [], [], seconds)[0]:
            try:
                data = os.read(self._end, 65_536)
            except OSError:
                return  # the program has ended
            self._stream.feed(self._text.decode(data))


@contextmanager
def panel(network: Network, columns: int, rows: int) -> Iterator[Terminal]:
    """The operator's panel, watching."""
    terminal = Terminal(
        columns, rows, [str(BIN / "ev-admin"), "--central", network.address, "panel"]
    )
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50)])
def test_what_happens_to_a_charge_point_is_on_the_screen(
    network: Network, columns: int, rows: int
) -> None:
    """Available, charging with its figures, stopped by a key, resumed, broken, away and back."""
    point = network.point("ALC-1", "--time-scale", "60")
    with panel(network, columns, rows) as terminal:
        terminal.shows("ALC-1", "here", "Available")
        network.admin("start", "ALC-1", "ANA")
        terminal.shows("ALC-1", "Charging", "ANA")
        terminal.shows("charge requested")
        terminal.type("s")
        terminal.shows("ALC-1", "Out of Order")
        terminal.shows("stopped by admin")
        terminal.type("r")
        terminal.shows("ALC-1", "Available")
        point.engine.press("b")
        terminal.shows("ALC-1", "Faulted")
        point.engine.press("r")
        terminal.shows("ALC-1", "Available")
        point.monitor.end(signal.SIGKILL)
        terminal.shows("ALC-1", "DISCONNECTED")
        network.central.end(signal.SIGKILL)
        terminal.shows("cannot reach CENTRAL")
        network.central.start()
        terminal.shows("CENTRAL", "Kafka ok")
        terminal.type("q")
        assert terminal.process.wait(SOON) == 0


def test_a_change_is_on_the_screen_within_a_second(network: Network) -> None:
    """Counted from the operator's order, or from the fault."""
    point = network.point("ALC-1")
    with panel(network, 80, 24) as terminal:
        terminal.shows("ALC-1", "Available")
        slowest = 0.0
        for _ in range(3):
            point.engine.press("b")
            terminal.shows("ALC-1", "Faulted")
            point.engine.press("r")
            terminal.shows("ALC-1", "Available")
            network.admin("stop", "ALC-1")
            slowest = max(slowest, terminal.shows("ALC-1", "Out of Order"))
            network.admin("resume", "ALC-1")
            slowest = max(slowest, terminal.shows("ALC-1", "Available"))
        assert slowest < 1.0
