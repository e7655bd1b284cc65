"""Every message of the network: what it says, field by field, with units.

A message is frozen, keyword-only and without behaviour; its class name is its wire name, its
docstring its definition. A request names its answer in its type. Who may send it to whom is
`protocol.ROUTES`.

A field with a plain default is left out on the wire while it has that value; one with
`always(…)` may be missing on input and is written all the same. The envelope (`message_id`,
`timestamp`, `trace_id`) is filled in when a message leaves: see `exchange.stamped`.
"""

from enum import StrEnum
from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct, field

from common.errors import Reason
from common.states import EndReason, SessionState, Status
from common.units import (
    MAX_CONNECTORS,
    MAX_LISTED_SESSIONS,
    MAX_ROWS,
    Address,
    AdminId,
    AuditedAct,
    ChargePointId,
    ChargePointPattern,
    ConnectorId,
    Count,
    Credential,
    Currency,
    Cursor,
    DriverId,
    Epoch,
    FaultType,
    IdTag,
    KafkaKey,
    Limit,
    Location,
    MessageId,
    MeterWattHours,
    Money,
    OcppText,
    Payload,
    Price,
    Progress,
    Revision,
    Seconds,
    Sentence,
    Sequence,
    SessionId,
    StatusWord,
    TimeScale,
    TraceId,
    TransactionId,
    UnixSeconds,
    WattHours,
    Watts,
)

T = TypeVar("T")


def always(value: T) -> T:
    """A default for input that is nevertheless written on output."""
    return field(default_factory=lambda: value)


def _wire_name(class_name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in class_name).lstrip("_")


# ---- What every message is made of ------------------------------------------------------------


class Message(
    Struct, frozen=True, kw_only=True, tag_field="type", tag=_wire_name, omit_defaults=True
):
    """Anything that crosses a process boundary; `type` on the wire names its class."""

    message_id: MessageId = ""
    timestamp: UnixSeconds = 0
    trace_id: TraceId | None = None


class Outcome(StrEnum):
    """Whether a request was done."""

    SUCCESS = "success"
    FAILURE = "failure"


class Response(Message, frozen=True, kw_only=True):
    """What a request comes back with; it carries the request's `message_id`."""

    status: Outcome
    message: Sentence = always("")
    error: Reason | None = None


Answer = TypeVar("Answer", bound=Response)


class Request(Message, Generic[Answer], frozen=True, kw_only=True):
    """A message that its receiver answers with exactly one `Answer`."""


class ErrorResponse(Message, frozen=True, kw_only=True):
    """A message could not be taken. Carries the offender's `message_id`; is never answered."""

    error: Reason
    message: Sentence = always("")
    leader: Address | None = None


class Role(StrEnum):
    """Who speaks the protocol."""

    CENTRAL = "central"
    MONITOR = "monitor"
    ENGINE = "engine"
    DRIVER = "driver"
    ADMIN = "admin"
    ANYONE = "anyone"
    """Whoever reads the state of the charge points from Kafka; sends nothing."""
    GATEWAY = "gateway"


Stopped = Annotated[bool, Meta(description="Taken out of order by an operator.")]
Estimated = Annotated[
    bool, Meta(description="Billed by central from the last reading: no ticket came in time.")
]

SessionIds = Annotated[
    tuple[SessionId, ...],
    Meta(max_length=MAX_LISTED_SESSIONS, description="Sessions, oldest first, 100 at most."),
]


# ---- Who are you ------------------------------------------------------------------------------


class AuthResponse(Response, frozen=True, kw_only=True):
    """You are who you say, or not; a driver also gets the key that proves its records."""

    kafka_key: KafkaKey | None = None


class AuthRequest(Request[AuthResponse], frozen=True, kw_only=True):
    """I am this monitor, driver or operator. `credential` is optional where none are used."""

    role: Role
    cp_id: ChargePointId | None = None
    driver_id: DriverId | None = None
    admin_id: AdminId | None = None
    credential: Credential | None = None


# ---- Monitor to engine ------------------------------------------------------------------------


class ConnectorEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One connector as its engine sees it, with the session that it serves or served last."""

    connector_id: ConnectorId
    status: StatusWord
    session_id: SessionId | None = None


ConnectorEntries = Annotated[
    tuple[ConnectorEntry, ...],
    Meta(max_length=MAX_CONNECTORS, description="Every connector of the point."),
]


class HealthCheckResponse(Response, frozen=True, kw_only=True):
    """How the engine is. A broken one answers `failure` with `charge_point_faulted` (KO)."""

    engine_status: StatusWord = always("")
    is_charging: Annotated[bool, Meta(description="Whether energy flows.")] = always(False)
    session_id: SessionId | None = None
    fault_type: FaultType | None = None
    connectors: ConnectorEntries = always(())
    held_sessions: SessionIds = always(())
    max_charging_rate_kw: Watts | None = None
    time_scale: TimeScale | None = None


class HealthCheckRequest(Request[HealthCheckResponse], frozen=True, kw_only=True):
    """Are you well? Every second."""

    cp_id: ChargePointId


class CommandOutcome(StrEnum):
    """What became of a command to an OCPP charge point."""

    ACCEPTED = "accepted"
    """The charge point answered, and did it, or will."""
    REJECTED = "rejected"
    """The charge point answered that it does not."""
    FAILED = "failed"
    """The charge point answered with an error."""
    TIMED_OUT = "timed_out"
    """It did not answer in time."""
    UNKNOWN = "unknown"
    """The connection went after it was sent: it may have been done."""
    NOT_SENT = "not_sent"
    """The connection went, or was gone, before it was sent."""


class CommandResponse(Response, frozen=True, kw_only=True):
    """A charge point, or central, did or refused what it was told.

    From a gateway also with `outcome`, and `payload`: what the charge point answered; or
    `error_code`, of its CALLERROR.
    """

    session_id: SessionId | None = None
    never_seen: SessionIds | None = None
    outcome: CommandOutcome | None = None
    payload: Payload | None = None
    error_code: OcppText | None = None


class StartChargingCommand(Request[CommandResponse], frozen=True, kw_only=True):
    """Supply this driver, up to this power and, where one is given, this energy."""

    cp_id: ChargePointId
    connector_id: ConnectorId = 1
    session_id: SessionId
    driver_id: DriverId
    price_per_kwh: Price
    max_charging_rate_kw: Watts
    target_kwh: WattHours | None = None
    id_tag: IdTag | None = None
    expires_at: Annotated[
        UnixSeconds | None, Meta(description="A gateway sends it before that, or not at all.")
    ] = None
    epoch: Epoch | None = None


class StopChargingCommand(Request[CommandResponse], frozen=True, kw_only=True):
    """End this session; a success also where it has ended or never was."""

    cp_id: ChargePointId
    connector_id: ConnectorId = 1
    session_id: SessionId
    reason: EndReason | None = None
    transaction_id: TransactionId | None = None
    epoch: Epoch | None = None


class StopCpCommand(Request[CommandResponse], frozen=True, kw_only=True):
    """Take the whole point out of order; a running supply ends first, with its ticket.

    With `connector_id` that connector of an OCPP point alone.
    """

    cp_id: ChargePointId
    connector_id: ConnectorId | None = None
    reason: Sentence = always("")
    epoch: Epoch | None = None


class ResumeCpCommand(Request[CommandResponse], frozen=True, kw_only=True):
    """Put the whole point, or this connector of an OCPP point, back in order."""

    cp_id: ChargePointId
    connector_id: ConnectorId | None = None
    epoch: Epoch | None = None


class ReportSessionsCommand(Request[CommandResponse], frozen=True, kw_only=True):
    """What became of these? Names those never seen, then sends each ticket or latest reading."""

    cp_id: ChargePointId
    session_ids: SessionIds


class SettleSessionsCommand(Request[CommandResponse], frozen=True, kw_only=True):
    """Central has these for good; only now may the engine forget them."""

    cp_id: ChargePointId
    session_ids: SessionIds


class RecollectCommand(Request[CommandResponse], frozen=True, kw_only=True):
    """Send the tickets again of all sessions that have ended since, settled or not."""

    cp_id: ChargePointId
    since: UnixSeconds
    epoch: Epoch | None = None


# ---- Readings and tickets ---------------------------------------------------------------------


class ChargingData(Message, frozen=True, kw_only=True):
    """One reading of a running supply, every second. Energy and cost are cumulative."""

    cp_id: ChargePointId
    connector_id: ConnectorId = 1
    session_id: SessionId
    sequence: Sequence | None = None
    energy_consumed_kwh: WattHours
    total_cost: Money = always(Money(0))
    charging_rate: Watts = always(Watts(0))
    epoch: Epoch | None = None


class ChargeCompletion(Message, frozen=True, kw_only=True):
    """The end of a session: the engine's word about it, and from central the driver's ticket."""

    cp_id: ChargePointId
    connector_id: ConnectorId = 1
    session_id: SessionId
    energy_consumed_kwh: WattHours
    total_cost: Money = always(Money(0))
    reason: EndReason | None = None
    started_at: UnixSeconds | None = None
    ended_at: UnixSeconds | None = None
    meter_start_wh: MeterWattHours | None = None
    meter_stop_wh: MeterWattHours | None = None
    price_per_kwh: Price | None = None
    currency: Currency | None = None
    estimated: Estimated | None = None
    revision: Revision | None = None
    epoch: Epoch | None = None


class ChargingStatusUpdate(Message, frozen=True, kw_only=True):
    """Where the driver's session is now."""

    session_id: SessionId
    cp_id: ChargePointId
    connector_id: ConnectorId = 1
    status: SessionState
    progress: Progress = always(0)
    reason: EndReason | None = None
    epoch: Epoch | None = None


