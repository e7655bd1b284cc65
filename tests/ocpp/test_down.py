"""Every call to a charge point, from an operator to its socket and back."""

import asyncio
import json

import pytest
from ocpp.v16 import call, call_result

from tests.ocpp.calls import DOWN, Down
from tests.ocpp.network import Gateway, OcppNetwork, away, until
from tests.ocpp.point import charge_point, now


async def test_every_call_is_made_and_its_answer_told(
    network: OcppNetwork, gateway: Gateway, cp_id: str
) -> None:
    """One after the other: as asked for, under the id of the command; the answer as it came."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        for row in DOWN:
            command = await away(network.command, cp_id, row.action, row.payload)
            asked = point.asked[-1]
            assert (asked.action, asked.payload) == (row.action, row.payload)
            assert asked.message_id == command["command_id"]
            assert command["state"] == row.state, command
            assert command.get("answer", {}) == row.told, command
        assert len(point.asked) == len(DOWN)


@pytest.mark.parametrize("row", DOWN, ids=lambda row: row.action)
async def test_what_is_no_payload_of_it_is_refused_before_it_is_sent(
    network: OcppNetwork, gateway: Gateway, cp_id: str, row: Down
) -> None:
    """The operator is told which field is wrong."""
    payload = {**row.payload, "noSuchField": 1}
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        answer = await away(
            network.asks, "command_request", cp_id=cp_id, action=row.action, payload=payload
        )
        refused = (
            answer["status"] == "failure"
            or (await away(network.settled, answer["command"]))["state"] == "failed"
        )
        assert refused, answer
        assert "noSuchField" in json.dumps(answer, default=str)
        assert point.asked == []


async def test_a_call_that_is_not_of_ocpp_is_refused(
    network: OcppNetwork, gateway: Gateway, cp_id: str
) -> None:
    """At once, and nothing is sent."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        for action in ("NoSuchAction", "BootNotification"):
            answer = await away(
                network.asks, "command_request", cp_id=cp_id, action=action, payload={}
            )
            assert "error" in answer or answer["command"]["state"] == "failed", answer
        assert point.asked == []


async def test_a_charge_point_that_errs_is_told_as_failed(
    network: OcppNetwork, gateway: Gateway, cp_id: str
) -> None:
    """With the code of its CALLERROR."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        del point.route_map["GetConfiguration"]
        command = await away(network.command, cp_id, "GetConfiguration", {})
        assert (command["state"], command["error_code"]) == ("failed", "NotImplemented")


async def test_one_call_is_open_at_a_time(
    network: OcppNetwork, gateway: Gateway, cp_id: str
) -> None:
    """The next one waits for the answer, in order; the charge point's own calls do not wait."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        point.silent = {"Reset"}
        first = asyncio.create_task(away(network.command, cp_id, "Reset", {"type": "Soft"}))
        await until(lambda: len(point.asked) == 1, "the first call came")
        second = asyncio.create_task(away(network.command, cp_id, "ClearCache", {}))
        for _ in range(3):
            await point.say(call.Heartbeat())
        assert [asked.action for asked in point.asked] == ["Reset"]
        (reset,) = point.asked
        await point.socket.send(json.dumps([3, reset.message_id, {"status": "Accepted"}]))
        assert (await first)["state"] == (await second)["state"] == "accepted"
        assert [asked.action for asked in point.asked] == ["Reset", "ClearCache"]


async def test_a_command_waits_for_its_charge_point(
    network: OcppNetwork, gateway: Gateway, cp_id: str
) -> None:
    """It is stored before it is sent, and sent when the charge point is back."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
    await until(lambda: (network.row(cp_id) or {}).get("status") == "Offline", "it is gone")
    waiting = asyncio.create_task(away(network.command, cp_id, "GetLocalListVersion", {}))
    await until(
        lambda: network.asks("commands_request", cp_id=cp_id).get("commands"), "it is stored"
    )
    async with charge_point(gateway.url(cp_id)) as point:
        await point.boot()
        assert (await waiting)["state"] == "accepted"
        assert [asked.action for asked in point.asked] == ["GetLocalListVersion"]


async def test_a_command_that_is_never_answered_times_out(
    network: OcppNetwork, gateway: Gateway, cp_id: str
) -> None:
    """By its deadline."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        point.silent = {"ClearCache"}
        command = await away(network.command, cp_id, "ClearCache", {}, deadline=1)
        assert command["state"] == "timed_out"
        assert len(point.asked) == 1


