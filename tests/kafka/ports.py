"""Free ports that stay free while a server is killed and started again."""

import os
import random
import socket

# Linux gives outgoing sockets ports from 32768 on. A server's port from there
# may be taken by a client between its death and its return.
LOWEST, HIGHEST = 20_000, 32_000

WORKERS = 8
"""Processes that may run tests side by side, each with ports of its own."""

_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that this process has not given before."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    ports = (HIGHEST - LOWEST) // WORKERS
    while True:
        port = LOWEST + worker * ports + random.randrange(ports)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of a former server, still closing, are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
