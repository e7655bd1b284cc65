"""The protocol table: who sends what to whom, over what. All else is derived from it.

`ROUTES` has one row for each message that one role may send to another over TCP or over a Kafka
topic. Answers have no rows: a request names its answer in its type, and the answer goes back the
way that the request came. Decoders, dispatch, topics, the generated pages and the completeness
tests all ask the questions at the end of this file.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import get_args, get_origin

from common.gateway_messages import (
    AuthorizeRequest,
    BootRequest,
    ChargePointAccess,
    ChargeStarted,
    CommandRequest,
    CommandsRequest,
    ConnectorFault,
    ConnectorRecovery,
    ConnectorStatus,
    FrameSeen,
    IdTagChange,
    IdTagsRequest,
    LinkDown,
    LinkUp,
    MeterReport,
    NodeAlive,
    OcppCommand,
    OcppEvent,
    OcppRequest,
    SamplesRequest,
    TransactionCompletion,
)
from common.messages import (
    AuditRequest,
    AuthRequest,
    AvailableCpsRequest,
    ChargeCompletion,
    ChargeRequest,
    ChargingData,
    ChargingHistoryRequest,
    ChargingStatusUpdate,
    ClientHeartbeatRequest,
    ConnectionError,
    ConnectionLost,
    ErrorResponse,
    EventLogged,
    FaultNotification,
    HealthCheckRequest,
    HealthRequest,
    HeartbeatRequest,
    ManualCommand,
    Message,
    PointChanged,
    PointsRequest,
    RecollectCommand,
    RecoveryNotification,
    RegisterRequest,
    ReportSessionsCommand,
    Request,
    Response,
    ResumeCpCommand,
    Role,
    SessionReport,
    SessionsRequest,
    SettleSessionsCommand,
    StartChargingCommand,
    StatusUpdate,
    StopChargingCommand,
    StopChargingRequest,
    StopCpCommand,
    TicketsRequest,
    WatchReady,
    WatchRequest,
)

CENTRAL, MONITOR, ENGINE, DRIVER, ADMIN, ANYONE, GATEWAY = Role

MS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic, shared by all devices.

    Attributes:
        name: Its name.
        key: The field whose value is a record's key.
        partitions: Their number, which never changes: a key's partition depends on it.
        config: Its settings at the broker, beside replication.
    """

    name: str
    key: str
    partitions: int = 12
    config: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def __hash__(self) -> int:
        return hash(self.name)


