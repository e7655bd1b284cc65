"""The answer to a charge request is stored with whatever decides it first."""

import asyncio
from pathlib import Path

from common.dispatch import Peer
from common.errors import Reason
from common.link import Link
from common.messages import (
    ChargeRequest,
    ChargingData,
    CommandResponse,
    ConnectorEntry,
    Message,
    Outcome,
    RegisterRequest,
    Role,
    StartChargingCommand,
)
from common.protocol import CENTRAL, CHARGING, MONITOR
from common.states import SessionEvent, SessionState
from common.units import Money, WattHours, Watts
from tests.central.parts import Parts, eventually, serving
from tests.common.complete import dispatcher, typed

REQUEST = ChargeRequest(message_id="ANA-1", cp_id="CP-1", driver_id="ANA")


async def slow_monitor(parts: Parts, may_answer: asyncio.Event) -> Link:
    """A registered point whose engine starts at once, and whose yes takes its time."""

    async def yes(self: object, message: Message, peer: Peer) -> CommandResponse:
        await may_answer.wait()
        return CommandResponse(status=Outcome.SUCCESS)

    started = typed(yes, takes=StartChargingCommand, returns=CommandResponse)
    answering, _ = dispatcher(MONITOR, StartChargingCommand=started)
    loop, listener = asyncio.get_running_loop(), parts.central.listener
    _, link = await loop.create_connection(
        lambda: Link(MONITOR, answering, parts.clock, peer_role=CENTRAL),
        listener.host,
        listener.port,
    )
    entries = (ConnectorEntry(connector_id=1, status="available"),)
    await link.ask(RegisterRequest(cp_id="CP-1", connectors=entries))
    return link


def reading(parts: Parts, session_id: str) -> None:
    """By Kafka the charge shows before the yes, which takes another way."""
    shown = ChargingData(
        cp_id="CP-1",
        session_id=session_id,
        sequence=1,
        energy_consumed_kwh=WattHours(1),
        total_cost=Money(0),
        charging_rate=Watts(11_000),
    )
    parts.central.readings.reading(shown, Peer(role=MONITOR, id="CP-1", transport=CHARGING.name))


async def test_a_charge_that_shows_before_its_yes_is_answered_the_same_after_a_crash(
    tmp_path: Path,
) -> None:
    """Else whoever repeats the request then would begin a second charge with it."""
    never = asyncio.Event()
    async with serving(tmp_path) as parts:
        await slow_monitor(parts, never)
        asking = asyncio.ensure_future(parts.central.charging.start(Role.DRIVER, "ANA", REQUEST))
        await eventually(lambda: any(s.commanding for s in parts.central.network.sessions.values()))
        (live,) = parts.central.network.sessions.values()
        session_id = live.session.session_id
        reading(parts, session_id)
        await eventually(lambda: live.answered)
        assert not asking.done()
        asking.cancel()  # as far as anybody hears, central dies now
    async with serving(tmp_path) as parts:
        again = await parts.central.charging.start(Role.DRIVER, "ANA", REQUEST)
    assert (again.status, again.session_id) == (Outcome.SUCCESS, session_id)


async def test_a_yes_that_comes_after_the_answer_changes_nothing_of_it(tmp_path: Path) -> None:
    """The driver gets the answer that is stored."""
    now = asyncio.Event()
    async with serving(tmp_path) as parts:
        await slow_monitor(parts, now)
        asking = asyncio.ensure_future(parts.central.charging.start(Role.DRIVER, "ANA", REQUEST))
        await eventually(lambda: any(s.commanding for s in parts.central.network.sessions.values()))
        (live,) = parts.central.network.sessions.values()
        session_id = live.session.session_id
        reading(parts, session_id)
        await eventually(lambda: live.answered)
        now.set()
        answer = await asking
        assert (answer.status, answer.session_id) == (Outcome.SUCCESS, session_id)
        busy = ChargeRequest(message_id="ANA-2", cp_id="CP-1", driver_id="ANA")
        refused = await parts.central.charging.start(Role.DRIVER, "ANA", busy)
        assert refused.error is Reason.DRIVER_BUSY


async def test_a_session_that_was_given_up_is_settled_after_a_restart(tmp_path: Path) -> None:
    """Its request was answered when it was given up; that is not done again with the next word."""
    never = asyncio.Event()
    async with serving(tmp_path) as parts:
        await slow_monitor(parts, never)
        asking = asyncio.ensure_future(parts.central.charging.start(Role.DRIVER, "ANA", REQUEST))
        await eventually(lambda: any(s.commanding for s in parts.central.network.sessions.values()))
        (live,) = parts.central.network.sessions.values()
        live.commanding = False  # as after a restart: nobody awaits the engine's word any more
        await parts.central.changes.estimate(live)
        asking.cancel()
    async with serving(tmp_path) as parts:
        (live,) = parts.central.network.sessions.values()
        assert live.session.state is SessionState.FAILED
        await parts.central.changes.event(live, SessionEvent.NEVER_SEEN)
        assert live.session.settled
