"""`make demo`, on ports of its own."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

WITHIN = 300.0
"""Seconds for a demo: it takes less than one minute, but machines can be loaded."""

pytestmark = pytest.mark.timeout(3 * WITHIN)


class Demo:
    """The demo with its own ports and folder, which are the same at every run."""

    def __init__(self, folder: Path) -> None:
        procfile = (ROOT / "Procfile").read_text()
        listeners = re.findall(r"--listen 127\.0\.0\.1:(\d+)", procfile)
        self.folder = folder
        self.shift = _free_shift([int(port) for port in listeners])
        self.ports = [int(port) + self.shift for port in listeners]

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, ROOT / "examples" / "demo.py"],
            env=os.environ | {"EV_DEMO_SHIFT": str(self.shift), "EV_DEMO_FOLDER": str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self) -> tuple[int, str]:
        """Run it to its end: the exit code, and what it has shown."""
        process = self.start()
        shown, _ = process.communicate(timeout=WITHIN)
        return process.returncode, shown


def _free_shift(ports: list[int]) -> int:
    # Below the ports of outgoing sockets, one of which might take the port of a stopped program.
    while True:
        shift = random.randint(13_000, 22_000)
        if all(_is_free(port + shift) for port in ports):
            return shift


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return Demo(tmp_path / "demo")


def test_the_demo_twice_in_a_row(demo: Demo) -> None:
    """Ten results, nine tickets, one refusal, sums that agree; at once again, afresh."""
    for _ in range(2):
        code, shown = demo.run()
        assert code == 0, shown
        assert "10 results: 9 tickets, 1 refused" in shown
        assert "charge_point_busy" in shown
        assert len(re.findall(r"^(?:ANA|BEN): (.*); history: \1$", shown, re.MULTILINE)) == 2
        assert "Ticket" in shown
        assert all(_is_free(port) for port in demo.ports)


def test_a_port_in_use_is_one_sentence(demo: Demo) -> None:
    """It names the port and what can be done, and nothing is started."""
    port = demo.ports[1]
    with socket.create_server(("127.0.0.1", port)):
        code, shown = demo.run()
    assert code == 1
    assert f"port {port} of 127.0.0.1" in shown
    assert len(shown.splitlines()) == 1
    assert not demo.folder.exists()


def test_ctrl_c_stops_everything(demo: Demo) -> None:
    """Nothing is left behind that listens."""
    process = demo.start()
    assert process.stdout is not None
    shown = iter(process.stdout.readline, "")
    assert any("ANA charges" in line for line in shown)
    process.send_signal(signal.SIGINT)
    assert process.wait(WITHIN) == 130
    process.stdout.close()
    until = time.monotonic() + WITHIN
    while not all(_is_free(port) for port in demo.ports):
        assert time.monotonic() < until, "a program is left behind"
        time.sleep(0.1)
