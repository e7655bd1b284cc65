"""Charge points that send nonsense, beside one that does not and must not notice.

Two kinds: frames of OCPP-J that are nearly right, and bytes that are nearly a WebSocket's. What is
sent follows from a seed, so a run that finds something can be repeated as far as time allows.
"""

import asyncio
import base64
import copy
import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocpp.v16 import call
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.fuzz.mutations import edited
from tests.ocpp.calls import DOWN
from tests.ocpp.point import SUBPROTOCOL, charge_point

SERVED_WITHIN = 5.0
"""Seconds in which a heartbeat of the others is answered, on a loaded machine."""

MAY_GROW_MIB = 48.0
"""What a gateway may need more after the nonsense: buffers, and what its allocator keeps."""

BURST = 20
"""Frames that are sent before answers are read."""

PAUSE = 0.05

EDITS = ("flip", "insert", "delete", "cut", "behead", "double", "swap")
STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, -(2**70), 1e308, 0.1, "", "\0", "\ud800", "é" * 600,
    "x" * 60_000, [], {}, [[]], [None] * 500, {"a": {"b": {}}},
    "1e999999", "NaN", "2026-13-45T99:99:99Z",
)  # fmt: skip

AT = "2026-01-01T00:00:00Z"
METERED = [{"timestamp": AT, "sampledValue": [{"value": "1"}] * 4}]
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Authorize", {"idTag": "A"}),
    ("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}),
    ("DataTransfer", {"vendorId": "V", "data": "D"}),
    ("Heartbeat", {}),
    ("MeterValues", {"connectorId": 1, "transactionId": 1, "meterValue": METERED}),
    ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
    ("StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": AT}),
    (
        "StopTransaction",
        {"transactionId": 1, "meterStop": 9, "timestamp": AT, "transactionData": METERED},
    ),
    ("FirmwareStatusNotification", {"status": "Installed"}),
    ("SecurityEventNotification", {"type": "T", "timestamp": AT, "techInfo": "I"}),
)


@dataclass(slots=True)
class Findings:
    """What came of it.

    Attributes:
        sent, answered, closed: Frames, answers, connections that the gateway closed.
        slowest: Of the heartbeats of those who did nothing wrong, in seconds.
        grown_mib: How much more memory the gateway had in the end than after the first fifth.
        wrong: What is not as it must be.
    """

    sent: int = 0
    answered: int = 0
    closed: int = 0
    slowest: float = 0.0
    grown_mib: float = 0.0
    wrong: list[str] = field(default_factory=list)


