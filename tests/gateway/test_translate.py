"""Calls of charge points in the network's words and units, and central's answers in OCPP's."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from common.codec import decoder, encode
from common.errors import Reason
from common.gateway_messages import (
    AuthorizeResponse,
    ChargeStartedResponse,
    ConnectorFault,
    IdTagInfo,
    IdTagStatus,
    MeterReport,
    OcppEvent,
    OcppResponse,
    Sample,
    TransactionCompletion,
    TransactionResponse,
)
from common.messages import CommandOutcome, Message, Outcome
from common.protocol import CENTRAL, DOWN, GATEWAY, UP, sent
from common.units import Payload, Watts
from gateway.ocppj import CallErrorCode, CallFailed
from gateway.v16.actions import ACTIONS
from gateway.v16.meter import energy_and_power
from gateway.v16.payloads import encode as as_payload
from gateway.v16.translate import DOWNWARD, UPWARD, V16, outcome_of, refused
from gateway.v16.types import from_wire
from gateway.version import Origin, Policy

AT = "2026-11-21T10:30:00.5Z"
AT_MS = 1_795_257_000_500


def told(action: str, payload: dict[str, Any]) -> list[Message]:
    """What central gets of a call, after its way by Kafka."""
    said = V16.decode_request(action, Raw(msgspec.json.encode(payload)))
    reads = decoder(GATEWAY, CENTRAL, UP)
    origin = Origin("CP1", set(), "gw-1", 9)
    return [reads.decode(encode(m)) for m in UPWARD[action].messages(said, origin)]


def meter(*samples: dict[str, Any], at: str = AT) -> MeterReport:
    """What central gets of meter values."""
    value = {"timestamp": at, "sampledValue": list(samples)}
    (found,) = told("MeterValues", {"connectorId": 1, "meterValue": [value]})
    assert isinstance(found, MeterReport)
    return found


def test_there_is_a_row_for_all_that_a_charge_point_may_call() -> None:
    """And for all that central may command."""
    assert set(UPWARD) == {name for name, action in ACTIONS.items() if action.from_charge_point}
    assert set(DOWNWARD) == {
        m for m in sent(CENTRAL, GATEWAY, DOWN) if "cp_id" in m.__struct_fields__
    }


def test_what_waits_for_kafka_alone_is_answered_with_nothing() -> None:
    """By the schema: so the answer need not be made for each."""
    for row in UPWARD.values():
        if row.policy is Policy.AFTER_PUBLISH:
            response = ACTIONS[row.action].response
            assert msgspec.convert({}, response) == response()
            assert row.answer(None, 0) == {}


def test_a_stop_is_a_completion_with_its_samples() -> None:
    """In Wh and ms; the reason that OCPP means where none is said."""
    payload = {
        "transactionId": -1,
        "meterStop": 2000,
        "timestamp": AT,
        "transactionData": [{"timestamp": AT, "sampledValue": [{"value": "2000"}]}],
    }
    (found,) = told("StopTransaction", payload)
    assert isinstance(found, TransactionCompletion)
    assert (found.transaction_id, found.meter_stop_wh, found.at_ms) == (-1, 2000, AT_MS)
    assert (found.stop_reason, found.samples) == ("Local", (Sample(at_ms=AT_MS, value="2000"),))


def test_a_clock_that_was_never_set_says_the_beginning_of_time() -> None:
    """0, and no error: it must not stop a charge."""
    (found,) = told(
        "StopTransaction", {"transactionId": 1, "meterStop": 0, "timestamp": "1969-12-31T00:00:00Z"}
    )
    assert isinstance(found, TransactionCompletion)
    assert found.at_ms == 0


@pytest.mark.parametrize("error", ["NoError", "GroundFailure"])
def test_a_fault_has_a_type(error: str) -> None:
    """Also where the charge point says that there is no error."""
    payload = {"connectorId": 0, "errorCode": error, "status": "Faulted"}
    (found,) = told("StatusNotification", payload)
    assert isinstance(found, ConnectorFault)
    assert found.fault_type == ("OtherError" if error == "NoError" else error)


def test_an_event_carries_its_payload_as_it_came() -> None:
    """Under its action's name."""
    payload = {"type": "StartupOfTheDevice", "timestamp": "2026-11-21T10:30:00.500Z"}
    (found,) = told("SecurityEventNotification", payload)
    assert isinstance(found, OcppEvent)
    assert (found.action, found.payload) == ("SecurityEventNotification", payload)


# ---- Meter values -----------------------------------------------------------------------------

