"""What a node does with charge points' calls: to Kafka in order, answered by their policy."""

from dataclasses import replace
from typing import Any

import pytest

from common.errors import Reason
from common.gateway_messages import (
    AuthorizeRequest,
    BootRequest,
    ChargeStarted,
    ConnectorFault,
    ConnectorRecovery,
    ConnectorStatus,
    LinkDown,
    LinkUp,
    MeterReport,
    OcppEvent,
    OcppRequest,
    TransactionCompletion,
)
from common.messages import ErrorResponse, Message, Outcome, RegisterResponse
from gateway import waiting
from gateway.uplink import Limits
from gateway.v16.translate import UPWARD
from tests.gateway.played import Json, eventually, kindly, running, silently

AT = "2026-11-21T10:30:00.000Z"
BOOT = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": AT}
METER = {
    "connectorId": 1,
    "transactionId": 1,
    "meterValue": [{"timestamp": AT, "sampledValue": [{"value": "1500"}]}],
}
START = {"connectorId": 1, "idTag": "TAG1", "meterStart": 1000, "timestamp": AT}
STOP = {"transactionId": 1, "meterStop": 2000, "timestamp": AT}

CALLS: list[tuple[str, Json, type[Message], Json]] = [
    ("BootNotification", BOOT, BootRequest, {"status": "Accepted", "interval": 60}),
    ("StatusNotification", STATUS, ConnectorStatus, {}),
    ("Authorize", {"idTag": "TAG1"}, AuthorizeRequest, {"idTagInfo": {"status": "Accepted"}}),
    (
        "StartTransaction",
        START,
        ChargeStarted,
        {"idTagInfo": {"status": "Accepted"}, "transactionId": 1},
    ),
    ("MeterValues", METER, MeterReport, {}),
    ("StopTransaction", STOP, TransactionCompletion, {}),
    ("DataTransfer", {"vendorId": "V", "data": "x"}, OcppRequest, {"status": "UnknownVendorId"}),
    ("DiagnosticsStatusNotification", {"status": "Idle"}, OcppEvent, {}),
    ("FirmwareStatusNotification", {"status": "Installed"}, OcppEvent, {}),
    ("LogStatusNotification", {"status": "Idle"}, OcppEvent, {}),
    ("SignedFirmwareStatusNotification", {"status": "Idle"}, OcppEvent, {}),
    ("SecurityEventNotification", {"type": "StartupOfTheDevice", "timestamp": AT}, OcppEvent, {}),
]


@pytest.mark.parametrize(("action", "payload", "kind", "answer"), CALLS, ids=[c[0] for c in CALLS])
async def test_every_call_is_told_to_central_and_answered(
    action: str, payload: Json, kind: type[Message], answer: Json
) -> None:
    """As its own message, between the connection's beginning and its end."""
    async with running() as played:
        async with played.point() as point:
            answered = await point.call(action, payload)
        await played.said(LinkDown)
        kinds = [type(message) for message in played.kafka.messages("CP1")]
    assert kinds == [LinkUp, kind, LinkDown]
    assert answer.items() <= answered.items()


async def test_every_record_says_which_connection_it_came_by() -> None:
    """Node, partition and epoch, the same from `link_up` to `link_down`."""
    async with running() as played:
        async with played.point() as point:
            connection = played.connection()
            await point.call("Authorize", {"idTag": "TAG1"})
        await played.said(LinkDown)
        assert {c for _, c in played.kafka.with_connections("CP1")} == {connection}
    assert (connection.node, connection.partition) == ("gw", 0)


async def test_a_heartbeat_is_answered_without_kafka_or_central() -> None:
    """It says the time, and nothing of it goes anywhere."""
    async with running(silently) as played, played.point() as point:
        played.kafka.holds = True
        answer = await point.call("Heartbeat", {})
        assert list(answer) == ["currentTime"]
        assert [type(m) for m in played.kafka.messages("CP1")] == [LinkUp]


async def test_a_heartbeat_with_blanks_is_one_all_the_same() -> None:
    """However its empty payload is written."""
    async with running() as played, played.point() as point:
        await point.send('[2, "1", "Heartbeat", { }]')
        assert (await point.receive())[0] == 3


async def test_meter_values_are_answered_when_kafka_has_them_for_good() -> None:
    """And not before: what was answered is never lost."""
    async with running() as played, played.point() as point:
        played.kafka.holds = True
        await point.send([2, "1", "MeterValues", METER])
        await played.said(MeterReport)
        assert played.node.uplink.unanswered == 1
        played.kafka.holds = False
        assert await point.receive() == [3, "1", {}]


