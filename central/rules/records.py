"""What central remembers: one frozen record for each thing that its store keeps.

Energy, prices and money are integers (`units`); times are Unix seconds, unless a name says
otherwise. A record is replaced, never changed (`msgspec.structs.replace`).
"""

from typing import Any

from msgspec import Struct

from common.errors import Reason
from common.gateway_messages import CommandState, IdTagRow, Sample
from common.messages import Role
from common.states import EndReason, SessionState
from common.units import Money, Price, WattHours, Watts


class Point(Struct, frozen=True, kw_only=True):
    """A charge point that has registered at least once.

    Attributes:
        price: For sessions that begin from now on.
        stopped: An operator took it out of order; survives everything but a resume.
        connectors: How many it has, numbered from 1.
        last_seen: When something last came from its monitor, or its gateway.
        time_scale: Simulated seconds in a second; 1 but for a simulation.
        ocpp_version: What it speaks with a gateway; None where a monitor speaks for it.
        vendor, model, serial_number, firmware_version: As it said when it booted.
    """

    cp_id: str
    location: str
    max_rate: Watts
    price: Price
    stopped: bool = False
    connectors: int = 1
    last_seen: int = 0
    time_scale: float = 1.0
    ocpp_version: str | None = None
    vendor: str | None = None
    model: str | None = None
    serial_number: str | None = None
    firmware_version: str | None = None


class LastConnection(Struct, frozen=True, kw_only=True):
    """The newest connection of an OCPP charge point that was heard of.

    Attributes:
        node, partition, epoch: See `common.connection.Connection`.
        open: It was not said to be closed.
        ocpp_version: What is spoken over it.
    """

    cp_id: str
    node: str
    partition: int
    epoch: int
    open: bool = True
    ocpp_version: str = "1.6"


class ConnectorWord(Struct, frozen=True, kw_only=True):
    """What an OCPP charge point last said of a connector; 0 is the whole charge point.

    Attributes:
        status: OCPP's word; None while it is Faulted, or unknown.
        fault: OCPP's error code while it is Faulted.
    """

    cp_id: str
    connector_id: int
    status: str | None = None
    fault: str | None = None


class StoredSample(Struct, frozen=True, kw_only=True):
    """A sampled value of an OCPP charge point's meter.

    Attributes:
        digest: Of all that the value is besides its point and time: the same one again is known
            by these three.
        transaction_id: As the charge point said it, known or not.
    """

    cp_id: str
    digest: int
    connector_id: int
    transaction_id: int | None
    sample: Sample


class RequestKey(Struct, frozen=True, kw_only=True):
    """What makes a request the same one: a repeat has the same key.

    Attributes:
        sender: The driver's, the point's or the operator's id.
    """

    role: Role
    sender: str
    message_id: str


class Session(Struct, frozen=True, kw_only=True):
    """One charge, from its request to its ticket.

    Attributes:
        price: Stored when it began; its bill is made with this one.
        target: Energy asked for; None where none was.
        requested_ms: When it was authorised, in Unix milliseconds: orders a driver's history.
        started_at: When its supply began, or it was authorised until that is known.
        energy, rate, sequence: The latest reading; the ticket's energy once there is one.
        confirmed: Its engine said yes, or was seen to run it.
        settled: Its engine's last word about it is committed.
        holds_connector, holds_driver: Nobody else may have them meanwhile.
        finishing_at: When it began to finish.
        reason: Why it ended.
        refusal: Why it failed, where it was refused.
        cost: The ticket's; None without a ticket.
        revision: The ticket's; 0 without a ticket.
        suspect: Its ticket is below a reading, or above what its point can have supplied.
        disputed: Its engine sent a second, different ticket, which is not billed; without a
            ticket, the session itself was unknown when its engine's came.
        estimated: Its ticket was made of its last reading, because its engine's never came.
        id_tag: At an OCPP charge point: what it was told, or told us, its driver by; else None.
        transaction_id: Of the transaction that the session is there, once it has begun.
        start_key: What makes a repeat of that transaction's start the same one.
        meter_start_wh: Its meter's register when it began.
        request, digest: The request that began it, and its content's digest; a repeat joins it.
    """

    session_id: str
    cp_id: str
    connector_id: int
    driver_id: str
    state: SessionState
    price: Price
    currency: str
    target: WattHours | None
    requested_ms: int
    started_at: int
    ended_at: int | None = None
    finishing_at: int | None = None
    energy: WattHours = WattHours(0)
    rate: Watts = Watts(0)
    sequence: int = 0
    confirmed: bool = False
    settled: bool = False
    holds_connector: bool = True
    holds_driver: bool = True
    reason: EndReason | None = None
    refusal: Reason | None = None
    cost: Money | None = None
    revision: int = 0
    suspect: bool = False
    disputed: bool = False
    estimated: bool = False
    id_tag: str | None = None
    transaction_id: int | None = None
    start_key: str | None = None
    meter_start_wh: int | None = None
    request: RequestKey
    digest: str
    trace_id: str


