"""Payloads by their actions: taken, or refused with the code and the sentence that OCPP wants."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from gateway.ocppj import CallErrorCode, CallFailed
from gateway.v16 import messages as m
from gateway.v16.actions import ACTIONS
from gateway.v16.payloads import (
    MAX_VIOLATIONS,
    check,
    decode_request,
    decode_response,
    encode,
)
from gateway.v16.types import Digits
from gateway.v16.violations import json_type
from tests.gateway.v16.schemas import characters, full, least, schema

TIME = "2026-11-21T10:30:00Z"

STOP: dict[str, Any] = {"transactionId": 7, "meterStop": 1000, "timestamp": TIME}

VALUE = {"value": "7.5", "unit": "kWh"}

PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.5}],
    },
}


def raw(payload: object) -> Raw:
    return Raw(json.dumps(payload).encode())


def refused(action: str, payload: Raw) -> tuple[str, str]:
    """The code and the sentence of the CALLERROR."""
    with pytest.raises(CallFailed) as caught:
        decode_request(action, payload)
    return caught.value.code.value, caught.value.description


def with_value(**changes: object) -> dict[str, Any]:
    sampled = [{"value": "7"}, VALUE | changes]
    return {"connectorId": 1, "meterValue": [{"timestamp": TIME, "sampledValue": sampled}]}


# ---- What a charge point calls ----------------------------------------------------------------


def test_a_payload_becomes_the_struct_of_its_action() -> None:
    """What was left out is None."""
    said = decode_request("StopTransaction", raw(STOP))
    assert isinstance(said, m.StopTransactionRequest)
    assert (said.transaction_id, said.meter_stop, said.id_tag) == (7, 1000, None)
    assert said.timestamp == 1_795_257_000_000


@pytest.mark.parametrize(
    ("action", "payload", "code", "text"),
    [
        ("Dance", {}, "NotImplemented", "'Dance' is no action of OCPP 1.6"),
        ("heartbeat", {}, "NotImplemented", "'heartbeat' is no action of OCPP 1.6"),
        ("Reset", {}, "NotSupported", "Reset is not called in this direction"),
        ("Heartbeat", [], "FormationViolation", "$: expected an object, got an array"),
        ("Heartbeat", False, "FormationViolation", "$: expected an object, got a boolean"),
        ("Authorize", None, "OccurenceConstraintViolation", "$.idTag: required"),
        ("Heartbeat", {"x": 1}, "FormationViolation", "$.x: unknown field"),
        ("Heartbeat", {"a b": 1}, "FormationViolation", "$.'a b': unknown field"),
        ("Heartbeat", {"x" * 99: 1}, "FormationViolation", f"$.'{'x' * 30}…': unknown field"),
        ("Authorize", {}, "OccurenceConstraintViolation", "$.idTag: required"),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": []},
            "OccurenceConstraintViolation",
            "$.meterValue: 1 item at least",
        ),
        (
            "Authorize",
            {"idTag": 7},
            "TypeConstraintViolation",
            "$.idTag: expected a string, got an integer",
        ),
        (
            "StopTransaction",
            STOP | {"idTag": None},
            "TypeConstraintViolation",
            "$.idTag: expected a string, got null",
        ),
        (
            "StopTransaction",
            STOP | {"meterStop": 7.0},
            "TypeConstraintViolation",
            "$.meterStop: expected an integer, got a number",
        ),
        (
            "StopTransaction",
            STOP | {"timestamp": 7},
            "TypeConstraintViolation",
            "$.timestamp: expected a date and time",
        ),
        (
            "Authorize",
            {"idTag": "x" * 21},
            "PropertyConstraintViolation",
            "$.idTag: 20 characters at most, not 21",
        ),
        (
            "Authorize",
            {"idTag": "a\0"},
            "PropertyConstraintViolation",
            "$.idTag: NUL is no character of it",
        ),
        (
            "StopTransaction",
            STOP | {"timestamp": "yesterday"},
            "PropertyConstraintViolation",
            "$.timestamp: no ISO 8601 date and time",
        ),
        (
            "StopTransaction",
            STOP | {"meterStop": 2**53},
            "PropertyConstraintViolation",
            "$.meterStop: beyond 53 bits",
        ),
        (
            "DiagnosticsStatusNotification",
            {"status": "uploaded" * 9},
            "PropertyConstraintViolation",
            "$.status: 'uploadeduploadeduploadedupload…' is none of "
            "Idle, UploadFailed, Uploaded, Uploading",
        ),
        (
            "MeterValues",
            with_value(phase="L4", value=7),
            "TypeConstraintViolation",
            "$.meterValue[0].sampledValue[1].value: expected a string, got an integer; "
            "$.meterValue[0].sampledValue[1].phase: 'L4' is none of "
            "L1, L1-L2, L1-N, L2, L2-L3, L2-N, L3, L3-L1, L3-N, N",
        ),
    ],
)
def test_what_a_payload_breaks_is_named(action: str, payload: object, code: str, text: str) -> None:
    """By the field's path as OCPP spells it, and the rule; the code is the first one's."""
    assert refused(action, raw(payload)) == (code, text)


def test_null_is_as_good_as_an_empty_payload() -> None:
    """OCPP-J allows both (4.2.1, 4.2.2)."""
    assert decode_request("Heartbeat", raw(None)) == m.HeartbeatRequest()
    assert decode_response("UpdateFirmware", raw(None)) == m.UpdateFirmwareResponse()


def test_a_call_without_a_payload_is_refused() -> None:
    """For a charge point of which nobody said that it may."""
    assert refused("Heartbeat", Raw()) == ("FormationViolation", "a CALL has 4 elements, not 3")


@pytest.mark.parametrize(
    "payload", [b'{"idTag":"\xff"}', b'{"\xff":1}', b'{"idTag":' + b"9" * 5_000 + b"}", b"{"]
)
def test_a_payload_that_cannot_be_read_is_refused(payload: bytes) -> None:
    """No UTF-8, or numbers that nobody can mean."""
    assert refused("Authorize", Raw(payload)) == (
        "FormationViolation",
        "the payload cannot be read",
    )


def test_a_backslash_and_u0000_that_are_no_nul_are_a_text() -> None:
    """Escaped, they mean themselves."""
    said = decode_request("Authorize", Raw(rb'{"idTag":"a\\u0000"}'))
    assert isinstance(said, m.AuthorizeRequest)
    assert said.id_tag == r"a\u0000"


def test_no_more_than_so_many_faults_are_named() -> None:
    """A payload may have thousands."""
    many = {f"field{number}": number for number in range(1000)}
    code, text = refused("Heartbeat", raw(many))
    assert code == "FormationViolation"
    assert len(text.split("; ")) == MAX_VIOLATIONS


@settings(max_examples=300)
@given(st.sampled_from([*sorted(ACTIONS), "Dance"]), st.binary(max_size=60))
def test_any_bytes_are_a_payload_or_refused(action: str, payload: bytes) -> None:
    """Nothing else is raised."""
    try:
        decode_request(action, Raw(payload))
    except CallFailed as error:
        failed = error
    else:
        return
    assert isinstance(failed.code, CallErrorCode)
    assert failed.description


@given(st.text(characters, max_size=12), st.booleans())
def test_nul_is_refused_wherever_it_is(text: str, before: bool) -> None:
    """And nothing else is taken for it."""
    said = text + "\0" if before else "\0" + text
    assert refused("Authorize", raw({"idTag": said}))[0] == "PropertyConstraintViolation"
    assert isinstance(decode_request("Authorize", raw({"idTag": text})), m.AuthorizeRequest)


# ---- What it answers, and what we call --------------------------------------------------------


def test_an_answer_is_of_the_action_that_was_called() -> None:
    """One of another action is none."""
    said = decode_response("UnlockConnector", raw({"status": "Unlocked"}))
    assert said == m.UnlockConnectorResponse(status="Unlocked")
    with pytest.raises(CallFailed, match="'Unlocked' is none of Accepted, Rejected"):
        decode_response("Reset", raw({"status": "Unlocked"}))


def test_an_answer_to_what_we_never_call_is_our_own_mistake() -> None:
    """It cannot come: an answer without its call is dropped before."""
    with pytest.raises(KeyError):
        decode_response("Heartbeat", raw({}))


@pytest.mark.parametrize("action", [a.name for a in ACTIONS.values() if a.to_charge_point])
def test_a_good_command_is_written_as_it_was_given(action: str) -> None:
    """With all its fields, or the fewest."""
    for payload in (full(schema(action)), least(schema(action))):
        assert json.loads(bytes(encode(check(action, payload)))) == payload


def test_a_command_keeps_its_decimals() -> None:
    """As the operator wrote them."""
    command = check("SetChargingProfile", {"connectorId": 0, "csChargingProfiles": PROFILE})
    assert b'"limit":16.5' in bytes(encode(command))


@pytest.mark.parametrize(
    ("action", "payload", "text"),
    [
        ("Dance", {}, "NotImplemented: 'Dance' is no action of OCPP 1.6"),
        ("Heartbeat", {}, "NotSupported: Heartbeat is not called in this direction"),
        ("Reset", {}, "OccurenceConstraintViolation: $.type: required"),
        ("Reset", {"type": "hard"}, "PropertyConstraintViolation: $.type: 'hard' is none of"),
        ("Reset", {"type": "Hard", "now": True}, "FormationViolation: $.now: unknown field"),
        (
            "SetChargingProfile",
            {
                "connectorId": "1",
                "csChargingProfiles": PROFILE
                | {
                    "chargingSchedule": {
                        "chargingRateUnit": "A",
                        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.55}],
                    }
                },
            },
            "TypeConstraintViolation: $.connectorId: expected an integer, got a string; "
            "$.csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit: "
            "more than one decimal",
        ),
    ],
)
def test_a_wrong_command_is_refused_with_the_names_of_its_fields(
    action: str, payload: dict[str, Any], text: str
) -> None:
    """All of them, for the operator to mend at once."""
    with pytest.raises(CallFailed) as caught:
        check(action, payload)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "a boolean"),
        (7, "an integer"),
        (Digits("7.5"), "a number"),
        ("7", "a string"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_what_json_calls_a_value(value: object, name: str) -> None:
    """In a sentence, with its article."""
    assert json_type(value) == name
