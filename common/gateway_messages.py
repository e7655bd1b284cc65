"""What gateways and central say to each other about charge points that speak OCPP.

A gateway holds connections and translates; it decides nothing. So these messages say what a
charge point said, in the network's words and units: meters in Wh, times in Unix milliseconds by
the charge point's own clock, words as OCPP spells them where the network has none of its own.
Several share a wire name with what monitors say; which of them is meant follows from the topic.

Which connection a message came by, or is for, stands beside it: see `common.connection`.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from common.messages import (
    CommandResponse,
    Message,
    RegisterResponse,
    Request,
    Response,
    always,
)
from common.units import (
    MAX_ROWS,
    ChargePointId,
    ChargePointPattern,
    ConnectorId,
    ConnectorNumber,
    Count,
    Cursor,
    DriverId,
    FaultType,
    FrameText,
    IdTag,
    Limit,
    MessageId,
    MeterRegister,
    NodeId,
    OcppAction,
    OcppText,
    Operator,
    PasswordHash,
    Payload,
    SampledText,
    Sentence,
    StatusWord,
    TransactionId,
    UnixMilliseconds,
    UnixSeconds,
    Watts,
)

MAX_SAMPLES = 5_000
"""The most sampled values in one message; a frame of 64 KiB cannot hold as many."""


# ---- Connections ------------------------------------------------------------------------------


class LinkUp(Message, frozen=True, kw_only=True):
    """A charge point has connected; of its connections the one with the highest epoch counts."""

    cp_id: ChargePointId
    node: NodeId
    partition: Count
    epoch: Count
    ocpp_version: OcppText = always("1.6")
    security_profile: Annotated[int, Meta(ge=0, le=3, description="OCPP's, 0 to 3.")] = always(0)


class LinkDown(Message, frozen=True, kw_only=True):
    """A connection is closed. That of an older connection changes nothing."""

    cp_id: ChargePointId
    node: NodeId
    epoch: Count
    message: Sentence = always("")


class NodeAlive(Message, frozen=True, kw_only=True):
    """A gateway runs, and holds so many connections; every 3 s, with its node as the record's key.

    The connections of a gateway that is silent for 15 s are gone.
    """

    node: NodeId
    partition: Count
    connections: Count


class ChargePointAccess(Message, frozen=True, kw_only=True):
    """What a charge point proves its id with; without a hash it may not connect any more.

    `cp_id` `*` says whether credentials are demanded at all: with `revoked` false they are.
    """

    cp_id: ChargePointPattern
    password_hash: PasswordHash | None = None
    revoked: bool = always(False)


# ---- Gateway to central -----------------------------------------------------------------------


class BootRequest(Request[RegisterResponse], frozen=True, kw_only=True, tag="register_request"):
    """A charge point has started (BootNotification)."""

    cp_id: ChargePointId
    vendor: OcppText
    model: OcppText
    serial_number: OcppText | None = None
    box_serial_number: OcppText | None = None
    firmware_version: OcppText | None = None
    iccid: OcppText | None = None
    imsi: OcppText | None = None
    meter_type: OcppText | None = None
    meter_serial_number: OcppText | None = None


class ConnectorStatus(Message, frozen=True, kw_only=True, tag="status_update"):
    """A connector's status (StatusNotification); connector 0 is the whole charge point."""

    cp_id: ChargePointId
    connector_id: ConnectorNumber
    status: StatusWord
    error_code: OcppText | None = None
    info: OcppText | None = None
    vendor_id: OcppText | None = None
    vendor_error_code: OcppText | None = None
    at_ms: UnixMilliseconds | None = None


class ConnectorFault(Message, frozen=True, kw_only=True, tag="fault_notification"):
    """A connector, or with 0 the whole charge point, is Faulted (StatusNotification)."""

    cp_id: ChargePointId
    connector_id: ConnectorNumber
    fault_type: FaultType
    info: OcppText | None = None
    vendor_id: OcppText | None = None
    vendor_error_code: OcppText | None = None
    at_ms: UnixMilliseconds | None = None


class ConnectorRecovery(Message, frozen=True, kw_only=True, tag="recovery_notification"):
    """A connector that was Faulted on this connection is so no more; its status follows."""

    cp_id: ChargePointId
    connector_id: ConnectorNumber
    at_ms: UnixMilliseconds | None = None


class IdTagStatus(StrEnum):
    """Whether an id tag may charge, as OCPP 1.6 spells it."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT_TX = "ConcurrentTx"


class IdTagInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What central says of an id tag."""

    status: IdTagStatus
    expires_at: UnixSeconds | None = None
    parent_id_tag: IdTag | None = None


