"""Frames as records of the Open OCPP Trace format 1.1, one JSON object a line.

That is an interchange format of simulators, proxies and analysers. It has no word for what is
neither a call nor an answer, so a frame that could not be read has no record.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from common.gateway_messages import FrameDirection, FrameSeen, FrameType

SCHEMA_VERSION = "1.1"

DIRECTIONS = {
    FrameDirection.FROM_CHARGE_POINT: "cp-to-csms",
    FrameDirection.TO_CHARGE_POINT: "csms-to-cp",
}


class TraceRecord(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A frame, taken apart; what it does not say is left out."""

    schema_version: str
    timestamp: str
    ocpp_version: str
    transport: str
    charge_point_id: str
    connector_id: int | None = None
    direction: str
    message_type: str
    message_id: str
    action: str | None = None
    payload: Any = msgspec.UNSET
    raw: str
    error: dict[str, Any] | None = None
    meta: dict[str, Any]


def record(frame: FrameSeen) -> TraceRecord | None:
    """The frame's record; None where it is no frame of OCPP-J."""
    parts = parts_of(frame)
    if parts is None:
        return None
    message_id, rest = parts
    kind = frame.message_type
    payload: Any = msgspec.UNSET
    error: dict[str, Any] | None = None
    action = frame.action
    if kind is FrameType.CALL:
        action, payload = rest
    elif kind is FrameType.CALLRESULT:
        (payload,) = rest
    else:
        error = dict(zip(("code", "description", "details"), rest, strict=True))
    meta: dict[str, Any] = {"node": frame.node}
    if frame.latency_us is not None:
        meta["latencyUs"] = frame.latency_us
    if frame.error:
        meta["error"] = frame.error
    at = datetime.fromtimestamp(frame.at_ms / 1000, UTC)
    return TraceRecord(
        schema_version=SCHEMA_VERSION,
        timestamp=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        ocpp_version="1.6",
        transport="json",
        charge_point_id=frame.cp_id,
        connector_id=_connector(payload),
        direction=DIRECTIONS[frame.direction],
        message_type=kind.value,
        message_id=message_id,
        action=action,
        payload=payload,
        raw=frame.raw,
        error=error,
        meta=meta,
    )


_NUMBERS = {FrameType.CALL: (2, 2), FrameType.CALLRESULT: (3, 1), FrameType.CALLERROR: (4, 3)}
"""Each kind's first element, and how many follow its message id."""


def parts_of(frame: FrameSeen) -> tuple[str, list[Any]] | None:
    """A frame's message id and what follows it, where it is what it was taken for."""
    try:
        number, count = _NUMBERS[frame.message_type]
        found = msgspec.json.decode(frame.raw)
    except (KeyError, msgspec.DecodeError):
        return None
    match found:
        case [first, str(message_id), *rest] if first == number and len(rest) == count:
            texts = rest[: count - 1]  # an action; a code and a description
            return (message_id, rest) if all(isinstance(t, str) for t in texts) else None
    return None


def _connector(payload: Any) -> int | None:
    number = payload.get("connectorId") if isinstance(payload, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        return None
    return number
