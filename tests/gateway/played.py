"""A node in this process: its own parts and sockets, on a Kafka and a central that are played."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import websockets
from confluent_kafka import TopicPartition

from common.clock import SystemClock
from common.codec import decoder, encode
from common.connection import HEADER, Connection
from common.epochs import HEADER as EPOCH
from common.gateway_messages import (
    AuthorizeRequest,
    AuthorizeResponse,
    BootRequest,
    ChargeStarted,
    ChargeStartedResponse,
    IdTagInfo,
    IdTagStatus,
    NodeAlive,
    OcppRequest,
    OcppResponse,
    TransactionCompletion,
    TransactionResponse,
)
from common.messages import Message, Outcome, RegisterResponse
from common.program import Address, Stop
from common.protocol import CENTRAL, DOWN, GATEWAY, UP, Topic
from common.stream import ClusterInfo, KafkaSettings, Publisher, Record
from common.stream.assignment import Reading
from common.stream.client import Health
from common.stream.delivery import Headers
from common.stream.place import Place
from common.stream.reader import Taker
from common.units import Payload
from gateway.access import AccessList
from gateway.app import Node
from gateway.settings import Settings, tls_context
from gateway.uplink import Limits

SOON = 5.0
"""Seconds in which anything must have happened."""

Json = Any
Answer = Callable[[Message], Message | None]


@dataclass(frozen=True, slots=True)
class Said:
    """A record that the node has published."""

    topic: str
    key: str
    value: bytes
    connection: Connection | None

    @property
    def message(self) -> Message:
        """What it says to central."""
        return decoder(GATEWAY, CENTRAL, UP).decode(self.value)


class PlayedKafka:
    """Implements `Clients`: a Kafka in memory.

    Attributes:
        said: What was published, oldest first.
        holds: It acknowledges nothing.
        answers: Central: what it answers to a message; None: nothing.
    """

    def __init__(self, answers: Answer) -> None:
        self.said: list[Said] = []
        self.holds = False
        self.answers = answers
        self._waiting: list[Callable[[Any, object], None]] = []
        self._readers: list[PlayedReader] = []
        self._offset = 0

    # -- `Clients` --

    def producer(self, config: dict[str, Any]) -> "PlayedKafka":
        return self

    def reader(
        self,
        settings: KafkaSettings,
        reading: Reading,
        health: Health,
        taker: Taker,
        call_soon: Callable[..., object],
    ) -> "PlayedReader":
        health.answered()
        self._readers.append(PlayedReader(self, reading, taker))
        return self._readers[-1]

    def ensure(self, settings: KafkaSettings, topics: Sequence[Topic]) -> ClusterInfo:
        return ClusterInfo("played", 1)

    # -- A producer --

    def produce(
        self,
        topic: str,
        value: bytes,
        key: Any,
        *,
        on_delivery: Callable[[Any, object], None],
        headers: Headers | None = None,
        partition: int = -1,
    ) -> None:
        found = dict(headers or ()).get(HEADER)
        connection = Connection.of(found if isinstance(found, bytes) else None)
        said = Said(topic, str(key), value, connection)
        self.said.append(said)
        self._waiting.append(on_delivery)
        if topic == UP.name and connection is not None:
            answer = self.answers(said.message)
            if answer is not None:
                asyncio.get_running_loop().call_soon(self.tell, connection, answer)

    def poll(self, timeout: float) -> int:
        if self.holds:
            return 0
        waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell(None, None)
        return len(waiting)

    def purge(self) -> None:
        """Nothing is kept."""

    def list_topics(self, *, timeout: float) -> None:
        """It answers."""

    # -- What tests do and see --

    def tell(self, connection: Connection, message: Message, epoch: int | None = 1) -> None:
        """Central sends this to a connection."""
        headers: list[tuple[str, bytes | None]] = [(HEADER, connection.header())]
        if epoch is not None:
            headers.append((EPOCH, str(epoch).encode()))
        self.put(connection.partition, encode(message), tuple(headers))

    def put(
        self, partition: int, value: bytes, headers: tuple[tuple[str, bytes | None], ...]
    ) -> None:
        """A record of `ev.down`."""
        self._offset += 1
        record = Record(DOWN.name, partition, self._offset, None, value, 0, True, headers)
        for reader in self._readers:
            if reader.reads(DOWN.name, partition):
                reader.taker.fetched([record])

    def reading(self) -> list[Sequence[int] | None]:
        """The partitions of `ev.down` that are read now."""
        return [r.reading.partitions for r in self._readers if r.reading.topic == DOWN.name]

    def messages(self, cp_id: str | None = None) -> list[Message]:
        """What the node has said to central, of itself or of a charge point."""
        return [message for message, _ in self.with_connections(cp_id)]

    def with_connections(self, cp_id: str | None = None) -> list[tuple[Message, Connection]]:
        """The same, each with its connection."""
        return [
            (message, said.connection)
            for said in self.said
            if said.topic == UP.name
            and cp_id in (None, said.key)
            and said.connection is not None
            and not isinstance(message := said.message, NodeAlive)
        ]

    def leave(self, reader: "PlayedReader") -> None:
        """It reads no more."""
        self._readers.remove(reader)


class PlayedReader:
    """A reader of a topic."""

    lag = 0

    def __init__(self, kafka: PlayedKafka, reading: Reading, taker: Taker) -> None:
        self.reading = reading
        self.taker = taker
        self._kafka = kafka
        asyncio.get_running_loop().call_soon(taker.assigned, Place(reading.topic, 64))

    def reads(self, topic: str, partition: int) -> bool:
        """Whether a record there is for it."""
        return self.reading.topic == topic and partition in (self.reading.partitions or ())

    def free_slot(self) -> None:
        """There is always room."""

    def commit(self, place: Place, offsets: Mapping[int, int]) -> "Future[list[TopicPartition]]":
        raise AssertionError("a gateway commits nothing")

    def stop(self) -> None:
        self._kafka.leave(self)
        self.taker.ended(None)

    def join(self) -> None:
        """It has no thread."""


ACCEPTED = IdTagInfo(status=IdTagStatus.ACCEPTED)


def kindly(message: Message) -> Message | None:
    """A central that accepts everything; its first transaction is 1."""
    done: dict[str, Any] = {"message_id": message.message_id, "status": Outcome.SUCCESS}
    match message:
        case BootRequest():
            return RegisterResponse(**done, heartbeat_interval=60)
        case AuthorizeRequest():
            return AuthorizeResponse(**done, id_tag_info=ACCEPTED)
        case ChargeStarted():
            return ChargeStartedResponse(**done, id_tag_info=ACCEPTED, transaction_id=1)
        case TransactionCompletion():
            return TransactionResponse(**done)
        case OcppRequest():
            return OcppResponse(**done, payload=Payload(status="UnknownVendorId"))
    return None


def silently(message: Message) -> None:
    """A central that answers nothing."""


class PlayedSettings(Settings):
    """Those of a node on a Kafka that is played."""

    kafka_clients: PlayedKafka

    def kafka_settings(self) -> KafkaSettings:
        return KafkaSettings("played:9092", clients=self.kafka_clients)


class Nobody:
    """Implements the reading of `ev.access`: an empty topic."""

    async def __aenter__(self) -> "Nobody":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is to be left."""

    def __aiter__(self) -> "Nobody":
        return self

    async def __anext__(self) -> list[Record]:
        await asyncio.Event().wait()
        raise StopAsyncIteration


