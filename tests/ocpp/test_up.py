"""Every call that a charge point makes, from its socket to what central knows of it."""

import pytest
from ocpp.v16 import call

from tests.ocpp.calls import UP, Up
from tests.ocpp.network import Gateway, OcppNetwork, away, until
from tests.ocpp.point import Point, charge_point, now

REGISTER = "Energy.Active.Import.Register"


@pytest.mark.parametrize("row", UP, ids=lambda row: row.action)
async def test_it_is_answered(gateway: Gateway, cp_id: str, row: Up) -> None:
    """As the specification says, and the package's schemas check."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        answer = await point.say(row.payload)
        assert row.expected(answer), answer


async def test_a_charge_comes_to_its_ticket(
    network: OcppNetwork, gateway: Gateway, cp_id: str, id_tag: str
) -> None:
    """Authorize, StartTransaction, MeterValues and StopTransaction, and what is seen of each."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up(connectors=2)
        await until(lambda: network.shows(cp_id, 2, "Available"), "the connector is shown")
        answer = await point.say(call.Authorize(id_tag=id_tag))
        assert answer.id_tag_info["status"] == "Accepted"
        await point.status(2, "Preparing")
        started = await point.say(
            call.StartTransaction(connector_id=2, id_tag=id_tag, meter_start=1000, timestamp=now())
        )
        assert started.id_tag_info["status"] == "Accepted"
        assert started.transaction_id > 0
        await point.status(2, "Charging")
        await metered(point, 2, started.transaction_id, 1500)
        await until(lambda: network.shows(cp_id, 2, "Charging"), "the charge is shown")
        await until(lambda: energy(network, cp_id, 2) == 0.5, "its energy is shown")
        stopped = await point.say(
            call.StopTransaction(
                transaction_id=started.transaction_id,
                meter_stop=8654,
                timestamp=now(),
                reason="Local",
                id_tag=id_tag,
                transaction_data=[
                    {
                        "timestamp": now(),
                        "sampledValue": [
                            {"value": "8654", "context": "Transaction.End", "measurand": REGISTER}
                        ],
                    }
                ],
            )
        )
        assert stopped.id_tag_info["status"] == "Accepted"
        (ticket,) = await away(network.tickets, cp_id)
        assert (ticket["meter_start_wh"], ticket["meter_stop_wh"]) == (1000, 8654)
        assert float(ticket["energy_consumed_kwh"]) == 7.654
        assert float(ticket["total_cost"]) == 2.68
        await point.status(2, "Available")
        await until(lambda: network.shows(cp_id, 2, "Available"), "the connector is free")
    stored = {"1500", "11000.5", "8654"}
    await until(
        lambda: {s["sample"]["value"] for s in network.samples(cp_id)} == stored,
        "every sampled value is stored",
    )


async def metered(point: Point, connector_id: int, transaction_id: int, wh: int) -> None:
    """Tell what the meter says, with a power."""
    await point.say(
        call.MeterValues(
            connector_id=connector_id,
            transaction_id=transaction_id,
            meter_value=[
                {
                    "timestamp": now(),
                    "sampledValue": [
                        {"value": str(wh), "measurand": REGISTER, "unit": "Wh"},
                        {"value": "11000.5", "measurand": "Power.Active.Import", "unit": "W"},
                    ],
                }
            ],
        )
    )


def energy(network: OcppNetwork, cp_id: str, connector_id: int) -> float:
    """The kWh that the panel shows at a connector."""
    row = network.row(cp_id)
    assert row is not None
    (connector,) = (c for c in row["connectors"] if c["connector_id"] == connector_id)
    return float(connector.get("energy_consumed_kwh", 0))


async def test_a_start_and_a_stop_that_are_repeated_count_once(
    network: OcppNetwork, gateway: Gateway, cp_id: str, id_tag: str
) -> None:
    """Under other message ids; each repeat gets the first answer."""
    start = call.StartTransaction(connector_id=1, id_tag=id_tag, meter_start=0, timestamp=now())
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        first = await point.say(start)
        assert await point.say(start) == first
    async with charge_point(gateway.url(cp_id)) as point:
        assert await point.say(start) == first
        stop = call.StopTransaction(
            transaction_id=first.transaction_id, meter_stop=1234, timestamp=now()
        )
        answer = await point.say(stop)
        assert await point.say(stop) == answer
    (ticket,) = await away(network.tickets, cp_id)
    assert float(ticket["energy_consumed_kwh"]) == 1.234


@pytest.mark.parametrize("transaction_id", [-1, 0, 4711])
async def test_a_stop_of_an_unknown_transaction_is_taken(
    network: OcppNetwork, gateway: Gateway, cp_id: str, transaction_id: int
) -> None:
    """A CALLERROR would make the charge point repeat it for ever."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        await point.say(
            call.StopTransaction(transaction_id=transaction_id, meter_stop=9, timestamp=now())
        )


async def test_one_charge_point_cannot_stop_another_ones_transaction(
    network: OcppNetwork, gateway: Gateway, cp_id: str, id_tag: str
) -> None:
    """It is answered, as any unknown transaction is; the other one's charge runs on."""
    async with (
        charge_point(gateway.url(cp_id)) as point,
        charge_point(gateway.url(f"{cp_id}-2")) as thief,
    ):
        await point.up()
        await thief.up()
        started = await point.say(
            call.StartTransaction(connector_id=1, id_tag=id_tag, meter_start=0, timestamp=now())
        )
        stolen = call.StopTransaction(
            transaction_id=started.transaction_id, meter_stop=5, timestamp=now()
        )
        await thief.say(stolen)
        assert await away(network.tickets, cp_id) == []
        await metered(point, 1, started.transaction_id, 700)
        await point.say(
            call.StopTransaction(
                transaction_id=started.transaction_id, meter_stop=900, timestamp=now()
            )
        )
    (ticket,) = await away(network.tickets, cp_id)
    assert float(ticket["energy_consumed_kwh"]) == 0.9


async def test_a_fault_is_shown_and_gone(
    network: OcppNetwork, gateway: Gateway, cp_id: str
) -> None:
    """With its error code; the panel shows the connector's next status afterwards."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        await point.say(
            call.StatusNotification(
                connector_id=1, error_code="GroundFailure", status="Faulted", timestamp=now()
            )
        )
        await until(lambda: network.shows(cp_id, 1, "Faulted"), "the fault is shown")
        await point.status(1, "Available")
        await until(lambda: network.shows(cp_id, 1, "Available"), "it is over")


@pytest.mark.parametrize("status", ["SuspendedEV", "SuspendedEVSE", "Reserved", "Unavailable"])
async def test_a_status_is_shown_as_the_charge_point_says_it(
    network: OcppNetwork, gateway: Gateway, cp_id: str, status: str
) -> None:
    """Whatever it is."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        await point.status(1, status)
        await until(lambda: network.shows(cp_id, 1, status), "the status is shown")


async def test_a_charge_point_that_is_gone_is_offline(
    network: OcppNetwork, gateway: Gateway, cp_id: str
) -> None:
    """At once, since its gateway says so."""
    async with charge_point(gateway.url(cp_id)) as point:
        await point.up()
        await until(lambda: network.shows(cp_id, 1, "Available"), "it is there")
    await until(lambda: (network.row(cp_id) or {}).get("status") == "Offline", "it is offline")
