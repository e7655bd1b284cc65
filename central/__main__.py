"""`ev-central`: the only place with business rules. Command line to settings."""

from typing import Any

import click
import structlog

from central.app import OCPP_HEARTBEAT, SETTLE_TIMEOUT, Settings
from central.commands import credentials, migrate
from central.id_tag_commands import idtags
from central.serving import serve
from common.metrics.options import MetricsSettings, metrics_options
from common.program import (
    ADDRESS,
    Address,
    Common,
    QuantityType,
    Stop,
    common_options,
    group,
    kafka_options,
    option,
    read_kafka_config,
    run,
    tls_options,
)
from common.tls import TlsFiles
from common.units import Price


class CurrencyType(click.ParamType[str]):
    """An ISO 4217 code on a command line."""

    name = "CODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not (len(value) == 3 and value.isascii() and value.isalpha() and value.isupper()):
            self.fail(f"{value!r} is no ISO 4217 code such as EUR", param, ctx)
        return str(value)


@group("central", invoke_without_command=True)
@option(
    "--listen",
    type=ADDRESS,
    default="127.0.0.1:7000",
    help="Where monitors, drivers and operators dial.",
)
@option(
    "--advertise",
    type=ADDRESS,
    show_default="where it listens",
    help="Where others are told that this central is.",
)
@kafka_options
@option(
    "--database",
    default="sqlite:///central.db",
    metavar="URL",
    help="Where everything durable is kept: sqlite:///FILE or postgresql://USER@HOST/NAME.",
)
@option(
    "--price",
    type=QuantityType(Price),
    default="0.35",
    help="Price of a kWh at a new charge point that proposes none; up to 4 decimals.",
)
@option("--currency", type=CurrencyType(), default="EUR", help="ISO 4217 code of every price.")
@option(
    "--settle-timeout",
    type=click.FloatRange(min=1),
    default=SETTLE_TIMEOUT,
    metavar="SECONDS",
    help="Close a session from its last reading when nothing has told of it for so long.",
)
@option(
    "--ocpp-heartbeat",
    type=click.IntRange(min=1, max=86_400),
    default=OCPP_HEARTBEAT,
    metavar="SECONDS",
    help="How often an OCPP charge point is told to send a heartbeat.",
)
@option(
    "--accept-unknown-id-tags",
    is_flag=True,
    help="Let whoever has an id tag charge at an OCPP charge point, known or not: for trying out.",
)
@tls_options
@option(
    "--insecure",
    is_flag=True,
    help="Listen to other machines without credentials and TLS. Whoever reaches the port may"
    " then do everything.",
)
@metrics_options
@common_options
@click.pass_context
def main(
    ctx: click.Context,
    /,
    listen: Address,
    advertise: Address | None,
    kafka: tuple[Address, ...],
    kafka_config: str | None,
    database: str,
    price: Price,
    currency: str,
    settle_timeout: float,
    ocpp_heartbeat: int,
    accept_unknown_id_tags: bool,
    tls: TlsFiles,
    insecure: bool,
    metrics: MetricsSettings,
    **common: Any,
) -> None:
    """Decide who may charge, what it costs, and what state every charge point is in.

    Without a COMMAND it serves: it prints one line that begins with "ready", and stops cleanly on
    SIGTERM.

    Off loopback it serves only with TLS (--tls-cert, --tls-key) and once there is a credential
    (ev-central credentials add), unless --insecure says otherwise.
    """
    if ctx.invoked_subcommand is not None:
        return

    async def work(stop: Stop) -> None:
        settings = Settings(
            listen=listen,
            advertise=advertise,
            kafka=kafka,
            kafka_config=read_kafka_config(kafka_config),
            database=database,
            price=price,
            currency=currency,
            settle_timeout=settle_timeout,
            ocpp_heartbeat=ocpp_heartbeat,
            accept_unknown_id_tags=accept_unknown_id_tags,
            tls=tls,
            insecure=insecure,
            metrics=metrics,
            common=Common(**common),
        )
        await serve(settings, stop)
        structlog.get_logger().info("stopped")

    run("ev-central", Common(**common), work)


main.add_command(migrate)
main.add_command(credentials)
main.add_command(idtags)


if __name__ == "__main__":
    main()
