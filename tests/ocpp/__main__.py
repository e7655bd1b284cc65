"""`python -m tests.ocpp`: nonsense at a gateway for as long as one likes; `make fuzz-gateway`."""

import asyncio
import sys
import tempfile
from pathlib import Path

import click

from tests.kafka.find import find_broker
from tests.ocpp.network import OcppNetwork
from tests.ocpp.nonsense import nonsense


@click.command()
@click.option("--seconds", type=click.IntRange(5), default=600, show_default=True)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="What is sent follows from it."
)
def main(seconds: int, seed: int) -> None:
    """Send nonsense to a gateway with central behind it; exit 1 if somebody noticed."""
    with (
        tempfile.TemporaryDirectory(prefix="ev-nonsense-") as folder,
        find_broker(own=True) as broker,
        OcppNetwork(Path(folder), broker.bootstrap) as network,
    ):
        gateway = network.gateway("one")
        found = asyncio.run(nonsense(gateway.url, gateway.program.pid, seconds, seed))
        if network.asks("health_request").get("database") != "ok":
            found.wrong.append("central is not well")
    click.echo(
        f"{found.sent} frames, {found.answered} answers, {found.closed} connections ended; "
        f"the slowest heartbeat of the others took {found.slowest * 1000:.0f} ms; "
        f"the gateway grew by {found.grown_mib:.1f} MiB"
    )
    for wrong in found.wrong:
        click.echo(wrong, err=True)
    sys.exit(1 if found.wrong else 0)


if __name__ == "__main__":
    main()