POWER = {"measurand": "Power.Active.Import"}
ENERGIES = [
    ([{"value": "1500"}], 1500),
    ([{"value": "1.5", "unit": "kWh"}], 1500),
    ([{"value": "1.2345", "unit": "kWh"}], 1235),
    ([{"value": "0.4999"}], 0),
    ([{"value": "1e3"}], 1000),
    ([{"value": " 12 "}], 12),
    ([{"value": "-3"}], -3),
    ([{"value": "1500", "format": "SignedData"}], None),
    ([{"value": "NaN"}], None),
    ([{"value": "Infinity"}], None),
    ([{"value": "much"}], None),
    ([{"value": "9" * 40}], None),
    ([{"value": "1e999999"}], None),
    ([{"value": "\N{ARABIC-INDIC DIGIT ONE}"}], 1),
    ([{"value": ""}], None),
    ([{"value": "1", **POWER}], None),
    ([{"value": "1"}, {"value": "2"}], 2),
    ([{"value": "1"}, {"value": "x"}], 1),
    ([{"value": "1"}, {"value": "2", "location": "Inlet"}], 1),
    ([{"value": "2", "location": "Inlet"}], 2),
    ([{"value": "1", "phase": "L1"}, {"value": "2", "phase": "L2"}], 3),
    ([{"value": "1", "phase": "L1"}, {"value": "9"}], 9),
    ([{"value": "1", "phase": "L1-L2"}], None),
]


@pytest.mark.parametrize(("samples", "energy"), ENERGIES)
def test_energy_is_read_out_in_watt_hours(
    samples: list[dict[str, Any]], energy: int | None
) -> None:
    """Whatever unit, place and phase it is given in; None where nobody can say."""
    found = meter(*samples)
    assert found.meter_wh == energy
    assert [s.value for s in found.samples] == [s["value"] for s in samples]


POWERS = [
    ([{"value": "7.4", "unit": "kW"}], 7400),
    ([{"value": "7400", "unit": "W"}], 7400),
    ([{"value": "-5", "unit": "W"}], 0),
    ([{"value": "99999999", "unit": "W"}], None),
    ([{"value": "1", "phase": p, "unit": "kW"} for p in ("L1", "L2", "L3")], 3000),
    ([{"value": "1", "phase": p, "unit": "kW"} for p in ("L1-N", "L2-N", "N")], 2000),
    ([{"value": "2", "unit": "kW"}, {"value": "1", "phase": "L1", "unit": "kW"}], 2000),
]


@pytest.mark.parametrize(("samples", "watts"), POWERS)
def test_power_is_read_out_in_watts(samples: list[dict[str, Any]], watts: int | None) -> None:
    """Phases are summed where no total is given; what flows back is 0."""
    found = meter(*(POWER | sample for sample in samples))
    assert found.charging_rate == (None if watts is None else Watts(watts))


def test_what_a_charge_point_leaves_out_is_not_written_either() -> None:
    found = meter({"value": "1"})

    assert encode(found.samples[0]) == b'{"at_ms":%d,"value":"1"}' % AT_MS


def test_the_latest_moment_counts() -> None:
    """Wherever it stands in the message."""
    values = [
        {"timestamp": f"2026-11-21T10:3{minute}:00Z", "sampledValue": [{"value": str(minute)}]}
        for minute in (1, 3, 2)
    ]
    (found,) = told("MeterValues", {"connectorId": 0, "meterValue": values})
    assert isinstance(found, MeterReport)
    assert (found.meter_wh, found.connector_id, found.transaction_id) == (3, 0, None)
    assert [s.value for s in found.samples] == ["1", "3", "2"]


NUMBERS = st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, places=4)


@given(NUMBERS, st.sampled_from(["Wh", "kWh"]))
def test_a_number_is_rounded_half_up_however_it_is_written(number: Decimal, unit: str) -> None:
    """As Decimal does; the fast way for what most meters write is the same."""
    exact = number * (1000 if unit == "kWh" else 1)
    expected = int(exact.to_integral_value(ROUND_HALF_UP))
    for text in (str(number), f"{number:f}", f"{number:e}", f" {number}"):
        found, _ = energy_and_power([Sample(at_ms=0, value=text, unit=unit)])
        assert found == expected


