"""Chaos's own way to speak: frames as the protocol has them, and lost requests known as lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import reduce
from operator import xor

import pytest

from chaos.drivers import Driver, Promises
from chaos.wire import Caller, Lost, Message, Wire

Answers = list[Message | None]


def frame(content: Message) -> bytes:
    """A frame, made here once more."""
    data = json.dumps(content).encode()
    return b"\x02" + data + b"\x03" + bytes([reduce(xor, data)])


@asynccontextmanager
async def central(answers: Answers, heard: list[Message]) -> AsyncIterator[str]:
    """A central that gives these answers, one to each request; None hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while answers:
                data = (await reader.readuntil(b"\x03"))[1:-1]
                await reader.readexactly(1)
                heard.append(json.loads(data))
                answer = answers.pop(0)
                if answer is None:
                    return
                writer.write(frame({"type": "point_changed", "message_id": "another"}))
                writer.write(frame({"message_id": heard[-1]["message_id"], **answer}))
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


async def test_a_request_gets_its_own_answer() -> None:
    """What comes between is passed over."""
    heard: list[Message] = []
    async with central([{"status": "success"}], heard) as address:
        wire = await Wire.dial(address)
        answer = await wire.ask("health_request", "m-1", limit=3)
        wire.close()
    assert answer["status"] == "success"
    assert (heard[0]["type"], heard[0]["message_id"], heard[0]["limit"]) == (
        "health_request",
        "m-1",
        3,
    )


async def test_a_link_that_goes_loses_its_request() -> None:
    """And so does one that cannot be made."""
    async with central([None], []) as address:
        wire = await Wire.dial(address)
        with pytest.raises(Lost):
            await wire.ask("health_request", "m-1")
    with pytest.raises(Lost):
        await Wire.dial("127.0.0.1:1")


async def test_a_caller_goes_on_to_the_next_central() -> None:
    """From one that stands by, and from one that is away."""
    heard: list[Message] = []
    standby: Message = {"type": "error_response", "error": "standby"}
    async with central([standby], []) as first, central([{"status": "success"}], heard) as second:
        caller = Caller([first, "127.0.0.1:1", second])
        for _ in range(2):
            with pytest.raises(Lost):
                await caller.ask("health_request", "m-1")
        assert (await caller.ask("health_request", "m-1"))["status"] == "success"
        caller.close()


async def test_a_driver_repeats_a_request_with_its_id_until_it_is_decided() -> None:
    """Over new links, and through refusals that decide nothing."""
    heard: list[Message] = []
    refused: Message = {"status": "failure", "error": "charge_point_busy"}
    answers: Answers = [None, {"error": "overloaded"}, {"error": "internal"}, refused, refused]
    promises = Promises()
    async with central(answers, heard) as address:
        driver = Driver("D", "CP", ["CP"], "seed", promises, [address])
        driving = asyncio.ensure_future(driver.run())
        while not promises.refused:  # noqa: ASYNC110 -- a driver calls nobody
            await asyncio.sleep(0.01)
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        driver.close()
    assert len({message["message_id"] for message in heard[:4]}) == 1
    assert promises.refused == {"charge_point_busy": 1}
    assert promises.sessions == {}