class AuthorizeResponse(Response, frozen=True, kw_only=True):
    """Whether it may; a refusal of the id tag is a success of the request."""

    id_tag_info: IdTagInfo | None = None


class AuthorizeRequest(Request[AuthorizeResponse], frozen=True, kw_only=True):
    """May this id tag charge here?"""

    cp_id: ChargePointId
    id_tag: IdTag


class ChargeStartedResponse(Response, frozen=True, kw_only=True):
    """The transaction is stored under this id, whether its id tag is accepted or not."""

    transaction_id: TransactionId | None = None
    id_tag_info: IdTagInfo | None = None


class ChargeStarted(Request[ChargeStartedResponse], frozen=True, kw_only=True):
    """A transaction has started (StartTransaction).

    A repeat is known by charge point, connector, id tag, time and meter, whatever its
    `message_id`.
    """

    cp_id: ChargePointId
    connector_id: ConnectorId
    id_tag: IdTag
    meter_start_wh: MeterRegister
    at_ms: UnixMilliseconds
    reservation_id: TransactionId | None = None


class Sample(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sampled value, as the charge point sent it; what it left out has OCPP's default."""

    at_ms: UnixMilliseconds
    value: SampledText
    measurand: OcppText = "Energy.Active.Import.Register"
    unit: OcppText = "Wh"
    context: OcppText = "Sample.Periodic"
    location: OcppText = "Outlet"
    phase: OcppText | None = None
    format: OcppText = "Raw"


Samples = Annotated[
    tuple[Sample, ...], Meta(max_length=MAX_SAMPLES, description="In the order they came in.")
]


class MeterReport(Message, frozen=True, kw_only=True, tag="charging_data"):
    """Meter values, inside a transaction or not (MeterValues).

    `meter_wh` is the latest Energy.Active.Import.Register among the samples, `charging_rate` the
    latest Power.Active.Import; left out where there is none, or it is no number.
    """

    cp_id: ChargePointId
    connector_id: ConnectorNumber
    transaction_id: TransactionId | None = None
    meter_wh: MeterRegister | None = None
    charging_rate: Watts | None = None
    samples: Samples = always(())


class TransactionResponse(Response, frozen=True, kw_only=True):
    """The transaction's end is stored."""

    id_tag_info: IdTagInfo | None = None


class TransactionCompletion(
    Request[TransactionResponse], frozen=True, kw_only=True, tag="charge_completion"
):
    """A transaction has ended (StopTransaction), with its transactionData as samples.

    A repeat is known by charge point and transaction, whatever its `message_id`.
    """

    cp_id: ChargePointId
    transaction_id: TransactionId
    meter_stop_wh: MeterRegister
    at_ms: UnixMilliseconds
    stop_reason: OcppText = always("Local")
    id_tag: IdTag | None = None
    samples: Samples = always(())


class OcppEvent(Message, frozen=True, kw_only=True):
    """Anything else that a charge point reports: action and payload as received."""

    cp_id: ChargePointId
    action: OcppAction
    payload: Payload


class OcppResponse(Response, frozen=True, kw_only=True):
    """What the charge point is to be answered: the payload of the CALLRESULT."""

    payload: Payload = always(Payload())


class OcppRequest(Request[OcppResponse], frozen=True, kw_only=True):
    """Anything else that a charge point asks: DataTransfer, SignCertificate."""

    cp_id: ChargePointId
    action: OcppAction
    payload: Payload


# ---- Central to gateway -----------------------------------------------------------------------


class OcppCommand(Request[CommandResponse], frozen=True, kw_only=True):
    """Send this call to the charge point; its `message_id` is the call's, 36 characters at most.

    The answer's `outcome` says what became of it, its `payload` what the charge point answered.
    """

    cp_id: ChargePointId
    action: OcppAction
    payload: Payload
    expires_at: UnixSeconds | None = None


# ---- For anyone who wants to look -------------------------------------------------------------


class FrameDirection(StrEnum):
    """Which way a frame went."""

    FROM_CHARGE_POINT = "from_charge_point"
    TO_CHARGE_POINT = "to_charge_point"


class FrameType(StrEnum):
    """What a frame of OCPP-J is."""

    CALL = "CALL"
    CALLRESULT = "CALLRESULT"
    CALLERROR = "CALLERROR"
    UNKNOWN = "UNKNOWN"


class FrameSeen(Message, frozen=True, kw_only=True):
    """A frame of OCPP-J as it went over the wire; published with `--frames`."""

    cp_id: ChargePointId
    node: NodeId
    at_ms: UnixMilliseconds
    direction: FrameDirection
    message_type: FrameType
    ocpp_message_id: OcppText | None = None
    action: OcppText | None = None
    latency_us: Annotated[
        Count | None, Meta(description="Of an answer: microseconds since its call.")
    ] = None
    raw: FrameText
    error: Sentence | None = None


# ---- Admin to central -------------------------------------------------------------------------


class CommandState(StrEnum):
    """Where a command to an OCPP charge point is."""

    QUEUED = "queued"
    """Stored; to be sent once the charge point is connected."""
    SENT = "sent"
    """Handed to the gateway that holds the connection."""
    ACCEPTED = "accepted"
    """The charge point answered, and did it, or will."""
    REJECTED = "rejected"
    """The charge point answered that it does not."""
    FAILED = "failed"
    """The charge point answered with an error, or it could not be asked."""
    TIMED_OUT = "timed_out"
    """No answer came before its deadline."""
    UNKNOWN = "unknown"
    """It was sent, and the connection went before its answer: it may have been done."""
    SUPERSEDED = "superseded"
    """A later command took its place before it was sent."""


class CommandRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command to an OCPP charge point, and what became of it."""

    command_id: MessageId
    cp_id: ChargePointId
    action: OcppAction
    payload: Payload
    state: CommandState
    by: Operator
    at_ms: UnixMilliseconds
    changed_ms: UnixMilliseconds
    expires_at: UnixSeconds
    answer: Payload | None = None
    error_code: OcppText | None = None
    error_description: Sentence | None = None


class CommandRequestResponse(Response, frozen=True, kw_only=True):
    """The command as it is now: settled, or not yet (`queued`, `sent`)."""

    command: CommandRow | None = None


class CommandRequest(Request[CommandRequestResponse], frozen=True, kw_only=True):
    """Send a charge point this OCPP call; its `message_id` is the command's id.

    Answered once it is settled, or after 8 s as it is; without `wait` as soon as it is stored.
    """

    cp_id: ChargePointId
    action: OcppAction
    payload: Payload = always(Payload())
    deadline: Annotated[int, Meta(ge=1, le=86_400, description="Seconds.")] = always(60)
    wait: bool = always(True)
    reason: Sentence | None = None


class CommandsResponse(Response, frozen=True, kw_only=True):
    """A page of commands, the latest first."""

    commands: Annotated[tuple[CommandRow, ...], Meta(max_length=MAX_ROWS)] = always(())
    next: Cursor | None = None


class CommandsRequest(Request[CommandsResponse], frozen=True, kw_only=True):
    """The commands of a charge point, or one by its id.

    With `wait`, one that is not settled is waited for, 8 s at most.
    """

    cp_id: ChargePointId | None = None
    command_id: MessageId | None = None
    wait: bool = always(False)
    after: Cursor | None = None
    limit: Limit = always(100)


class IdTagRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An id tag that central knows, whose it is, and whether it may charge."""

    id_tag: IdTag
    driver_id: DriverId | None = None
    parent_id_tag: IdTag | None = None
    expires_at: UnixSeconds | None = None
    blocked: bool = False
    max_concurrent: Annotated[int, Meta(ge=1, le=1000)] = 1
    note: Sentence | None = None


class IdTagsResponse(Response, frozen=True, kw_only=True):
    """A page of id tags, in their order."""

    id_tags: Annotated[tuple[IdTagRow, ...], Meta(max_length=MAX_ROWS)] = always(())
    next: Cursor | None = None


class IdTagsRequest(Request[IdTagsResponse], frozen=True, kw_only=True):
    """The id tags that central knows; or one."""

    id_tag: IdTag | None = None
    after: Cursor | None = None
    limit: Limit = always(100)


class IdTagChangeResponse(Response, frozen=True, kw_only=True):
    """It is stored."""


class IdTagChange(Request[IdTagChangeResponse], frozen=True, kw_only=True):
    """Store this id tag as it is here, or with `remove` forget it."""

    id_tag: IdTagRow
    remove: bool = always(False)


class SampleRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sampled value that central has stored."""

    connector_id: ConnectorNumber
    transaction_id: TransactionId | None = None
    sample: Sample


class SamplesResponse(Response, frozen=True, kw_only=True):
    """A page of sampled values, the latest stored first."""

    samples: Annotated[tuple[SampleRow, ...], Meta(max_length=MAX_ROWS)] = always(())
    next: Cursor | None = None


class SamplesRequest(Request[SamplesResponse], frozen=True, kw_only=True):
    """The sampled values of a charge point, or of one transaction of it."""

    cp_id: ChargePointId
    transaction_id: TransactionId | None = None
    after: Cursor | None = None
    limit: Limit = always(100)
