"""Who is let in, which of two connections counts, and how a connection ends."""

import asyncio
import base64
from contextlib import AsyncExitStack
from ipaddress import ip_network
from typing import Any

import pytest
import websockets
from websockets.exceptions import InvalidStatus

from common.clock import SystemClock
from common.gateway_messages import LinkDown, LinkUp, MeterReport
from gateway import link as links
from gateway.access import AccessList, Verdict
from gateway.link import Hold
from gateway.pings import SLOTS
from gateway.places import Room
from tests.gateway.played import Nobody, PlayedNode, eventually, nothing_yet, running
from tests.gateway.test_node_calls import METER


async def turned_away(played: PlayedNode, path: str, **options: Any) -> tuple[int, Any]:
    """Status and headers of the answer to a request that is turned away."""
    options.setdefault("subprotocols", ["ocpp1.6"])
    port = played.node.server.address.port
    with pytest.raises(InvalidStatus) as error:
        await websockets.connect(f"ws://127.0.0.1:{port}{path}", proxy=None, **options)
    return error.value.response.status_code, error.value.response.headers


class Doorkeeper(AccessList):
    """Says of everybody what the test wants."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(Nobody(), nothing_yet, SystemClock(), always=False)
        self.verdict = verdict
        self.asked: list[Any] = []

    async def check(self, cp_id: str, authorization: str | None, **more: Any) -> Verdict:
        self.asked.append((cp_id, authorization, more))
        return self.verdict


# ---- Who is let in ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/ocpp", "/ocpp/", "/ocpp/a/b", "/ocpp/%ff", "/steve/CP1"])
async def test_another_path_is_not_found(path: str) -> None:
    """Charge points are at /ocpp/ID and nowhere else."""
    async with running() as played:
        assert (await turned_away(played, path))[0] == 404


async def test_an_id_may_be_percent_encoded() -> None:
    """As some charge points do with all that is no letter."""
    async with running() as played, played.point("CP%2D1"):
        assert [link.cp_id for link in played.node.connections] == ["CP-1"]


VERDICTS = [
    (Verdict.UNKNOWN, 404, None),
    (Verdict.WRONG, 401, "WWW-Authenticate"),
    (Verdict.NOT_YET, 503, "Retry-After"),
]


@pytest.mark.parametrize(("verdict", "status", "header"), VERDICTS)
async def test_who_may_not_connect_is_told_why(
    verdict: Verdict, status: int, header: str | None
) -> None:
    """404, 401 or 503, and counted."""
    async with running(access=Doorkeeper(verdict)) as played:
        answered, headers = await turned_away(played, "/ocpp/CP1")
        assert answered == status
        assert header is None or header in headers
        assert played.node.counts.admitted == {str(status): 1}
        assert not played.kafka.messages("CP1")


async def test_a_password_is_looked_at_and_makes_it_profile_1() -> None:
    """As the charge point sends it, with its address."""
    doorkeeper = Doorkeeper(Verdict.ACCEPTED)
    basic = "Basic " + base64.b64encode(b"CP1:secret").decode()
    headers = {"Authorization": basic}
    async with (
        running(access=doorkeeper) as played,
        played.point("CP1", additional_headers=headers),
    ):
        up = await played.said(LinkUp)
    said = {"common_name": None, "secured": False, "address": "127.0.0.1"}
    assert doorkeeper.asked == [("CP1", basic, said)]
    assert up.security_profile == 1


async def test_a_full_node_turns_away_with_a_pause() -> None:
    """503 and when to come again, which differs."""
    async with running(room=Room(connections=1)) as played, played.point("CP1"):
        status, headers = await turned_away(played, "/ocpp/CP2")
        assert status == 503
        assert 5 <= int(headers["Retry-After"]) <= 15
    async with running(room=Room(connections=1)) as played:
        async with played.point("CP1"):
            pass
        await played.said(LinkDown)
        async with played.point("CP2"):
            pass


async def test_one_address_of_this_machine_may_have_any_number() -> None:
    """Behind it is a proxy; of another one there is a limit."""
    async with (
        running(room=Room(per_address=1)) as played,
        played.point("CP1"),
        played.point("CP2"),
    ):
        assert len(played.node.connections) == 2


async def test_behind_a_proxy_the_address_is_what_it_says() -> None:
    """The last one of its header; what anybody else writes there counts for nothing."""
    ours = (ip_network("127.0.0.0/8"),)
    headers = {"X-Forwarded-For": "10.0.0.1, 192.0.2.7"}
    for proxies, addresses in ((ours, ["192.0.2.7"]), ((), ["127.0.0.1"])):
        async with (
            running(room=Room(per_address=1, proxies=proxies)) as played,
            played.point("CP1", additional_headers=headers),
        ):
            assert [link.address for link in played.node.connections] == addresses
            if proxies:
                answered = await turned_away(played, "/ocpp/CP2", additional_headers=headers)
                assert answered[0] == 503


@pytest.mark.parametrize("offered", [None, ["ocpp2.0.1"], ["ocpp2.0.1", "ocpp1.5"]])
async def test_without_a_version_in_common_it_is_opened_and_closed(
    offered: list[str] | None,
) -> None:
    """The handshake is completed without the header, as the specification says."""
    async with running() as played:
        async with played.point("CP1", subprotocols=offered) as point:
            assert "Sec-WebSocket-Protocol" not in point.socket.response.headers  # type: ignore[union-attr]
            assert (await point.closed())[0] == 1002
        assert not played.kafka.messages("CP1")


async def test_of_several_versions_the_one_that_is_spoken_is_taken() -> None:
    """Wherever it stands in the list."""
    async with (
        running() as played,
        played.point("CP1", subprotocols=["ocpp2.0.1", "ocpp1.6"]) as point,
    ):
        assert point.socket.subprotocol == "ocpp1.6"


async def test_what_is_no_websocket_is_told_so() -> None:
    """426 to a browser, 400 to nonsense; both are closed."""
    async with running() as played:
        port = played.node.server.address.port
        for request, status in (
            (b"GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\n\r\n", b"426"),
            (b"nonsense\r\n\r\n", b"400"),
            (b"x" * 20_000, b"431"),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            answer = await asyncio.wait_for(reader.read(), 5)
            assert answer.split(b" ")[1] == status
            writer.close()
            await writer.wait_closed()
        assert not played.node.server.doors


async def test_a_request_may_come_in_pieces_and_with_a_frame_behind_it() -> None:
    """The socket is read as it comes."""
    async with running() as played:
        port = played.node.server.address.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = (
            b"GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\n"
            b"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: ocpp1.6\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        heartbeat = b'[2,"1","Heartbeat",{}]'
        frame = bytes([0x81, 0x80 | len(heartbeat), 0, 0, 0, 0]) + heartbeat
        for piece in (request[:20], request[20:] + frame):
            writer.write(piece)
            await asyncio.sleep(0)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 101")
        assert b"currentTime" in await asyncio.wait_for(reader.readuntil(b"}]"), 5)
        writer.close()
        await writer.wait_closed()


# ---- Which connection counts ------------------------------------------------------------------


async def test_the_newest_connection_counts_and_the_old_one_is_closed() -> None:
    """At once; and the end of the old one never takes the new one along."""
    async with running() as played, played.point() as old:
        first = played.connection()
        async with played.point() as new:
            assert (await old.closed())[0] == 1000
            second = played.connection()
            assert second.epoch > first.epoch
            assert await new.call("Heartbeat", {})
            said = [
                (type(m), m.epoch)  # type: ignore[attr-defined]
                for m in played.kafka.messages("CP1")
            ]
            assert said == [(LinkUp, first.epoch), (LinkDown, first.epoch), (LinkUp, second.epoch)]
            assert len(played.node.connections) == len(played.node.registry) == 1


async def test_a_connection_that_moved_elsewhere_is_closed() -> None:
    """Another node has a newer one; an older word of it changes nothing."""
    async with running() as played, played.point() as point:
        epoch = played.connection().epoch
        played.node.desk.moved("CP1", epoch)
        played.node.desk.moved("CP2", epoch + 1)
        assert await point.call("Heartbeat", {})
        played.node.desk.moved("CP1", epoch + 1)
        assert (await point.closed())[0] == 1000
        assert len(played.node.connections) == 0


async def test_a_revoked_credential_ends_the_connection() -> None:
    """At once, with 1008."""
    async with running() as played, played.point("CP1") as one, played.point("CP2") as other:
        played.node.access.on_revoked("CP1")
        assert (await one.closed())[0] == 1008
        assert await other.call("Heartbeat", {})


async def test_credentials_that_are_demanded_now_end_what_came_without() -> None:
    """Who proved who it is stays."""
    basic = {"Authorization": "Basic Q1AyOng="}
    async with (
        running() as played,
        played.point("CP1") as one,
        played.point("CP2", additional_headers=basic) as other,
    ):
        played.node.access.on_demanded()
        assert (await one.closed())[0] == 1008
        assert await other.call("Heartbeat", {})


async def test_another_partition_is_announced_for_every_connection() -> None:
    """With its old epoch, once the new partition is read; nobody is let in without one."""
    async with running() as played, played.point() as point:
        epoch = played.connection().epoch
        played.node.registry.on_partition(None)
        await eventually(lambda: not played.kafka.reading(), "no partition is read")
        assert (await turned_away(played, "/ocpp/CP2"))[0] == 503
        played.node.registry.on_partition(7)
        await eventually(lambda: played.connection().partition == 7, "it is announced")
        ups = [m for m in played.kafka.messages("CP1") if isinstance(m, LinkUp)]
        assert [(up.partition, up.epoch) for up in ups] == [(0, epoch), (7, epoch)]
        assert played.kafka.reading() == [[7]]
        assert await point.call("Authorize", {"idTag": "TAG1"})


# ---- How it ends ------------------------------------------------------------------------------


async def test_binary_frames_end_the_connection() -> None:
    """OCPP-J is text: 1003."""
    async with running() as played, played.point() as point:
        await point.send(b"\x00")
        assert (await point.closed())[0] == 1003
        down = await played.said(LinkDown)
        assert down.message == "bad_socket"


async def test_a_frame_that_is_too_long_ends_the_connection() -> None:
    """1009, from 64 KiB on; in one frame or in several."""
    async with running() as played:
        async with played.point() as point:
            await point.send(" " * (links.MAX_FRAME - 22) + '[2,"1","Heartbeat",{}]')
            assert (await point.receive())[0] == 3
            await point.send(" " * (links.MAX_FRAME + 1))
            assert (await point.closed())[0] == 1009
        async with played.point() as point:
            await point.socket.send([" " * links.MAX_FRAME, " "])
            assert (await point.closed())[0] == 1009


async def test_a_message_in_several_frames_is_one() -> None:
    """With a ping in between, which is answered."""
    async with running() as played, played.point() as point:
        await point.socket.send(['[2,"1",', '"Heart', 'beat",{}]'])
        assert (await point.receive())[0] == 3
        await asyncio.wait_for(await point.socket.ping(), 5)


async def test_a_charge_point_that_is_silent_is_given_up() -> None:
    """Within two pings; one that answers pings stays."""
    async with (
        running(ping_interval=0.2) as played,
        played.point("CP1") as lively,
        played.point("CP2") as dead,
    ):
        dead.socket.transport.pause_reading()
        down = await played.said(LinkDown, "CP2")
        assert down.message == "silent"
        assert await lively.call("Heartbeat", {})
        dead.socket.transport.abort()


async def test_who_is_not_read_for_our_sake_is_not_silent() -> None:
    """Kafka may be away for longer than two pings."""
    async with running(ping_interval=3600) as played, played.point() as point:
        held = next(iter(played.node.connections))
        held.hold(Hold.NODE)
        for _ in range(3 * SLOTS):
            played.node.pings.turn()
        held.release(Hold.NODE)
        assert await point.call("Heartbeat", {})


async def test_who_does_not_read_its_answers_is_given_up() -> None:
    """And is not read either meanwhile, so that no more answers pile up."""
    async with running(ping_interval=0.3) as played, played.point() as point:
        point.socket.transport.pause_reading()
        held = next(iter(played.node.connections))
        held.pause_writing()
        assert held.holds == Hold.WRITING
        down = await played.said(LinkDown)
        assert down.message == "slow_reader"
        point.socket.transport.abort()


async def test_a_node_that_stops_lets_calls_end_and_says_goodbye() -> None:
    """1001; what was under way is answered before; nobody is let in any more."""
    async with running(drain=2.0) as played, played.point() as point:
        played.kafka.holds = True
        await point.send([2, "1", "MeterValues", METER])
        await played.said(MeterReport)
        played.stop.ask()
        await eventually(lambda: played.node.missing == "this gateway stops", "it drains")
        played.kafka.holds = False
        assert await point.receive() == [3, "1", {}]
        assert (await point.closed())[0] == 1001
        down = await played.said(LinkDown)
        assert down.message == "drained"


async def test_connections_are_closed_one_after_another() -> None:
    """Spread over the time that is given for it."""
    async with running(drain=0.5) as played, AsyncExitStack() as stack:
        points = [await stack.enter_async_context(played.point(f"CP{n}")) for n in range(10)]
        loop = asyncio.get_running_loop()
        begun = loop.time()
        played.stop.ask()
        ended = []
        for point in points:
            assert (await point.closed())[0] == 1001
            ended.append(loop.time() - begun)
        assert ended[-1] - ended[0] > 0.2


async def test_a_defect_of_ours_ends_one_connection_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """1011; the log has it."""
    async with running() as played, played.point("CP1") as one, played.point("CP2") as other:

        def broken(link: Any, answer: Any) -> None:
            raise RuntimeError("a defect")

        monkeypatch.setattr(played.node.desk, "answered", broken)
        await one.send('[3,"1",{}]')
        assert (await one.closed())[0] == 1011
        assert await other.call("Heartbeat", {})
