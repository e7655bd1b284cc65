"""OCPP-J frames (the JSON over WebSocket of OCPP 1.6): bytes to `Call`, `CallResult`, `CallError`.

Theory of operation: msgspec decodes a good frame in one step, and leaves its payload as it is for
the decoder of its action. Only a frame that this refuses is looked at again, to say what is wrong
with it and what the peer is to be told. Nothing here does I/O, knows an action, or asks the time.

What a bad frame is answered (4.2.3; where 1.6 says nothing, as 2.0.1 does)::

    not JSON, not an array, no message type     CALLERROR FormationViolation
    a CALL with too few or too many elements    CALLERROR FormationViolation
    a CALL whose id is no text, or empty,       CALLERROR FormationViolation
        or of more than 36 characters
    a CALL whose action is no text              CALLERROR FormationViolation
    a message type other than 2, 3, 4           nothing: 4.1.3 says to ignore it
    an answer (3, 4) that is malformed          nothing: an answer is never answered

The CALLERROR has the CALL's own id where it can be read, also one that is too long, else `-1`. A
CALL without its payload, `[2,"id","Heartbeat"]`, is a frame still: what decodes payloads refuses
it, or takes it from a charge point that may say so.
"""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

MAX_ID = 36
"""Characters of a message id (4.1.4)."""

MAX_DESCRIPTION = 255
"""Characters of an errorDescription; what is longer is cut."""

NO_ID = "-1"
"""What a CALLERROR answers when the id of what it answers cannot be read."""


class CallErrorCode(StrEnum):
    """Why a CALL failed, spelt as OCPP 1.6 does (4.2.3); other spellings are read as well."""

    NOT_IMPLEMENTED = "NotImplemented"
    """The receiver does not know the action."""
    NOT_SUPPORTED = "NotSupported"
    """The receiver knows the action, and does not do it."""
    INTERNAL_ERROR = "InternalError"
    """The receiver failed. The peer may try again."""
    PROTOCOL_ERROR = "ProtocolError"
    """The payload is incomplete."""
    SECURITY_ERROR = "SecurityError"
    """Something about security forbids it."""
    FORMATION_VIOLATION = "FormationViolation"
    """It is no JSON, or not of the action's structure."""
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    """A field has a value that it cannot have."""
    OCCURENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    """A field, or an item of a list, is missing."""
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    """A field is of another type."""
    GENERIC_ERROR = "GenericError"
    """Anything else."""

    @classmethod
    def _missing_(cls, value: object) -> "CallErrorCode":
        # Whatever a peer calls its error, it is one: its CALL's answer must not be lost.
        return _OTHER_SPELLINGS.get(str(value).casefold(), cls.GENERIC_ERROR)


_OTHER_SPELLINGS = {code.casefold(): code for code in CallErrorCode} | {
    "formatviolation": CallErrorCode.FORMATION_VIOLATION,
    "occurrenceconstraintviolation": CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
    "rpcframeworkerror": CallErrorCode.FORMATION_VIOLATION,
    "messagetypenotsupported": CallErrorCode.PROTOCOL_ERROR,
}


# ---- Frames -----------------------------------------------------------------------------------


class Call(Struct, frozen=True, array_like=True, tag=2, forbid_unknown_fields=True, gc=False):
    """`[2, id, action, payload]`; if it came without a payload, that is no bytes at all."""

    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
    action: str
    payload: Raw = Raw()


class CallResult(Struct, frozen=True, array_like=True, tag=3, forbid_unknown_fields=True, gc=False):
    """`[3, id, payload]`."""

    id: str
    payload: Raw


class CallError(Struct, frozen=True, array_like=True, tag=4, gc=False):
    """`[4, id, code, description, details]`; of a peer's the last two may be missing."""

    id: str
    code: CallErrorCode
    description: str = ""
    details: Raw = Raw(b"{}")


Frame = Call | CallResult | CallError

_frames: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(Frame)
_elements = msgspec.json.Decoder(list[Raw])
_encoder = msgspec.json.Encoder()


def encode(frame: Frame) -> bytes:
    """The bytes of a frame; of its payload as they are."""
    return _encoder.encode(frame)


def decode(data: bytes) -> Frame:
    """The frame that these bytes are; its payload is not looked into.

    Raises:
        BadFrame: They are none, with what the peer is to be answered.
    """
    try:
        return _frames.decode(data)
    except (ValueError, RecursionError):
        raise _diagnose(data) from None


