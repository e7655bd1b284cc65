"""The monitor between an engine and a central, over loopback."""

import pytest

from common.errors import Reason, Refused
from common.messages import (
    ChargeCompletion,
    ChargeRequest,
    ChargingData,
    CommandResponse,
    ConnectorEntry,
    FaultNotification,
    HealthCheckRequest,
    HeartbeatRequest,
    Outcome,
    RecoveryNotification,
    RegisterRequest,
    ReportSessionsCommand,
    ResumeCpCommand,
    SessionOutcome,
    SessionReport,
    SettleSessionsCommand,
    StartChargingCommand,
    StatusUpdate,
    StopChargingCommand,
    StopCpCommand,
)
from common.units import Price, WattHours, Watts
from monitor.app import Monitor
from monitor.health import UNREACHABLE
from tests.monitor.conftest import CP
from tests.monitor.fakes import FakePublisher
from tests.monitor.peers import OK, ScriptedCentral, ScriptedEngine, eventually, health


def entry(status: str, session_id: str | None = None, number: int = 1) -> ConnectorEntry:
    return ConnectorEntry(connector_id=number, status=status, session_id=session_id)


def start(**fields: object) -> StartChargingCommand:
    settings: dict[str, object] = {
        "cp_id": CP,
        "session_id": "s",
        "driver_id": "D-1",
        "price_per_kwh": Price(3_500),
        "max_charging_rate_kw": Watts(11_000),
    }
    return StartChargingCommand(**{**settings, **fields})  # type: ignore[arg-type]


# Registration


async def test_it_registers_as_its_engine_is(monitor: Monitor, central: ScriptedCentral) -> None:
    """Power, time scale, connectors and status are the engine's."""
    request = await central.script.take(RegisterRequest)
    assert request.cp_id == CP
    assert request.location == "Puerto 3"
    assert request.max_charging_rate_kw == Watts(22_000)
    assert request.time_scale == 1
    assert request.engine_status == "available"
    assert request.fault_type is None
    assert request.connectors == (entry("available"),)
    assert request.held_sessions == ()


