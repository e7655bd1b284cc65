"""The engine over a real link, with a monitor that the test plays, on a disk in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from common.errors import LinkLost, Reason, Refused
from common.framing import frame
from common.messages import (
    AuthRequest,
    ChargeCompletion,
    ChargeRequestResponse,
    ChargingData,
    ErrorResponse,
    HealthCheckRequest,
    Outcome,
    RecollectCommand,
    ReportSessionsCommand,
    Request,
    ResumeCpCommand,
    Role,
    SettleSessionsCommand,
    StopCpCommand,
)
from common.metrics.exporter import Exporter
from common.program import Address, Stop
from common.protocol import received, wire_name
from common.states import EndReason
from common.units import Watts
from engine import app, vigil
from engine.app import Engine, Settings
from engine.journal import Journal
from tests.engine.fakes import CP, FakeClock, MemoryDisk, start, stop
from tests.engine.played import SOON, PlayedMonitor

SETTINGS: dict[str, Any] = {
    "cp_id": CP,
    "listen": Address("127.0.0.1", 0),
    "journal": None,
    "power": Watts(22_000),
    "connectors": 1,
    "auto_plug": True,
    "monitor_grace": 100.0,
    "time_scale": 1.0,
}


class Running:
    """An engine that serves in this process, on a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.disk = MemoryDisk()
        exporter = Exporter(Role.ENGINE, self.clock, on=False)
        self.engine = Engine(Settings(**SETTINGS), self.clock, self.disk, exporter)
        self.stop = Stop()

    @property
    def port(self) -> int:
        return self.engine._listener.port

    def on_disk(self) -> dict[str, Any]:
        return {r.session_id: r for r in Journal(self.disk, CP).read().records}

    async def until(self, what: Callable[[], object]) -> None:
        """Return once this is so, which nothing but looking can tell."""
        for _ in range(round(SOON / 0.005)):
            if what():
                return
            await asyncio.sleep(0.005)
        raise AssertionError("it never was so")


