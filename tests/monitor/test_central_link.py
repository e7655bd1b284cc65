"""The link to central when not all goes well, over loopback."""

import dataclasses
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from common.errors import Reason
from common.messages import (
    AuthRequest,
    AuthResponse,
    ConnectorEntry,
    ErrorResponse,
    HealthCheckRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    Outcome,
    RegisterRequest,
    RegisterResponse,
    Role,
    StatusUpdate,
    StopCpCommand,
)
from common.program import Address
from common.units import Price, Watts
from monitor.app import Monitor, Settings
from monitor.health import UNREACHABLE
from tests.monitor.conftest import CP, running
from tests.monitor.fakes import FakePublisher
from tests.monitor.peers import OK, ScriptedCentral, ScriptedEngine, eventually, health

NO = Outcome.FAILURE


def trouble(lines: list[EventDict], *words: str) -> bool:
    """Whether one line of the log has all these words."""
    return any(all(word in line["event"] for word in words) for line in lines)


# Registering


async def test_it_registers_without_an_engine_as_unreachable(
    quick: None,
    settings: Settings,
    publisher: FakePublisher,
    central: ScriptedCentral,
    engine: ScriptedEngine,
) -> None:
    """Central knows the point, and that it cannot serve; when the engine comes, it knows more."""
    await engine.close()
    async with running(settings, publisher):
        request = await central.script.take(RegisterRequest)
        assert request.fault_type == UNREACHABLE
        assert request.engine_status == "faulted"
        assert (request.connectors, request.held_sessions, request.time_scale) == (None,) * 3
        assert request.max_charging_rate_kw == Watts(11_000)
        await engine.open()
        request = await central.script.take(RegisterRequest)
        assert request.fault_type is None
        assert request.max_charging_rate_kw == Watts(22_000)


@pytest.fixture
async def secretive(
    quick: None, settings: Settings, publisher: FakePublisher
) -> AsyncIterator[Monitor]:
    """A monitor with a credential and a price."""
    settings = dataclasses.replace(settings, credential="hush", price=Price(4_000))
    async with running(settings, publisher) as monitor:
        yield monitor


async def test_a_credential_is_the_first_thing_that_both_peers_hear(
    engine: ScriptedEngine, central: ScriptedCentral, secretive: Monitor
) -> None:
    """Before the first health check, and before the registration with its price."""
    for peer in (engine, central):
        peer.script.answers[AuthRequest] = AuthResponse(status=OK)
    request = await central.script.take(RegisterRequest)
    assert request.price_per_kwh == Price(4_000)
    for peer in (engine, central):
        first = peer.script.came[0]
        assert isinstance(first, AuthRequest)
        assert (first.role, first.cp_id, first.credential) == (Role.MONITOR, CP, "hush")


async def test_a_refused_credential_is_said_and_tried_again(
    engine: ScriptedEngine, central: ScriptedCentral, secretive: Monitor
) -> None:
    """In one line for each try, without the secret; nothing else is asked meanwhile."""
    no = AuthResponse(status=NO, error=Reason.NOT_AUTHENTICATED, message="unknown credential")
    for peer in (engine, central):
        peer.script.answers[AuthRequest] = no
    with capture_logs() as lines:
        await eventually(lambda: len(central.accepted) > 1 and len(engine.accepted) > 1)
    assert trouble(lines, "ENGINE", "not_authenticated")
    assert trouble(lines, "CENTRAL", "not_authenticated", "unknown credential")
    assert "hush" not in str([line for line in lines if line["log_level"] != "debug"])
    assert central.script.all(RegisterRequest) == []
    assert engine.script.all(HealthCheckRequest) == []