# ---- Errors -----------------------------------------------------------------------------------


class CallFailed(Exception):
    """A CALL cannot be done: it is answered with this CALLERROR. Also an answer that is none.

    Attributes:
        code: Which of the ten.
        description: A sentence for people, with the field and the rule.
    """

    def __init__(self, code: CallErrorCode, description: str = "") -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description

    def __str__(self) -> str:
        return f"{self.code}: {self.description}" if self.description else str(self.code)

    def answer(self, message_id: str) -> CallError:
        """The CALLERROR for the CALL with this id."""
        return call_error(message_id, self.code, self.description)


def call_error(message_id: str, code: CallErrorCode, description: str = "") -> CallError:
    """A CALLERROR whose description fits."""
    if len(description) > MAX_DESCRIPTION:
        description = description[: MAX_DESCRIPTION - 1] + "…"
    return CallError(message_id, code, description)


class FrameFault(StrEnum):
    """What is wrong with a frame; to be counted by."""

    NOT_JSON = "not_json"
    NOT_AN_ARRAY = "not_an_array"
    NO_MESSAGE_TYPE = "no_message_type"
    UNKNOWN_MESSAGE_TYPE = "unknown_message_type"
    BAD_LENGTH = "bad_length"
    BAD_ID = "bad_id"
    BAD_ACTION = "bad_action"
    BAD_ANSWER = "bad_answer"


class BadFrame(Exception):
    """Bytes from the peer that are no frame of OCPP-J.

    Attributes:
        fault: What is wrong.
        message_id: The frame's own id, where it is a text; a malformed answer to one of our calls
            can be told by it. None if the message type is unknown: nothing of it is to be used.
        answer: What the peer is to be answered; None if nothing.
    """

    def __init__(self, fault: FrameFault, message_id: str | None, answer: CallError | None) -> None:
        super().__init__(fault, message_id, answer)
        self.fault = fault
        self.message_id = message_id
        self.answer = answer

    def __str__(self) -> str:
        return f"{self.fault}: {self.answer.description}" if self.answer else str(self.fault)


def _violation(fault: FrameFault, message_id: str | None, description: str) -> BadFrame:
    code = CallErrorCode.FORMATION_VIOLATION
    answer = call_error(NO_ID if message_id is None else message_id, code, description)
    return BadFrame(fault, message_id, answer)


def _diagnose(data: bytes) -> BadFrame:
    """Why these bytes are no frame, in the order of the elements."""
    try:
        data.decode()
        elements = _elements.decode(data)
    except msgspec.ValidationError:
        return _violation(FrameFault.NOT_AN_ARRAY, None, "a frame is a JSON array")
    except (ValueError, RecursionError):
        return _violation(FrameFault.NOT_JSON, None, "a frame is JSON in UTF-8")
    message_type = _value(elements[0]) if elements else None
    message_id = _value(elements[1]) if len(elements) > 1 else None
    if not isinstance(message_id, str):
        message_id = None
    if isinstance(message_type, bool) or not isinstance(message_type, int):
        text = "a frame begins with its message type, a number"
        return _violation(FrameFault.NO_MESSAGE_TYPE, message_id, text)
    if message_type in (3, 4):
        return BadFrame(FrameFault.BAD_ANSWER, message_id, None)
    if message_type != 2:
        return BadFrame(FrameFault.UNKNOWN_MESSAGE_TYPE, None, None)
    return _diagnose_call(message_id, len(elements))


def _diagnose_call(message_id: str | None, length: int) -> BadFrame:
    if not 3 <= length <= 4:
        text = f"a CALL has 4 elements, not {length}"
        return _violation(FrameFault.BAD_LENGTH, message_id, text)
    if message_id is None:
        return _violation(FrameFault.BAD_ID, None, "the id of a CALL is a text")
    if not 0 < len(message_id) <= MAX_ID:
        text = f"the id of a CALL has 1 to {MAX_ID} characters, not {len(message_id)}"
        return _violation(FrameFault.BAD_ID, message_id, text)
    return _violation(FrameFault.BAD_ACTION, message_id, "the action of a CALL is a text")


def _value(element: Raw) -> Any:
    """A JSON value, or None if it cannot be had."""
    try:
        return msgspec.json.decode(element)
    except (ValueError, RecursionError):
        return None