@pytest.fixture
async def running(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """An engine whose ticks and readings come faster than in life, and its clock in leaps."""
    monkeypatch.setattr(vigil, "ASKED_WITHIN", SETTINGS["monitor_grace"])
    monkeypatch.setattr(app, "TICK", 0.01)
    monkeypatch.setattr(app, "READING", 0.05)
    one = Running()
    work = asyncio.create_task(one.engine.serve(one.stop))
    await one.until(lambda: one.port)
    yield one
    one.stop.ask()
    await work


@pytest.fixture
async def monitor(running: Running) -> AsyncIterator[PlayedMonitor]:
    """The engine's monitor."""
    one = await PlayedMonitor.dial(running.port)
    yield one
    one.link.close()
    await one.link.closed


async def refused(monitor: PlayedMonitor, request: Request[Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        await monitor.link.ask(request)
    return caught.value


async def test_a_charge_from_start_to_settled(running: Running, monitor: PlayedMonitor) -> None:
    """Yes, readings with rising energy, the stop's yes, then the ticket; then it is settled."""
    yes = await monitor.link.ask(start())
    assert (yes.status, yes.session_id) == (Outcome.SUCCESS, "s1")
    first = await monitor.next(ChargingData)
    running.clock.pass_(60)
    later = await monitor.next(ChargingData, lambda r: r.energy_consumed_kwh > 0)
    assert (later.sequence or 0) > (first.sequence or 0)
    assert later.energy_consumed_kwh == 169
    assert later.total_cost == 6
    await monitor.link.ask(stop(reason=EndReason.OPERATOR_REQUEST))
    ticket = await monitor.next(ChargeCompletion)
    assert monitor.order[-2:] == ["command_response", "charge_completion"]
    assert (ticket.reason, ticket.trace_id) == (EndReason.OPERATOR_REQUEST, "t-s1")
    assert (await monitor.health()).held_sessions == ("s1",)
    await monitor.link.ask(SettleSessionsCommand(cp_id=CP, session_ids=("s1",)))
    assert (await monitor.health()).held_sessions == ()


async def test_a_report_is_answered_before_its_tickets(monitor: PlayedMonitor) -> None:
    """First what was never seen, then what is known."""
    await monitor.link.ask(start())
    await monitor.link.ask(stop())
    first = await monitor.next(ChargeCompletion)
    answer = await monitor.link.ask(ReportSessionsCommand(cp_id=CP, session_ids=("s1", "s2")))
    assert answer.never_seen == ("s2",)
    again = await monitor.next(ChargeCompletion)
    assert monitor.order[-2:] == ["command_response", "charge_completion"]
    assert again.message_id != first.message_id
    assert (again.session_id, again.energy_consumed_kwh) == ("s1", first.energy_consumed_kwh)


async def test_the_point_is_stopped_and_resumed(monitor: PlayedMonitor) -> None:
    """A running supply ends with its ticket."""
    await monitor.link.ask(start())
    await monitor.link.ask(StopCpCommand(cp_id=CP, reason="maintenance"))
    assert (await monitor.next(ChargeCompletion)).reason is EndReason.CP_STOPPED
    assert (await monitor.health()).engine_status == "stopped"
    assert (await refused(monitor, start("s2"))).reason is Reason.ENGINE_REFUSED
    await monitor.link.ask(ResumeCpCommand(cp_id=CP))
    assert (await monitor.health()).engine_status == "available"


async def test_tickets_are_collected_again_after_the_answer(monitor: PlayedMonitor) -> None:
    """More of them than are told at once, each once, settled ones too."""
    sessions = tuple(f"s{n}" for n in range(70))
    for session_id in sessions:
        await monitor.link.ask(start(session_id))
        await monitor.link.ask(stop(session_id))
    await monitor.link.ask(SettleSessionsCommand(cp_id=CP, session_ids=sessions[:50]))
    first = [await monitor.next(ChargeCompletion) for _ in sessions]
    monitor.order.clear()
    answer = await monitor.link.ask(RecollectCommand(cp_id=CP, since=first[0].ended_at or 0))
    assert answer.message == "tickets to come: 70"
    again = [await monitor.next(ChargeCompletion) for _ in sessions]
    assert {t.session_id: t.meter_stop_wh for t in again} == {
        t.session_id: t.meter_stop_wh for t in first
    }
    told = [kind for kind in monitor.order if kind != "charging_data"]
    assert told == ["command_response"] + ["charge_completion"] * 70


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"role": Role.MONITOR, "cp_id": "OTHER"}, "this is charge point ALC-001"),
        ({"role": Role.MONITOR}, "this is charge point ALC-001"),
        ({"role": Role.DRIVER, "cp_id": CP}, "a driver has no business here"),
    ],
)
async def test_only_our_monitor_is_let_in(
    monitor: PlayedMonitor, fields: dict[str, Any], text: str
) -> None:
    """With the point's own id; with any other it is told whose engine this is."""
    answer = await monitor.link.ask(AuthRequest(role=Role.MONITOR, cp_id=CP, credential="any"))
    assert answer.status is Outcome.SUCCESS
    no = await refused(monitor, AuthRequest(**fields))
    assert (no.reason, no.text) == (Reason.NOT_ALLOWED, text)


COMMANDS: dict[str, Request[Any]] = {
    wire_name(type(command)): command
    for command in (
        HealthCheckRequest(cp_id="OTHER"),
        start(cp_id="OTHER"),
        stop().__class__(cp_id="OTHER", session_id="s1"),
        StopCpCommand(cp_id="OTHER"),
        ResumeCpCommand(cp_id="OTHER"),
        ReportSessionsCommand(cp_id="OTHER", session_ids=("s1",)),
        SettleSessionsCommand(cp_id="OTHER", session_ids=("s1",)),
        RecollectCommand(cp_id="OTHER", since=0),
    )
}


