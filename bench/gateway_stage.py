"""What stands around a gateway while it is measured: central, gateways, rivals, load."""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.gateway_rivals import built_go
from bench.peers import Heard, Peer, connect
from bench.programs import production, serving
from bench.server import FIRST_CORE, Server, other_cores
from common.gateway_messages import CommandRequest
from common.messages import Message
from common.units import Payload
from tests.kafka.ports import free_port

PATIENCE = 60.0


@dataclass(slots=True)
class Stage:
    """Where a row is measured.

    Attributes:
        folder: For files and logs of this run.
        kafka, redis: The servers.
        on_one_core: Whether gateways are pinned to the first core.
    """

    folder: Path
    kafka: str
    redis: str
    on_one_core: bool = True
    central: tuple[str, int] = ("127.0.0.1", 0)
    pids: list[int] = field(default_factory=list)
    _ended: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Central serves, away from the gateway's core."""
        self.central = ("127.0.0.1", free_port())
        words = [
            "central",
            *("--listen", f"{self.central[0]}:{self.central[1]}"),
            *("--kafka", self.kafka),
            *("--database", f"sqlite:///{self.folder / 'central.db'}"),
            "--accept-unknown-id-tags",
            *("--log-level", "warning"),
        ]
        self._ended.enter_context(serving(self.folder, "central", words, cores=other_cores()))
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.close()

    def gateway(self, node: str, *options: str) -> Server:
        """A gateway that serves."""
        address = ("127.0.0.1", free_port())
        words = [
            "gateway",
            *("--listen", f"{address[0]}:{address[1]}"),
            *("--node", node),
            *("--kafka", self.kafka),
            *("--redis", self.redis),
            *("--log-level", "warning"),
            *options,
        ]
        cores = FIRST_CORE if self.on_one_core else None
        pid = self._ended.enter_context(serving(self.folder, node, words, cores=cores))
        return Server(address, self.kafka, pid, self.folder)

    def load(self, work: str, **options: Any) -> "Load":
        """A process of charge points that are connected."""
        return self.dialling(work, **options).connected()

    def dialling(self, work: str, **options: Any) -> "Load":
        """A process of charge points that are not connected yet."""
        return self._ended.enter_context(loaded(work, options))


@contextmanager
def mobilityhouse(folder: Path) -> Iterator[Server]:
    """A central system of the package `ocpp`, on the first core."""
    address = ("127.0.0.1", free_port())
    words = ["bench.gateway_rivals", f"{address[0]}:{address[1]}"]
    with serving(folder, "mobilityhouse", words, cores=FIRST_CORE) as pid:
        yield Server(address, "", pid, folder)


@contextmanager
def ocpp_go(folder: Path) -> Iterator[Server]:
    """A central system of ocpp-go, on the first core, with one processor.

    Raises:
        NoGo: It cannot be built here.
    """
    address = ("127.0.0.1", free_port())
    program = ("env", "GOMAXPROCS=1", str(built_go(folder)))
    where = [f"{address[0]}:{address[1]}"]
    with serving(folder, "ocpp-go", where, cores=FIRST_CORE, program=program) as pid:
        yield Server(address, "", pid, folder)


class Load:
    """A running process of `bench.gateway_load`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def connected(self) -> Self:
        """Wait until its charge points are.

        Raises:
            RuntimeError: It failed.
        """
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("the load failed")
        return self

    def begin(self) -> None:
        """Let it begin, or end what it does until it is told."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def found(self) -> dict[str, Any]:
        """What it found, once it is through.

        Raises:
            RuntimeError: It failed.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load failed")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def loaded(work: str, options: dict[str, Any]) -> Iterator[Load]:
    """A process of the load, which is ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.gateway_load", work, json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=production(),
    )
    try:
        yield Load(process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


class Operator:
    """An operator's link to central, which asks for commands."""

    def __init__(self) -> None:
        self._peer: Peer
        self._waiting: dict[str, asyncio.Future[Heard]] = {}

    async def dial(self, address: tuple[str, int]) -> Self:
        """Connect."""
        self._peer = await connect(address, self._heard)
        return self

    def _heard(self, _: Peer, heard: Heard) -> None:
        waiting = self._waiting.pop(heard.message_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(heard)

    async def ask(self, request: Message) -> Heard:
        """What central answers to a message that has its id.

        Raises:
            TimeoutError: Nothing.
        """
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[request.message_id] = waiting
        self._peer.send(request)
        async with asyncio.timeout(PATIENCE):
            heard: Heard = await waiting
        return heard

    async def command(self, cp_id: str) -> Heard:
        """Order what is sent again if its gateway dies before it is answered."""
        return await self.ask(
            CommandRequest(
                message_id=str(uuid.uuid4()),
                timestamp=int(time.time()),
                cp_id=cp_id,
                action="TriggerMessage",
                payload=Payload(requestedMessage="Heartbeat"),
            )
        )

    def close(self) -> None:
        """Close the link."""
        self._peer.close()


def memory_mib(pid: int) -> float:
    """What a process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
