"""`ev-broker`: an embedded broker that speaks Kafka's protocol, for trying things out.

It is librdkafka's mock cluster, which lives in a client's own process and takes a port of its own
choice. Clients bootstrap at the address asked for, which is forwarded to that port; the metadata
they get there sends them to the port itself. It listens on loopback only, keeps some megabytes of
each partition in memory, makes topics on first use, and forgets everything when it ends.
"""

import asyncio
import ipaddress
from typing import Any

import click
import structlog
from confluent_kafka import KafkaException, Producer

from common.errors import CannotStart
from common.program import (
    ADDRESS,
    Address,
    Common,
    Stop,
    common_options,
    option,
    program,
    ready,
    run,
)

log = structlog.get_logger()

ANSWER_WITHIN = 10.0
"""Seconds in which the cluster in our own process must say where it listens."""

CHUNK = 65_536


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def begin() -> tuple[Producer, Address]:
    """A mock cluster, which lives as long as the producer does, and where it listens.

    Raises:
        CannotStart: This build of librdkafka has none.
    """
    try:
        host = Producer(
            {"test.mock.num.brokers": 1, "bootstrap.servers": "embedded", "log_level": 0}
        )
        (broker,) = host.list_topics(timeout=ANSWER_WITHIN).brokers.values()
    except KafkaException as error:
        raise CannotStart(f"the embedded broker does not begin: {error}") from None
    return host, Address(broker.host, broker.port)


class Forwarder:
    """Forwards every connection to one address."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def begin(self, listen: Address) -> Address:
        """Accept connections; where, with the port that was found free if 0 was asked for.

        Raises:
            CannotStart: The port is taken.
        """
        try:
            self._server = await asyncio.start_server(self._accepted, listen.host, listen.port)
        except OSError as error:
            raise CannotStart(f"cannot listen on {listen}: {error.strerror or error}") from None
        return Address(listen.host, self._server.sockets[0].getsockname()[1])

    async def end(self) -> None:
        """Accept no more, and close what is open."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _accepted(
        self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._forward(client_in, client_out)
        except OSError as error:
            log.debug("connection ended", why=str(error))
        finally:
            self._open.discard(task)
            client_out.close()

    async def _forward(
        self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter
    ) -> None:
        broker_in, broker_out = await asyncio.open_connection(self._target.host, self._target.port)
        ways = [
            asyncio.ensure_future(_copy(client_in, broker_out)),
            asyncio.ensure_future(_copy(broker_in, client_out)),
        ]
        try:
            # Who closes one way is done: a Kafka client never half-closes.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            broker_out.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(CHUNK):
        target.write(data)
        await target.drain()


async def serve(listen: Address, stop: Stop) -> None:
    """Run the embedded broker until told to stop.

    Raises:
        CannotStart: The port is taken.
    """
    cluster, where = await asyncio.to_thread(begin)
    forwarder = Forwarder(where)
    try:
        at = await forwarder.begin(listen)
        ready(f"ev-broker {at}, keeps nothing, for trying out only")
        await stop.wait()
    finally:
        await forwarder.end()
        del cluster


def _on_loopback(_: click.Context, __: click.Parameter, value: Address) -> Address:
    if not is_loopback(value.host):
        raise click.BadParameter(f"{value}: the embedded broker listens on loopback only")
    return value


@program("broker")
@option(
    "--listen",
    type=ADDRESS,
    default="127.0.0.1:9092",
    callback=_on_loopback,
    help="Where clients bootstrap; a loopback address.",
)
@common_options
def main(listen: Address, **common: Any) -> None:
    """Stand in for Kafka on this machine, to try the network out.

    Keeps nothing: topics appear on first use with 4 partitions, and all is gone when it ends.
    Prints one line that begins with "ready" when it serves, and stops cleanly on SIGTERM.
    """

    async def work(stop: Stop) -> None:
        await serve(listen, stop)

    run("ev-broker", Common(**common), work)


if __name__ == "__main__":
    main()
