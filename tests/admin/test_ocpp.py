"""The console's commands about OCPP charge points: on a real network, and by themselves."""

import asyncio
import io
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from ocpp.v16 import call, call_result
from rich.console import Console

from admin import words
from admin.ocpp import tables
from admin.ocpp.cli import ExpiryType
from admin.ocpp.frames import line
from admin.ocpp.trace import record
from admin.panel.dialogs import details
from common.clock import SystemClock
from common.codec import encode
from common.exchange import stamped
from common.gateway_messages import FrameDirection, FrameSeen, FrameType
from common.protocol import ALL_TOPICS, FRAMES
from common.stream import KafkaSettings, Publisher, ensure_topics
from tests.admin.rows import point
from tests.admin.test_console import said
from tests.kafka.broker import Broker
from tests.ocpp.network import OcppNetwork, away
from tests.ocpp.point import charge_point, now
from tests.programs.network import BIN, SOON

FROM, TO = FrameDirection.FROM_CHARGE_POINT, FrameDirection.TO_CHARGE_POINT

CALL = FrameSeen(
    cp_id="CP-1",
    node="gw-1",
    at_ms=1_790_000_000_123,
    direction=FROM,
    message_type=FrameType.CALL,
    ocpp_message_id="m-1",
    action="StatusNotification",
    raw='[2,"m-1","StatusNotification",{"connectorId":1,"status":"Available"}]',
)
RESULT = replace(
    CALL,
    direction=TO,
    message_type=FrameType.CALLRESULT,
    latency_us=3_210,
    raw='[3,"m-1",{}]',
)
ERROR = replace(
    RESULT,
    message_type=FrameType.CALLERROR,
    raw='[4,"m-1","InternalError","no","{}"]'.replace('"{}"', "{}"),
)
RUBBISH = replace(
    CALL, message_type=FrameType.UNKNOWN, action=None, raw="[9,\x1b[31m", error="no frame"
)


# -- Open OCPP Trace --


def as_json(frame: FrameSeen) -> dict[str, object]:
    found = record(frame)
    assert found is not None
    return dict(json.loads(encode(found)))


def test_a_call_is_a_record_with_all_that_it_says() -> None:
    assert as_json(CALL) == {
        "schemaVersion": "1.1",
        "timestamp": "2026-09-21T14:13:20.123Z",
        "ocppVersion": "1.6",
        "transport": "json",
        "chargePointId": "CP-1",
        "connectorId": 1,
        "direction": "cp-to-csms",
        "messageType": "CALL",
        "messageId": "m-1",
        "action": "StatusNotification",
        "payload": {"connectorId": 1, "status": "Available"},
        "raw": CALL.raw,
        "meta": {"node": "gw-1"},
    }


def test_an_answer_carries_its_calls_action_and_how_long_it_took() -> None:
    found = as_json(RESULT)
    assert (found["direction"], found["messageType"]) == ("csms-to-cp", "CALLRESULT")
    assert (found["action"], found["payload"]) == ("StatusNotification", {})
    assert found["meta"] == {"node": "gw-1", "latencyUs": 3_210}
    assert "error" not in found


def test_an_error_is_no_payload() -> None:
    """The format has a field of its own for it, which nothing else may have."""
    found = as_json(ERROR)
    assert found["error"] == {"code": "InternalError", "description": "no", "details": {}}
    assert "payload" not in found


@pytest.mark.parametrize(
    "raw",
    [
        "[9,\x1b[31m",
        "{}",
        "[2]",
        '[2,7,"A",{}]',
        '[2,"m-1",7,{}]',
        '[3,"m-1",{}]',
        '[2,"m-1","A",{},1]',
    ],
)
def test_what_is_not_what_it_was_taken_for_has_no_record(raw: str) -> None:
    """Nor has what was taken for nothing."""
    assert record(replace(CALL, raw=raw)) is None
    assert record(RUBBISH) is None


@pytest.mark.parametrize(
    ("payload", "connector"),
    [("{}", None), ('{"connectorId":0}', 0), ('{"connectorId":true}', None), ("[]", None)]
    + [(f'{{"connectorId":{wrong}}}', None) for wrong in ("-1", '"1"', "1.5")],
)
def test_a_connector_is_named_where_the_payload_names_one(
    payload: str, connector: int | None
) -> None:
    found = as_json(replace(CALL, raw=f'[2,"m-1","MeterValues",{payload}]'))
    assert found.get("connectorId") == connector


