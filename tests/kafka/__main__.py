"""Start a broker by hand: `python -m tests.kafka` prints its address and runs until Ctrl-C."""

import signal
import sys
from contextlib import suppress

import click

from tests.kafka.broker import BrokerError
from tests.kafka.find import (
    NothingThereError,
    find_broker,
    install,
    kafka_image,
    missing_packages,
)
from tests.kafka.jars import fetch_jars


@click.command()
@click.option(
    "--prepare",
    is_flag=True,
    help="Start nothing: only see to it that the tests will find a broker, "
    "which may install Java and Maven by apt-get and fetch Kafka.",
)
def main(*, prepare: bool) -> None:
    """Run Apache Kafka for the tests or for trying things out, until Ctrl-C or SIGTERM."""
    try:
        if prepare:
            _prepare()
        else:
            _run()
    except BrokerError as error:
        raise click.ClickException(str(error)) from error


def _prepare() -> None:
    try:
        find_broker()
    except NothingThereError:
        click.echo("No Kafka, docker, or Java with Maven here: installing Java and Maven.")
        install()
        find_broker()
    # Whatever the broker is: those behind a proxy, and those that replicate, are of the jars.
    try:
        if missing_packages():
            install()
        fetch_jars(kafka_image()[1])
    except BrokerError as error:
        click.echo(f"Tests that cut links to Kafka, and chaos, will fail: {error}")


def _run() -> None:
    # An exception, so that the broker is closed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with suppress(KeyboardInterrupt), find_broker() as broker:
        click.echo(f"bootstrap={broker.bootstrap}")
        signal.pause()


if __name__ == "__main__":
    main()
