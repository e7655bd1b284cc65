"""What is passed on, either way, and what is concluded from a failure."""

import pytest

from common.errors import LinkLost, NoAnswer, Reason, Refused
from common.messages import (
    ChargeRequest,
    ChargeRequestResponse,
    CommandResponse,
    ConnectorEntry,
    Outcome,
    RecollectCommand,
    ResumeCpCommand,
    Role,
    StartChargingCommand,
    StopChargingCommand,
    StopCpCommand,
)
from common.states import EndReason
from common.units import Price, Watts
from monitor.health import Condition
from monitor.point import Point
from monitor.relay import Relay
from tests.monitor.fakes import FakeLink, peer_of

CP = "CP"
OK, FAILURE = Outcome
START = StartChargingCommand(
    message_id="m",
    cp_id=CP,
    session_id="s",
    driver_id="D",
    price_per_kwh=Price(3_500),
    max_charging_rate_kw=Watts(11_000),
    epoch=3,
)
STOP = StopChargingCommand(
    message_id="m", cp_id=CP, session_id="s", reason=EndReason.DRIVER_REQUEST, epoch=3
)
MENU = ChargeRequest(message_id="m", cp_id=CP, driver_id="D")


class Bench:
    """A relay between a fake engine and a fake central."""

    def __init__(self) -> None:
        self.point = Point(CP)
        self.engine, self.central = FakeLink(), FakeLink()
        self.point.engine, self.point.central = self.engine, self.central
        self.relay = Relay(self.point)
        yes = CommandResponse(status=OK)
        for command in (
            StartChargingCommand,
            StopChargingCommand,
            StopCpCommand,
            ResumeCpCommand,
            RecollectCommand,
        ):
            self.engine.answers[command] = yes

    async def start(self) -> CommandResponse:
        return await self.relay.start_charging(START, peer_of(self.central, Role.CENTRAL))

    async def stop(self) -> CommandResponse:
        return await self.relay.stop_charging(STOP, peer_of(self.central, Role.CENTRAL))

    async def stop_cp(self) -> CommandResponse:
        command = StopCpCommand(cp_id=CP, reason="storm")
        return await self.relay.stop_cp(command, peer_of(self.central, Role.CENTRAL))

    async def resume_cp(self) -> CommandResponse:
        command = ResumeCpCommand(cp_id=CP)
        return await self.relay.resume_cp(command, peer_of(self.central, Role.CENTRAL))

    async def recollect(self, epoch: int | None = None) -> CommandResponse:
        command = RecollectCommand(cp_id=CP, since=77, epoch=epoch)
        return await self.relay.recollect(command, peer_of(self.central, Role.CENTRAL))

    async def menu(self) -> ChargeRequestResponse:
        return await self.relay.asked_at_menu(MENU, peer_of(self.engine, Role.ENGINE))


@pytest.fixture
def bench() -> Bench:
    """A relay with all that it needs, whose engine says yes."""
    return Bench()


# From central to the engine


async def test_a_command_is_a_new_message_of_the_same_trace(bench: Bench) -> None:
    """A command that began a trace gives it its id; all else is as it came, but the epoch."""
    assert (await bench.start()).status is OK
    await bench.stop()
    start, stop = bench.engine.asked
    assert isinstance(start, StartChargingCommand)
    assert isinstance(stop, StopChargingCommand)
    assert (start.message_id, start.trace_id, start.epoch) == ("", "m", None)
    assert (start.session_id, start.driver_id, start.price_per_kwh) == ("s", "D", Price(3_500))
    assert (stop.session_id, stop.reason) == ("s", EndReason.DRIVER_REQUEST)


async def test_a_recollection_is_passed_on(bench: Bench) -> None:
    """With its time; its answer comes back, and a central that leads no more is refused."""
    bench.engine.answers[RecollectCommand] = CommandResponse(status=OK, message="tickets to come")
    assert (await bench.recollect(epoch=3)).message == "tickets to come"
    (asked,) = bench.engine.asked
    assert isinstance(asked, RecollectCommand)
    assert (asked.since, asked.epoch) == (77, None)
    with pytest.raises(Refused, match="standby"):
        await bench.recollect(epoch=2)
    bench.point.engine = None
    assert (await bench.recollect(epoch=3)).error is Reason.TIMED_OUT


