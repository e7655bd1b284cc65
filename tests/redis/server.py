"""A Redis of the tests' own. It keeps nothing: started again, it is empty."""

import signal
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from tests.kafka.ports import free_port

START_WITHIN = 30.0
"""Seconds; it takes 0.01, a loaded machine longer."""

SETTINGS = {
    "bind": "127.0.0.1",
    "save": '""',
    "dir": tempfile.gettempdir(),
    "logfile": "/dev/null",
}


class RedisServer:
    """One server, alive from `start` to `kill` or `close`.

    Args:
        binary: `redis-server`.
        port: Of 127.0.0.1; stays the same.

    Attributes:
        url: As clients take it.
    """

    def __init__(self, binary: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start it, empty, and return when it answers. Does nothing when it runs already."""
        if self._process is not None:
            return
        settings = SETTINGS | {"port": str(self.port)}
        self._process = subprocess.Popen(
            [self._binary, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert self._process.stdin is not None
        with self._process.stdin as stdin:
            stdin.write("".join(f"{name} {value}\n" for name, value in settings.items()).encode())
        until = time.monotonic() + START_WITHIN
        while not self._answers():
            assert self._process.poll() is None, "redis-server ends at once"
            assert time.monotonic() < until, "redis-server does not start"
            time.sleep(0.005)

    def kill(self) -> None:
        """End it as SIGKILL does, with all it holds."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(START_WITHIN)

    close = kill

    def stop_still(self) -> None:
        """It does nothing more, but keeps its connections, until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Go on with what it was doing."""
        self._signal(signal.SIGCONT)

    def empty(self) -> None:
        """It loses all it holds, and no connection."""
        empty(self.url)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "it does not run"
        self._process.send_signal(number)

    def _answers(self) -> bool:
        with closing(client(self.url)) as asking:
            try:
                return bool(asking.ping())
            except RedisError:
                return False


def client(url: str) -> Redis:
    """A client, to look what is there."""
    return Redis.from_url(url, decode_responses=True, socket_timeout=START_WITHIN)


def empty(url: str) -> None:
    """Drop all that this database holds."""
    with closing(client(url)) as emptying:
        emptying.flushdb()
