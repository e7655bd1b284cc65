"""Tickets that do not come, come late, come twice, or come for nobody."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from central.app import SETTLE_TIMEOUT
from central.rules.billing import NOBODY
from central.rules.records import Session
from common.dispatch import Peer
from common.errors import BadMessage, Refused
from common.link import Link
from common.messages import (
    ChargeCompletion,
    ChargingData,
    CommandResponse,
    ConnectorEntry,
    HeartbeatRequest,
    ManualCommand,
    ManualCommandName,
    Message,
    Outcome,
    RecollectCommand,
    RegisterRequest,
    SessionOutcome,
    SessionReport,
)
from common.protocol import CENTRAL, CHARGING, MONITOR
from common.states import EndReason, SessionState
from common.units import MAX_LISTED_SESSIONS, Money, WattHours, Watts
from tests.central.parts import Parts, eventually, serving
from tests.common.complete import dispatcher, typed

_S = SessionState


def reading(session_id: str, wh: int) -> ChargingData:
    return ChargingData(
        cp_id="A",
        session_id=session_id,
        sequence=1,
        energy_consumed_kwh=WattHours(wh),
        total_cost=Money(0),
        charging_rate=Watts(7_000),
    )


def ticket(session_id: str, wh: int, cp_id: str = "A") -> ChargeCompletion:
    return ChargeCompletion(
        cp_id=cp_id,
        session_id=session_id,
        energy_consumed_kwh=WattHours(wh),
        total_cost=Money(0),
        reason=EndReason.UNPLUGGED,
        meter_start_wh=100,
        meter_stop_wh=100 + wh,
    )


async def heard(parts: Parts, message: Message, cp_id: str = "A") -> None:
    """Central takes this from `ev.charging`."""
    peer = Peer(role=MONITOR, id=cp_id, transport=CHARGING.name)
    outcome = parts.central.dispatcher.call(message, peer)
    if asyncio.iscoroutine(outcome):
        await outcome


async def charging(parts: Parts, wh: int = 0) -> str:
    """A session at A that has begun, with this reading."""
    await parts.monitor("A")
    session_id = (await parts.charge("D", "A")).session_id
    assert session_id is not None
    if wh:
        await heard(parts, reading(session_id, wh))
    return session_id


async def given_up(parts: Parts) -> None:
    """Nothing is heard for as long as a ticket is awaited."""
    parts.clock.now += SETTLE_TIMEOUT
    await parts.central.patrol.look()


async def stored(parts: Parts, session_id: str) -> Session:
    session = await parts.central.store.session(session_id)
    assert session is not None
    return session


def told_tickets(parts: Parts, driver_id: str = "D") -> list[tuple[int, bool | None, int | None]]:
    """Energy, estimated and revision of each ticket that the driver was told."""
    return [
        (int(m.energy_consumed_kwh), m.estimated, m.revision)
        for m in parts.events(driver_id)
        if isinstance(m, ChargeCompletion)
    ]


async def test_a_ticket_that_does_not_come_is_estimated(tmp_path: Path) -> None:
    """From the last reading, after the settle timeout; the driver is told, and free."""
    async with serving(tmp_path) as parts:
        session_id = await charging(parts, 3_000)
        parts.clock.now += SETTLE_TIMEOUT - 1
        await parts.central.patrol.look()
        assert (await stored(parts, session_id)).revision == 0
        parts.clock.now += 1
        await parts.central.patrol.look()
        session = await stored(parts, session_id)
        assert (session.state, session.estimated, session.settled) == (_S.COMPLETED, True, False)
        assert session.reason is EndReason.LOST
        bill = await parts.central.store.ticket(session_id)
        assert bill is not None
        assert (bill.energy, bill.cost, bill.estimated) == (3_000, 105, True)
        await eventually(lambda: told_tickets(parts) == [(3_000, True, 1)])
        await parts.central.patrol.look()  # once is enough
        assert parts.central.network.of_driver("D") is None
        assert (await parts.charge("E", "A")).session_id != session_id


async def test_without_a_reading_a_lost_session_fails(tmp_path: Path) -> None:
    """There is nothing to bill."""
    async with serving(tmp_path) as parts:
        session_id = await charging(parts)
        await given_up(parts)
        session = await stored(parts, session_id)
        assert (session.state, session.reason) == (_S.FAILED, EndReason.LOST)
        assert await parts.central.store.ticket(session_id) is None


@pytest.mark.parametrize("sign", ["reading", "report", "entry", "held"])
async def test_whatever_tells_of_a_session_keeps_it_open(tmp_path: Path, sign: str) -> None:
    """The time is counted from the last sign of it."""
    async with serving(tmp_path) as parts:
        session_id = await charging(parts, 3_000)
        link = await parts.monitor("A")
        parts.clock.now += SETTLE_TIMEOUT - 1
        match sign:
            case "reading":
                await heard(parts, reading(session_id, 3_000))
            case "report":
                await reported(parts, link, session_id, SessionOutcome.RUNNING)
            case "entry":
                entry = ConnectorEntry(connector_id=1, status="charging", session_id=session_id)
                await link.ask(beat(connectors=(entry,)))
            case "held":
                await link.ask(beat(held_sessions=(session_id,)))
        parts.clock.now += SETTLE_TIMEOUT - 1
        await parts.central.patrol.look()
        assert (await stored(parts, session_id)).revision == 0
        parts.clock.now += 1
        await parts.central.patrol.look()
        assert (await stored(parts, session_id)).estimated


async def test_an_engine_that_forgot_what_it_charged_keeps_nothing_open(tmp_path: Path) -> None:
    """Its `never_seen` is no sign that a ticket will come; after the estimate it settles."""
    async with serving(tmp_path) as parts:
        session_id = await charging(parts, 3_000)
        link = await parts.monitor("A")
        parts.clock.now += SETTLE_TIMEOUT - 1
        await reported(parts, link, session_id, SessionOutcome.NEVER_SEEN)
        assert (await stored(parts, session_id)).state is _S.FINISHING
        parts.clock.now += 1
        await parts.central.patrol.look()
        assert (await stored(parts, session_id)).estimated
        assert (await link.ask(beat())).unsettled_sessions == (session_id,)
        await reported(parts, link, session_id, SessionOutcome.NEVER_SEEN)
        assert (await link.ask(beat())).unsettled_sessions == ()
        session = await stored(parts, session_id)
        assert (session.settled, session.estimated, session.revision) == (True, True, 1)


async def test_the_true_ticket_replaces_an_estimate_once(tmp_path: Path) -> None:
    """As revision 2, told to the driver, in the audit log; then it is settled."""
    async with serving(tmp_path) as parts:
        session_id = await charging(parts, 3_000)
        await given_up(parts)
        for _ in range(2):
            await heard(parts, ticket(session_id, 3_200))
        bill = await parts.central.store.ticket(session_id)
        assert bill is not None
        assert (bill.energy, bill.cost, bill.estimated, bill.revision) == (3_200, 112, False, 2)
        assert (bill.meter_start_wh, bill.meter_stop_wh) == (100, 3_300)
        session = await stored(parts, session_id)
        assert (session.settled, session.estimated, session.revision) == (True, False, 2)
        await eventually(lambda: told_tickets(parts)[-1] == (3_200, False, 2))
        assert len(told_tickets(parts)) == 2
        ((entry,), _) = await parts.central.store.audit(limit=10)
        assert (entry.admin_id, entry.command, entry.cp_id) == ("central", "correct_ticket", "A")
        assert f"session {session_id}: 3.000 kWh, 1.05 EUR were estimated" in (entry.reason or "")


async def test_a_true_ticket_finds_its_estimate_after_a_restart(tmp_path: Path) -> None:
    """The session is still asked for."""
    async with serving(tmp_path) as parts:
        session_id = await charging(parts, 3_000)
        await given_up(parts)
    async with serving(tmp_path) as parts:
        link = await parts.monitor("A")
        assert (await link.ask(beat())).unsettled_sessions == (session_id,)
        await heard(parts, ticket(session_id, 0))
        assert (await stored(parts, session_id)).cost == 0
        assert (await link.ask(beat())).unsettled_sessions == ()


async def test_a_second_different_ticket_is_disputed(tmp_path: Path) -> None:
    """The first is the bill; the other is in the audit log, with both figures."""
    async with serving(tmp_path) as parts:
        session_id = await charging(parts)
        await heard(parts, ticket(session_id, 1_000))
        for _ in range(2):
            await heard(parts, ticket(session_id, 4_000))
        bill = await parts.central.store.ticket(session_id)
        assert bill is not None
        assert (bill.energy, bill.revision) == (1_000, 1)
        session = await stored(parts, session_id)
        assert (session.disputed, session.settled) == (True, True)
        ((entry,), _) = await parts.central.store.audit(limit=10)
        assert entry.command == "dispute_ticket"
        assert "4.000 kWh, billed are 1.000 kWh" in (entry.reason or "")


async def test_a_ticket_for_an_unknown_session_is_disputed_settled_and_never_billed(
    tmp_path: Path,
) -> None:
    """As after a restored backup: its engine may forget it, and the operator sees it."""
    async with serving(tmp_path) as parts:
        link = await parts.monitor("A")
        await link.ask(beat(held_sessions=("lost",)))
        # Its engine is asked for its ticket.
        assert (await link.ask(beat(held_sessions=("lost",)))).unsettled_sessions == ("lost",)
        for wh in (4_000, 4_000, 5_000):
            await heard(parts, ticket("lost", wh))
        session = await stored(parts, "lost")
        assert (session.driver_id, session.state) == (NOBODY, _S.FAILED)
        assert (session.disputed, session.settled, session.energy) == (True, True, 4_000)
        assert await parts.central.store.ticket("lost") is None
        answer = await link.ask(beat(held_sessions=("lost",)))
        assert answer.settled_sessions == ("lost",)
        assert answer.unsettled_sessions == ()
        ((entry,), _) = await parts.central.store.audit(limit=10)
        assert (entry.command, entry.cp_id) == ("dispute_ticket", "A")


async def test_a_ticket_of_nobody_for_nobody_is_set_aside(tmp_path: Path) -> None:
    """A point that never registered, and a record with another point's key, make no entry."""
    async with serving(tmp_path) as parts:
        await parts.monitor("A")
        for told, key in ((ticket("s", 1, "B"), "B"), (ticket("s", 1, "A"), "B")):
            with pytest.raises(BadMessage, match="unknown session"):
                await heard(parts, told, key)
        assert await parts.central.store.session("s") is None


