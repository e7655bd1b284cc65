"""What a caller may want committed: one frozen struct for each kind of change."""

from msgspec import Struct

from central.rules.records import (
    AuditEntry,
    Command,
    ConnectorWord,
    LastConnection,
    OutboxEntry,
    Point,
    RememberedAnswer,
    Session,
    StopIntent,
    StoredSample,
    StoredTag,
    Ticket,
)
from common.errors import ChargingError
from common.units import WattHours, Watts

FORGOTTEN_AT_ONCE = 5_000
"""The most answers that one change forgets: some 20 ms, and as many as may come in a second."""


class Conflict(ChargingError):
    """The change itself breaks a rule of the schema; nothing that came with it was written."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule

    def __str__(self) -> str:
        return f"the database refuses this change: {self.rule}"


class SavePoint(Struct, frozen=True):
    """The point is like this now, whether it was known or not."""

    point: Point


class SaveConnection(Struct, frozen=True):
    """The charge point's newest connection is this one now."""

    connection: LastConnection


class SaveConnector(Struct, frozen=True):
    """The charge point last said this of the connector."""

    connector: ConnectorWord


class AddSample(Struct, frozen=True):
    """A sampled value. The same one again changes nothing."""

    sample: StoredSample


class SaveSession(Struct, frozen=True):
    """The session is like this now, whether it was known or not.

    What it began with stays as it was first stored: point, driver, price, currency, target,
    `requested_ms`, id tag, request, digest and trace.

    Attributes:
        since: As it is stored, where that is known: then what has not changed is not written.
    """

    session: Session
    since: Session | None = None


class SaveReading(Struct, frozen=True):
    """A later reading of a session.

    It changes nothing where the session holds a later one, has a ticket, or is unknown.
    """

    session_id: str
    energy: WattHours
    rate: Watts
    sequence: int


class AddTicket(Struct, frozen=True):
    """The bill of a session that is stored, or is in the same write. A second is a `Conflict`."""

    ticket: Ticket


class CorrectTicket(Struct, frozen=True):
    """The bill of a session as it is now, in place of one that was estimated."""

    ticket: Ticket


class Remember(Struct, frozen=True):
    """The answer to a request. A second answer to the same request is a `Conflict`."""

    answer: RememberedAnswer


class ForgetAnswers(Struct, frozen=True):
    """Answers given before this time, in Unix seconds, are needed no more.

    The oldest `FORGOTTEN_AT_ONCE` of them go, so that nobody's commit waits long for it; to be
    repeated every second or so.
    """

    before: int


class SaveStopIntent(Struct, frozen=True):
    """This session's engine must be told to end it."""

    intent: StopIntent


class DropStopIntent(Struct, frozen=True):
    """The session need not be stopped any more; nothing happens where there was no intent."""

    session_id: str


class AddToOutbox(Struct, frozen=True):
    """This must be published. A second entry with the same number is a `Conflict`."""

    entry: OutboxEntry


class DropFromOutbox(Struct, frozen=True):
    """These were published and acknowledged; nothing happens where they are gone already.

    Attributes:
        first, last: All numbers from the one to the other, both included.
    """

    first: int
    last: int


class SaveAudit(Struct, frozen=True):
    """The operator's command is like this now, whether it was known or not."""

    entry: AuditEntry


class SaveCommand(Struct, frozen=True):
    """The command to an OCPP charge point is like this now, whether it was known or not."""

    command: Command


class ForgetCommands(Struct, frozen=True):
    """Commands ordered before this Unix millisecond that are over are needed no more.

    The oldest `FORGOTTEN_AT_ONCE` of them go; to be repeated.
    """

    before_ms: int


class SaveIdTag(Struct, frozen=True):
    """The id tag is like this now, whether it was known or not; its change gets the next number."""

    tag: StoredTag


class RenewLease(Struct, frozen=True):
    """We still lead: the lease is as young as this transaction."""


class NoteCluster(Struct, frozen=True):
    """The Kafka cluster that was reached; replaces the one noted before."""

    cluster_id: str


Change = (
    SavePoint
    | SaveConnection
    | SaveConnector
    | AddSample
    | SaveSession
    | SaveReading
    | AddTicket
    | CorrectTicket
    | Remember
    | ForgetAnswers
    | SaveStopIntent
    | DropStopIntent
    | AddToOutbox
    | DropFromOutbox
    | SaveAudit
    | SaveCommand
    | ForgetCommands
    | SaveIdTag
    | NoteCluster
    | RenewLease
)