# ---- Monitor to central -----------------------------------------------------------------------


class RegisterResponse(Response, frozen=True, kw_only=True):
    """The point is known now, and what central wants of it.

    `pending`: an OCPP point is to wait until it is told more, and to ask again meanwhile.
    """

    reason: Reason | None = None
    pending: Annotated[bool | None, Meta(description="Neither accepted nor rejected yet.")] = None
    epoch: Epoch | None = None
    heartbeat_interval: Seconds | None = None
    stopped: Stopped | None = None
    settled_sessions: SessionIds = always(())
    unsettled_sessions: SessionIds = always(())


class RegisterRequest(Request[RegisterResponse], frozen=True, kw_only=True):
    """Here is a charge point, and all that is to be known of it."""

    cp_id: ChargePointId
    location: Location | None = None
    max_charging_rate_kw: Watts = always(Watts(11_000))
    price_per_kwh: Price | None = None
    engine_status: StatusWord | None = None
    fault_type: FaultType | None = None
    connectors: ConnectorEntries | None = None
    held_sessions: SessionIds | None = None
    time_scale: TimeScale | None = None


class HeartbeatResponse(Response, frozen=True, kw_only=True):
    """I am here too; to a monitor also what central wants of its point."""

    stopped: Stopped | None = None
    settled_sessions: SessionIds | None = None
    unsettled_sessions: SessionIds | None = None


class HeartbeatRequest(Request[HeartbeatResponse], frozen=True, kw_only=True):
    """The point is alive, and how it is."""

    cp_id: ChargePointId
    status: StatusWord
    connectors: ConnectorEntries | None = None
    fault_type: FaultType | None = None
    held_sessions: SessionIds | None = None


class ClientHeartbeatRequest(
    Request[HeartbeatResponse], frozen=True, kw_only=True, tag="heartbeat_request"
):
    """A driver's or an operator's program is alive."""


class StatusUpdate(Message, frozen=True, kw_only=True):
    """A connector's status has changed."""

    cp_id: ChargePointId
    connector_id: ConnectorId = 1
    status: StatusWord
    session_id: SessionId | None = None


class FaultNotification(Message, frozen=True, kw_only=True):
    """The point is broken, or its engine cannot be reached."""

    cp_id: ChargePointId
    fault_type: FaultType


class RecoveryNotification(Message, frozen=True, kw_only=True):
    """The point is well again."""

    cp_id: ChargePointId


class SessionOutcome(StrEnum):
    """What an engine knows of a session."""

    RUNNING = "running"
    ENDED = "ended"
    NEVER_SEEN = "never_seen"


class SessionReport(Message, frozen=True, kw_only=True):
    """What the engine said about a session that central had listed as unsettled."""

    cp_id: ChargePointId
    connector_id: ConnectorId = 1
    session_id: SessionId
    outcome: SessionOutcome


# ---- Driver to central ------------------------------------------------------------------------


class ChargeRequestResponse(Response, frozen=True, kw_only=True):
    """The session is stored and its engine said yes; or why not."""

    session_id: SessionId | None = None
    cp_id: ChargePointId | None = None
    connector_id: ConnectorId | None = None


class ChargeRequest(Request[ChargeRequestResponse], frozen=True, kw_only=True):
    """Let me charge here; without `connector_id` on any free connector."""

    cp_id: ChargePointId
    connector_id: ConnectorId | None = None
    driver_id: DriverId
    target_kwh: WattHours | None = None


class StopChargingResponse(Response, frozen=True, kw_only=True):
    """The session is ended, or why not."""


class StopChargingRequest(Request[StopChargingResponse], frozen=True, kw_only=True):
    """End my session. Without `driver_id` it is the driver's who last spoke on that link."""

    cp_id: ChargePointId
    connector_id: ConnectorId = 1
    session_id: SessionId
    driver_id: DriverId | None = None


