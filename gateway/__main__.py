"""`ev-gateway`: its command line."""

import re
import sys
from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from typing import Any, NoReturn

import click

from common import logs
from common.errors import ChargingError
from common.metrics.options import MetricsSettings, metrics_options
from common.program import (
    ADDRESS,
    Address,
    Common,
    common_options,
    kafka_options,
    option,
    program,
    read_kafka_config,
    ready,
    run,
    tls_options,
)
from common.tls import TlsFiles
from gateway.app import Node, serve
from gateway.places import MAX_CONNECTIONS, MAX_PER_ADDRESS, Network, Room
from gateway.settings import PING_EVERY, Settings, default_node, tls_context
from gateway.workers import Workers

MAX_NODE = 40
"""Characters of a node's name: ids of messages begin with it, and have 64."""


class NodeType(click.ParamType[str]):
    """A node's name on a command line."""

    name = "NODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(rf"[A-Za-z0-9_.-]{{1,{MAX_NODE}}}", str(value)):
            self.fail(f"{value!r} is no name: 1 to {MAX_NODE} of A-Z a-z 0-9 _ . -", param, ctx)
        return str(value)


class PointsType(click.ParamType[frozenset[str]]):
    """`CP,CP…`, or `*`, on a command line."""

    name = "CP,CP…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[str]:
        if isinstance(value, frozenset):
            return value
        ids = frozenset(word.strip() for word in value.split(",") if word.strip())
        for each in sorted(ids - {"*"}):
            if not re.fullmatch(r"[A-Za-z0-9_.-]{1,36}", each):
                self.fail(f"{each!r} is no id: 1 to 36 of A-Z a-z 0-9 _ . -", param, ctx)
        return ids


class NetworksType(click.ParamType[tuple[Network, ...]]):
    """`NETWORK,NETWORK…` on a command line."""

    name = "NETWORK,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Network, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(ip_network(word.strip()) for word in value.split(",") if word.strip())
        except ValueError as error:
            self.fail(f"{error}", param, ctx)


@program("gateway")
@option(
    "--listen",
    type=ADDRESS,
    default="127.0.0.1:8887",
    help="Where charge points connect: ws://HOST:PORT/ocpp/ID, or wss:// with a certificate.",
)
@kafka_options
@option(
    "--redis",
    metavar="URL",
    help="What several gateways share: redis://HOST:PORT/DB. Without it this one is the only one.",
)
@option(
    "--node",
    type=NodeType(),
    default=default_node,
    show_default="HOSTNAME-PID",
    help="Name of this gateway; no other one that runs has it.",
)
@option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    metavar="N",
    help="Run so many gateways on this port, named NODE-1, NODE-2, …; they need --redis.",
)
@option(
    "--lenient",
    type=PointsType(),
    default="",
    help="Charge points whose messages may break the schemas where it is clear what is meant;"
    " * for all. Each fault is counted.",
)
@option("--frames", is_flag=True, help="Publish every frame to ev.frames, for `ev-admin frames`.")
@option(
    "--drain",
    type=click.FloatRange(0, 600),
    default=10.0,
    metavar="SECONDS",
    help="When it stops: close its connections over so long.",
)
@option(
    "--profile",
    type=click.IntRange(0, 3),
    default=0,
    help="The least of OCPP's security profiles that is enough: 1 a password, 2 that and TLS, 3 a"
    " certificate whose CN is the charge point's id.",
)
@option(
    "--ping-interval",
    type=click.FloatRange(1, 3600),
    default=PING_EVERY,
    metavar="SECONDS",
    help="Ping each charge point about so often; one that is silent twice as long is gone.",
)
@option(
    "--max-connections",
    type=click.IntRange(min=1),
    default=MAX_CONNECTIONS,
    metavar="N",
    help="Connections of this node; a further one gets 503.",
)
@option(
    "--max-connections-per-address",
    type=click.IntRange(min=1),
    default=MAX_PER_ADDRESS,
    metavar="N",
    help="Likewise from one address, unless it is this machine's own.",
)
@option(
    "--proxies",
    type=NetworksType(),
    default="",
    help="Networks of proxies before this gateway, whose X-Forwarded-For says from which address a"
    " charge point comes.",
)
@tls_options
@option(
    "--insecure",
    is_flag=True,
    help="Listen to other machines without TLS or credentials. Whoever reaches the port may then"
    " say that he is any charge point.",
)
@metrics_options
@common_options
def main(
    *,
    listen: Address,
    kafka: tuple[Address, ...],
    kafka_config: str | None,
    redis: str | None,
    node: str,
    workers: int,
    lenient: frozenset[str],
    frames: bool,
    drain: float,
    profile: int,
    ping_interval: float,
    max_connections: int,
    max_connections_per_address: int,
    proxies: tuple[Network, ...],
    tls: TlsFiles,
    insecure: bool,
    metrics: MetricsSettings,
    **common: Any,
) -> None:
    """Hold the WebSockets of charge points that speak OCPP 1.6J, and translate.

    It decides nothing: central does, whom it tells by Kafka what charge points say. It prints one
    line `ready …` once charge points can connect, and on SIGTERM closes their connections one
    after another.

    Off loopback it serves only with TLS (--tls-cert, --tls-key), and only charge points that have a
    credential, unless --insecure says otherwise.
    """

    if workers > 1 and redis is None:
        raise click.UsageError("--workers needs --redis: several gateways must know of each other.")
    try:
        settings = Settings(
            listen=listen,
            kafka=kafka,
            kafka_config=read_kafka_config(kafka_config),
            redis=redis,
            node=node,
            shared=workers > 1,
            lenient=lenient,
            frames=frames,
            drain=drain,
            profile=profile,
            ping_interval=ping_interval,
            room=Room(max_connections, max_connections_per_address, proxies),
            tls=tls,
            insecure=insecure,
            metrics=metrics,
            common=Common(**common),
        )
        if workers == 1:
            _run(settings, partial(_say_where, settings))
        sys.exit(_run_several(settings, workers))
    except ChargingError as error:
        click.echo(f"ev-gateway: {error}", err=True)
        sys.exit(1)


def _run(settings: Settings, serves: Callable[[Node], None]) -> NoReturn:
    run("ev-gateway", settings.common, lambda stop: serve(settings, stop, serves))
    raise AssertionError("a program that was run has ended")


def _say_where(settings: Settings, node: Node) -> None:
    partition = node.downlink.partition
    ready(f"ev-gateway {node.server.address}, node {settings.node}, partition {partition}")


def _run_several(settings: Settings, count: int) -> int:
    tls_context(settings)  # what is wrong with it is said once

    def be(number: int, listen: Address, serves: Callable[[], None]) -> int:
        _run(settings.of_worker(number, listen), lambda _: serves())

    def say(listen: Address) -> None:
        ready(f"ev-gateway {listen}, nodes {settings.node}-1 to {settings.node}-{count}")

    logs.configure("ev-gateway", form=settings.common.log, level=settings.common.log_level)
    return Workers(settings.listen, count, be, say).run()


if __name__ == "__main__":
    main()
