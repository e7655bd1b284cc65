"""What a version of OCPP says of itself, to who carries its calls: tables and functions, no code.

Another version is another folder with such a record, and a row in `VERSIONS` of the server.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from msgspec import Raw

from common.errors import Reason
from common.messages import CommandOutcome, Message
from common.units import Payload as Json
from gateway.ocppj import CallFailed


class Policy(StrEnum):
    """When a call is answered."""

    AT_ONCE = "at_once"
    """From what the gateway knows itself."""
    AFTER_PUBLISH = "after_publish"
    """When Kafka has its message for good."""
    FROM_CENTRAL = "from_central"
    """When central has answered its message."""


@dataclass(slots=True)  # not frozen: it is made for each call, and that would take twice as long
class Origin:
    """Where a call came from, and what its message is called.

    Attributes:
        faulted: Connectors whose last status on this connection was a fault; kept up by who
            translates.
        at: Unix seconds.
    """

    cp_id: str
    faulted: set[int]
    message_id: str
    at: int

    @property
    def stamp(self) -> dict[str, Any]:
        """What every message begins with."""
        return {"message_id": self.message_id, "timestamp": self.at, "cp_id": self.cp_id}


@dataclass(frozen=True, slots=True)
class Upward:
    """A row: an action of the charge point's.

    Attributes:
        messages: What it is in the network's words; the last one is waited for. Raises `CallFailed`
            where the network has none.
        answer: The payload of its CALLRESULT, from central's answer and the time in Unix
            milliseconds. Raises `CallFailed` where central refused. What waits for Kafka alone is
            answered by an empty payload, without asking for it.
    """

    action: str
    policy: Policy
    messages: Callable[[Any, Origin], tuple[Message, ...]]
    answer: Callable[[Any, int], Any]


@dataclass(frozen=True, slots=True)
class Downward:
    """A row: a command of central's.

    Attributes:
        call: The action and the payload of its CALL. Raises `CallFailed` where it has none.
    """

    message: type[Message]
    call: Callable[[Any], tuple[str, Json]]


@dataclass(frozen=True, slots=True)
class Version:
    """A version of OCPP.

    Attributes:
        subprotocol: What a WebSocket of it is opened with.
        upward: The charge point's actions, by name.
        downward: Central's commands, by type.
        decode_request, decode_response: An action's payload. Raise `CallFailed`.
        decode_request_leniently, decode_response_leniently: The same, with the names of the faults
            that were mended.
        check: Whether an action may be called with this payload. Raises `CallFailed`.
        encode: The JSON of a payload.
        outcome_of: What a charge point's answer means.
        refused: The error that says what central refused.
    """

    subprotocol: str
    name: str
    upward: Mapping[str, Upward]
    downward: Mapping[type[Message], Downward]
    decode_request: Callable[[str, Raw], Any]
    decode_request_leniently: Callable[[str, Raw], tuple[Any, frozenset[Any]]]
    decode_response: Callable[[str, Raw], Any]
    decode_response_leniently: Callable[[str, Raw], tuple[Any, frozenset[Any]]]
    check: Callable[[str, dict[str, Any]], Any]
    encode: Callable[[Any], Raw]
    outcome_of: Callable[[Json], CommandOutcome]
    refused: Callable[[Reason | None, str], CallFailed]