async def nothing_yet() -> dict[int, int]:
    """Where an empty topic ends."""
    return {0: 0}


class PlayedNode:
    """A node that runs.

    Attributes:
        node: Its parts.
        kafka: What it publishes to and reads from.
        tls: Whether its charge points connect by TLS.
    """

    def __init__(self, node: Node, kafka: PlayedKafka, stop: Stop, *, tls: bool) -> None:
        self.tls = tls
        self.node = node
        self.kafka = kafka
        self.stop = stop
        self.ended: asyncio.Task[None]

    def url(self, cp_id: str) -> str:
        """Where a charge point connects."""
        scheme = "wss" if self.tls else "ws"
        return f"{scheme}://127.0.0.1:{self.node.server.address.port}/ocpp/{cp_id}"

    @asynccontextmanager
    async def point(self, cp_id: str = "CP1", **options: Any) -> AsyncIterator["Wire"]:
        """A charge point that is connected inside the block."""
        options.setdefault("subprotocols", ["ocpp1.6"])
        options.setdefault("proxy", None)
        async with websockets.connect(self.url(cp_id), **options) as socket:
            yield Wire(socket)

    def connection(self, cp_id: str = "CP1") -> Connection:
        """Of a charge point that is connected, as its records say it."""
        found = [link.connection for link in self.node.connections if link.cp_id == cp_id]
        return found[0]

    async def tell(self, message: Message, cp_id: str = "CP1") -> None:
        """Central sends this to a charge point's connection."""
        self.kafka.tell(self.connection(cp_id), message)

    async def said(self, kind: type[Message], cp_id: str | None = None) -> Any:
        """The last message of this kind that it has said, as soon as there is one."""
        return await eventually(
            lambda: next(
                (m for m in reversed(self.kafka.messages(cp_id)) if isinstance(m, kind)), None
            ),
            f"it says {kind.__name__}",
        )