async def test_a_refused_registration_is_said_and_tried_again(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """With central's reason; `reason` is read where there is no `error`."""
    central.script.answers[RegisterRequest] = RegisterResponse(
        status=NO, reason=Reason.NOT_ALLOWED, message="time is not to be scaled"
    )
    with capture_logs() as lines:
        await eventually(lambda: len(central.accepted) > 1)
    assert trouble(lines, "CENTRAL", "not_allowed", "time is not to be scaled", "next try in")
    central.registers()
    await eventually(lambda: monitor.point.central is not None)


async def test_a_central_of_a_lower_epoch_is_left(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """It has lost its lead and does not know it yet; nothing that it wants is done."""
    await eventually(lambda: monitor.point.central is not None)
    monitor.point.epochs.admits(7)
    central.registers(epoch=6, stopped=True)
    await central.close()
    await central.open()
    links = len(central.accepted)
    await eventually(lambda: len(central.accepted) > links + 1)
    assert engine.script.all(StopCpCommand) == []
    central.registers(epoch=8)
    await eventually(lambda: monitor.point.central is not None)


async def test_what_changes_while_it_registers_is_told_afterwards(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """Between what the registration says and its answer lies time."""
    central.script.answers[RegisterRequest] = None
    request = await central.script.take(RegisterRequest)
    engine.says(health(ConnectorEntry(connector_id=1, status="charging", session_id="s")))
    await eventually(lambda: monitor.point.condition.running)
    assert central.script.all(StatusUpdate) == []
    central.link.tell(RegisterResponse(message_id=request.message_id, status=OK))
    await central.script.take(StatusUpdate, status="charging", session_id="s")


async def test_a_refused_change_is_tried_again_on_a_new_link(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """Central must not go on with a picture of the point that is wrong."""
    await eventually(lambda: monitor.point.central is not None)
    central.registers(status=NO, error=Reason.INTERNAL)
    engine.says(health(max_charging_rate_kw=Watts(50_000)))
    await eventually(lambda: monitor.point.central is None)
    central.registers()
    await eventually(lambda: monitor.point.central is not None)
    assert len(central.accepted) > 1
    assert central.script.all(RegisterRequest)[-1].max_charging_rate_kw == Watts(50_000)


async def test_a_change_while_it_registers_is_registered_too(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """At once, and on the same link."""
    central.script.answers[RegisterRequest] = None
    request = await central.script.take(RegisterRequest)
    engine.says(health(max_charging_rate_kw=Watts(50_000)))
    await eventually(lambda: monitor.point.condition.max_charging_rate_kw == Watts(50_000))
    central.link.tell(RegisterResponse(message_id=request.message_id, status=OK))
    await central.script.take(RegisterRequest, max_charging_rate_kw=Watts(50_000))
    assert len(central.accepted) == 1


async def test_without_an_interval_heartbeats_come_every_five_seconds(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """A central that says nothing of it is believed alive for three of them."""
    central.registers(heartbeat_interval=None)
    await central.script.take(RegisterRequest)
    await eventually(lambda: monitor.central.link and monitor.central.link.patience == 15.0)


# Heartbeats


async def test_a_central_in_trouble_is_not_left(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """`internal` and `overloaded` pass: the database may be away for a while."""
    central.script.answers[HeartbeatRequest] = ErrorResponse(error=Reason.INTERNAL)
    await central.script.take(HeartbeatRequest)
    central.script.answers[HeartbeatRequest] = HeartbeatResponse(status=NO, error=Reason.OVERLOADED)
    await central.script.take(HeartbeatRequest)
    central.beats(stopped=True)
    await engine.script.take(StopCpCommand)
    assert len(central.accepted) == 1


async def test_a_central_that_knows_the_point_no_more_is_dialled_anew(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """It wants a registration first."""
    central.script.answers[HeartbeatRequest] = ErrorResponse(error=Reason.UNSUPPORTED_MESSAGE)
    await central.script.take(HeartbeatRequest)
    await central.script.take(RegisterRequest)
    assert len(central.accepted) == 2


async def test_a_silent_central_is_dialled_anew(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """After three heartbeats without an answer."""
    central.script.answers[HeartbeatRequest] = None
    await central.script.take(HeartbeatRequest)
    await eventually(lambda: len(central.accepted) == 2)
    assert 2 <= len(central.script.all(HeartbeatRequest)) <= 3


# Errors and late answers


async def test_a_replaced_link_is_left_for_a_while(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """Two monitors of one id must not displace each other for ever."""
    await eventually(lambda: monitor.point.central is not None)
    with capture_logs() as lines:
        central.link.close(ErrorResponse(error=Reason.REPLACED, message="a newer link"))
        await eventually(lambda: trouble(lines, "CENTRAL", "next try in"))
    assert any(line["event"] == "sent away" for line in lines)
    (line,) = (line["event"] for line in lines if "next try in" in line["event"])
    seconds = float(line.split("next try in ")[1].removesuffix(" s"))
    assert seconds >= 10


async def test_an_engine_that_serves_another_monitor_is_left_for_a_while(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """The newest monitor wins there too."""
    await eventually(lambda: monitor.point.engine is not None)
    with capture_logs() as lines:
        engine.link.close(ErrorResponse(error=Reason.REPLACED))
        await eventually(lambda: trouble(lines, "ENGINE", "next try in"))
    (line,) = (line["event"] for line in lines if "next try in" in line["event"])
    assert float(line.split("next try in ")[1].removesuffix(" s")) >= 10


async def test_a_standby_names_the_leader_and_is_left_for_it(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """The next try goes to the leader."""
    leader = ScriptedCentral()
    await leader.open()
    await eventually(lambda: monitor.point.central is not None)
    address = str(Address("127.0.0.1", leader.port))
    central.link.close(ErrorResponse(error=Reason.STANDBY, leader=address))
    await leader.script.take(RegisterRequest)
    await leader.close()


async def test_an_error_about_a_message_of_ours_is_a_line(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """With the id of the message; the link stays."""
    await eventually(lambda: monitor.point.central is not None)
    with capture_logs() as lines:
        central.link.tell(ErrorResponse(message_id="m-9", error=Reason.INVALID_MESSAGE))
        await eventually(lambda: any(line.get("message_id") == "m-9" for line in lines[:]))
        await eventually(lambda: trouble(lines, "not taken"))
    assert monitor.point.central is not None


async def test_a_late_heartbeat_answer_still_says_what_central_wants(
    engine: ScriptedEngine, central: ScriptedCentral, monitor: Monitor
) -> None:
    """Nobody waits for it any more; a refusal says nothing."""
    await eventually(lambda: monitor.point.central is not None)
    central.link.tell(HeartbeatResponse(message_id="late", status=NO, stopped=True))
    central.link.tell(AuthResponse(message_id="late", status=OK))
    central.link.tell(RegisterResponse(message_id="late", status=OK, stopped=True))
    central.link.tell(HeartbeatResponse(message_id="late", status=OK, stopped=True))
    await engine.script.take(StopCpCommand)
    assert len(engine.script.all(StopCpCommand)) == 1
