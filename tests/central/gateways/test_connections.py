"""Where charge points are connected: the newest connection counts, and a gateway may be gone."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.gateways.connections import GONE_AFTER
from central.gateways.link import GatewayLink
from central.network import LivePoint
from common.connection import Connection
from common.dispatch import Peer
from common.errors import BadMessage
from common.gateway_messages import ConnectorStatus, NodeAlive
from common.messages import Message
from common.protocol import GATEWAY
from common.states import Status
from tests.central.gateways.desk import HERE, Desk, desk, down, up
from tests.central.parts import eventually

NEWER = Connection("gw-2", 7, 2)
"""Of the same charge point, at another gateway."""


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as made:
        yield made


def reached_by(point: LivePoint) -> Connection | None:
    """The connection by which a charge point is told something."""
    assert point.link is None or isinstance(point.link, GatewayLink)
    return point.link.connection if point.link else None


async def say(one: Desk, message: Message, connection: Connection) -> None:
    await one.handled(*one.say(message, connection=connection))


async def test_a_newer_connection_takes_the_point_over(one: Desk) -> None:
    """At once, and the end of the older one changes nothing any more."""
    point = await one.boot("CP")
    old = point.link
    await one.connect("CP", NEWER)
    assert one.central.connections.of("CP") == reached_by(point) == NEWER
    assert old is not None
    assert old.is_closing
    await say(one, down("CP", HERE), HERE)
    assert one.central.connections.of("CP") == reached_by(point) == NEWER
    assert one.central.network.status(point) is not Status.OFFLINE


async def test_an_older_connection_never_moves_the_point(one: Desk) -> None:
    """Its link_up is dropped; what its charge point had said over it is still taken up."""
    point = await one.boot("CP", NEWER)
    await one.connect("CP", HERE)
    await say(one, ConnectorStatus(cp_id="CP", connector_id=1, status="Charging"), HERE)
    assert point.reported == {1: Status.CHARGING}
    assert one.central.connections.of("CP") == reached_by(point) == NEWER


async def test_a_closed_connection_leaves_its_point_offline(one: Desk) -> None:
    """On the panel at once; and nothing can be asked by it any more."""
    point = await one.boot("CP")
    link = point.link
    await say(one, down("CP"), HERE)
    assert point.link is None
    assert one.central.network.status(point) is Status.OFFLINE
    assert point.offline_since == one.parts.clock.monotonic()
    assert one.central.connections.of("CP") is None
    assert link is not None
    assert link.is_closing


async def test_a_closed_connection_is_not_opened_by_what_comes_again(one: Desk) -> None:
    """Records may be read a second time after a restart."""
    point = await one.boot("CP")
    await say(one, down("CP"), HERE)
    await one.connect("CP")
    await say(one, ConnectorStatus(cp_id="CP", connector_id=1, status="Available"), HERE)
    assert point.link is None


async def test_a_connection_whose_start_was_missed_is_there_from_its_first_message(
    one: Desk,
) -> None:
    """As where an empty database took the place of central's own."""
    await say(one, ConnectorStatus(cp_id="CP", connector_id=2, status="Available"), NEWER)
    point = one.central.network.points["CP"]
    assert reached_by(point) == NEWER
    assert (point.point.connectors, point.point.ocpp_version) == (2, "1.6")


async def test_a_link_up_of_another_connection_than_its_own_is_poison(one: Desk) -> None:
    """The header and the message are one connection's."""
    record = one.record(up("CP", NEWER), HERE)
    one.reports.write([record])
    await one.handled(record)
    assert [type(why) for _, why in one.dead] == [BadMessage]
    assert one.central.connections.of("CP") is None


async def test_connections_outlive_central(one: Desk, tmp_path: Path) -> None:
    """A charge point does not connect again because central has started anew."""
    await one.boot("OPEN")
    await one.boot("SHUT")
    await say(one, down("SHUT"), HERE)
    async with desk(tmp_path) as other:
        points = other.central.network.points
        assert reached_by(points["OPEN"]) == HERE
        assert points["OPEN"].offline_since is None
        assert points["SHUT"].link is None
        assert other.central.network.status(points["SHUT"]) is Status.OFFLINE
        await other.connect("SHUT")  # read again
        assert points["SHUT"].link is None
        await other.connect("SHUT", NEWER)
        assert reached_by(points["SHUT"]) == NEWER


# ---- Monitors of the same id ------------------------------------------------------------------


async def test_a_gateway_takes_the_place_of_a_monitor_of_the_same_id(one: Desk) -> None:
    """The newest wins, and the other's link is closed, as between two monitors."""
    monitor = await one.parts.monitor("CP")
    point = await one.boot("CP")
    assert reached_by(point) == HERE
    await monitor.closed
    await eventually(lambda: not one.central.listener.links)
    assert reached_by(point) == HERE