SAMPLES = st.builds(
    Sample,
    at_ms=st.integers(0, 5),
    value=st.text(max_size=10) | NUMBERS.map(str),
    measurand=st.sampled_from(["Energy.Active.Import.Register", "Power.Active.Import", "SoC"]),
    unit=st.sampled_from(["Wh", "kWh", "W", "kW"]),
    location=st.sampled_from(["Outlet", "Inlet"]),
    phase=st.sampled_from([None, "L1", "L2", "N", "L1-L2"]),
    format=st.sampled_from(["Raw", "SignedData"]),
)


@given(st.lists(SAMPLES, max_size=6))
def test_no_meter_values_break_the_reading_of_them(samples: list[Sample]) -> None:
    """And what is read out fits the network's message."""
    energy, power = energy_and_power(samples)
    report = MeterReport(
        message_id="1", cp_id="CP1", connector_id=1, meter_wh=energy, charging_rate=power
    )
    assert decoder(GATEWAY, CENTRAL, UP).decode(encode(report)) == report


# ---- Answers ----------------------------------------------------------------------------------

INFO = IdTagInfo(status=IdTagStatus.BLOCKED, expires_at=1_795_257_000, parent_id_tag="P")
OCPP_INFO = {"status": "Blocked", "expiryDate": "2026-11-21T10:30:00.000Z", "parentIdTag": "P"}
OK: dict[str, Any] = {"message_id": "1", "status": Outcome.SUCCESS}
NO: dict[str, Any] = {"message_id": "1", "status": Outcome.FAILURE, "error": Reason.INTERNAL}

ANSWERS = [
    ("Authorize", AuthorizeResponse(**OK, id_tag_info=INFO), {"idTagInfo": OCPP_INFO}),
    (
        "StartTransaction",
        ChargeStartedResponse(**OK, id_tag_info=INFO, transaction_id=5),
        {"idTagInfo": OCPP_INFO, "transactionId": 5},
    ),
    ("StopTransaction", TransactionResponse(**OK), {}),
    ("StopTransaction", TransactionResponse(**OK, id_tag_info=INFO), {"idTagInfo": OCPP_INFO}),
    (
        "DataTransfer",
        OcppResponse(**OK, payload=Payload(status="Accepted")),
        {"status": "Accepted"},
    ),
    (
        "Authorize",
        AuthorizeResponse(
            **OK, id_tag_info=IdTagInfo(status=IdTagStatus.ACCEPTED, parent_id_tag="P" * 21)
        ),
        {"idTagInfo": {"status": "Accepted"}},
    ),
]


@pytest.mark.parametrize(("action", "answer", "payload"), ANSWERS)
def test_centrals_answer_is_the_charge_points(action: str, answer: Message, payload: Any) -> None:
    """In OCPP's words, and by its schema."""
    found = msgspec.json.decode(as_payload(UPWARD[action].answer(answer, AT_MS)))
    assert found == payload
    if action != "DataTransfer":
        msgspec.convert(found, ACTIONS[action].response, dec_hook=from_wire)


REFUSED: list[tuple[str, Message]] = [
    ("Authorize", AuthorizeResponse(**NO)),
    ("StartTransaction", ChargeStartedResponse(**NO)),
    ("StartTransaction", ChargeStartedResponse(**OK, id_tag_info=INFO)),
    ("StopTransaction", TransactionResponse(**NO)),
    ("DataTransfer", OcppResponse(**NO)),
]


@pytest.mark.parametrize(("action", "answer"), REFUSED)
def test_what_central_did_not_do_is_no_success(action: str, answer: Message) -> None:
    """A charge point that is told so tries again."""
    with pytest.raises(CallFailed):
        UPWARD[action].answer(answer, AT_MS)


@pytest.mark.parametrize("reason", [None, *Reason])
def test_every_refusal_has_an_error_of_ocpp(reason: Reason | None) -> None:
    """One of the ten."""
    assert refused(reason, "").code in CallErrorCode


def statuses(response: type[msgspec.Struct]) -> list[Any]:
    """The words that an answer's status may be."""
    for field in msgspec.structs.fields(response):
        if field.name == "status":
            return list(get_args(field.type))
    return []


def test_every_answer_to_a_command_means_something() -> None:
    """By its status, one after the other as the schemas have them."""
    done = {"Accepted", "AcceptedCanceled", "RebootRequired", "Scheduled", "Unlocked"}
    for action in ACTIONS.values():
        if action.to_charge_point:
            for word in statuses(action.response):
                expected = CommandOutcome.ACCEPTED if word in done else CommandOutcome.REJECTED
                assert outcome_of(Payload(status=word)) is expected
    assert outcome_of(Payload()) is CommandOutcome.ACCEPTED
