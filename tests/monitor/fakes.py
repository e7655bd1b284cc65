"""Fakes of what the monitor's parts meet, each held to the real thing by `test_fakes`."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

from common.codec import Decoder
from common.dispatch import Peer
from common.errors import LinkLost, Reason, Refused
from common.messages import (
    Answer,
    ChargeCompletion,
    ChargingData,
    ErrorResponse,
    Message,
    Outcome,
    Request,
    Response,
    Role,
)
from common.protocol import CHARGING, Topic

_records = Decoder([ChargingData, ChargeCompletion])


class FakePublisher:
    """A Kafka in memory.

    Attributes:
        records: What was published, oldest first.
        full: It takes nothing more.
        holds: It does not acknowledge; `acknowledge` and `fail` do, later.
    """

    def __init__(self) -> None:
        self.records: list[ChargingData | ChargeCompletion] = []
        self.full = False
        self.holds = False
        self._open: list[asyncio.Future[None]] = []

    def publish(self, topic: Topic, key: str, value: bytes) -> asyncio.Future[None]:
        if self.full:
            raise Refused(Reason.OVERLOADED, "the queue is full")
        assert topic is CHARGING
        record = _records.decode(value)
        assert isinstance(record, ChargingData | ChargeCompletion)
        assert record.cp_id == key
        self.records.append(record)
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open.append(sent)
        if not self.holds:
            self.acknowledge()
        return sent

    def acknowledge(self) -> None:
        """Acknowledge all that was published."""
        for sent in self._open:
            sent.set_result(None)
        self._open.clear()

    def fail(self, error: Exception) -> None:
        """Give up all that is not acknowledged."""
        for sent in self._open:
            sent.set_exception(error)
        self._open.clear()


@dataclass
class FakeLink:
    """A link whose peer answers as it is told, as a real one's peer would.

    Attributes:
        answers: What the peer answers to a kind of request: an answer, or an error that `ask`
            raises. A failing answer is raised as `Refused`.
        asked: What was asked.
        told: What was told.
        down: The link is gone.
        closed_with: What it was closed with.
        patience: As a real link has it; nothing happens here when it ends.
    """

    answers: dict[type[Message], Response | Exception] = field(default_factory=dict)
    asked: list[Message] = field(default_factory=list)
    told: list[Message] = field(default_factory=list)
    down: bool = False
    closed_with: list[ErrorResponse | None] = field(default_factory=list)
    patience: float | None = None
    address: str | None = None

    async def ask(self, request: Request[Answer], *, within: float | None = None) -> Answer:
        if self.down:
            raise LinkLost("the peer")
        self.asked.append(request)
        answer = self.answers[type(request)]
        if isinstance(answer, Exception):
            raise answer
        if answer.status is Outcome.FAILURE:
            raise Refused(answer.error or Reason.INTERNAL, answer.message, answer)
        return cast(Answer, answer)

    def tell(self, message: Message) -> None:
        if self.down:
            raise LinkLost("the peer")
        self.told.append(message)

    def close(self, why: ErrorResponse | None = None) -> None:
        self.closed_with.append(why)
        self.down = True


def peer_of(link: FakeLink, role: Role) -> Peer:
    """Who is at the other end of a fake link."""
    return Peer(role=role, link=link)
