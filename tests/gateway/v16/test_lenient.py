"""Charge points that do not keep to the schemas: what is understood, and what stays an error."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from gateway.ocppj import CallFailed
from gateway.v16 import messages as m
from gateway.v16 import payloads
from gateway.v16.actions import ACTIONS
from gateway.v16.lenient import (
    MAX_ID_TAG,
    MAX_TEXT,
    MAX_WORD,
    Fault,
    decode_request,
    decode_response,
)
from gateway.v16.payloads import encode
from tests.gateway.v16.schemas import full, schema, valid, variants

TIME = "2026-11-21T10:30:00Z"
MS = 1_795_257_000_000

START: dict[str, Any] = {"connectorId": 1, "idTag": "A", "meterStart": 5, "timestamp": TIME}
STOP: dict[str, Any] = {"transactionId": 7, "meterStop": 1000, "timestamp": TIME}
STATUS: dict[str, Any] = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}

UP = [action.name for action in ACTIONS.values() if action.from_charge_point]
DOWN = [action.name for action in ACTIONS.values() if action.to_charge_point]


def raw(payload: object) -> Raw:
    return Raw(json.dumps(payload).encode())


def meter(sampled: object, timestamp: str = TIME) -> dict[str, Any]:
    return {"connectorId": 1, "meterValue": [{"timestamp": timestamp, "sampledValue": sampled}]}


@pytest.mark.parametrize(
    ("action", "faulty", "meant", "faults"),
    [
        ("StartTransaction", START | {"vendor": {"x": [1]}}, START, {Fault.SURPLUS_FIELD}),
        ("Authorize", {"idtag": "A"}, {"idTag": "A"}, {Fault.FIELD_CASE}),
        ("Authorize", {"idTag": "A", "IDTAG": "B"}, {"idTag": "A"}, {Fault.FIELD_CASE}),
        ("StopTransaction", STOP | {"idTag": None}, STOP, {Fault.NULL}),
        ("StopTransaction", STOP | {"reason": ""}, STOP, {Fault.EMPTY}),
        ("StatusNotification", STATUS | {"timestamp": ""}, STATUS, {Fault.EMPTY}),
        ("Authorize", {"idTag": "A\0\0"}, {"idTag": "A"}, {Fault.NUL}),
        (
            "StatusNotification",
            STATUS | {"status": "available"},
            STATUS,
            {Fault.WORD_CASE},
        ),
        (
            "MeterValues",
            meter([{"value": "21", "unit": " celsius"}]),
            meter([{"value": "21", "unit": "Celsius"}]),
            {Fault.WORD_CASE},
        ),
        (
            "MeterValues",
            meter([{"value": 7.50}]),
            meter([{"value": "7.5"}]),
            {Fault.NUMBER_FOR_STRING},
        ),
        (
            "DataTransfer",
            {"vendorId": "V", "data": {"soc": 7.50, "phases": [1, None]}},
            {"vendorId": "V", "data": '{"soc":7.5,"phases":[1,null]}'},
            {Fault.OBJECT_FOR_STRING},
        ),
        ("Authorize", {"idTag": 1234}, {"idTag": "1234"}, {Fault.NUMBER_FOR_STRING}),
        ("StopTransaction", STOP | {"transactionId": "7"}, STOP, {Fault.STRING_FOR_NUMBER}),
        ("StopTransaction", STOP | {"meterStop": 1000.0}, STOP, {Fault.FRACTION}),
        ("StopTransaction", STOP | {"meterStop": 999.5}, STOP, {Fault.FRACTION}),
        ("StopTransaction", STOP | {"meterStop": 1000.49}, STOP, {Fault.FRACTION}),
        (
            "StopTransaction",
            STOP | {"meterStop": " 1000.4 "},
            STOP,
            {Fault.STRING_FOR_NUMBER, Fault.FRACTION},
        ),
        ("StartTransaction", START | {"reservationId": ""}, START, {Fault.EMPTY}),
    ],
)
def test_what_is_clearly_meant_is_understood(
    action: str, faulty: dict[str, Any], meant: dict[str, Any], faults: set[Fault]
) -> None:
    """As if it had been said right; and each fault is named."""
    with pytest.raises(CallFailed):
        payloads.decode_request(action, raw(faulty))
    expected = payloads.decode_request(action, raw(meant))
    assert decode_request(action, raw(faulty)) == (expected, frozenset(faults))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21 10:30:00Z",
        "2026-11-21 10:30:00",
        "2026-11-21T10:30:00 Z",
        "2026-11-21 10:30:00 +00:00",
        "2026/11/21 10:30:00",
        "2026-11-21 10:30",
        " 2026-11-21T10:30:00.000Z ",
        "2026-11-21T11:30:00 +0100",
    ],
)
def test_a_time_that_is_no_iso_8601_is_understood(text: str) -> None:
    """If nothing but its form is wrong; without a zone it is UTC."""
    said, faults = decode_request("StopTransaction", raw(STOP | {"timestamp": text}))
    assert isinstance(said, m.StopTransactionRequest)
    assert (int(said.timestamp), set(faults)) == (MS, {Fault.TIME_FORM})


@pytest.mark.parametrize("payload", [b"", b"[]"])
def test_a_payload_that_is_missing_is_an_empty_one(payload: bytes) -> None:
    """`[2,"id","Heartbeat"]`, or what some write for an empty object."""
    with pytest.raises(CallFailed):
        payloads.decode_request("Heartbeat", Raw(payload))
    said, faults = decode_request("Heartbeat", Raw(payload))
    assert isinstance(said, m.HeartbeatRequest)
    assert faults == {Fault.NO_PAYLOAD}


def test_a_text_that_is_too_long_is_kept_up_to_what_the_network_holds() -> None:
    """Vendors put more into a field than it may hold."""
    boot = {"chargePointVendor": "x" * 60, "chargePointModel": "y" * 600}
    said, faults = decode_request("BootNotification", raw(boot))
    assert isinstance(said, m.BootNotificationRequest)
    assert (len(said.charge_point_vendor), len(said.charge_point_model)) == (60, MAX_TEXT)
    assert faults == {Fault.OVERLONG}


def test_an_id_tag_is_never_cut() -> None:
    """A part of it may be another driver's."""
    said, faults = decode_request("Authorize", raw({"idTag": "x" * MAX_ID_TAG}))
    assert said == m.AuthorizeRequest(id_tag="x" * MAX_ID_TAG)
    assert faults == {Fault.OVERLONG}
    with pytest.raises(CallFailed, match="20 characters at most, not 37"):
        decode_request("Authorize", raw({"idTag": "x" * (MAX_ID_TAG + 1)}))


