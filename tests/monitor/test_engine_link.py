"""The link to the engine when not all goes well, over loopback."""

from structlog.testing import capture_logs

from common.errors import Reason
from common.messages import (
    AuthResponse,
    ChargeRequestResponse,
    CommandResponse,
    ConnectorEntry,
    ErrorResponse,
    FaultNotification,
    HealthCheckRequest,
    HealthCheckResponse,
    Outcome,
    RecoveryNotification,
    RegisterRequest,
    SessionReport,
    StatusUpdate,
)
from monitor.app import Monitor
from monitor.engine_side import CHECK_EVERY, LOOK_EVERY
from monitor.health import UNREACHABLE, UNREACHABLE_AFTER
from tests.monitor.peers import OK, ScriptedCentral, ScriptedEngine, eventually, health


def test_a_fault_is_known_within_two_seconds() -> None:
    """Silence is not mistaken for one between two checks, and is looked at often enough."""
    assert CHECK_EVERY < UNREACHABLE_AFTER
    assert UNREACHABLE_AFTER + LOOK_EVERY < 2.0


async def test_an_engine_of_another_point_is_said_and_is_a_fault(
    monitor: Monitor, engine: ScriptedEngine, central: ScriptedCentral
) -> None:
    """It refuses our checks, which says nothing of its health; it is dialled again and again."""
    engine.says(None)
    engine.script.answers[HealthCheckRequest] = ErrorResponse(
        error=Reason.INVALID_MESSAGE, message="this is charge point B"
    )
    with capture_logs() as lines:
        request = await central.script.take(RegisterRequest)
    assert request.fault_type == UNREACHABLE
    events = [line["event"] for line in lines]
    assert any("ENGINE" in e and "this is charge point B" in e for e in events)
    assert len(engine.accepted) > 1


async def test_one_line_says_each_change_of_health(
    monitor: Monitor, engine: ScriptedEngine, central: ScriptedCentral
) -> None:
    """Not one for each check, nor for each message to central."""
    await eventually(lambda: monitor.point.central is not None)
    charging = ConnectorEntry(connector_id=2, status="charging", session_id="s")
    faulted = ConnectorEntry(connector_id=1, status="faulted")
    no = {"status": Outcome.FAILURE, "error": Reason.CHARGE_POINT_FAULTED}
    with capture_logs() as lines:
        engine.says(health(faulted, charging, fault_type="GroundFailure", **no))
        # Said twice, for the second connector sounds well.
        await eventually(lambda: len(central.script.all(FaultNotification)) == 2)
        engine.says(health(ConnectorEntry(connector_id=1, status="available"), charging))
        await central.script.take(RecoveryNotification)
    events = [line["event"] for line in lines]
    assert events.count("fault") == 1
    assert events.count("recovered") == 1


async def test_a_late_health_answer_is_still_the_engines_word(
    monitor: Monitor, engine: ScriptedEngine, central: ScriptedCentral
) -> None:
    """It tells how the engine is, well or broken; any other refusal tells nothing."""
    await eventually(lambda: monitor.point.central is not None)
    engine.says(None)
    entry = ConnectorEntry(connector_id=1, status="charging", session_id="s")
    engine.link.tell(health(entry, message_id="late"))
    await central.script.take(StatusUpdate, status="charging", session_id="s")
    no = HealthCheckResponse(message_id="late", status=Outcome.FAILURE, error=Reason.INTERNAL)
    engine.link.tell(no)
    ko = HealthCheckResponse(
        message_id="late", status=Outcome.FAILURE, error=Reason.CHARGE_POINT_FAULTED
    )
    engine.link.tell(ko)
    await central.script.take(FaultNotification, fault_type="OtherError")
    assert len(central.script.all(FaultNotification)) == 1


async def test_late_answers_are_lines(
    monitor: Monitor, engine: ScriptedEngine, central: ScriptedCentral
) -> None:
    """What nobody waits for changes nothing, and breaks nothing."""
    await eventually(lambda: monitor.point.central is not None)
    with capture_logs() as lines:
        engine.link.tell(CommandResponse(message_id="l", status=OK, never_seen=("z",)))
        engine.link.tell(AuthResponse(message_id="l", status=OK))
        central.link.tell(ChargeRequestResponse(message_id="l", status=OK))
        said = "late answer"
        await eventually(lambda: sum(said in line["event"] for line in lines) == 3)
    assert central.script.all(SessionReport) == []
    assert monitor.point.central is not None
    assert monitor.point.engine is not None