class Wire:
    """A charge point's WebSocket, frame by frame."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self._numbers: Iterator[int] = iter(range(1, 1_000_000))

    async def send(self, frame: Json) -> None:
        """Send JSON, or a text or bytes as they are."""
        await self.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def receive(self) -> Json:
        """The next frame."""
        async with asyncio.timeout(SOON):
            return json.loads(await self.socket.recv())

    async def call(self, action: str, payload: Json) -> Json:
        """The payload of a call's answer, which is the next frame."""
        message_id = str(next(self._numbers))
        await self.send([2, message_id, action, payload])
        answer = await self.receive()
        assert answer[:2] == [3, message_id], answer
        return answer[2]

    async def refused(self, action: str, payload: Json) -> tuple[str, str]:
        """Code and description of the CALLERROR for a call."""
        message_id = str(next(self._numbers))
        await self.send([2, message_id, action, payload])
        answer = await self.receive()
        assert answer[:2] == [4, message_id], answer
        return answer[2], answer[3]

    async def closed(self) -> tuple[int, str]:
        """With which code and reason the node has closed it."""
        async with asyncio.timeout(SOON):
            with suppress(websockets.ConnectionClosed):
                while True:
                    await self.socket.recv()
        return self.socket.close_code or 0, self.socket.close_reason or ""


async def eventually(what: Callable[[], Any], said: str) -> Any:
    """The first true value of `what`, looked at until the deadline."""
    until = asyncio.get_running_loop().time() + SOON
    while not (value := what()):
        assert asyncio.get_running_loop().time() < until, f"not within {SOON:g} s: {said}"
        await asyncio.sleep(0.005)
    return value


@asynccontextmanager
async def running(
    answers: Answer = kindly, access: AccessList | None = None, **given: Any
) -> AsyncIterator[PlayedNode]:
    """A node that serves inside the block, with these settings beside its usual ones."""
    kafka = PlayedKafka(answers)
    clock = SystemClock()
    usual: dict[str, Any] = {"drain": 0.0, "limits": Limits()}
    settings = PlayedSettings(listen=Address("127.0.0.1", 0), kafka=(), node="gw", **usual | given)
    object.__setattr__(settings, "kafka_clients", kafka)
    nobody = AccessList(Nobody(), nothing_yet, clock, always=False, profile=settings.profile)
    stop = Stop()
    async with Publisher(settings.kafka_settings()) as publisher:
        tls = tls_context(settings)
        node = Node(settings, publisher, clock, tls, access=nobody if access is None else access)
        played = PlayedNode(node, kafka, stop, tls=tls is not None)
        serving = asyncio.Event()
        played.ended = asyncio.create_task(node.run(stop, lambda _: serving.set()))
        try:
            async with asyncio.timeout(SOON):
                await asyncio.wait(
                    (played.ended, asyncio.ensure_future(serving.wait())),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            if not serving.is_set():
                await played.ended
            yield played
        finally:
            kafka.holds = False
            stop.ask()
            async with asyncio.timeout(SOON):
                await played.ended
