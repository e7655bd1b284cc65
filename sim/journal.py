"""An engine's journal, read by nothing of the engine's own code."""

import json
from dataclasses import dataclass, field
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Kept:
    """A session's last record.

    Attributes:
        energy: Wh so far.
        connector: Where.
        reason: Why it ended; None while it runs.
        settled: The engine was told that its ticket is settled.
    """

    energy: int
    connector: int
    reason: str | None
    settled: bool


@dataclass(slots=True)
class Journal:
    """What a journal says.

    Attributes:
        meters: The lifetime registers in Wh, by connector.
        sessions: By id.
        tombstones: Sessions that will never begin.
    """

    meters: dict[str, int] = field(default_factory=dict)
    sessions: dict[str, Kept] = field(default_factory=dict)
    tombstones: set[str] = field(default_factory=set)


def journal_of(content: bytes) -> Journal:
    """Read a journal up to its first line that is not whole."""
    journal = Journal()
    for line in content.split(b"\n")[:-1]:
        if line[:9] != b"%08x " % crc32(line[9:]):
            break
        _take(journal, json.loads(line[9:]))
    return journal


def registers_of(content: bytes) -> dict[str, int]:
    """The lifetime registers in Wh, by connector, as the last line has them that is whole."""
    for line in reversed(content.split(b"\n")[:-1]):
        if line[:9] == b"%08x " % crc32(line[9:]):
            meters: dict[str, int] = json.loads(line[9:])["meters"]
            return meters
    return {}


def _take(journal: Journal, line: dict[str, object]) -> None:
    meters, records = line["meters"], line["records"]
    assert isinstance(meters, dict)
    assert isinstance(records, list)
    journal.meters.update(meters)
    for record in records:
        if record["type"] == "session":
            journal.sessions[record["session_id"]] = Kept(
                record["meter_wh"] - record["meter_start_wh"],
                record["connector_id"],
                record.get("reason"),
                "settled_at" in record,
            )
        elif record["type"] == "tombstone":
            journal.tombstones.add(record["session_id"])