@pytest.mark.parametrize("word", ["Energy.Total", "x" * MAX_WORD])
def test_a_word_that_nobody_knows_is_kept(word: str) -> None:
    """Without it the value would be taken for what OCPP says of values that say nothing."""
    said, faults = decode_request("MeterValues", raw(meter([{"value": "7", "measurand": word}])))
    assert isinstance(said, m.MeterValuesRequest)
    assert said.meter_value[0].sampled_value[0].measurand == word
    assert faults == {Fault.UNKNOWN_WORD}


def test_meter_values_without_values_are_nothing_to_keep() -> None:
    """An error would let the charge point send them for ever."""
    said, faults = decode_request("MeterValues", raw(meter([])))
    assert isinstance(said, m.MeterValuesRequest)
    assert said.meter_value[0].sampled_value == ()
    assert faults == {Fault.EMPTY_LIST}


def test_hertz_is_understood_in_a_stop_transaction() -> None:
    """The schema forgot it there."""
    data = [{"timestamp": TIME, "sampledValue": [{"value": "50", "unit": "Hertz"}]}]
    said, faults = decode_request("StopTransaction", raw(STOP | {"transactionData": data}))
    assert isinstance(said, m.StopTransactionRequest)
    assert said.transaction_data is not None
    assert said.transaction_data[0].sampled_value[0].unit == "Hertz"  # type: ignore[comparison-overlap]
    assert faults == {Fault.UNKNOWN_WORD}


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Authorize", {}),
        ("Authorize", {"idTag": None}),
        ("Authorize", {"idTag": True}),
        ("Authorize", {"idTag": ["A"]}),
        ("DataTransfer", {"vendorId": {"name": "V"}}),
        ("Authorize", []),
        ("Authorize", [{}]),
        ("Authorize", None),
        ("Heartbeat", 7),
        ("StopTransaction", STOP | {"meterStop": ""}),
        ("StopTransaction", STOP | {"meterStop": None}),
        ("StopTransaction", STOP | {"meterStop": True}),
        ("StopTransaction", STOP | {"meterStop": "7 Wh"}),
        ("StopTransaction", STOP | {"meterStop": "NaN"}),
        ("StopTransaction", STOP | {"meterStop": "-Infinity"}),
        ("StopTransaction", STOP | {"meterStop": 2**53}),
        ("StopTransaction", STOP | {"meterStop": "1e999999999"}),
        ("StopTransaction", STOP | {"timestamp": "yesterday"}),
        ("StopTransaction", STOP | {"timestamp": "2026-13-21 10:30:00"}),
        ("StopTransaction", STOP | {"timestamp": "2026-11-21" + " " * 60_000 + "10:30:00"}),
        ("StopTransaction", STOP | {"timestamp": 1_795_257_000}),
        ("StopTransaction", STOP | {"transactionData": {}}),
        ("StatusNotification", STATUS | {"status": ""}),
        ("StatusNotification", STATUS | {"status": 7}),
        ("StatusNotification", STATUS | {"status": "x" * (MAX_WORD + 1)}),
        ("MeterValues", meter([None])),
        ("Dance", {}),
        ("Reset", {"type": "hard"}),
    ],
)
def test_what_is_not_clear_stays_the_error_that_it_is(action: str, payload: object) -> None:
    """Nothing is invented for it."""
    with pytest.raises(CallFailed) as strict:
        payloads.decode_request(action, raw(payload))
    with pytest.raises(CallFailed) as lenient:
        decode_request(action, raw(payload))
    assert str(lenient.value) == str(strict.value)


