"""Scripted peers: an engine and a central on real links, whose every answer a test decides."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from common.clock import SystemClock
from common.dispatch import Dispatcher, Handled, Peer
from common.link import Link
from common.listen import Listener
from common.messages import (
    ChargeRequest,
    ChargeRequestResponse,
    CommandResponse,
    ConnectorEntry,
    HealthCheckRequest,
    HealthCheckResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    Outcome,
    RegisterRequest,
    RegisterResponse,
    Role,
    SessionReport,
)
from common.protocol import answer_of, sent
from common.units import Watts

M = TypeVar("M", bound=Message)

WITHIN = 10.0
"""Seconds after which what a test waits for is missing; it comes much sooner on any machine."""

OK = Outcome.SUCCESS


async def eventually(condition: Callable[[], object]) -> None:
    """Return once the condition holds; fail if it does not within `WITHIN`."""
    async with asyncio.timeout(WITHIN):
        while not condition():  # noqa: ASYNC110 (any condition, not only one with an event)
            await asyncio.sleep(0.005)


class Script(Dispatcher):
    """Keeps every message that comes, and answers requests as it is told.

    Attributes:
        answers: What answers a message: an answer, an error, or None for silence.
        came: All messages so far.
    """

    def __init__(self) -> None:
        self.answers: dict[type[Message], Message | None] = {}
        self.came: list[Message] = []
        self._taken = 0
        self._news = asyncio.Event()
        self._running = set()

    def dispatch(self, message: Message, peer: Peer) -> Handled | Coroutine[Any, Any, Handled]:
        self.came.append(message)
        self._news.set()
        return self.answers.get(type(message))

    def all(self, kind: type[M]) -> list[M]:
        """The messages of a kind that have come."""
        return [message for message in self.came if isinstance(message, kind)]

    async def take(self, kind: type[M], **fields: object) -> M:
        """The next message of this kind with these fields, behind the last one taken."""
        async with asyncio.timeout(WITHIN):
            while True:
                for place in range(self._taken, len(self.came)):
                    message = self.came[place]
                    if isinstance(message, kind) and all(
                        getattr(message, name) == value for name, value in fields.items()
                    ):
                        self._taken = place + 1
                        return message
                self._news.clear()
                await self._news.wait()


class ScriptedPeer:
    """Listens for the monitor.

    Attributes:
        script: What it was told, and what it answers.
        listener: Where it listens.
        accepted: The links that came, oldest first.
    """

    role: Role

    def __init__(self) -> None:
        self.script = Script()
        self.listener = Listener(self._make)
        self.accepted: list[Link] = []
        self.port = 0

    def _make(self, listener: Listener) -> Link:
        return Link(
            self.role,
            self.script,
            SystemClock(),
            peer_role=Role.MONITOR,
            opened=self._opened,
            gone=listener.links.discard,
        )

    def _opened(self, link: Link) -> None:
        self.listener.links.add(link)
        self.accepted.append(link)

    async def open(self) -> None:
        """Listen, on the same port as before if there was one."""
        self.listener = Listener(self._make)
        await self.listener.open("127.0.0.1", self.port)
        self.port = self.listener.port

    async def close(self) -> None:
        """Listen no more, and drop all links."""
        await self.listener.close()

    @property
    def link(self) -> Link:
        """The newest link."""
        return self.accepted[-1]


def health(*entries: ConnectorEntry, **fields: Any) -> HealthCheckResponse:
    """A well engine's answer."""
    settings: dict[str, Any] = {
        "status": OK,
        "engine_status": entries[0].status if entries else "available",
        "connectors": entries or (ConnectorEntry(connector_id=1, status="available"),),
        "max_charging_rate_kw": Watts(22_000),
        "time_scale": 1.0,
    }
    return HealthCheckResponse(**{**settings, **fields})


class ScriptedEngine(ScriptedPeer):
    """An engine that says yes to everything and is well, until told otherwise."""

    role = Role.ENGINE

    def __init__(self) -> None:
        super().__init__()
        self.says(health())
        for message in sent(Role.MONITOR, Role.ENGINE):
            if answer_of(message) is CommandResponse:
                self.script.answers[message] = CommandResponse(status=OK)

    def says(self, answer: HealthCheckResponse | None) -> None:
        """What it answers to health checks from now on; None for silence."""
        self.script.answers[HealthCheckRequest] = answer


class ScriptedCentral(ScriptedPeer):
    """A central that takes every registration, until told otherwise."""

    role = Role.CENTRAL

    def __init__(self) -> None:
        super().__init__()
        self.registers()
        self.beats()
        self.script.answers[ChargeRequest] = ChargeRequestResponse(status=OK, session_id="s")

    def registers(self, **fields: Any) -> None:
        """How it answers registrations from now on."""
        settings = {"status": OK, "heartbeat_interval": 1, "epoch": 1, **fields}
        self.script.answers[RegisterRequest] = RegisterResponse(**settings)

    def beats(self, **fields: Any) -> None:
        """How it answers heartbeats from now on."""
        self.script.answers[HeartbeatRequest] = HeartbeatResponse(**{"status": OK, **fields})

    def reports(self) -> list[tuple[str, str]]:
        """The session reports that have come."""
        return [(r.session_id, r.outcome.value) for r in self.script.all(SessionReport)]
