"""Others that do the gateway's work, for the same load: `python -m bench.gateway_rivals HOST:PORT`.

That is a central system of the package `ocpp` (mobilityhouse) on `websockets`, in one process. It
answers heartbeats and takes meter values, and does nothing with them. `built_go` makes one of
ocpp-go, where Go is installed.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

GO_SOURCE = Path(__file__).with_name("ocpp_go")
GO_PLACES = ("go", "/usr/local/go/bin/go")
BUILT_WITHIN = 300.0


class System(ChargePoint):  # type: ignore[misc]  # the package has no types
    """What answers one charge point."""

    @on("Heartbeat")  # type: ignore[untyped-decorator]
    def heartbeat(self, **_: Any) -> Any:
        """With the time."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return call_result.Heartbeat(current_time=at)

    @on("MeterValues")  # type: ignore[untyped-decorator]
    def meter_values(self, **_: Any) -> Any:
        """With nothing."""
        return call_result.MeterValues()


async def _connected(socket: ServerConnection) -> None:
    assert socket.request is not None
    with suppress(ConnectionClosed):
        await System(socket.request.path.rpartition("/")[2], socket).start()


async def main() -> None:
    """Serve until the process is ended."""
    host, _, port = sys.argv[1].rpartition(":")
    async with serve(_connected, host, int(port), subprotocols=[Subprotocol("ocpp1.6")]):
        sys.stdout.write("ready mobilityhouse\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().create_future()


class NoGo(Exception):
    """ocpp-go cannot be measured; the text says why."""


def built_go(folder: Path) -> Path:
    """The binary of `ocpp_go`, built in this folder.

    Raises:
        NoGo: Go is not installed, or the module cannot be fetched or built.
    """
    go = next(filter(None, map(shutil.which, GO_PLACES)), None)
    if go is None:
        raise NoGo("Go is not installed")
    binary = folder / "ocpp_go"
    built = subprocess.run(
        [go, "build", "-o", binary, "."],
        cwd=GO_SOURCE,
        env=os.environ | {"GOFLAGS": "-buildvcs=false"},
        capture_output=True,
        text=True,
        timeout=BUILT_WITHIN,
        check=False,
    )
    if built.returncode != 0:
        raise NoGo(f"go build: {built.stderr.strip().splitlines()[-1]}")
    return binary


if __name__ == "__main__":
    asyncio.run(main())