async def test_a_monitor_takes_the_place_of_a_gateway_of_the_same_id(one: Desk) -> None:
    """And when it has gone, the charge point is reached by the gateway again."""
    point = await one.boot("CP")
    link = point.link
    monitor = await one.parts.monitor("CP")
    assert link is not None
    assert link.is_closing
    assert point.link is not None
    assert not isinstance(point.link, GatewayLink)
    monitor.close()
    await eventually(lambda: point.link is None)
    await say(one, ConnectorStatus(cp_id="CP", connector_id=1, status="Available"), HERE)
    assert reached_by(point) == HERE
    assert point.link is not None
    assert not point.link.is_closing


# ---- Gateways that are gone -------------------------------------------------------------------


def alive(one: Desk, connection: Connection) -> None:
    """Its gateway says that it runs."""
    peer = Peer(role=GATEWAY, id=connection.node, connection=connection)
    one.central.dispatcher.call(
        NodeAlive(
            message_id="n", node=connection.node, partition=connection.partition, connections=1
        ),
        peer,
    )


async def test_the_points_of_a_silent_gateway_are_offline_after_a_while(one: Desk) -> None:
    """Those of another one are not; and one that had moved there is not, either."""
    gone, moved = await one.boot("GONE"), await one.boot("MOVED")
    stays = await one.boot("STAYS", NEWER)
    await one.connect("MOVED", NEWER)
    one.parts.clock.now += GONE_AFTER - 1
    one.central.connections.look()
    assert reached_by(gone) == HERE
    alive(one, NEWER)
    one.parts.clock.now += 1
    one.central.connections.look()
    assert gone.link is None
    assert one.central.network.status(gone) is Status.OFFLINE
    assert reached_by(moved) == reached_by(stays) == NEWER
    assert one.central.connections.counts() == {"gw-2": 2}


async def test_a_gateway_that_says_it_runs_keeps_its_points(one: Desk) -> None:
    """However seldom these say anything."""
    point = await one.boot("CP")
    for _ in range(10):
        one.parts.clock.now += GONE_AFTER - 1
        alive(one, HERE)
        one.central.connections.look()
    assert reached_by(point) == HERE


async def test_a_gateway_that_was_held_up_has_its_points_back_with_their_next_message(
    one: Desk,
) -> None:
    """It still holds their connections, and says nothing of them."""
    point = await one.boot("CP")
    one.parts.clock.now += GONE_AFTER
    one.central.connections.look()
    assert point.link is None
    await say(one, ConnectorStatus(cp_id="CP", connector_id=1, status="Available"), HERE)
    assert reached_by(point) == HERE
    await say(one, down("CP"), HERE)
    assert point.link is None


async def test_while_central_is_behind_no_gateway_is_gone(
    one: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its silence may be ours; it is listened to anew from when we hear it in time again."""
    point = await one.boot("CP")
    with monkeypatch.context() as patched:
        patched.setattr(one.central.connections, "_is_behind", lambda: True)
        one.parts.clock.now += 10 * GONE_AFTER
        one.central.connections.look()
    one.parts.clock.now += GONE_AFTER - 1
    one.central.connections.look()
    assert reached_by(point) == HERE
    one.parts.clock.now += 1
    one.central.connections.look()
    assert point.link is None


async def test_after_a_start_gateways_are_listened_to_for_a_while_before_they_are_gone(
    one: Desk, tmp_path: Path
) -> None:
    """What was stored is believed until then, and no longer."""
    await one.boot("CP")
    async with desk(tmp_path) as other:
        point = other.central.network.points["CP"]
        other.parts.clock.now += GONE_AFTER - 1
        other.central.connections.look()
        assert reached_by(point) == HERE
        other.parts.clock.now += 1
        other.central.connections.look()
        assert point.link is None


# ---- Whatever order ---------------------------------------------------------------------------

said = st.lists(
    st.tuples(st.sampled_from(["up", "down", "message"]), st.integers(1, 5)), max_size=30
)


def test_the_highest_epoch_alone_says_where_a_point_is(tmp_path: Path) -> None:
    """Whatever comes, late or twice: it is there unless its newest connection was closed."""
    numbers = count()

    async def play() -> None:
        async with desk(tmp_path) as one:

            @given(said=said)
            def check(said: list[tuple[str, int]]) -> None:
                _play(one, f"CP-{next(numbers)}", said)

            check()

    asyncio.run(play())
    assert next(numbers) > 50


def _play(one: Desk, cp_id: str, said: list[tuple[str, int]]) -> None:
    connections, call = one.central.connections, one.central.dispatcher.call
    highest, closed = 0, False
    for what, epoch in said:
        connection = Connection(f"gw-{epoch}", epoch, epoch)
        peer = Peer(role=GATEWAY, id=cp_id, connection=connection)
        if what == "message":
            connections.heard(cp_id, connection)
        else:
            call((up if what == "up" else down)(cp_id, connection), peer)
        if epoch > highest:
            highest, closed = epoch, what == "down"
        elif epoch == highest:
            closed = closed or what == "down"
        there = None if closed else Connection(f"gw-{highest}", highest, highest)
        assert connections.of(cp_id) == there