async def test_a_long_list_of_lost_sessions_is_named_in_parts(tmp_path: Path) -> None:
    """A hundred at most, as every list of sessions."""
    async with serving(tmp_path) as parts:
        link = await parts.monitor("A")
        held = tuple(f"lost-{n}" for n in range(MAX_LISTED_SESSIONS))
        await link.ask(beat(held_sessions=held))
        session_id = (await parts.charge("D", "A")).session_id
        named = (await link.ask(beat(held_sessions=held))).unsettled_sessions
        assert named == (session_id, *held[:-1])


# -- Recollecting --


async def recollected(parts: Parts, since: int | None, cp_id: str = "A") -> Message:
    command = ManualCommand(
        message_id=f"recollect-{since}-{cp_id}",
        command=ManualCommandName.RECOLLECT,
        cp_id=cp_id,
        since=since,
    )
    outcome = parts.central.dispatcher.dispatch(command, Peer(role=None, id="op"))
    assert asyncio.iscoroutine(outcome)
    answer = await outcome
    assert answer is not None
    return answer


@pytest.mark.parametrize("error", [None, Refused, "lost"])
async def test_an_engine_is_asked_for_its_tickets_again(tmp_path: Path, error: object) -> None:
    """At once: an order that did not reach it is not kept, and may be given again."""
    asked: list[RecollectCommand] = []

    async def answer(self: object, command: RecollectCommand, peer: Peer) -> CommandResponse:
        asked.append(command)
        if error is Refused:
            return CommandResponse(status=Outcome.FAILURE, message="no journal")
        if error == "lost":
            assert isinstance(peer.link, Link)
            peer.link.close()
        return CommandResponse(status=Outcome.SUCCESS)

    took = typed(answer, takes=RecollectCommand, returns=CommandResponse)
    async with serving(tmp_path) as parts:
        link = await linked(parts, RecollectCommand=took)
        result = await recollected(parts, 1_000)
        assert [command.since for command in asked] == [1_000]
        expected = {None: None, Refused: "engine_refused", "lost": "timed_out"}
        assert getattr(result, "error", None) == expected[cast(str, error)]
        link.close()