async def nonsense(
    url: Callable[[str], str], pid: int, seconds: float, seed: int, talkers: int = 8
) -> Findings:
    """Send nonsense to a gateway for a while.

    Args:
        url: Where a charge point of this id dials.
        pid: The gateway's process.
    """
    found = Findings()
    dice = random.Random(seed)
    tasks = [asyncio.create_task(served(url(f"QUIET-{n}"), found)) for n in range(2)]
    tasks += [
        asyncio.create_task(talks(url(f"MAD-{n}"), random.Random(dice.random()), found))
        for n in range(talkers)
    ]
    tasks += [
        asyncio.create_task(breaks(url(f"RAW-{n}"), random.Random(dice.random()), found))
        for n in range(talkers // 2)
    ]
    await asyncio.wait(tasks, timeout=seconds / 5, return_when=asyncio.FIRST_EXCEPTION)
    before = memory_mib(pid)
    await asyncio.wait(tasks, timeout=seconds * 4 / 5, return_when=asyncio.FIRST_EXCEPTION)
    found.grown_mib = memory_mib(pid) - before
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    found.wrong += [repr(e) for e in ended if not isinstance(e, asyncio.CancelledError)]
    if found.grown_mib > MAY_GROW_MIB:
        found.wrong.append(f"the gateway has grown by {found.grown_mib:.0f} MiB")
    return found


async def served(url: str, found: Findings) -> None:
    """Heartbeats of a charge point that does nothing wrong."""
    async with charge_point(url) as point:
        await point.up()
        while True:
            began = time.monotonic()
            async with asyncio.timeout(SERVED_WITHIN):
                await point.say(call.Heartbeat())
            found.slowest = max(found.slowest, time.monotonic() - began)
            await asyncio.sleep(PAUSE)


# -- Frames that are nearly right --


async def talks(url: str, dice: random.Random, found: Findings) -> None:
    """Frames, until cancelled; whatever comes back must be a frame."""
    while True:
        with suppress(WebSocketException, OSError):
            async with connect(url, subprotocols=[SUBPROTOCOL], close_timeout=1) as socket:
                with suppress(ConnectionClosed):
                    while True:
                        for _ in range(BURST):
                            await socket.send(frame(dice))
                            found.sent += 1
                        await read(socket, found)
                found.closed += 1
        await asyncio.sleep(PAUSE)


async def read(socket: Any, found: Findings) -> None:
    """All answers that come in a while."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PAUSE):
            while True:
                said = json.loads(await socket.recv())
                assert isinstance(said, list), said
                assert said[0] in (2, 3, 4), said
                found.answered += 1


def frame(dice: random.Random) -> str | bytes:
    """A frame that is good, strange, or broken."""
    kind = dice.random()
    if kind < 0.15:
        row = dice.choice(DOWN)
        good: list[Any] = [3, dice.choice(["x", "0"]), row.told]
    elif kind < 0.2:
        good = [4, "x", "InternalError", "", {}]
    else:
        action, payload = dice.choice(CALLS)
        good = [2, f"m{dice.randrange(10**6)}", action, json.loads(json.dumps(payload))]
    for _ in range(dice.randrange(3)):
        disturb(good, dice)
    text = json.dumps(good).encode()
    if dice.random() < 0.4:
        text = edited(text, (dice.choice(EDITS), dice.random(), dice.randbytes(3)))
    return text if dice.random() < 0.01 else text.decode(errors="replace")


def disturb(value: Any, dice: random.Random) -> None:
    """Put something strange somewhere into a JSON value."""
    while isinstance(value, list | dict) and value:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key: Any = dice.choice(keys)
        if dice.random() < 0.5 and isinstance(value[key], list | dict) and value[key]:
            value = value[key]
            continue
        if isinstance(value, dict) and dice.random() < 0.2:
            key = dice.choice(["surplus", "connectorId", "timestamp"])
        value[key] = copy.deepcopy(dice.choice(STRANGE))
        return


# -- Bytes that are nearly a WebSocket's --


async def breaks(url: str, dice: random.Random, found: Findings) -> None:
    """Handshakes and frames with mistakes, until cancelled."""
    place, _, path = url.removeprefix("ws://").partition("/")
    host, _, port = place.partition(":")
    while True:
        with suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                async with asyncio.timeout(2):
                    await attack(reader, writer, handshake(path, place), dice, found)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
            found.closed += 1
        await asyncio.sleep(PAUSE)


async def attack(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    greeting: bytes,
    dice: random.Random,
    found: Findings,
) -> None:
    """One connection, until the gateway has had enough."""
    if dice.random() < 0.3:
        greeting = edited(greeting, (dice.choice(EDITS), dice.random(), dice.randbytes(4)))
    writer.write(greeting)
    await reader.read(4096)
    for _ in range(dice.randrange(1, BURST)):
        data = masked(str(frame(dice)).encode(errors="replace"), dice)
        if dice.random() < 0.5:
            data = edited(data, (dice.choice(EDITS), dice.random() ** 3, dice.randbytes(4)))
        writer.write(data)
        found.sent += 1
        await writer.drain()
    if dice.random() < 0.5:
        writer.write_eof()
    while await reader.read(4096):
        pass


def handshake(path: str, host: str) -> bytes:
    """A good one."""
    key = base64.b64encode(b"0123456789abcdef").decode()
    return (
        f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    ).encode()


def masked(data: bytes, dice: random.Random) -> bytes:
    """A WebSocket's text frame, or with another opcode now and then."""
    opcode = 0x81 if dice.random() < 0.8 else dice.randrange(256)
    mask = dice.randbytes(4)
    size = len(data)
    head = bytes([opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65_536:
        head += bytes([0xFE]) + size.to_bytes(2, "big")
    else:
        head += bytes([0xFF]) + size.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))


def memory_mib(pid: int) -> float:
    """What a process has in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the process is gone")
