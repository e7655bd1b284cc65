"""What a charge point may send that is no OCPP: what it is answered, and that it goes on."""

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.ocpp.network import Gateway
from tests.ocpp.point import SUBPROTOCOL, charge_point

BOOT = '[2,"boot","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
HEARTBEAT = '[2,"alive","Heartbeat",{}]'

FORM = "FormationViolation"
TYPE = "TypeConstraintViolation"
MISSING = "OccurenceConstraintViolation"
VALUE = "PropertyConstraintViolation"

ANSWERED = (
    ("no JSON", "-1", FORM),
    ("", "-1", FORM),
    ('{"a":1}', "-1", FORM),
    ("[]", "-1", FORM),
    ('["2","x","Heartbeat",{}]', "x", FORM),
    ('[2,"x"]', "x", FORM),
    ('[2,"x","Heartbeat",{},{}]', "x", FORM),
    ('[2,7,"Heartbeat",{}]', "-1", FORM),
    ('[2,"","Heartbeat",{}]', "", FORM),
    (f'[2,"{"x" * 37}","Heartbeat",{{}}]', "x" * 37, FORM),
    ('[2,"x",7,{}]', "x", FORM),
    ('[2,"x","NoSuchAction",{}]', "x", "NotImplemented"),
    ('[2,"x","Reset",{"type":"Soft"}]', "x", "NotSupported"),
    ('[2,"x","Heartbeat",{"surplus":1}]', "x", FORM),
    ('[2,"x","Heartbeat",[]]', "x", FORM),
    ('[2,"x","Authorize",{}]', "x", MISSING),
    ('[2,"x","Authorize",{"idTag":12}]', "x", TYPE),
    ('[2,"x","Authorize",{"idTag":"123456789012345678901"}]', "x", VALUE),
    (
        '[2,"x","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Ready"}]',
        "x",
        VALUE,
    ),
    (
        '[2,"x","StartTransaction",'
        '{"connectorId":1,"idTag":"A","meterStart":0,"timestamp":"yesterday"}]',
        "x",
        VALUE,
    ),
    (
        '[2,"x","MeterValues",{"connectorId":1,"meterValue":'
        '[{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{"value":230}]}]}]',
        "x",
        TYPE,
    ),
    ('[2,"x","FirmwareStatusNotification",{"status":"\\ud800"}]', "x", None),
)
"""Frames, the id of the CALLERROR that answers each, and its code; None: any."""

IGNORED = (
    '[5,"x",{}]',
    '[3,"never-asked",{}]',
    '[3,"x"]',
    '[4,"never-asked","InternalError","",{}]',
    "[4]",
)


async def connected(gateway: Gateway, cp_id: str) -> Any:
    """A socket of a charge point that has booted."""
    socket = await connect(gateway.url(cp_id), subprotocols=[SUBPROTOCOL], close_timeout=1)
    await socket.send(BOOT)
    assert json.loads(await socket.recv())[0] == 3
    return socket


@pytest.mark.parametrize(
    ("frame", "answered_id", "code"), ANSWERED, ids=lambda case: str(case)[:60]
)
async def test_a_bad_frame_is_answered_with_its_error(
    gateway: Gateway, cp_id: str, frame: str, answered_id: str, code: str | None
) -> None:
    """By an error that says what is wrong; the connection goes on."""
    async with await connected(gateway, cp_id) as socket:
        await socket.send(frame)
        answer = json.loads(await socket.recv())
        assert answer[0] == 4
        assert code is None or answer[1:3] == [answered_id, code], answer
        assert answer[3], "it does not say what is wrong"
        assert len(answer[3]) <= 255
        assert answer[4] == {}
        await is_served(socket)


async def test_null_is_as_good_as_an_empty_payload(gateway: Gateway, cp_id: str) -> None:
    """OCPP-J allows both (4.2.1)."""
    async with await connected(gateway, cp_id) as socket:
        await socket.send('[2,"x","Heartbeat",null]')
        assert json.loads(await socket.recv())[:2] == [3, "x"]


async def test_what_answers_nothing_is_not_answered(gateway: Gateway, cp_id: str) -> None:
    """Nor does it end the connection."""
    async with await connected(gateway, cp_id) as socket:
        for frame in IGNORED:
            await socket.send(frame)
        await is_served(socket)


async def is_served(socket: Any) -> None:
    """A heartbeat is the next thing that is answered."""
    await socket.send(HEARTBEAT)
    answer = json.loads(await socket.recv())
    assert answer[:2] == [3, "alive"], answer


async def test_a_message_in_fragments_is_one(gateway: Gateway, cp_id: str) -> None:
    """Wherever it is cut."""
    async with await connected(gateway, cp_id) as socket:
        await socket.send([HEARTBEAT[:9], HEARTBEAT[9:]])
        assert json.loads(await socket.recv())[:2] == [3, "alive"]


@pytest.mark.parametrize(
    ("message", "code"), [(b"\x02bytes", 1003), ("x" * (65_537), 1009)], ids=["binary", "too long"]
)
async def test_what_no_charge_point_sends_closes_the_connection(
    gateway: Gateway, cp_id: str, message: str | bytes, code: int
) -> None:
    """With a code that says why."""
    async with await connected(gateway, cp_id) as socket:
        await socket.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code


async def test_a_connection_without_the_subprotocol_is_closed(gateway: Gateway, cp_id: str) -> None:
    """After the handshake, which names none, as the specification says."""
    for offered in (None, [Subprotocol("ocpp2.0.1")]):
        async with connect(gateway.url(cp_id), subprotocols=offered, close_timeout=1) as socket:
            assert socket.subprotocol is None
            with pytest.raises(ConnectionClosed):
                await socket.recv()


@pytest.mark.parametrize(
    "path", ["/", "/ocpp", "/ocpp/", "/ocpp/a%20b", "/ocpp/a/b", "/steve/CP-1"]
)
async def test_what_is_no_charge_point_is_not_found(gateway: Gateway, path: str) -> None:
    """404, before any WebSocket begins."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://{gateway.address}{path}", subprotocols=[SUBPROTOCOL])
    assert refused.value.response.status_code == 404


async def test_an_id_may_be_percent_encoded(gateway: Gateway, cp_id: str) -> None:
    """As some charge points do it for every character that is not a letter."""
    async with charge_point(gateway.url(cp_id.replace("-", "%2D"))) as point:
        assert (await point.boot()).status == "Accepted"
