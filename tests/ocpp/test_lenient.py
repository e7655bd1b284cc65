"""Faults that are common in the field, taken from charge points that are named for it."""

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.ocpp.network import Gateway, away
from tests.ocpp.point import SUBPROTOCOL

LENIENT = "LENIENT"
"""`--lenient` names it."""

BOOT: dict[str, Any] = {"chargePointVendor": "V", "chargePointModel": "M"}
STATUS: dict[str, Any] = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


def metered(**sampled: Any) -> dict[str, Any]:
    """MeterValues with this one."""
    values = [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "1", **sampled}]}]
    return {"connectorId": 1, "meterValue": values}


FAULTS = {
    "a surplus field": ("Heartbeat", {"surplus": 1}),
    "null for what is left out": ("BootNotification", {**BOOT, "iccid": None}),
    "a vendor that is too long": ("BootNotification", {**BOOT, "chargePointVendor": "V" * 60}),
    "a number for a text": ("MeterValues", metered(value=230.5)),
    "a text for a number": ("StatusNotification", {**STATUS, "connectorId": "1"}),
    "a word in another case": ("StatusNotification", {**STATUS, "status": "available"}),
    "a unit in another case": ("MeterValues", metered(unit="celsius")),
    "a measurand that nobody knows": ("MeterValues", metered(measurand="Vendor.Special")),
    "a time without a zone": (
        "StatusNotification",
        {**STATUS, "timestamp": "2026-01-01 00:00:00"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_tolerated_where_it_is_said_to_be(gateway: Gateway, fault: str) -> None:
    """It is answered as if it were right; from anybody else it is refused."""
    action, payload = FAULTS[fault]
    assert (await answer(gateway, LENIENT, action, payload))[0] == 3
    strict = await answer(gateway, "STRICT", action, payload)
    if fault != "a time without a zone":  # this much everybody may do
        assert strict[0] == 4, strict


async def test_a_payload_may_be_missing_where_it_would_be_empty(gateway: Gateway) -> None:
    """Several makers leave out `{}`."""
    async with connect(gateway.url(LENIENT), subprotocols=[SUBPROTOCOL]) as socket:
        await socket.send('[2,"x","Heartbeat"]')
        assert json.loads(await socket.recv())[:2] == [3, "x"]


async def test_each_tolerated_fault_is_counted(gateway: Gateway) -> None:
    """So that an operator knows that somebody needs it."""
    counted = 'ev_gateway_tolerated_faults_total{fault="surplus_field"}'
    before = await away(gateway.number, counted)
    await answer(gateway, LENIENT, *FAULTS["a surplus field"])
    assert await away(gateway.number, counted) == before + 1


async def answer(gateway: Gateway, cp_id: str, action: str, payload: dict[str, Any]) -> list[Any]:
    """What this call is answered."""
    async with connect(gateway.url(cp_id), subprotocols=[SUBPROTOCOL], close_timeout=1) as socket:
        await socket.send(json.dumps([2, "x", action, payload]))
        answered: list[Any] = json.loads(await socket.recv())
        return answered