class Ticket(Struct, frozen=True, kw_only=True):
    """The bill of a session.

    Attributes:
        cost: `energy` at `price`, rounded half up once.
        engine_cost: What the engine thought it costs; recorded, not believed.
        meter_start_wh, meter_stop_wh: The connector's lifetime register.
        issued_at: When central computed it.
    """

    session_id: str
    cp_id: str
    connector_id: int
    driver_id: str
    energy: WattHours
    price: Price
    cost: Money
    currency: str
    reason: EndReason | None
    started_at: int
    ended_at: int
    meter_start_wh: int | None
    meter_stop_wh: int | None
    engine_cost: Money
    estimated: bool
    revision: int
    issued_at: int


class RememberedAnswer(Struct, frozen=True, kw_only=True):
    """The answer that every repeat of a request gets, for 24 h.

    Attributes:
        digest: Of the request's content: the same key with another one is refused.
        answer: The answer as JSON.
    """

    key: RequestKey
    digest: str
    answer: bytes
    answered_at: int


class StopIntent(Struct, frozen=True, kw_only=True):
    """A session that its engine must end, told at every registration until it is confirmed."""

    session_id: str
    cp_id: str
    connector_id: int
    reason: EndReason
    since: int


class OutboxEntry(Struct, frozen=True, kw_only=True):
    """What must be told once by Kafka: written with its cause, deleted when acknowledged.

    Attributes:
        number: Its place in the order of publishing; ever growing.
        value: The message as JSON, except for its epoch, which is added when it is sent.
    """

    number: int
    topic: str
    key: str
    value: bytes


class AuditEntry(Struct, frozen=True, kw_only=True):
    """An operator's command, or an act of central itself that concerns a bill.

    Attributes:
        entry_id: Its own; later commands have higher ones. The entry is stored when the command
            begins, and again when it is done.
        cp_id: The point, or `*`.
        succeeded, failed: Points at which it did, and did not.
    """

    entry_id: str
    at: int
    admin_id: str
    command: str
    cp_id: str
    reason: str | None = None
    succeeded: int = 0
    failed: int = 0


class StoredTag(Struct, frozen=True, kw_only=True):
    """An id tag as it is stored.

    Attributes:
        removed: It counts no more. Its row stays, so that whoever knew it learns of that.
        change: Grows with everything that is done to any id tag: what is new since the last look.
    """

    tag: IdTagRow
    removed: bool = False
    change: int = 0


class Credential(Struct, frozen=True, kw_only=True):
    """What a monitor, a driver, an operator or a charge point proves its id with.

    Attributes:
        role: Whose it is: a role of the protocol, or `charge_point`.
        hash: All that is known of the secret.
        revoked_at: When it ceased to count; None while it counts.
        change: Grows with every credential made or revoked: what is new since the last look.
    """

    role: str
    id: str
    hash: str
    made_at: int
    revoked_at: int | None = None
    change: int


class Command(Struct, frozen=True, kw_only=True):
    """A command to an OCPP charge point.

    Attributes:
        command_id: Also its id on the wire, to the gateway and to the charge point.
        action, payload: The call, as OCPP spells it.
        message: What the gateway is sent, as JSON.
        by: The operator, or `central`.
        at_ms: When it was ordered, in Unix milliseconds: orders a charge point's commands.
        changed_ms: When it came to its state, or was sent again.
        expires_ms: Its deadline.
        connection: The one that it was sent by last, `NODE PARTITION EPOCH`; None while it is
            queued.
        reason, entry_id: Why an operator ordered it, and its entry in the audit log.
        answer: The payload of the charge point's answer.
        error_code, error_description: Of its CALLERROR, or why it could not be asked.
    """

    command_id: str
    cp_id: str
    action: str
    payload: dict[str, Any]
    message: bytes
    state: CommandState
    by: str
    at_ms: int
    changed_ms: int
    expires_ms: int
    connection: str | None = None
    reason: str | None = None
    entry_id: str | None = None
    answer: dict[str, Any] | None = None
    error_code: str | None = None
    error_description: str | None = None