@given(st.text(), st.sampled_from(list(FrameType)))
def test_no_text_breaks_what_shows_frames(raw: str, kind: FrameType) -> None:
    """A charge point may send anything; nothing of it reaches the terminal but what is shown."""
    frame = replace(CALL, raw=raw, message_type=kind)
    record(frame)
    assert line(replace(frame, message_type=FrameType.CALL)).isprintable()


# -- Lines and tables --


@pytest.mark.parametrize(
    ("frame", "parts"),
    [
        (CALL, ["<-", "StatusNotification  [2,"]),
        (RESULT, ["->", "StatusNotification answered", "after 3.2 ms"]),
        (ERROR, ["->", "StatusNotification failed", "InternalError"]),
        (RUBBISH, ["<-", "no frame of OCPP-J", "[9,\ufffd[31m", "(no frame)"]),
    ],
)
def test_a_frame_is_one_line(frame: FrameSeen, parts: list[str]) -> None:
    text = line(frame)
    assert all(part in text for part in parts), text
    assert "\n" not in text


def test_what_others_wrote_is_no_markup() -> None:
    """A list in a payload is shown as it is, and a long text is cut."""
    assert tables.short('{"a":["b"]}').plain == '{"a":["b"]}'
    assert tables.short("\x1b[2J").plain == "\ufffd[2J"
    assert len(tables.short("x" * 100).plain) == tables.MOST


def test_a_point_says_what_it_is_where_it_speaks_ocpp() -> None:
    row = point("CP-1")
    assert words.device(row) == ""
    row = replace(row, ocpp_version="1.6", vendor="V\x1b", model="M", firmware_version="7")
    assert words.device(row) == "OCPP 1.6, V\ufffd M, firmware 7"
    assert words.device(replace(row, vendor=None, model=None, firmware_version=None)) == "OCPP 1.6"


def test_the_details_of_a_point_say_what_it_is() -> None:
    """And not how much it can supply, which OCPP does not say."""
    row = replace(point("CP-1"), ocpp_version="1.6", vendor="ACME", model="X1")
    for shown, there, not_there in (
        (row, "OCPP 1.6, ACME X1", "up to"),
        (point("ALC-1"), "up to 11.000 kW", "OCPP"),
    ):
        console = Console(width=100, file=io.StringIO(), record=True)
        console.print(details(shown, ()))
        text = console.export_text()
        assert there in text
        assert not_there not in text


def test_an_expiry_is_a_moment_to_come() -> None:
    """A duration counts from now on, where others count back."""
    begun = int(time.time())
    assert begun + 86_400 <= ExpiryType().convert("1d", None, None) <= begun + 86_405
    assert ExpiryType().convert("2099-01-01T00:00:00+00:00", None, None) == 4_070_908_800


# -- Frames in Kafka --


