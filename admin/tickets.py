"""Bills as CSV (RFC 4180): exact decimals, times in UTC, one line a ticket."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TextIO

from common.messages import TicketRow

COLUMNS = TicketRow.__struct_fields__
"""As on the wire, in its order."""


class TicketWriter:
    """Writes tickets to a text stream, after a header."""

    def __init__(self, stream: TextIO) -> None:
        self._writer = csv.writer(stream)
        self._writer.writerow(COLUMNS)

    def write(self, tickets: Iterable[TicketRow]) -> None:
        """One line for each."""
        for ticket in tickets:
            self._writer.writerow([_text(name, getattr(ticket, name)) for name in COLUMNS])


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in ("started_at", "ended_at"):
        assert isinstance(value, int)
        return datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")
    return str(value)