CHARGING = Topic("ev.charging", "cp_id", config={"retention.ms": str(7 * 24 * MS_PER_HOUR)})
DRIVER_REQUESTS = Topic(
    "ev.driver.requests",
    "driver_id",
    config={"retention.ms": str(MS_PER_HOUR), "message.timestamp.type": "LogAppendTime"},
)
DRIVER_EVENTS = Topic(
    "ev.driver.events", "driver_id", config={"retention.ms": str(24 * MS_PER_HOUR)}
)
POINTS = Topic("ev.points", "cp_id", config={"cleanup.policy": "compact"})
UP = Topic("ev.up", "cp_id", config={"retention.ms": str(7 * 24 * MS_PER_HOUR)})
DOWN = Topic("ev.down", "cp_id", partitions=64, config={"retention.ms": str(MS_PER_HOUR)})
"""Each running gateway reads a partition of its own; a record's key does not choose it."""
ACCESS = Topic("ev.access", "cp_id", partitions=1, config={"cleanup.policy": "compact"})
FRAMES = Topic("ev.frames", "cp_id", config={"retention.ms": str(24 * MS_PER_HOUR)})
DEAD = Topic(
    "ev.dead",
    "",
    partitions=1,
    # A record that others may write is at most 1 MiB; what is said about it comes on top.
    config={"retention.ms": str(30 * 24 * MS_PER_HOUR), "max.message.bytes": str(2 << 20)},
)
"""Records that could not be applied, with their keys as they came; no message has a route to it."""


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the protocol; without a topic the message travels over TCP.

    A message from a role to itself stays inside the program.
    """

    message: type[Message]
    sender: Role
    receiver: Role
    topic: Topic | None = None

    @property
    def answer(self) -> type[Response] | None:
        """What answers `message`; None for a notification."""
        return answer_of(self.message)


# fmt: off
ROUTES: tuple[Route, ...] = (
    #     message                 from     to       over Kafka
    Route(AuthRequest,            MONITOR, ENGINE),
    Route(HealthCheckRequest,     MONITOR, ENGINE),
    Route(StartChargingCommand,   MONITOR, ENGINE),
    Route(StopChargingCommand,    MONITOR, ENGINE),
    Route(StopCpCommand,          MONITOR, ENGINE),
    Route(ResumeCpCommand,        MONITOR, ENGINE),
    Route(ReportSessionsCommand,  MONITOR, ENGINE),
    Route(SettleSessionsCommand,  MONITOR, ENGINE),
    Route(RecollectCommand,       MONITOR, ENGINE),
    Route(ErrorResponse,          MONITOR, ENGINE),

    Route(ChargingData,           ENGINE,  MONITOR),
    Route(ChargeCompletion,       ENGINE,  MONITOR),
    Route(ChargeRequest,          ENGINE,  MONITOR),
    Route(ErrorResponse,          ENGINE,  MONITOR),

    Route(AuthRequest,            MONITOR, CENTRAL),
    Route(RegisterRequest,        MONITOR, CENTRAL),
    Route(HeartbeatRequest,       MONITOR, CENTRAL),
    Route(StatusUpdate,           MONITOR, CENTRAL),
    Route(FaultNotification,      MONITOR, CENTRAL),
    Route(RecoveryNotification,   MONITOR, CENTRAL),
    Route(SessionReport,          MONITOR, CENTRAL),
    Route(ChargeRequest,          MONITOR, CENTRAL),
    Route(ErrorResponse,          MONITOR, CENTRAL),
    Route(ChargingData,           MONITOR, CENTRAL, CHARGING),
    Route(ChargeCompletion,       MONITOR, CENTRAL, CHARGING),

    Route(StartChargingCommand,   CENTRAL, MONITOR),
    Route(StopChargingCommand,    CENTRAL, MONITOR),
    Route(StopCpCommand,          CENTRAL, MONITOR),
    Route(ResumeCpCommand,        CENTRAL, MONITOR),
    Route(RecollectCommand,       CENTRAL, MONITOR),
    Route(ErrorResponse,          CENTRAL, MONITOR),

    Route(AuthRequest,            DRIVER,  CENTRAL),
    Route(ClientHeartbeatRequest, DRIVER,  CENTRAL),
    Route(ChargeRequest,          DRIVER,  CENTRAL),
    Route(StopChargingRequest,    DRIVER,  CENTRAL),
    Route(AvailableCpsRequest,    DRIVER,  CENTRAL),
    Route(ChargingHistoryRequest, DRIVER,  CENTRAL),
    Route(ErrorResponse,          DRIVER,  CENTRAL),
    Route(ChargeRequest,          DRIVER,  CENTRAL, DRIVER_REQUESTS),
    Route(StopChargingRequest,    DRIVER,  CENTRAL, DRIVER_REQUESTS),
    Route(AvailableCpsRequest,    DRIVER,  CENTRAL, DRIVER_REQUESTS),

    Route(ErrorResponse,          CENTRAL, DRIVER),
    Route(ErrorResponse,          CENTRAL, DRIVER,  DRIVER_EVENTS),
    Route(ChargingStatusUpdate,   CENTRAL, DRIVER,  DRIVER_EVENTS),
    Route(ChargingData,           CENTRAL, DRIVER,  DRIVER_EVENTS),
    Route(ChargeCompletion,       CENTRAL, DRIVER,  DRIVER_EVENTS),
    Route(ConnectionLost,         DRIVER,  DRIVER),
    Route(ConnectionError,        DRIVER,  DRIVER),

    Route(AuthRequest,            ADMIN,   CENTRAL),
    Route(ClientHeartbeatRequest, ADMIN,   CENTRAL),
    Route(ManualCommand,          ADMIN,   CENTRAL),
    Route(PointsRequest,          ADMIN,   CENTRAL),
    Route(WatchRequest,           ADMIN,   CENTRAL),
    Route(SessionsRequest,        ADMIN,   CENTRAL),
    Route(TicketsRequest,         ADMIN,   CENTRAL),
    Route(AuditRequest,           ADMIN,   CENTRAL),
    Route(HealthRequest,          ADMIN,   CENTRAL),
    Route(CommandRequest,         ADMIN,   CENTRAL),
    Route(CommandsRequest,        ADMIN,   CENTRAL),
    Route(IdTagsRequest,          ADMIN,   CENTRAL),
    Route(IdTagChange,            ADMIN,   CENTRAL),
    Route(SamplesRequest,         ADMIN,   CENTRAL),
    Route(ErrorResponse,          ADMIN,   CENTRAL),

    Route(PointChanged,           CENTRAL, ADMIN),
    Route(WatchReady,             CENTRAL, ADMIN),
    Route(EventLogged,            CENTRAL, ADMIN),
    Route(ErrorResponse,          CENTRAL, ADMIN),

    Route(PointChanged,           CENTRAL, ANYONE,  POINTS),

    Route(LinkUp,                 GATEWAY, CENTRAL, UP),
    Route(LinkDown,               GATEWAY, CENTRAL, UP),
    Route(NodeAlive,              GATEWAY, CENTRAL, UP),
    Route(BootRequest,            GATEWAY, CENTRAL, UP),
    Route(ConnectorStatus,        GATEWAY, CENTRAL, UP),
    Route(ConnectorFault,         GATEWAY, CENTRAL, UP),
    Route(ConnectorRecovery,      GATEWAY, CENTRAL, UP),
    Route(AuthorizeRequest,       GATEWAY, CENTRAL, UP),
    Route(ChargeStarted,          GATEWAY, CENTRAL, UP),
    Route(MeterReport,            GATEWAY, CENTRAL, UP),
    Route(TransactionCompletion,  GATEWAY, CENTRAL, UP),
    Route(OcppEvent,              GATEWAY, CENTRAL, UP),
    Route(OcppRequest,            GATEWAY, CENTRAL, UP),

    Route(StartChargingCommand,   CENTRAL, GATEWAY, DOWN),
    Route(StopChargingCommand,    CENTRAL, GATEWAY, DOWN),
    Route(StopCpCommand,          CENTRAL, GATEWAY, DOWN),
    Route(ResumeCpCommand,        CENTRAL, GATEWAY, DOWN),
    Route(OcppCommand,            CENTRAL, GATEWAY, DOWN),
    Route(ErrorResponse,          CENTRAL, GATEWAY, DOWN),
    Route(ChargePointAccess,      CENTRAL, GATEWAY, ACCESS),

    Route(FrameSeen,              GATEWAY, ANYONE,  FRAMES),
)
# fmt: on

ANSWER_TOPIC: dict[Topic, Topic] = {DRIVER_REQUESTS: DRIVER_EVENTS, UP: DOWN, DOWN: UP}
"""Where the answer to a request goes that came by this topic."""

TOPICS: tuple[Topic, ...] = tuple(dict.fromkeys(r.topic for r in ROUTES if r.topic is not None))
"""Every topic that messages travel by, in the order of the table."""

ALL_TOPICS = (*TOPICS, DEAD)
"""Every topic that must be there."""

DEADLINES: dict[tuple[Role, Role], float] = {
    (MONITOR, ENGINE): 3.0,
    (ENGINE, MONITOR): 10.0,
    (CENTRAL, MONITOR): 5.0,
    (MONITOR, CENTRAL): 10.0,
    (DRIVER, CENTRAL): 10.0,
    (ADMIN, CENTRAL): 10.0,
}
"""Seconds for which who asks (first) waits for who answers (second). The answerer's own work is
bounded below it: an engine's 3 s fit into the monitor's 5 s, those into central's 8 s."""