async def test_heartbeats_follow_at_the_interval_that_central_asks_for(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """Each says how the engine is now."""
    await central.script.take(RegisterRequest)
    engine.says(health(entry("charging", "s"), held_sessions=("r",)))
    await central.script.take(StatusUpdate, status="charging", session_id="s")
    beat = await central.script.take(HeartbeatRequest)
    assert beat.status == "charging"
    assert beat.connectors == (entry("charging", "s"),)
    assert beat.held_sessions == ("r",)
    assert beat.fault_type is None


async def test_what_changes_is_registered_again_on_the_same_link(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """An engine that comes back with another power, or more connectors."""
    await central.script.take(RegisterRequest)
    engine.says(health(entry("available"), entry("available", number=2)))
    request = await central.script.take(RegisterRequest)
    assert request.connectors is not None
    assert len(request.connectors) == 2
    engine.says(health(entry("available"), max_charging_rate_kw=Watts(7_400)))
    request = await central.script.take(RegisterRequest)
    assert request.max_charging_rate_kw == Watts(7_400)
    assert len(central.accepted) == 1


async def test_central_restarting_is_survived(monitor: Monitor, central: ScriptedCentral) -> None:
    """It dials again and registers again."""
    await central.script.take(RegisterRequest)
    await central.close()
    await central.open()
    await central.script.take(RegisterRequest)


# Health


async def test_a_broken_engine_is_told_and_so_is_its_recovery(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """KO, then OK."""
    await central.script.take(RegisterRequest)
    engine.says(
        health(
            entry("faulted"),
            status=Outcome.FAILURE,
            error=Reason.CHARGE_POINT_FAULTED,
            fault_type="InternalError",
        )
    )
    await central.script.take(FaultNotification, fault_type="InternalError")
    beat = await central.script.take(HeartbeatRequest)
    assert (beat.status, beat.fault_type) == ("faulted", "InternalError")
    engine.says(health())
    await central.script.take(RecoveryNotification)
    beat = await central.script.take(HeartbeatRequest)
    assert (beat.status, beat.fault_type) == ("available", None)


async def test_an_engine_that_is_gone_is_a_fault_until_it_is_back(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """And when it is back the point registers again, to hear what the engine missed."""
    await central.script.take(RegisterRequest)
    await engine.close()
    await central.script.take(FaultNotification, fault_type=UNREACHABLE)
    await engine.open()
    await central.script.take(RecoveryNotification)
    await central.script.take(RegisterRequest, fault_type=None)


async def test_an_engine_that_hangs_is_a_fault(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """Its connection stays, but nothing comes over it."""
    await central.script.take(RegisterRequest)
    engine.says(None)
    await central.script.take(FaultNotification, fault_type=UNREACHABLE)


# Central's commands


async def test_a_start_goes_to_the_engine_and_its_yes_back(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """As a new message of the same trace, without the epoch."""
    await central.script.take(RegisterRequest)
    answer = await central.link.ask(start(trace_id="t", target_kwh=WattHours(5_000), epoch=1))
    command = engine.script.all(StartChargingCommand)[0]
    assert answer.status is OK
    assert answer.trace_id == "t"
    assert command.trace_id == "t"
    assert command.message_id != answer.message_id
    assert command.epoch is None
    assert command.target_kwh == WattHours(5_000)
    assert (command.session_id, command.driver_id) == ("s", "D-1")


async def test_the_engines_no_goes_back(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """With its reason and its words."""
    await central.script.take(RegisterRequest)
    engine.script.answers[StartChargingCommand] = CommandResponse(
        status=Outcome.FAILURE, error=Reason.ENGINE_REFUSED, message="is broken", session_id="s"
    )
    with pytest.raises(Refused) as refused:
        await central.link.ask(start())
    assert refused.value.reason is Reason.ENGINE_REFUSED
    assert refused.value.text == "is broken"
    assert isinstance(refused.value.answer, CommandResponse)
    assert refused.value.answer.session_id == "s"


async def test_a_command_is_followed_by_a_look_at_the_engine(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """So that central's panel shows at once what it did."""
    await central.script.take(RegisterRequest)
    before = len(engine.script.all(HealthCheckRequest))
    await central.link.ask(start())
    await eventually(lambda: len(engine.script.all(HealthCheckRequest)) > before)


async def test_a_command_of_a_lower_epoch_is_refused(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """It comes from a central that leads no longer; the engine never hears of it."""
    central.registers(epoch=7)
    await central.close()
    await central.open()
    await central.script.take(RegisterRequest)
    await eventually(lambda: monitor.point.central is not None)
    await eventually(lambda: monitor.point.epochs.last == 7)
    with pytest.raises(Refused) as refused:
        await central.link.ask(start(epoch=6))
    assert refused.value.reason is Reason.STANDBY
    assert engine.script.all(StartChargingCommand) == []
    await central.link.ask(start(epoch=8))
    with pytest.raises(Refused):
        await central.link.ask(start(epoch=7))


async def test_a_command_to_another_point_is_refused(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """As an invalid message."""
    await central.script.take(RegisterRequest)
    with pytest.raises(Refused) as refused:
        await central.link.ask(start(cp_id="OTHER"))
    assert refused.value.reason is Reason.INVALID_MESSAGE
    assert engine.script.all(StartChargingCommand) == []


async def test_an_engine_that_is_gone_refuses_a_start_and_leaves_a_stop_open(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """Nothing can have started there; but what ran may run on."""
    await central.script.take(RegisterRequest)
    await engine.close()
    await eventually(lambda: monitor.point.engine is None)
    stop = StopChargingCommand(cp_id=CP, session_id="s")
    for command, reason in (
        (start(), Reason.ENGINE_REFUSED),
        (stop, Reason.TIMED_OUT),
        (StopCpCommand(cp_id=CP), Reason.TIMED_OUT),
        (ResumeCpCommand(cp_id=CP), Reason.TIMED_OUT),
    ):
        with pytest.raises(Refused) as refused:
            await central.link.ask(command)
        assert refused.value.reason is reason
        assert refused.value.answer is not None


# Being stopped


async def test_the_engine_is_stopped_and_resumed_as_central_wants(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """By the answers alone, without a command."""
    central.beats(stopped=True)
    await engine.script.take(StopCpCommand)
    engine.says(health(entry("stopped")))
    await central.script.take(StatusUpdate, status="stopped")
    central.beats(stopped=False)
    await engine.script.take(ResumeCpCommand)


async def test_an_engine_that_comes_back_is_stopped_at_once(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """Before it can serve anybody: a stopped point stays stopped."""
    await central.script.take(RegisterRequest)
    await engine.close()
    await eventually(lambda: monitor.point.engine is None)
    with pytest.raises(Refused):
        await central.link.ask(StopCpCommand(cp_id=CP))
    await central.close()
    await engine.open()
    await engine.script.take(StopCpCommand)


# Settling


async def test_unsettled_sessions_are_asked_about_and_reported(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine, publisher: FakePublisher
) -> None:
    """Never seen, ended, running: each as the engine knows it."""
    engine.script.answers[ReportSessionsCommand] = CommandResponse(status=OK, never_seen=("a",))
    central.beats(unsettled_sessions=("a", "b", "c"))
    command = await engine.script.take(ReportSessionsCommand)
    assert command.session_ids == ("a", "b", "c")
    energy = WattHours(1_000)
    engine.link.tell(ChargeCompletion(cp_id=CP, session_id="b", energy_consumed_kwh=energy))
    engine.link.tell(ChargingData(cp_id=CP, session_id="c", energy_consumed_kwh=energy))
    for session_id, outcome in (
        ("a", SessionOutcome.NEVER_SEEN),
        ("b", SessionOutcome.ENDED),
        ("c", SessionOutcome.RUNNING),
    ):
        await eventually(lambda s=session_id, o=outcome: (s, o.value) in central.reports())  # type: ignore[misc]
    await eventually(lambda: len(publisher.records) >= 2)


async def test_settled_sessions_are_let_go(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """The engine may forget what central has for good."""
    central.beats(settled_sessions=("a", "b"))
    command = await engine.script.take(SettleSessionsCommand)
    assert command.session_ids == ("a", "b")


async def test_a_running_session_is_left_alone(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """Only the other one is asked about."""
    await central.script.take(RegisterRequest)
    engine.says(health(entry("charging", "a")))
    await central.script.take(StatusUpdate, session_id="a")
    central.beats(unsettled_sessions=("a", "b"))
    command = await engine.script.take(ReportSessionsCommand)
    assert command.session_ids == ("b",)
    assert central.script.all(SessionReport) == []


# Readings and tickets


async def test_readings_and_tickets_are_published_as_they_were_written(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine, publisher: FakePublisher
) -> None:
    """With the ids and the time that the engine gave them."""
    await central.script.take(RegisterRequest)
    reading = ChargingData(
        message_id="m-1",
        trace_id="t",
        timestamp=1_700_000_000,
        cp_id=CP,
        session_id="s",
        sequence=1,
        energy_consumed_kwh=WattHours(1),
        charging_rate=Watts(11_000),
    )
    ticket = ChargeCompletion(
        message_id="m-2",
        trace_id="t",
        timestamp=1_700_000_001,
        cp_id=CP,
        session_id="s",
        energy_consumed_kwh=WattHours(1),
    )
    engine.link.tell(reading)
    engine.link.tell(ticket)
    await eventually(lambda: publisher.records == [reading, ticket])


async def test_another_points_records_are_not_published(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine, publisher: FakePublisher
) -> None:
    """Their key would not be theirs."""
    await central.script.take(RegisterRequest)
    energy = WattHours(1)
    engine.link.tell(ChargingData(cp_id="X", session_id="s", energy_consumed_kwh=energy))
    engine.link.tell(ChargingData(cp_id=CP, session_id="s", energy_consumed_kwh=energy))
    await eventually(lambda: publisher.records)
    assert [record.cp_id for record in publisher.records] == [CP]


# The point's own menu


async def test_a_request_from_the_menu_goes_to_central_and_the_answer_back(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """With its own id, so that a repeat is the same request."""
    await eventually(lambda: monitor.point.central is not None)
    request = ChargeRequest(message_id="m", cp_id=CP, driver_id="D-1")
    answer = await engine.link.ask(request)
    assert (answer.status, answer.session_id, answer.message_id) == (OK, "s", "m")
    assert central.script.all(ChargeRequest)[0].message_id == "m"


async def test_without_central_the_menu_is_told_so(
    monitor: Monitor, central: ScriptedCentral, engine: ScriptedEngine
) -> None:
    """As a refusal, at once."""
    await eventually(lambda: monitor.point.central is not None)
    await central.close()
    await eventually(lambda: monitor.point.central is None)
    with pytest.raises(Refused) as refused:
        await engine.link.ask(ChargeRequest(cp_id=CP, driver_id="D-1"))
    assert refused.value.reason is Reason.CHARGE_POINT_OFFLINE
    assert refused.value.text == "cannot reach CENTRAL"