BOOTS = [
    ({"status": Outcome.SUCCESS, "heartbeat_interval": 60}, "Accepted", 60),
    ({"status": Outcome.SUCCESS, "pending": True, "heartbeat_interval": 5}, "Pending", 5),
    ({"status": Outcome.FAILURE, "heartbeat_interval": 30}, "Rejected", 30),
    ({"status": Outcome.SUCCESS}, "Accepted", 300),
]


@pytest.mark.parametrize(("said", "status", "interval"), BOOTS)
async def test_a_boot_is_answered_as_central_says(
    said: dict[str, Any], status: str, interval: int
) -> None:
    """Accepted, pending or rejected, with the interval, and the gateway's time."""

    def answers(message: Message) -> Message | None:
        if isinstance(message, BootRequest):
            return RegisterResponse(message_id=message.message_id, **said)
        return None

    async with running(answers) as played, played.point() as point:
        answer = await point.call("BootNotification", BOOT)
    assert (answer["status"], answer["interval"]) == (status, interval)
    assert answer["currentTime"].endswith("Z")


async def test_what_central_cannot_take_is_an_error_and_can_be_tried_again() -> None:
    """An `error_response` of central's becomes InternalError."""

    def answers(message: Message) -> Message | None:
        if isinstance(message, AuthorizeRequest):
            return ErrorResponse(message_id=message.message_id, error=Reason.INTERNAL)
        return None

    async with running(answers) as played, played.point() as point:
        code, _ = await point.refused("Authorize", {"idTag": "TAG1"})
    assert code == "InternalError"


async def test_central_that_does_not_answer_is_an_error_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The charge point asks again; an answer that comes too late is counted and dropped."""
    monkeypatch.setattr(waiting, "ANSWER_WITHIN", 0.2)
    async with running(silently) as played, played.point() as point:
        code, _ = await point.refused("Authorize", {"idTag": "TAG1"})
        assert code == "InternalError"
        late = kindly(await played.said(AuthorizeRequest))
        assert late is not None
        await played.tell(late)
        await eventually(lambda: played.node.counts.late == 1, "the late answer is counted")
        played.kafka.answers = kindly
        assert await point.call("Authorize", {"idTag": "TAG1"})
    assert played.node.uplink.unanswered == 0


async def test_calls_that_come_before_the_answer_are_answered_in_their_order() -> None:
    """The rule is one at a time; who breaks it loses nothing."""
    async with running() as played, played.point() as point:
        for number in range(300):
            await point.send([2, f"m{number}", "MeterValues", METER])
        answered = [(await point.receive())[1] for _ in range(300)]
        reports = [m for m in played.kafka.messages("CP1") if isinstance(m, MeterReport)]
    assert answered == [f"m{number}" for number in range(300)]
    assert len(reports) == 300


async def test_a_flood_of_heartbeats_is_slowed_and_answered() -> None:
    """Above 2,000 in a second the socket is not read for a while; nothing is dropped."""
    async with running() as played, played.point() as point:
        for number in range(1_000):
            await point.send([2, str(number), "Heartbeat", {}])
        answered = [(await point.receive())[1] for _ in range(1_000)]
    assert answered == [str(number) for number in range(1_000)]


async def test_the_same_id_twice_is_handled_and_answered_twice() -> None:
    """An id is the charge point's own business."""
    async with running() as played, played.point() as point:
        for _ in range(2):
            await point.send([2, "same", "Authorize", {"idTag": "TAG1"}])
            assert (await point.receive())[:2] == [3, "same"]


async def test_a_fault_ends_with_a_recovery() -> None:
    """Once, and per connector; then the status follows."""

    def status(connector: int, status: str, error: str = "NoError") -> Json:
        return STATUS | {"connectorId": connector, "status": status, "errorCode": error}

    async with running() as played, played.point() as point:
        for payload in (
            status(1, "Faulted", "GroundFailure"),
            status(2, "Available"),
            status(1, "Available"),
            status(1, "Preparing"),
        ):
            await point.call("StatusNotification", payload)
        said = played.kafka.messages("CP1")[1:]
    assert [(type(m), m.connector_id) for m in said] == [  # type: ignore[attr-defined]
        (ConnectorFault, 1),
        (ConnectorStatus, 2),
        (ConnectorRecovery, 1),
        (ConnectorStatus, 1),
        (ConnectorStatus, 1),
    ]
    assert said[0].fault_type == "GroundFailure"  # type: ignore[attr-defined]
    assert len({m.message_id for m in said}) == len(said)