def frames(kafka: Broker, *options: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """`ev-admin frames CP-1`, to its end."""
    command = [str(BIN / "ev-admin"), "frames", "CP-1", "--kafka", kafka.bootstrap, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SOON, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


async def publish(kafka: Broker, *seen: FrameSeen) -> None:
    settings = KafkaSettings(kafka.bootstrap)
    await ensure_topics(settings, ALL_TOPICS)
    async with Publisher(settings) as publisher:
        for frame in seen:
            value = encode(stamped(frame, SystemClock()))
            await publisher.publish(FRAMES, frame.cp_id, value)


async def test_frames_are_shown_and_exported_in_their_order(
    fresh_kafka: Broker, tmp_path: Path
) -> None:
    """Those of this charge point alone; `--since` leaves out what is older."""
    at_ms = int(time.time() * 1000)
    old = replace(CALL, at_ms=at_ms - 3_600_000)
    new = [replace(frame, at_ms=at_ms) for frame in (CALL, RESULT, RUBBISH)]
    await publish(fresh_kafka, old, replace(CALL, cp_id="CP-2"), *new)
    lines = frames(fresh_kafka).stdout.splitlines()
    assert [" answered" in each for each in lines] == [False, False, True, False]
    assert len(frames(fresh_kafka, "--since", "1m").stdout.splitlines()) == 3
    file = tmp_path / "trace.jsonl"
    done = frames(fresh_kafka, "--export", str(file))
    assert f"3 frames in {file}; 1 are no frames of OCPP-J" in done.stderr
    rows = [json.loads(row) for row in file.read_text().splitlines()]
    assert [row["messageType"] for row in rows] == ["CALL", "CALL", "CALLRESULT"]
    assert len(frames(fresh_kafka, "--export", "-", "--since", "1m").stdout.splitlines()) == 2


async def test_frames_that_come_are_followed_until_somebody_ends_it(fresh_kafka: Broker) -> None:
    """From now on, what was before is not shown."""
    await publish(fresh_kafka, CALL)
    following = await asyncio.create_subprocess_exec(
        *(str(BIN / "ev-admin"), "frames", "CP-1", "--kafka", fresh_kafka.bootstrap, "--follow"),
        stdout=subprocess.PIPE,
    )
    assert following.stdout is not None
    reading = asyncio.ensure_future(following.stdout.readline())
    while not reading.done():  # until it has begun to read, nothing is seen
        await publish(fresh_kafka, RESULT)
        await asyncio.wait((reading,), timeout=0.2)
    assert b"answered" in await reading
    following.terminate()
    await following.stdout.read()
    assert await following.wait() == 130


async def test_where_there_are_no_frames_that_is_said(fresh_kafka: Broker, tmp_path: Path) -> None:
    assert "no topic ev.frames" in frames(fresh_kafka, code=1).stderr
    await publish(fresh_kafka, replace(CALL, cp_id="CP-2"))
    assert "does its gateway run with --frames?" in frames(fresh_kafka).stderr
    nowhere = str(tmp_path / "no" / "file")
    assert "cannot write" in frames(fresh_kafka, "--export", nowhere, code=1).stderr


# -- On a network --


@pytest.fixture(scope="module")
def network(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OcppNetwork]:
    with OcppNetwork(tmp_path_factory.mktemp("network"), kafka.bootstrap) as network:
        yield network


async def test_an_operators_day_with_a_charge_point_that_speaks_ocpp(network: OcppNetwork) -> None:
    """Calls that are done, refused, wrong, and wait; id tags; meter values; and all in lists."""

    async def typed(*words: str, code: int = 0) -> str:
        return await away(said, network, *words, code=code)

    gateway = await away(network.gateway, "one")
    async with charge_point(gateway.url("CP-1")) as point:
        await point.up()
        text = await typed("command", "CP-1", "GetConfiguration", "--reason", "look")
        assert "GetConfiguration: accepted" in text
        assert '"configurationKey": [' in text
        text = await typed("command", "CP-1", "Reset", '{"type": "Loud"}', code=1)
        assert "nothing was sent" in text
        assert "$.type" in text
        assert "did you mean Reset" in await typed("command", "CP-1", "Rest", code=1)
        point.answers["ClearCache"] = call_result.ClearCache("Rejected")
        assert "said no" in await typed("command", "CP-1", "ClearCache", code=1)
        point.silent = {"UnlockConnector"}
        order = ("command", "CP-1", "UnlockConnector", '{"connectorId": 1}')
        assert "UnlockConnector: sent" in await typed(*order, "--no-wait")
        assert "before its deadline" in await typed(*order, "--deadline", "1", code=1)

        assert "there is no id tag T-1" in await typed("idtags", "block", "T-1", code=1)
        text = await typed("idtags", "add", "T-1", "--driver", "ANA", "--expires", "30d")
        assert "T-1 is added" in text
        assert "is blocked" in await typed("idtags", "block", "T-1")
        assert "is changed" in await typed("idtags", "add", "T-1", "--note", "[red]lost")
        text = await typed("idtags", "list", "T-1")
        assert all(each in text for each in ("ANA", "blocked", "[red]lost"))
        assert "not blocked any more" in await typed("idtags", "unblock", "T-1")
        assert "is removed" in await typed("idtags", "remove", "T-1")
        assert "there is no id tag T-1" in await typed("idtags", "list", "T-1", code=1)

        sampled = {"value": "230.1", "measurand": "Voltage", "unit": "V", "phase": "L1"}
        value = {"timestamp": now(), "sampledValue": [sampled]}
        await point.say(call.MeterValues(connector_id=1, meter_value=[value]))
        while "Voltage" not in (text := await typed("samples", "CP-1")):  # flushed once a second
            assert text.count("\n") < 6
        assert "230.1" in text
        assert "Voltage" not in await typed("samples", "CP-1", "--transaction", "7")
    text = await typed("commands", "CP-1")
    assert all(
        word in text for word in ("accepted", "failed", "rejected", "timed_out", "ana", "Loud")
    )
    assert len((await away(network.admin, "commands", "--limit", "2"))["commands"]) == 2
    text = await typed("audit")
    assert "GetConfiguration" in text
    assert "look" in text
    assert "unknown_charge_point" in await typed("command", "CP-9", "Reset", code=1)