async def test_the_answer_goes_back_without_the_engines_envelope(bench: Bench) -> None:
    """It gets that of central's command instead."""
    bench.engine.answers[StartChargingCommand] = CommandResponse(
        message_id="e", timestamp=5, trace_id="x", status=OK, message="yes", session_id="s"
    )
    assert await bench.start() == CommandResponse(status=OK, message="yes", session_id="s")


async def test_the_engines_refusal_goes_back_as_it_is(bench: Bench) -> None:
    """With its reason; where it gives none, `engine_refused`."""
    no = CommandResponse(status=FAILURE, error=Reason.CHARGE_POINT_STOPPED, session_id="s")
    bench.engine.answers[StartChargingCommand] = no
    assert await bench.start() == no
    bench.engine.answers[StartChargingCommand] = CommandResponse(status=FAILURE)
    assert (await bench.start()).error is Reason.ENGINE_REFUSED


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Refused(Reason.INVALID_MESSAGE, "no"), Reason.ENGINE_REFUSED),
        (Refused(Reason.UNSUPPORTED_MESSAGE), Reason.ENGINE_REFUSED),
        (Refused(Reason.NOT_AUTHENTICATED), Reason.ENGINE_REFUSED),
        (Refused(Reason.OVERLOADED), Reason.ENGINE_REFUSED),
        # It may have begun before it failed, or before its answer was lost.
        (Refused(Reason.INTERNAL), Reason.TIMED_OUT),
        (NoAnswer("start_charging_command", 3), Reason.TIMED_OUT),
        (LinkLost("engine"), Reason.TIMED_OUT),
    ],
)
async def test_a_failure_is_a_refusal_only_where_that_is_sure(
    bench: Bench, error: Exception, told: Reason
) -> None:
    """All else leaves open what the engine did, and says so; with the session, in any case."""
    bench.engine.answers[StartChargingCommand] = error
    bench.engine.answers[StopChargingCommand] = error
    for answer in (await bench.start(), await bench.stop()):
        assert (answer.status, answer.error, answer.session_id) == (FAILURE, told, "s")


async def test_without_an_engine_a_start_is_refused_and_a_stop_left_open(bench: Bench) -> None:
    """Nothing can have started; but nothing has been stopped either."""
    bench.point.engine = None
    assert (await bench.start()).error is Reason.ENGINE_REFUSED
    for answer in (await bench.stop(), await bench.stop_cp(), await bench.resume_cp()):
        assert answer.error is Reason.TIMED_OUT


@pytest.mark.parametrize("ask", [Bench.start, Bench.stop, Bench.stop_cp, Bench.resume_cp])
async def test_a_command_has_the_engine_looked_at(bench: Bench, ask: object) -> None:
    """Whatever became of it, central's panel shows soon how the engine is now."""
    assert callable(ask)
    await ask(bench)
    assert bench.point.look
    assert bench.point.errand.is_set()


async def test_a_lower_epoch_is_refused_unheard(bench: Bench) -> None:
    """The central that sent it leads no longer; neither does its word on stopping count."""
    bench.point.epochs.admits(4)
    peer = peer_of(bench.central, Role.CENTRAL)
    for work in (
        bench.start(),
        bench.stop(),
        bench.relay.stop_cp(StopCpCommand(cp_id=CP, epoch=3), peer),
    ):
        with pytest.raises(Refused) as refused:
            await work
        assert refused.value.reason is Reason.STANDBY
    assert bench.engine.asked == []
    bench.point.stopping.engine_is_new()
    assert bench.point.stopping.next_command(Condition()) is None


async def test_a_higher_epoch_is_the_leaders_from_now_on(bench: Bench) -> None:
    """Also where a command is the first to show it."""
    await bench.start()
    assert bench.point.epochs.last == 3


