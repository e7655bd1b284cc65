"""Which connection of a charge point to a gateway a record is about: a header beside its message.

Every record of `ev.up` says by it which connection the message came by, every one of `ev.down`
for which connection it is meant. So an answer finds the gateway that waits for it, and what comes
from a connection that another one has replaced is known to be too late.
"""

import re
from dataclasses import dataclass
from typing import Self

HEADER = "connection"
"""The header: `NODE PARTITION EPOCH`."""

_FORM = re.compile(rb"([A-Za-z0-9_.-]{1,64}) ([0-9]{1,5}) ([0-9]{1,16})\Z")


@dataclass(frozen=True, slots=True)
class Connection:
    """A charge point's connection.

    Attributes:
        node: The gateway that holds it, `[A-Za-z0-9_.-]{1,64}`.
        partition: The partition of `ev.down` that this gateway reads.
        epoch: Of two connections of a charge point the one with the higher epoch is the newer.
    """

    node: str
    partition: int
    epoch: int

    def header(self) -> bytes:
        """As it is written."""
        return f"{self.node} {self.partition} {self.epoch}".encode()

    @classmethod
    def of(cls, header: bytes | None) -> Self | None:
        """The connection that a header names; None if it names none."""
        found = _FORM.match(header) if header else None
        if found is None:
            return None
        node, partition, epoch = found.groups()
        return cls(node.decode(), int(partition), int(epoch))