BAD = [
    ("{", [4, "-1", "FormationViolation"]),
    ("{}", [4, "-1", "FormationViolation"]),
    ('[2,"1","Heartbeat"]', [4, "1", "FormationViolation"]),
    ('[2,"1","Unheard",{}]', [4, "1", "NotImplemented"]),
    ('[2,"1","Reset",{"type":"Hard"}]', [4, "1", "NotSupported"]),
    ('[2,"1","Authorize",{}]', [4, "1", "OccurenceConstraintViolation"]),
    ('[2,"1","Authorize",{"idTag":1}]', [4, "1", "TypeConstraintViolation"]),
    (f'[2,"1","Authorize",{{"idTag":"{"x" * 21}"}}]', [4, "1", "PropertyConstraintViolation"]),
    ('[2,"1","Heartbeat",{"a":1}]', [4, "1", "FormationViolation"]),
    (f'[2,"{"1" * 37}","Heartbeat",{{}}]', [4, "1" * 37, "FormationViolation"]),
]


@pytest.mark.parametrize(("frame", "answer"), BAD)
async def test_a_bad_frame_is_answered_and_the_next_one_is_taken(frame: str, answer: Json) -> None:
    """Nothing of it goes to central, and the connection stays."""
    async with running() as played, played.point() as point:
        await point.send(frame)
        assert (await point.receive())[:3] == answer
        assert await point.call("Heartbeat", {})
        assert [type(m) for m in played.kafka.messages("CP1")] == [LinkUp]


@pytest.mark.parametrize("frame", ['[5,"1"]', '[3,"nobody asked",{}]', '[4,"1"]', "[3]"])
async def test_an_answer_to_nothing_is_counted_and_not_answered(frame: str) -> None:
    """Nor is what is no kind of message."""
    async with running() as played, played.point() as point:
        await point.send(frame)
        assert await point.call("Heartbeat", {})
        counts = played.node.counts
        assert counts.strays + sum(counts.bad_frames.values()) == 1


async def test_a_connector_that_the_network_has_no_number_for_is_refused() -> None:
    """Rather than that central sets the record aside."""
    async with running() as played, played.point() as point:
        code, text = await point.refused("StartTransaction", START | {"connectorId": 101})
    assert (code, "$.connectorId" in text) == ("PropertyConstraintViolation", True)


async def test_a_lenient_charge_point_is_understood_as_far_as_it_can_be() -> None:
    """Where another one is refused; each fault is counted."""
    payload = STATUS | {"status": "available", "extra": 1}
    async with running(lenient=frozenset({"CP1"})) as played:
        async with played.point("CP1") as point:
            assert await point.call("StatusNotification", payload) == {}
        async with played.point("CP2") as point:
            await point.refused("StatusNotification", payload)
        assert played.node.counts.faults == {"surplus_field": 1, "word_case": 1}


async def test_what_kafka_does_not_take_waits_unread_and_is_not_lost() -> None:
    """Above the limit sockets are not read; heartbeats of others are answered meanwhile."""
    limits = Limits(unanswered=1000, queued=4)
    async with (
        running(limits=limits) as played,
        played.point("CP1") as first,
        played.point("CP2") as second,
        played.point("CP3") as third,
    ):
        await eventually(lambda: played.node.uplink.has_room, "the links are announced")
        played.kafka.holds = True
        for number in range(20):
            await first.send([2, f"a{number}", "MeterValues", METER])
            await second.send([2, f"b{number}", "MeterValues", METER])
        await third.send([2, "c", "MeterValues", METER])
        await eventually(lambda: played.node.uplink.unanswered, "some are under way")
        played.kafka.holds = False
        assert [(await first.receive())[1] for _ in range(20)] == [f"a{n}" for n in range(20)]
        assert [(await second.receive())[1] for _ in range(20)] == [f"b{n}" for n in range(20)]
        assert (await third.receive())[1] == "c"
    reports = [m for m in played.kafka.messages() if isinstance(m, MeterReport)]
    assert len(reports) == 41


async def test_a_defect_of_ours_is_an_error_and_not_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a call, or of central's answer to it: InternalError, and the next call is taken."""

    def broken(*_: Any) -> Any:
        raise RuntimeError("a defect")

    async with running() as played, played.point() as point:
        authorize = UPWARD["Authorize"]
        for row in (replace(authorize, messages=broken), replace(authorize, answer=broken)):
            monkeypatch.setitem(UPWARD, "Authorize", row)
            code, text = await point.refused("Authorize", {"idTag": "TAG1"})
            assert (code, text) == ("InternalError", "")
        monkeypatch.setitem(UPWARD, "Authorize", authorize)
        assert await point.call("Authorize", {"idTag": "TAG1"})
        assert played.node.uplink.unanswered == 0