def test_every_command_is_tried() -> None:
    """All that the protocol lets a monitor ask an engine, but who it is."""
    asked = {wire_name(m) for m in received(Role.ENGINE) if issubclass(m, Request)}
    assert COMMANDS.keys() == asked - {"auth_request"}


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_for_another_charge_point_is_not_ours_to_answer(
    running: Running, monitor: PlayedMonitor, name: str
) -> None:
    """It does nothing, and the link stays."""
    await monitor.link.ask(start("runs"))
    no = await refused(monitor, COMMANDS[name])
    assert no.reason is Reason.INVALID_MESSAGE
    assert no.text == "this is charge point ALC-001, not OTHER"
    assert (await monitor.health()).session_id == "runs"
    assert running.on_disk().keys() == {"runs"}


async def test_the_newest_monitor_takes_over(running: Running, monitor: PlayedMonitor) -> None:
    """With its first message for our point: the old one is told so, and closed; all goes on."""
    await monitor.link.ask(start())
    newer = await PlayedMonitor.dial(running.port)
    no = await refused(newer, HealthCheckRequest(cp_id="OTHER"))
    assert no.reason is Reason.INVALID_MESSAGE
    assert (await monitor.health()).session_id == "s1"

    assert (await newer.health()).session_id == "s1"
    error = await monitor.next(ErrorResponse)
    assert error.error is Reason.REPLACED
    await asyncio.wait_for(monitor.link.closed, SOON)
    await newer.next(ChargingData)
    assert (await newer.health()).session_id == "s1"
    newer.link.close()
    await newer.link.closed


async def test_without_its_monitor_a_supply_ends(running: Running, monitor: PlayedMonitor) -> None:
    """`--monitor-grace` seconds after the last byte; the ticket waits in the journal."""
    await monitor.link.ask(start())
    running.clock.pass_(99.9)
    await asyncio.sleep(0.05)
    assert (await monitor.health()).session_id == "s1"
    running.clock.pass_(99.9)
    await asyncio.sleep(0.05)
    assert running.on_disk()["s1"].reason is None
    monitor.link.close()
    running.clock.pass_(0.1)
    await running.until(lambda: running.on_disk()["s1"].reason is EndReason.MONITOR_LOST)

    again = await PlayedMonitor.dial(running.port)
    assert (await again.health()).held_sessions == ("s1",)
    await again.link.ask(ReportSessionsCommand(cp_id=CP, session_ids=("s1",)))
    assert (await again.next(ChargeCompletion)).reason is EndReason.MONITOR_LOST
    again.link.close()
    await again.link.closed


async def test_a_silent_link_is_closed(
    running: Running, monitor: PlayedMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three health checks missed, also where nobody has said anything."""
    assert app.PATIENCE == 3.0
    monkeypatch.setattr(app, "PATIENCE", 0.5)
    silent = await PlayedMonitor.dial(running.port)
    async with asyncio.timeout(SOON):
        await silent.link.closed


async def test_what_is_no_frame_and_no_message_is_said(
    running: Running, monitor: PlayedMonitor
) -> None:
    """An error of each kind, and the link lives on; errors and late answers need no answer."""
    transport = monitor.link._transport
    assert transport is not None
    transport.write(b"junk")
    assert (await monitor.next(ErrorResponse)).error is Reason.BAD_FRAME
    transport.write(frame(b'{"type":"charging_data","message_id":"x"}'))
    assert (await monitor.next(ErrorResponse)).error is Reason.UNSUPPORTED_MESSAGE
    monitor.link.tell(ErrorResponse(message_id="m", error=Reason.INTERNAL))
    monitor.link.tell(ChargeRequestResponse(message_id="late", status=Outcome.SUCCESS))
    assert (await monitor.health()).status is Outcome.SUCCESS
    assert monitor.heard() == []


async def test_an_engine_that_stops_closes_its_links(
    running: Running, monitor: PlayedMonitor
) -> None:
    """What runs is journaled to the last; who still asks is told that the link is gone."""
    await monitor.link.ask(start())
    running.clock.pass_(60)
    running.stop.ask()
    async with asyncio.timeout(SOON):
        await monitor.link.closed
    with pytest.raises(LinkLost):
        await monitor.health()
    assert running.on_disk()["s1"].energy == 169
    assert running.on_disk()["s1"].reason is None