async def test_an_operator_stops_and_resumes_it(
    network: OcppNetwork, gateway: Gateway, cp_id: str
) -> None:
    """As any other charge point; it is told ChangeAvailability."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        await until(lambda: network.shows(cp_id, 1, "Available"), "it is there")
        await away(network.admin, "stop", cp_id)
        await until(lambda: len(point.asked) == 1, "it is told")
        assert point.asked[0].payload == {"connectorId": 0, "type": "Inoperative"}
        await away(network.admin, "resume", cp_id)
        await until(lambda: len(point.asked) == 2, "it is told")
        assert point.asked[1].payload == {"connectorId": 0, "type": "Operative"}


async def test_an_operator_starts_and_stops_a_charge(
    network: OcppNetwork, gateway: Gateway, cp_id: str, id_tag: str
) -> None:
    """By RemoteStartTransaction and RemoteStopTransaction; the ticket says who ended it."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        await until(lambda: network.shows(cp_id, 1, "Available"), "it is there")
        point.answers["RemoteStartTransaction"] = call_result.RemoteStartTransaction("Accepted")
        point.answers["RemoteStopTransaction"] = call_result.RemoteStopTransaction("Accepted")
        starting = asyncio.create_task(away(network.admin, "start", cp_id, id_tag))
        await until(lambda: len(point.asked) == 1, "it is told to start")
        started = point.asked[0].payload
        assert started["connectorId"] == 1
        assert (await starting)["succeeded"] == 1
        answer = await point.say(
            call.StartTransaction(
                connector_id=1, id_tag=started["idTag"], meter_start=50, timestamp=now()
            )
        )
        assert answer.id_tag_info["status"] == "Accepted"
        stopping = asyncio.create_task(away(network.admin, "stop-charging", cp_id))
        await until(lambda: len(point.asked) == 2, "it is told to stop")
        assert point.asked[1].payload == {"transactionId": answer.transaction_id}
        await point.say(
            call.StopTransaction(
                transaction_id=answer.transaction_id,
                meter_stop=350,
                timestamp=now(),
                reason="Remote",
            )
        )
        await stopping
        (ticket,) = await away(network.tickets, cp_id)
        assert float(ticket["energy_consumed_kwh"]) == 0.3
        assert ticket["reason"] == "operator_request"


async def test_a_driver_charges_there_by_the_app(
    network: OcppNetwork, gateway: Gateway, cp_id: str, id_tag: str
) -> None:
    """Who asks central for a charge need not know that the charge point speaks OCPP."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        await until(lambda: cp_id in network.available(), "it is offered")
        point.answers["RemoteStartTransaction"] = call_result.RemoteStartTransaction("Accepted")
        asking = asyncio.create_task(
            away(network.asks, "charge_request", driver_id=id_tag, cp_id=cp_id)
        )
        await until(lambda: len(point.asked) == 1, "it is told to start")
        assert (await asking)["status"] == "success"
        started = await point.say(
            call.StartTransaction(
                connector_id=1,
                id_tag=point.asked[0].payload["idTag"],
                meter_start=0,
                timestamp=now(),
            )
        )
        await point.say(
            call.StopTransaction(
                transaction_id=started.transaction_id,
                meter_stop=42,
                timestamp=now(),
                reason="EVDisconnected",
            )
        )
        (ticket,) = await away(network.tickets, cp_id)
        assert ticket["driver_id"] == id_tag
        assert ticket["reason"] == "unplugged"


async def test_a_command_by_the_operators_console_prints_the_answer(
    network: OcppNetwork, gateway: Gateway, cp_id: str
) -> None:
    """`ev-admin command CP ACTION JSON` waits for it; `ev-admin commands CP` lists it."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        said = await away(network.admin, "command", cp_id, "GetLocalListVersion", "{}")
        assert '"listVersion": -1' in json.dumps(said)
        listed = await away(network.admin, "commands", cp_id)
        assert "GetLocalListVersion" in json.dumps(listed)