async def test_a_command_to_another_point_is_invalid(bench: Bench) -> None:
    """It was sent to the wrong link."""
    command = StopCpCommand(cp_id="OTHER")
    with pytest.raises(Refused) as refused:
        await bench.relay.stop_cp(command, peer_of(bench.central, Role.CENTRAL))
    assert refused.value.reason is Reason.INVALID_MESSAGE


async def test_a_stop_of_the_point_is_what_central_wants_from_now_on(bench: Bench) -> None:
    """An engine that comes back unstopped is stopped, though central's answer is yet to come."""
    available = ConnectorEntry(connector_id=1, status="available")
    condition = Condition(heard=True, connectors=(available,))
    bench.point.engine = None
    await bench.stop_cp()
    bench.point.stopping.engine_is_new()
    assert isinstance(bench.point.stopping.next_command(condition), StopCpCommand)
    await bench.resume_cp()
    bench.point.stopping.engine_is_new()
    assert bench.point.stopping.next_command(condition) is None


# From the engine to central


async def test_a_request_from_the_menu_keeps_its_id(bench: Bench) -> None:
    """So a repeat is answered alike; the answer goes back without central's envelope."""
    bench.central.answers[ChargeRequest] = ChargeRequestResponse(
        message_id="m", timestamp=5, trace_id="x", status=OK, session_id="s", connector_id=2
    )
    answer = await bench.menu()
    assert answer == ChargeRequestResponse(status=OK, session_id="s", connector_id=2)
    assert bench.central.asked == [MENU]


async def test_centrals_refusal_goes_back_to_the_menu(bench: Bench) -> None:
    """As the answer that it is, or as the error that it is."""
    no = ChargeRequestResponse(status=FAILURE, error=Reason.CHARGE_POINT_BUSY, message="busy")
    bench.central.answers[ChargeRequest] = no
    assert await bench.menu() == no
    bench.central.answers[ChargeRequest] = Refused(Reason.OVERLOADED)
    with pytest.raises(Refused) as refused:
        await bench.menu()
    assert refused.value.reason is Reason.OVERLOADED


@pytest.mark.parametrize("error", [NoAnswer("charge_request", 9), LinkLost("central")])
async def test_a_silent_central_is_a_time_out_at_the_menu(bench: Bench, error: Exception) -> None:
    """It may have begun the session all the same."""
    bench.central.answers[ChargeRequest] = error
    with pytest.raises(Refused) as refused:
        await bench.menu()
    assert refused.value.reason is Reason.TIMED_OUT


async def test_without_central_the_menu_is_told_at_once(bench: Bench) -> None:
    """There is nobody to ask."""
    bench.point.central = None
    with pytest.raises(Refused) as refused:
        await bench.menu()
    assert (refused.value.reason, refused.value.text) == (
        Reason.CHARGE_POINT_OFFLINE,
        "cannot reach CENTRAL",
    )


async def test_the_menu_asks_for_its_own_point_only(bench: Bench) -> None:
    """Central would take any other for somebody's mistake as well."""
    request = ChargeRequest(message_id="m", cp_id="OTHER", driver_id="D")
    with pytest.raises(Refused) as refused:
        await bench.relay.asked_at_menu(request, peer_of(bench.engine, Role.ENGINE))
    assert refused.value.reason is Reason.INVALID_MESSAGE


async def test_a_repeat_while_the_first_is_in_work_is_told_to_wait(bench: Bench) -> None:
    """Its answer comes to the first; asked again afterwards, central gives it again."""
    repeats: list[Refused] = []

    class Central(FakeLink):
        async def ask(self, request, *, within=None):  # type: ignore[no-untyped-def]
            with pytest.raises(Refused) as refused:
                await bench.menu()
            repeats.append(refused.value)
            return ChargeRequestResponse(status=OK)

    bench.point.central = Central()
    assert (await bench.menu()).status is OK
    assert [refused.reason for refused in repeats] == [Reason.OVERLOADED]
    bench.point.central = bench.central
    bench.central.answers[ChargeRequest] = ChargeRequestResponse(status=OK)
    assert (await bench.menu()).status is OK