async def test_a_recollection_wants_a_moment_and_a_connected_point(tmp_path: Path) -> None:
    """What lacks is named."""
    async with serving(tmp_path) as parts:
        link = await parts.monitor("A")
        assert "`since`" in str(await recollected(parts, None))
        link.close()
        await eventually(lambda: parts.central.network.points["A"].link is None)
        assert "charge_point_offline" in str(await recollected(parts, 1_000))


# -- What is said --


def beat(
    *,
    held_sessions: tuple[str, ...] = (),
    connectors: tuple[ConnectorEntry, ...] | None = None,
) -> HeartbeatRequest:
    return HeartbeatRequest(
        cp_id="A", status="available", held_sessions=held_sessions, connectors=connectors
    )


async def reported(parts: Parts, link: Link, session_id: str, outcome: SessionOutcome) -> None:
    link.tell(SessionReport(cp_id="A", session_id=session_id, outcome=outcome))
    await link.ask(beat())  # it is behind it


async def linked(parts: Parts, **handlers: Callable[..., Any]) -> Link:
    """The registered monitor of A, with these handlers."""
    answering, _ = dispatcher(MONITOR, **handlers)
    loop, listener = asyncio.get_running_loop(), parts.central.listener
    _, link = await loop.create_connection(
        lambda: Link(MONITOR, answering, parts.clock, peer_role=CENTRAL),
        listener.host,
        listener.port,
    )
    await link.ask(RegisterRequest(cp_id="A", connectors=()))
    return link
