"""The embedded broker serves the programs of one machine, and ends as it should."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from common.protocol import CHARGING, TOPICS
from common.stream import KafkaSettings, Publisher, Subscription, describe, ensure_topics
from tests.common.stream.waiting import eventually, take, values

WITHIN = 30.0
"""Seconds for it to start or to end, on a loaded machine."""


@asynccontextmanager
async def broker(*options: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
    """The program, running."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "error", "-m", "common.broker", *options),
        env=os.environ | (env or {}),
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def ready(process: Process) -> str:
    """Its line that says that it serves."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), WITHIN)
    if not line:
        raise AssertionError(f"it did not start: {(await ended(process))[2]}")
    return line.decode()


async def ended(process: Process) -> tuple[int | None, str, str]:
    """Its code and the rest of what it said, once it has ended."""
    out, err = await asyncio.wait_for(process.communicate(), WITHIN)
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def address(free_ports: Callable[[int], list[int]]) -> str:
    """Where nobody listens yet."""
    (port,) = free_ports(1)
    return f"127.0.0.1:{port}"


async def test_records_pass_through_it(address: str) -> None:
    """Programs bootstrap at its address, are known to be at an embedded broker, and are served."""
    async with broker("--listen", address) as process:
        assert (await ready(process)).startswith(f"ready ev-broker {address}")
        settings = KafkaSettings(address)
        cluster = await ensure_topics(settings, TOPICS)
        assert cluster.embedded
        assert await describe(settings) == cluster
        async with (
            Subscription(settings, CHARGING, group="g") as everything,
            Subscription(settings, CHARGING, group=None, start="end", key="CP-1") as own,
            Publisher(settings) as publisher,
        ):
            sent = [publisher.publish(CHARGING, f"CP-{n % 10}", b"%d" % n) for n in range(1000)]
            await asyncio.gather(*sent)
            found = await take(everything, 1000)
            assert sorted(map(int, values(found))) == list(range(1000))
            assert "CP-1" in {record.key for record in await take(own, 100)}
            everything.done(found)
            await everything.commit()
            assert everything.healthy
            assert publisher.healthy


async def test_it_goes_on_with_a_new_one(address: str) -> None:
    """Nothing survives, and the programs need no restart: what comes then is read."""
    settings = KafkaSettings(address)
    async with (
        broker("--listen", address) as first,
        Publisher(settings) as publisher,
        Subscription(settings, CHARGING, group="g") as records,
    ):
        await ready(first)
        await publisher.publish(CHARGING, "CP-1", b"before")
        before = await take(records, 1)
        first.kill()
        await ended(first)
        await eventually(lambda: not records.healthy)
        async with broker("--listen", address) as second:
            await ready(second)
            await publisher.publish(CHARGING, "CP-1", b"after")
            after = await take(records, 1)
            assert values(before + after) == [b"before", b"after"]
            assert after[0].offset == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_cleanly(address: str, number: signal.Signals) -> None:
    """With code 0 and without a word, though a client is connected."""
    async with broker("--listen", address) as process:
        await ready(process)
        async with Publisher(KafkaSettings(address)) as publisher:
            await publisher.publish(CHARGING, "CP-1", b"x")
            process.send_signal(number)
            assert await ended(process) == (0, "", "")


async def test_it_takes_its_address_from_the_environment(address: str) -> None:
    """As every option of every program."""
    async with broker(env={"EV_BROKER_LISTEN": address}) as process:
        assert address in await ready(process)


async def test_it_finds_a_free_port() -> None:
    """And says which."""
    async with broker("--listen", "127.0.0.1:0") as process:
        address = (await ready(process)).split()[2].rstrip(",")
        assert (await describe(KafkaSettings(address))).embedded


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "[::]", "kafka.example"])  # noqa: S104
async def test_it_listens_on_loopback_only(host: str) -> None:
    """It asks nobody who they are, so nobody else may reach it."""
    async with broker("--listen", f"{host}:9092") as process:
        code, out, err = await ended(process)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].endswith("the embedded broker listens on loopback only")


async def test_a_port_in_use_is_said_in_one_sentence() -> None:
    """Who reads it learns which."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with broker("--listen", address) as process:
            code, out, err = await ended(process)
    assert (code, out) == (1, "")
    assert err.startswith(f"ev-broker: cannot listen on {address}: ")
    assert len(err.splitlines()) == 1


async def test_its_help_is_complete() -> None:
    """Each option with its default and its environment variable, and what it is for."""
    async with broker("--help") as process:
        code, out, err = await ended(process)
    assert (code, err) == (0, "")
    for word in ("--listen", "EV_BROKER_LISTEN", "127.0.0.1:9092", "Keeps nothing", "--log-level"):
        assert word in out
