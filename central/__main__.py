"""`ev-central`: the only place with business rules. Command line to settings."""

from typing import Any

import click
import structlog

from central.app import Settings, serve
from common.program import (
    ADDRESS,
    Address,
    Common,
    QuantityType,
    Stop,
    common_options,
    kafka_options,
    option,
    program,
    read_kafka_config,
    run,
)
from common.units import Price


class CurrencyType(click.ParamType[str]):
    """An ISO 4217 code on a command line."""

    name = "CODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not (len(value) == 3 and value.isascii() and value.isalpha() and value.isupper()):
            self.fail(f"{value!r} is no ISO 4217 code such as EUR", param, ctx)
        return str(value)


@program("central")
@option(
    "--listen",
    type=ADDRESS,
    default="127.0.0.1:7000",
    help="Where monitors, drivers and operators dial.",
)
@kafka_options
@option(
    "--database",
    default="sqlite:///central.db",
    metavar="URL",
    help="Where everything durable is kept: sqlite:///FILE.",
)
@option(
    "--price",
    type=QuantityType(Price),
    default="0.35",
    help="Price of a kWh at a new charge point that proposes none; up to 4 decimals.",
)
@option("--currency", type=CurrencyType(), default="EUR", help="ISO 4217 code of every price.")
@common_options
def main(
    listen: Address,
    kafka: tuple[Address, ...],
    kafka_config: str | None,
    database: str,
    price: Price,
    currency: str,
    **common: Any,
) -> None:
    """Decide who may charge, what it costs, and what state every charge point is in.

    Prints one line that begins with "ready" when it serves, and stops cleanly on SIGTERM.
    """

    async def work(stop: Stop) -> None:
        settings = Settings(
            listen=listen,
            kafka=kafka,
            kafka_config=read_kafka_config(kafka_config),
            database=database,
            price=price,
            currency=currency,
            common=Common(**common),
        )
        await serve(settings, stop)
        structlog.get_logger().info("stopped")

    run("ev-central", Common(**common), work)


if __name__ == "__main__":
    main()