@pytest.mark.parametrize("payload", [b"{", b'{"idTag":"\xff"}', b"[" * 50_000, b"[" * 500])
def test_what_cannot_be_read_stays_an_error(payload: bytes) -> None:
    """However deep it is."""
    with pytest.raises(CallFailed, match="cannot be read"):
        decode_request("Authorize", Raw(payload))


@pytest.mark.parametrize(
    ("faulty", "meant", "faults"),
    [
        ("TRUE", True, {Fault.STRING_FOR_BOOLEAN}),
        ("false", False, {Fault.STRING_FOR_BOOLEAN}),
        (True, True, set()),
    ],
)
def test_answers_are_understood_too(faulty: object, meant: bool, faults: set[Fault]) -> None:
    """Here those to GetConfiguration."""
    answer = {"configurationKey": [{"key": "K", "readonly": faulty}]}
    said, found = decode_response("GetConfiguration", raw(answer))
    keys = (m.KeyValue(key="K", readonly=meant),)
    assert said == m.GetConfigurationResponse(configuration_key=keys)
    assert found == faults


@pytest.mark.parametrize("faulty", [1, "yes", None, []])
def test_what_is_no_truth_stays_an_error(faulty: object) -> None:
    """Of a field that must be there."""
    with pytest.raises(CallFailed, match="readonly: expected a boolean"):
        decode_response(
            "GetConfiguration", raw({"configurationKey": [{"key": "K", "readonly": faulty}]})
        )


def test_a_limit_with_more_decimals_is_rounded() -> None:
    """To the one that there may be."""
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": "16.25"}],
    }
    said, faults = decode_response(
        "GetCompositeSchedule", raw({"status": "Accepted", "chargingSchedule": schedule})
    )
    assert b'"limit":16.3' in bytes(encode(said))
    assert faults == {Fault.STRING_FOR_NUMBER, Fault.FRACTION}


def test_an_answer_to_what_we_never_call_is_our_own_mistake() -> None:
    """With leniency as without."""
    with pytest.raises(KeyError):
        decode_response("Heartbeat", raw({}))


VALID = {name: valid(schema(name)) for name in UP}


@settings(max_examples=150)
@given(st.sampled_from(UP), st.data())
def test_what_is_right_is_read_as_without_leniency(name: str, draw: st.DataObject) -> None:
    """And has no fault."""
    payload = raw(draw.draw(VALID[name]))
    assert decode_request(name, payload) == (payloads.decode_request(name, payload), frozenset())


@pytest.mark.parametrize("name", UP)
def test_whatever_is_changed_is_mended_or_refused(name: str) -> None:
    """Nothing else is raised; what is mended has a fault, and can be written."""
    mended = 0
    for payload in variants(schema(name), full(schema(name))):
        try:
            said, faults = decode_request(name, raw(payload))
        except CallFailed:
            continue
        mended += bool(faults)
        assert json.loads(bytes(encode(said))) is not None
        assert faults or payloads.decode_request(name, raw(payload)) == said
    assert mended


@pytest.mark.parametrize("name", DOWN)
def test_whatever_an_answer_is_changed_to_is_mended_or_refused(name: str) -> None:
    """For a charge point that answers as it likes."""
    response = schema(f"{name}Response")
    for payload in variants(response, full(response)):
        try:
            said, faults = decode_response(name, raw(payload))
        except CallFailed:
            continue
        assert json.loads(bytes(encode(said))) is not None
        assert faults or payloads.decode_response(name, raw(payload)) == said


@settings(max_examples=200)
@given(st.sampled_from(UP), st.binary(max_size=60))
def test_any_bytes_are_mended_or_refused(name: str, payload: bytes) -> None:
    """Nothing else is raised."""
    try:
        said, _ = decode_request(name, Raw(payload))
    except CallFailed as error:
        assert error.description  # noqa: PT017 -- most are refused, and some are not
    else:
        assert isinstance(said, ACTIONS[name].request)
