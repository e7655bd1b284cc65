"""`ev-monitor`: its command line."""

from typing import Any

import click

from common.metrics.options import metrics_options
from common.program import (
    ADDRESS,
    ADDRESSES,
    CP_ID,
    Address,
    Common,
    QuantityType,
    common_options,
    credential_options,
    kafka_options,
    option,
    program,
    run,
    secret_options,
    tls_options,
)
from common.units import Price
from monitor.app import Settings, serve


class Text(click.ParamType[str]):
    """A text of bounded length, without NUL."""

    name = "TEXT"

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not text or len(text) > self._longest or "\0" in text:
            what = repr(text[:20])
            self.fail(f"{what} has {len(text)} characters, not 1 to {self._longest}", param, ctx)
        return text


def dialled(
    ctx: click.Context, param: click.Parameter, value: Address | tuple[Address, ...]
) -> Address | tuple[Address, ...]:
    """Refuse port 0: nobody listens on it."""
    for address in value if isinstance(value, tuple) else (value,):
        if address.port == 0:
            raise click.BadParameter(f"'{address}': port 0 cannot be dialled", ctx, param)
    return value


@program("monitor")
@option("--cp-id", type=CP_ID, required=True, help="Id of the charge point, as its engine has it.")
@option(
    "--engine",
    type=ADDRESS,
    default="127.0.0.1:7101",
    callback=dialled,
    help="Where the engine listens.",
)
@option(
    "--central",
    type=ADDRESSES,
    default="127.0.0.1:7000",
    callback=dialled,
    help="Where central listens; several are tried in turn.",
)
@option("--location", type=Text(100), help="Where the point stands, for people.")
@option(
    "--price",
    type=QuantityType(Price),
    help="Price of a kWh in central's currency, proposed when the point is new to central;"
    " central's own if not given.",
)
@credential_options
@secret_options(
    "engine-credential", "The engine's key, where that is another secret than --credential."
)
@tls_options
@option(
    "--engine-tls/--no-engine-tls",
    default=True,
    help="Whether TLS is spoken to the engine too, where it is spoken to central.",
)
@kafka_options
@metrics_options
@common_options
def main(*, log: Any, log_level: str, debug: bool, **given: Any) -> None:
    """Watch one charge point's engine, and speak for the point to central.

    It dials the engine, then central, and keeps both links up: neither needs to be there when it
    starts. Every second it asks the engine how it is; readings and tickets it passes on by Kafka.
    It prints one line `ready …` once it has begun to dial; from then on it serves. SIGTERM and
    SIGINT end it.
    """
    settings = Settings(**given, common=Common(log, log_level, debug))
    run("ev-monitor", settings.common, lambda stop: serve(settings, stop))


if __name__ == "__main__":
    main()