CENTRAL_ANSWERS_WITHIN = 8.0
"""Seconds in which central answers a driver or an operator, whatever happens behind it."""


# ---- The questions one may ask of the table ---------------------------------------------------


def wire_name(message: type[Message]) -> str:
    """The message's `type` on the wire."""
    return str(message.__struct_config__.tag)


@cache
def answer_of(message: type[Message]) -> type[Response] | None:
    """The struct that answers this message; None for a notification."""
    for base in getattr(message, "__orig_bases__", ()):
        if get_origin(base) is Request:
            answer: type[Response] = get_args(base)[0]
            return answer
    return None


def way_back(topic: Topic | None) -> Topic | None:
    """The way of the answer to a request that came this way: by TCP, or the paired topic."""
    return ANSWER_TOPIC[topic] if topic else None


def sent(sender: Role, receiver: Role, topic: Topic | None = None) -> frozenset[type[Message]]:
    """What `sender` may send to `receiver` this way, answers included."""
    told = {
        r.message for r in ROUTES if (r.sender, r.receiver, r.topic) == (sender, receiver, topic)
    }
    answers = {
        r.answer
        for r in ROUTES
        if (r.receiver, r.sender) == (sender, receiver) and r.answer and way_back(r.topic) is topic
    }
    return frozenset(told | answers)


def ways() -> list[tuple[Role, Role, Topic | None]]:
    """Every (sender, receiver, topic) on which anything travels, in the order of the table."""
    there = [(r.sender, r.receiver, r.topic) for r in ROUTES]
    back = [(r.receiver, r.sender, way_back(r.topic)) for r in ROUTES if r.answer]
    return list(dict.fromkeys(there + back))


def received(role: Role) -> frozenset[type[Message]]:
    """All that `role` may be sent, by any way, answers included: what it must handle."""
    return frozenset().union(*(sent(*way) for way in ways() if way[1] is role))


def all_messages() -> list[type[Message]]:
    """Every message and answer, in the order of the table."""
    pairs = ((r.message, r.answer) for r in ROUTES)
    return list(dict.fromkeys(m for pair in pairs for m in pair if m is not None))


INTRODUCTIONS: dict[type[Message], Role] = {RegisterRequest: MONITOR} | {
    r.message: r.sender
    for r in ROUTES
    if r.sender in (DRIVER, ADMIN)
    and (r.receiver, r.topic) == (CENTRAL, None)
    and r.answer
    and r.message not in (AuthRequest, ClientHeartbeatRequest)
}
"""What tells central the role of a link that begins with it; `auth_request` names the role."""


def introduced_role(message: Message) -> Role | None:
    """The role that a link has which begins with this message."""
    if isinstance(message, AuthRequest):
        return message.role if message.role in (MONITOR, DRIVER, ADMIN) else None
    return INTRODUCTIONS.get(type(message))


def first_messages() -> frozenset[type[Message]]:
    """What a link may say to central that has not said who it is."""
    return frozenset({AuthRequest, ErrorResponse, *INTRODUCTIONS})


def key_of(topic: Topic, message: Message) -> str | None:
    """The key of the record that carries this message; None where its fields do not say."""
    key = getattr(message, topic.key, None)
    return key if isinstance(key, str) else None
