"""Whose connection counts: two of one charge point, half-open ones, another gateway."""

import asyncio
import time

from ocpp.v16 import call
from websockets.exceptions import ConnectionClosed

from chaos.proxy import Proxy, Wires
from tests.ocpp.network import Gateway, OcppNetwork, away, until
from tests.ocpp.point import charge_point
from tests.ocpp.queue import Keeper, are_conserved

BACK_WITHIN = 10.0
PING_EVERY, LOADED = 1.0, 6.0
"""Seconds; a loaded machine is late."""


async def commanded(network: OcppNetwork, cp_id: str) -> str:
    """What becomes of a command to it."""
    command = await away(network.command, cp_id, "GetLocalListVersion", {})
    return str(command["state"])


async def test_the_newest_connection_counts(
    network: OcppNetwork, gateway: Gateway, cp_id: str
) -> None:
    """The older one is closed at once, and its end does not take the charge point off the panel."""
    async with charge_point(gateway.url(cp_id)) as old:
        await old.up()
        async with charge_point(gateway.url(cp_id)) as new:
            await asyncio.wait_for(old.socket.wait_closed(), LOADED)
            await new.status()
            assert await commanded(network, cp_id) == "accepted"
            assert (await away(network.row, cp_id) or {})["status"] == "Available"
            assert [asked.action for asked in new.asked] == ["GetLocalListVersion"]
            assert old.asked == []


async def test_a_charge_point_moves_between_gateways(
    network: OcppNetwork, gateway: Gateway, other: Gateway, cp_id: str
) -> None:
    """The old one closes its connection at once; commands go to the new one, again and again."""
    async with charge_point(gateway.url(cp_id)) as old:
        await old.up()
        async with charge_point(other.url(cp_id)) as new:
            await asyncio.wait_for(old.socket.wait_closed(), LOADED)
            await new.status()
            assert await commanded(network, cp_id) == "accepted"
            async with charge_point(gateway.url(cp_id)) as newest:
                await asyncio.wait_for(new.socket.wait_closed(), LOADED)
                await newest.status()
                assert await commanded(network, cp_id) == "accepted"
                assert [len(p.asked) for p in (old, new, newest)] == [0, 1, 1]


async def test_a_half_open_connection_does_not_keep_its_charge_point_out(
    network: OcppNetwork, gateway: Gateway, other: Gateway, wires: Wires, cp_id: str
) -> None:
    """A charge point whose old connection hangs is taken up by its new one, anywhere."""
    wire = wires.to(gateway.address)
    async with charge_point(f"ws://{wire.address}/ocpp/{cp_id}") as old:
        await old.up()
        Proxy.half_open(wire)
        for place in (gateway, other):
            async with charge_point(place.url(cp_id)) as new:
                assert (await new.boot()).status == "Accepted"
                assert await commanded(network, cp_id) == "accepted"
        assert old.asked == []
        wire.heal()


async def test_a_charge_point_that_is_silent_is_offline(
    network: OcppNetwork, wires: Wires, cp_id: str
) -> None:
    """Within two pings and a little, whatever the network makes of its connection."""
    gateway = await away(network.gateway, "pinging", "--ping-interval", str(PING_EVERY))
    wire = wires.to(gateway.address)
    async with charge_point(f"ws://{wire.address}/ocpp/{cp_id}") as point:
        await point.up()
        await until(lambda: network.shows(cp_id, 1, "Available"), "it is there")
        Proxy.half_open(wire)
        began = time.monotonic()
        await until(lambda: (network.row(cp_id) or {})["status"] == "Offline", "it is missed")
        assert time.monotonic() - began < 2 * PING_EVERY + LOADED
    wire.heal()


async def test_many_connections_of_one_charge_point_leave_the_last(
    network: OcppNetwork, gateway: Gateway, other: Gateway, cp_id: str
) -> None:
    """Twenty at once, at two gateways: one is left, and it is the one that commands come by."""

    async def dial(place: Gateway) -> int:
        async with charge_point(place.url(cp_id)) as point:
            try:
                await point.say(call.Heartbeat())
                await point.status()
                async with asyncio.timeout(4):
                    await point.socket.wait_closed()
            except (ConnectionClosed, OSError):
                pass
            if point.socket.close_code is not None:
                return 0
            assert await commanded(network, cp_id) == "accepted"
            return len(point.asked)

    asked = await asyncio.gather(*(dial(place) for place in [gateway, other] * 10))
    assert sorted(asked) == [0] * 19 + [1]


async def test_a_gateway_that_is_told_to_end_sends_its_charge_points_away(
    network: OcppNetwork, other: Gateway, cp_id: str, id_tag: str
) -> None:
    """With 1001, after what they asked is answered; they go to the other one and are served."""
    leaving = await away(network.gateway, "leaving", "--drain", "1")
    keepers = [Keeper(leaving.url(f"{cp_id}-{n}"), other.url(f"{cp_id}-{n}")) for n in range(5)]
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(keeper.serve()) for keeper in keepers]
        for keeper in keepers:
            await asyncio.wait_for(keeper.connected.wait(), BACK_WITHIN)
            keeper.charge(1, id_tag, 0, *range(10, 110, 10))
        assert await away(leaving.program.end) == 0
        await are_conserved(network, *keepers)
        for task in serving:
            task.cancel()