class AvailablePoint(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A charge point at which a charge can start now."""

    cp_id: ChargePointId
    location: Location
    price_per_kwh: Price
    currency: Currency
    max_charging_rate_kw: Watts
    status: Status


class AvailableCpsResponse(Response, frozen=True, kw_only=True):
    """A page of the points that are available, by id."""

    charging_points: Annotated[tuple[AvailablePoint, ...], Meta(max_length=MAX_ROWS)] = always(())
    next: Cursor | None = None


class AvailableCpsRequest(Request[AvailableCpsResponse], frozen=True, kw_only=True):
    """Where can I charge now?"""

    driver_id: DriverId
    after: Cursor | None = None
    limit: Limit = always(100)


class SessionRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session in a driver's history."""

    session_id: SessionId
    cp_id: ChargePointId
    connector_id: ConnectorId
    state: SessionState
    started_at: UnixSeconds
    ended_at: UnixSeconds | None = None
    energy_consumed_kwh: WattHours
    price_per_kwh: Price
    total_cost: Money
    currency: Currency
    reason: EndReason | None = None
    estimated: Estimated
    revision: Count


class ChargingHistoryResponse(Response, frozen=True, kw_only=True):
    """A page of a driver's sessions, newest first, the running one included."""

    sessions: Annotated[tuple[SessionRow, ...], Meta(max_length=MAX_ROWS)] = always(())
    next: Cursor | None = None


class ChargingHistoryRequest(Request[ChargingHistoryResponse], frozen=True, kw_only=True):
    """What did I charge, and what do I charge now?"""

    driver_id: DriverId
    after: Cursor | None = None
    limit: Limit = always(100)


# ---- Inside the driver ------------------------------------------------------------------------


class ConnectionLost(Message, frozen=True, kw_only=True):
    """The driver's link to central went."""

    message: Sentence = always("")


class ConnectionError(Message, frozen=True, kw_only=True):
    """The driver cannot reach central."""

    message: Sentence = always("")


# ---- Admin to central -------------------------------------------------------------------------


class ConnectorRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A connector's status and, while a session holds it, that session's live figures."""

    connector_id: ConnectorId
    status: Status
    session_id: SessionId | None = None
    driver_id: DriverId | None = None
    charging_rate: Watts | None = None
    energy_consumed_kwh: WattHours | None = None
    total_cost: Money | None = None
    started_at: UnixSeconds | None = None


class PointRow(Message, frozen=True, kw_only=True, tag=False):
    """The latest state of a charge point: `point_changed` without its envelope."""

    cp_id: ChargePointId
    location: Location
    price_per_kwh: Price
    currency: Currency
    max_charging_rate_kw: Watts
    status: Status
    stopped: Stopped
    fault_type: FaultType | None = None
    last_seen: UnixSeconds
    epoch: Epoch
    ocpp_version: OcppText | None = None
    vendor: OcppText | None = None
    model: OcppText | None = None
    firmware_version: OcppText | None = None
    connectors: Annotated[tuple[ConnectorRow, ...], Meta(max_length=MAX_CONNECTORS)]


class PointChanged(PointRow, frozen=True, kw_only=True, tag="point_changed"):
    """A charge point is now like this."""


class ManualCommandName(StrEnum):
    """What an operator may order."""

    STOP_CP = "stop_cp"
    RESUME_CP = "resume_cp"
    START_CHARGING = "start_charging"
    STOP_CHARGING = "stop_charging"
    SET_PRICE = "set_price"
    RECOLLECT = "recollect"


class CommandResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a command at one point; not `applied`: stored until it can be reached."""

    cp_id: ChargePointId
    status: Outcome
    applied: Annotated[bool, Meta(description="Done there now; else once it can be reached.")]
    error: Reason | None = None


class ManualCommandResponse(Response, frozen=True, kw_only=True):
    """How many points did it; `results` of one point, or the failures, 200 at most."""

    succeeded: Count = always(0)
    failed: Count = always(0)
    results: Annotated[tuple[CommandResult, ...], Meta(max_length=MAX_ROWS)] = always(())


class ManualCommand(Request[ManualCommandResponse], frozen=True, kw_only=True):
    """An operator's order to one charge point, or to all."""

    command: ManualCommandName
    cp_id: ChargePointPattern
    connector_id: ConnectorId | None = None
    driver_id: DriverId | None = None
    price_per_kwh: Price | None = None
    since: UnixSeconds | None = None
    reason: Sentence | None = None


class PointsResponse(Response, frozen=True, kw_only=True):
    """A page of charge points, by id."""

    points: Annotated[tuple[PointRow, ...], Meta(max_length=MAX_ROWS)] = always(())
    next: Cursor | None = None


class PointsRequest(Request[PointsResponse], frozen=True, kw_only=True):
    """The charge points; `search` is part of an id or a location, in any case."""

    after: Cursor | None = None
    limit: Limit = always(100)
    search: Location | None = None


class WatchRequest(Request[CommandResponse], frozen=True, kw_only=True):
    """Tell me every point, then whatever changes, until this link ends."""


class WatchReady(Message, frozen=True, kw_only=True):
    """Every known point has been told; from here on come changes."""


class Severity(StrEnum):
    """How much an event matters."""

    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"


class EventLogged(Message, frozen=True, kw_only=True):
    """Something happened that an operator would want to see."""

    severity: Severity
    text: Sentence
    cp_id: ChargePointId | None = None
    session_id: SessionId | None = None
    driver_id: DriverId | None = None


class OperatorSessionRow(SessionRow, frozen=True, kw_only=True):
    """A session as an operator sees it."""

    driver_id: DriverId
    suspect: Annotated[
        bool,
        Meta(
            description="Its ticket is below a reading, or above what its point can supply.",
        ),
    ]
    disputed: Annotated[
        bool, Meta(description="Its engine sent a second, different ticket; the first is billed.")
    ]
    id_tag: IdTag | None = None
    transaction_id: TransactionId | None = None


class SessionsResponse(Response, frozen=True, kw_only=True):
    """A page of sessions, newest first, the running ones included."""

    sessions: Annotated[tuple[OperatorSessionRow, ...], Meta(max_length=MAX_ROWS)] = always(())
    next: Cursor | None = None


class SessionsRequest(Request[SessionsResponse], frozen=True, kw_only=True):
    """The sessions of a point, of a driver, in a state, or begun since; all that is named holds."""

    cp_id: ChargePointId | None = None
    driver_id: DriverId | None = None
    state: SessionState | None = None
    since: UnixSeconds | None = None
    after: Cursor | None = None
    limit: Limit = always(100)


class TicketRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bill."""

    session_id: SessionId
    cp_id: ChargePointId
    connector_id: ConnectorId
    driver_id: DriverId
    energy_consumed_kwh: WattHours
    price_per_kwh: Price
    total_cost: Money
    currency: Currency
    started_at: UnixSeconds
    ended_at: UnixSeconds
    reason: EndReason | None = None
    meter_start_wh: MeterWattHours | None = None
    meter_stop_wh: MeterWattHours | None = None
    estimated: Estimated
    revision: Revision


class TicketsResponse(Response, frozen=True, kw_only=True):
    """A page of tickets, the last issued first."""

    tickets: Annotated[tuple[TicketRow, ...], Meta(max_length=MAX_ROWS)] = always(())
    next: Cursor | None = None


class TicketsRequest(Request[TicketsResponse], frozen=True, kw_only=True):
    """The tickets of a point or a driver, of charges that ended from `since` to before `until`."""

    cp_id: ChargePointId | None = None
    driver_id: DriverId | None = None
    since: UnixSeconds | None = None
    until: UnixSeconds | None = None
    after: Cursor | None = None
    limit: Limit = always(100)


class AuditRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An operator's command, or an act of central on a bill: who, when, where, why, what became."""

    at: UnixSeconds
    admin_id: AdminId
    command: AuditedAct
    cp_id: ChargePointPattern
    reason: Sentence | None = None
    succeeded: Count
    failed: Count


class AuditResponse(Response, frozen=True, kw_only=True):
    """A page of the audit log, the latest command first."""

    entries: Annotated[tuple[AuditRow, ...], Meta(max_length=MAX_ROWS)] = always(())
    next: Cursor | None = None


class AuditRequest(Request[AuditResponse], frozen=True, kw_only=True):
    """What did operators order?"""

    since: UnixSeconds | None = None
    after: Cursor | None = None
    limit: Limit = always(100)


class LinkCounts(Struct, frozen=True, kw_only=True):
    """Links to central, by the role at their other end."""

    monitor: Count
    driver: Count
    admin: Count
    unknown: Count


class HealthResponse(Response, frozen=True, kw_only=True):
    """How central is; `kafka` and `database` are `ok`, or a sentence that says what is wrong."""

    kafka: Sentence = always("")
    database: Sentence = always("")
    leader: Address | None = None
    epoch: Epoch | None = None
    links: LinkCounts | None = None
    lag: Count = always(0)


class HealthRequest(Request[HealthResponse], frozen=True, kw_only=True):
    """How is central?"""
