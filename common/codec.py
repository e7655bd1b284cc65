"""Bytes to messages and back: one decoder for each way a message may come.

A `Decoder` is built from the protocol table for a sender, a receiver and a transport, and takes
nothing else. What it refuses, it refuses with the reason and the sentence that the peer is to be
told: a `BadMessage`. Nothing behind it checks a type or a bound again.
"""

from collections.abc import Iterable
from functools import cache, reduce
from json import JSONDecodeError
from json import loads as parse_json
from math import isfinite
from operator import or_
from typing import Any

import msgspec

from common.errors import BadMessage, Reason
from common.messages import Message, Role
from common.protocol import Topic, first_messages, sent, wire_name
from common.units import Payload, Quantity


class _Envelope(msgspec.Struct):
    """What can be said of an object before it is known what it is."""

    type: Any = None
    message_id: Any = None


_envelope = msgspec.json.Decoder(_Envelope)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Digits(str):
    """A JSON number that is no integer, as it was written."""

    __slots__ = ()


def _from_wire(kind: type, value: Any) -> Any:
    if issubclass(kind, Quantity):
        if isinstance(value, _Digits):
            return kind.from_digits(value)
        return kind.from_number(value)
    if issubclass(kind, Payload):
        return kind.from_wire(_plain(value))
    raise AssertionError(f"unexpected type {kind} in a message")


def _plain(value: Any) -> Any:
    """The same with numbers for their digits.

    Raises:
        ValueError: A number is too large for a float.
    """
    match value:
        case _Digits():
            number = float(value)
            if not isfinite(number):
                raise ValueError("Number out of range")
            return number
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list():
            return [_plain(item) for item in value]
    return value


def _to_wire(value: Any) -> Any:
    if isinstance(value, Quantity):
        return msgspec.Raw(value.as_json())
    raise AssertionError(f"unexpected {type(value)} in a message")


_encoder = msgspec.json.Encoder(enc_hook=_to_wire)


def encode(message: msgspec.Struct) -> bytes:
    """The JSON of a message, or of a part of one."""
    return _encoder.encode(message)


class Decoder:
    """Takes exactly these messages.

    Attributes:
        messages: What it takes.
    """

    def __init__(self, messages: Iterable[type[Message]]) -> None:
        self.messages = frozenset(messages)
        self._names = frozenset(wire_name(m) for m in self.messages)
        union: Any = reduce(or_, sorted(self.messages, key=lambda m: m.__name__))
        self._typed: msgspec.json.Decoder[Message] = msgspec.json.Decoder(
            union, dec_hook=_from_wire, float_hook=_Digits
        )

    def decode(self, data: bytes) -> Message:
        """The message that these bytes are.

        Raises:
            BadMessage: `bad_frame` if they are no JSON in UTF-8; `unsupported_message` if `type`
                is unknown or not taken here; `invalid_message` if there is no `type`, or a field
                is missing or breaks its rule.
        """
        try:
            if not data.isascii():
                data.decode()  # skipped fields are not looked into, so this looks at all of them
            message = self._typed.decode(data)
        except UnicodeDecodeError:
            raise BadMessage(Reason.BAD_FRAME, "the data is not UTF-8") from None
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return self._second_look(data, str(error))
        if len(self.messages) == 1 and _envelope.decode(data).type is None:
            # Where there is no choice, msgspec asks for no tag.
            raise BadMessage(Reason.INVALID_MESSAGE, _missing("type"), message.message_id or None)
        if not message.message_id:
            raise BadMessage(Reason.INVALID_MESSAGE, _missing("message_id"))
        return message

    def _second_look(self, data: bytes, complaint: str) -> Message:
        """Say why `data` was not taken, or take it if it only says `id` for `cp_id`."""
        try:
            envelope = _envelope.decode(data)
        except (msgspec.MsgspecError, RecursionError):
            if is_json(data):
                raise BadMessage(Reason.INVALID_MESSAGE, complaint) from None
            raise BadMessage(Reason.BAD_FRAME, "the data is not JSON") from None
        message_id = _usable_id(envelope.message_id)
        if not isinstance(envelope.type, str):
            raise BadMessage(Reason.INVALID_MESSAGE, _missing("type"), message_id)
        if envelope.type not in self._names:
            text = f"{envelope.type[:64]!r} is not a message that may come here now"
            raise BadMessage(Reason.UNSUPPORTED_MESSAGE, text, message_id)
        if complaint == _missing("cp_id"):
            fields = _fields.decode(data)
            if "id" in fields:
                fields["cp_id"] = fields.pop("id")
                return self.decode(msgspec.json.encode(fields))
        raise BadMessage(Reason.INVALID_MESSAGE, complaint, message_id)


def _missing(field: str) -> str:
    return f"Object missing required field `{field}`"


def _usable_id(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 64 and "\0" not in value else None


def is_json(data: bytes) -> bool:
    """Whether these bytes are one JSON value in UTF-8, of a depth that can be read."""
    try:
        # parse_int: no number is wanted, and `int` refuses those of thousands of digits.
        parse_json(data.decode(), parse_int=str, parse_constant=_no_constant)
    except (UnicodeDecodeError, JSONDecodeError, RecursionError):
        return False
    return True


def _no_constant(name: str) -> None:
    raise JSONDecodeError("not JSON", name, 0)


def read_message_id(data: bytes) -> str | None:
    """The `message_id` in bytes that could not be taken, where it can be read."""
    try:
        return _usable_id(_envelope.decode(data).message_id)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # ValueError: no UTF-8
        return None


@cache
def decoder(sender: Role, receiver: Role, topic: Topic | None = None) -> Decoder:
    """Takes what `sender` may send to `receiver` this way, and nothing else."""
    return Decoder(sent(sender, receiver, topic))


@cache
def first_decoder() -> Decoder:
    """Takes what a link may say to central that has not said who it is."""
    return Decoder(first_messages())
