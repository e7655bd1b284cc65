"""Central's durable store: what was acknowledged is in here, and survives everything.

In reading order: `schema` the tables · `changes` what can be committed · `rows` records to rows
and back · `statements` changes to SQL · `writer` group commit · `queries` what can be asked ·
`reader` asks it · `gatherer` the threads that both run in · `store` all of it, as central uses
it · `database` opening it by URL · `migrate` and `migrations` the schema's history · `sqlite` all
that only SQLite needs.
"""

from central.store.changes import (
    AddSample,
    AddTicket,
    AddToOutbox,
    Change,
    Conflict,
    CorrectTicket,
    DropFromOutbox,
    DropStopIntent,
    ForgetAnswers,
    ForgetCommands,
    NoteCluster,
    Remember,
    RenewLease,
    SaveAudit,
    SaveCommand,
    SaveConnection,
    SaveConnector,
    SaveIdTag,
    SavePoint,
    SaveReading,
    SaveSession,
    SaveStopIntent,
)
from central.store.database import migrate_database
from central.store.queries import (
    Snapshot,
    audit_cursor,
    command_cursor,
    cursor_of,
    sample_cursor,
    ticket_cursor,
)
from central.store.store import Store

__all__ = [
    "AddSample",
    "AddTicket",
    "AddToOutbox",
    "Change",
    "Conflict",
    "CorrectTicket",
    "DropFromOutbox",
    "DropStopIntent",
    "ForgetAnswers",
    "ForgetCommands",
    "NoteCluster",
    "Remember",
    "RenewLease",
    "SaveAudit",
    "SaveCommand",
    "SaveConnection",
    "SaveConnector",
    "SaveIdTag",
    "SavePoint",
    "SaveReading",
    "SaveSession",
    "SaveStopIntent",
    "Snapshot",
    "Store",
    "audit_cursor",
    "command_cursor",
    "cursor_of",
    "migrate_database",
    "sample_cursor",
    "ticket_cursor",
]
