"""A charge point that others wrote says and is asked everything that OCPP 1.6 knows."""

from typing import Any

import pytest
from ocpp.v16 import call

from common.gateway_messages import LinkUp, OcppCommand, OcppRequest, OcppResponse
from common.messages import CommandOutcome, Outcome
from common.units import Payload
from gateway.v16.actions import ACTIONS
from tests.gateway.played import eventually, running
from tests.gateway.public_point import DOWN, public_point
from tests.gateway.test_node_commands import became

AT = "2026-11-21T10:30:00.000Z"
METER = [{"timestamp": AT, "sampledValue": [{"value": "1"}]}]

UP: list[Any] = [
    call.BootNotification(charge_point_model="M", charge_point_vendor="V"),
    call.Heartbeat(),
    call.StatusNotification(connector_id=1, error_code="NoError", status="Available"),
    call.Authorize(id_tag="TAG1"),
    call.StartTransaction(connector_id=1, id_tag="TAG1", meter_start=0, timestamp=AT),
    call.MeterValues(connector_id=1, meter_value=METER, transaction_id=1),
    call.StopTransaction(meter_stop=1, timestamp=AT, transaction_id=1, transaction_data=METER),
    call.DataTransfer(vendor_id="V", data="x"),
    call.DiagnosticsStatusNotification(status="Idle"),
    call.FirmwareStatusNotification(status="Idle"),
    call.LogStatusNotification(status="Idle", request_id=1),
    call.SecurityEventNotification(type="StartupOfTheDevice", timestamp=AT, tech_info="x"),
    call.SignedFirmwareStatusNotification(status="Idle", request_id=1),
]


async def test_everything_it_says_is_answered_by_the_schemas() -> None:
    """Which the package checks; in one connection, one after the other."""
    async with running() as played, public_point(played.url("CP1")) as point:
        for request in UP:
            assert await point.call(request, suppress=False) is not None, request
        said = {type(request).__name__ for request in UP} | {"SignCertificate"}
    assert said == {name for name, action in ACTIONS.items() if action.from_charge_point}


async def test_a_certificate_is_asked_for() -> None:
    """Central answers with any status that the schema knows."""

    def answers(message: Any) -> Any:
        if isinstance(message, OcppRequest):
            return OcppResponse(
                message_id=message.message_id,
                status=Outcome.SUCCESS,
                payload=Payload(status="Rejected"),
            )
        return None

    async with running(answers) as played, public_point(played.url("CP1")) as point:
        answer = await point.call(call.SignCertificate(csr="PEM"), suppress=False)
    assert answer.status == "Rejected"


def test_the_table_of_calls_downward_is_complete() -> None:
    """All 19, and the 7 of the security extension."""
    assert set(DOWN) == {name for name, action in ACTIONS.items() if action.to_charge_point}


@pytest.mark.parametrize("action", DOWN)
async def test_everything_it_is_asked_it_understands(action: str) -> None:
    """And its answer comes back as it gave it."""
    payload, _ = DOWN[action]
    async with running() as played, public_point(played.url("CP1")) as point:
        await played.said(LinkUp)
        command = OcppCommand(message_id="c1", cp_id="CP1", action=action, payload=Payload(payload))
        await played.tell(command)
        answer = await became(played)
        await eventually(lambda: point.asked, "it is asked")
    assert answer.outcome is CommandOutcome.ACCEPTED, answer
    assert point.asked[0][0] == action
