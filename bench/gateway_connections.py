"""`python -m bench.gateway_connections`: how many connections one machine holds."""

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from bench import machine
from bench.gateway_stage import Stage, memory_mib
from bench.server import Server
from tests.kafka.find import find_broker
from tests.kafka.wipe import wipe
from tests.redis.find import redis_server
from tests.redis.server import RedisServer

FILES = 20_000
"""Of a process; some are no connections."""

OWN_FILES = 1_000


@click.command()
@click.option("--connections", type=click.IntRange(1), default=100_000, show_default=True)
@click.option(
    "--gateways",
    type=click.IntRange(1),
    default=6,
    show_default=True,
    help="Processes that hold them; 20,000 files each.",
)
@click.option("--interval", type=float, default=60.0, show_default=True, help="Of heartbeats.")
@click.option(
    "--seconds", type=float, default=130.0, show_default=True, help="For which they are held."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    connections: int, gateways: int, interval: float, seconds: float, *, as_json: bool
) -> None:
    """Hold many connections with a heartbeat now and then; exit 1 if one is lost."""
    if connections > gateways * (FILES - OWN_FILES):
        raise click.UsageError(f"{gateways} gateways have files for fewer connections")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))
    with tempfile.TemporaryDirectory(prefix="ev-bench-", dir=".") as name, find_broker() as broker:
        folder = Path(name).resolve()
        where = machine.describe(folder)
        wipe(broker.bootstrap)
        with (
            RedisServer(redis_server()) as redis,
            Stage(folder, broker.bootstrap, redis.url, on_one_core=False) as stage,
        ):
            found = held(stage, connections, gateways, interval, seconds)
    if as_json:
        click.echo(json.dumps({"machine": where, **found}, indent=2))
    else:
        click.echo(f"{where['cpu']}, {where['cores']} cores, commit {where['commit']}")
        for said, figure in found.items():
            click.echo(f"{said:>32}: {figure:,.1f}")
    sys.exit(1 if found["lost"] else 0)


def held(
    stage: Stage, connections: int, gateways: int, interval: float, seconds: float
) -> dict[str, float]:
    """Connect them, hold them for a while, and say how it was."""
    share = -(-connections // gateways)
    nodes = [
        stage.gateway(
            f"node-{number}",
            *("--max-connections", str(share + 100)),
            *("--max-connections-per-address", str(share + 100)),
        )
        for number in range(gateways)
    ]
    before = sum(memory_mib(node.pid) for node in nodes)
    began = time.monotonic()
    loads = []
    for number, node in enumerate(nodes):
        options: dict[str, Any] = {
            "name": f"H{number}",
            "points": min(share, connections - number * share),
            "urls": [f"ws://{node.where}"],
            # An address has 28,000 ports to go out by.
            "sources": [f"127.0.1.{number + 1}"],
            "interval": interval,
            "seconds": seconds,
        }
        loads.append(stage.dialling("idle", **options))
    for load in loads:
        load.connected()
    took = time.monotonic() - began
    grown = sum(memory_mib(node.pid) for node in nodes) - before
    idle = _idle_seconds()
    used = _used(nodes)
    for load in loads:
        load.begin()
    found = [load.found() for load in loads]
    return {
        "connections": sum(each["open"] for each in found),
        "lost": sum(each["wrong"] for each in found),
        "seconds to connect": took,
        "KiB per connection": grown * 1024 / connections,
        "heartbeats": sum(each["heartbeats"] for each in found),
        "heartbeats answered late": sum(each["late"] for each in found),
        "% of the machine idle": (_idle_seconds() - idle) / (seconds * (os.cpu_count() or 1)) * 100,
        "% of a core used by gateways": (_used(nodes) - used) / seconds * 100,
    }


def _used(nodes: list[Server]) -> float:
    return sum(node.cpu_seconds() for node in nodes)


def _idle_seconds() -> float:
    """Of all cores together, since the machine runs."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return int(fields[4]) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
