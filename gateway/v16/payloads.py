"""The payloads of OCPP 1.6: JSON to structs by the schemas, and back.

What a payload breaks is answered with one of the CALLERRORs (OCPP-J 4.2.3)::

    action unknown                                     NotImplemented
    action known, but never sent in this direction     NotSupported
    payload missing, no object, not UTF-8;             FormationViolation
        a field that the action does not have
    a required field missing, too few items            OccurenceConstraintViolation
    a field of another type; null                      TypeConstraintViolation
    a text too long, a word that is none of its list,  PropertyConstraintViolation
        a number or a time out of its rule, NUL

The description names each field and its rule, `$.meterValue[0].timestamp: …`; the code is the
first one's. Of what is missing others say ProtocolError; 1.6 has a code of its own for it.
"""

from itertools import islice
from typing import Any

import msgspec
from msgspec import Raw

from gateway.ocppj import CallErrorCode, CallFailed
from gateway.v16.actions import ACTIONS
from gateway.v16.types import Digits, Payload, from_wire, to_wire
from gateway.v16.violations import decode_untyped, find_violations

NOTHING = Raw(b"{}")
"""The payload of an action that has no fields."""

MAX_VIOLATIONS = 5
"""How many fields one error names; a payload may have thousands that are wrong."""

_encoder = msgspec.json.Encoder(enc_hook=to_wire)


def encode(payload: Payload | dict[str, Any]) -> Raw:
    """The JSON of a payload."""
    return Raw(_encoder.encode(payload))


class PayloadDecoder:
    """Takes the payloads of one request or response, by its schema.

    Attributes:
        kind: The struct that they become.
    """

    def __init__(self, kind: type[Payload]) -> None:
        self.kind = kind
        self._typed = msgspec.json.Decoder(kind, dec_hook=from_wire, float_hook=Digits)

    def decode(self, payload: Raw) -> Payload:
        """The payload.

        Raises:
            CallFailed: It breaks a rule; every field that does is named.
        """
        try:
            decoded = self._typed.decode(payload)
        except (ValueError, RecursionError):
            if bytes(payload) == b"null":  # as good as none (4.2.1)
                return self.decode(NOTHING)
            raise refusal(self.kind, payload) from None
        # NUL is the only rule that the struct does not know: it would cost each text a search. It
        # can come only escaped, and hardly anything is.
        if b"\\" in (data := bytes(payload)) and b"\\u0000" in data:
            self._refuse_nul(payload)
        return decoded

    def _refuse_nul(self, payload: Raw) -> None:
        if any(find_violations(self.kind, decode_untyped(payload))):
            raise refusal(self.kind, payload)


def refusal(kind: type[Payload], payload: Raw) -> CallFailed:
    """Why this payload is refused."""
    if not bytes(payload):
        return CallFailed(CallErrorCode.FORMATION_VIOLATION, "a CALL has 4 elements, not 3")
    try:
        violations = list(islice(find_violations(kind, decode_untyped(payload)), MAX_VIOLATIONS))
    except (ValueError, RecursionError):
        violations = []
    if not violations:
        return CallFailed(CallErrorCode.FORMATION_VIOLATION, "the payload cannot be read")
    return CallFailed(violations[0].code, "; ".join(map(str, violations)))


_up = [action for action in ACTIONS.values() if action.from_charge_point]
_down = [action for action in ACTIONS.values() if action.to_charge_point]

_requests = {action.name: PayloadDecoder(action.request) for action in _up}
_responses = {action.name: PayloadDecoder(action.response) for action in _down}
_commands = {action.name: PayloadDecoder(action.request) for action in _down}


def request_decoder(action: str) -> PayloadDecoder:
    """Takes what a charge point calls by this name.

    Raises:
        CallFailed: There is no such action, or a charge point does not call it.
    """
    decoder = _requests.get(action)
    if decoder is None:
        raise _not_called(action)
    return decoder


def response_decoder(action: str) -> PayloadDecoder:
    """Takes what a charge point answers to this action.

    Raises:
        KeyError: We never call it.
    """
    return _responses[action]


def decode_request(action: str, payload: Raw) -> Payload:
    """What a charge point calls.

    Raises:
        CallFailed: It is to be answered with this.
    """
    return request_decoder(action).decode(payload)


def decode_response(action: str, payload: Raw) -> Payload:
    """What a charge point answers to our call of this action.

    Raises:
        CallFailed: It is no answer to it. No answer is answered: this is for whoever called.
        KeyError: We never call it.
    """
    return response_decoder(action).decode(payload)


def check(action: str, payload: dict[str, Any]) -> Payload:
    """What an operator wants a charge point to be called with.

    Raises:
        CallFailed: It would have to refuse it; every field that is wrong is named.
    """
    decoder = _commands.get(action)
    if decoder is None:
        raise _not_called(action)
    return decoder.decode(encode(payload))


def _not_called(action: str) -> CallFailed:
    if action in ACTIONS:
        return CallFailed(CallErrorCode.NOT_SUPPORTED, f"{action} is not called in this direction")
    return CallFailed(CallErrorCode.NOT_IMPLEMENTED, f"{action[:50]!r} is no action of OCPP 1.6")
