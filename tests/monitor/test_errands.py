"""What the monitor asks of the engine by itself."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from common.dispatch import PeerLink
from common.errors import LinkLost, NoAnswer, Reason, Refused
from common.messages import (
    ChargeCompletion,
    CommandResponse,
    ConnectorEntry,
    HealthCheckResponse,
    Outcome,
    RecollectCommand,
    ReportSessionsCommand,
    Role,
    SessionOutcome,
    SessionReport,
    SettleSessionsCommand,
    StopCpCommand,
)
from common.units import WattHours
from monitor.buffer import MAX_TICKETS
from monitor.errands import Errands
from monitor.point import Point
from monitor.records import Records
from tests.monitor.fakes import FakeLink, FakePublisher, peer_of
from tests.monitor.peers import eventually

YES = CommandResponse(status=Outcome.SUCCESS)


class Bench:
    """Errands between a fake engine and a fake central.

    Attributes:
        looks: How often the engine was looked at.
    """

    def __init__(self) -> None:
        self.point = Point("CP")
        self.engine, self.central = FakeLink(), FakeLink()
        self.point.engine, self.point.central = self.engine, self.central
        self.publisher = FakePublisher()
        self.records = Records("CP", self.publisher)
        self.errands = Errands(self.point, self.records, self._check)
        self.looks = 0
        for command in (
            StopCpCommand,
            SettleSessionsCommand,
            ReportSessionsCommand,
            RecollectCommand,
        ):
            self.engine.answers[command] = YES
        self.shows("available")

    async def _check(self, link: PeerLink) -> None:
        assert link is self.engine
        self.looks += 1

    def shows(self, status: str, session_id: str | None = None) -> None:
        """How the engine is."""
        connector = ConnectorEntry(connector_id=1, status=status, session_id=session_id)
        self.point.health.answered(
            HealthCheckResponse(
                status=Outcome.SUCCESS, engine_status=status, connectors=(connector,)
            )
        )

    def central_says(
        self,
        stopped: bool | None = None,
        settled: tuple[str, ...] = (),
        unsettled: tuple[str, ...] = (),
    ) -> None:
        """What an answer of central's sets in motion."""
        self.point.stopping.told(stopped)
        self.point.settling.told(settled, unsettled)
        self.point.errand.set()

    async def done(self) -> None:
        """Until nothing is left to do."""
        await eventually(lambda: not self.point.errand.is_set())
        await asyncio.sleep(0)

    def asked(self) -> list[type]:
        return [type(message) for message in self.engine.asked]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Errands that run."""
    bench = Bench()
    work = asyncio.ensure_future(bench.errands.run())
    yield bench
    work.cancel()
    await asyncio.wait([work])
    assert work.cancelled()


async def test_stop_settle_report_and_look_follow_one_another(bench: Bench) -> None:
    """One command at a time, then one look at what they did."""
    bench.central_says(stopped=True, settled=("a",), unsettled=("b",))
    await eventually(lambda: bench.looks)
    assert bench.asked() == [StopCpCommand, SettleSessionsCommand, ReportSessionsCommand]
    assert bench.looks == 1


async def test_one_refusal_does_not_hold_up_the_rest(bench: Bench) -> None:
    """An engine that cannot be stopped now still forgets and reports."""
    bench.engine.answers[StopCpCommand] = Refused(Reason.ENGINE_REFUSED)
    bench.engine.answers[SettleSessionsCommand] = NoAnswer("settle_sessions_command", 3)
    bench.central_says(stopped=True, settled=("a",))
    await bench.done()
    bench.central_says(stopped=True, unsettled=("b",))
    await eventually(lambda: ReportSessionsCommand in bench.asked())
    assert bench.asked().count(StopCpCommand) == 2


async def test_nothing_is_asked_of_an_engine_that_is_gone(bench: Bench) -> None:
    """It is asked when it is back."""
    bench.point.engine = None
    bench.central_says(stopped=True, unsettled=("b",))
    await bench.done()
    assert bench.engine.asked == []
    bench.point.engine = bench.engine
    bench.point.stopping.engine_is_new()
    bench.point.errand.set()
    await eventually(lambda: bench.asked() == [StopCpCommand, ReportSessionsCommand])


async def test_a_link_that_goes_ends_the_round(bench: Bench) -> None:
    """And nothing else: the next round goes as usual."""
    bench.engine.answers[SettleSessionsCommand] = LinkLost("engine")
    bench.central_says(settled=("a",), unsettled=("b",))
    await bench.done()
    assert bench.asked() == [SettleSessionsCommand]
    bench.point.errand.set()
    await eventually(lambda: bench.asked() == [SettleSessionsCommand, ReportSessionsCommand])


async def test_what_was_never_seen_is_reported_at_once(bench: Bench) -> None:
    """By the answer to the question."""
    bench.engine.answers[ReportSessionsCommand] = CommandResponse(
        status=Outcome.SUCCESS, never_seen=("b",)
    )
    bench.central_says(unsettled=("a", "b"))
    await eventually(lambda: bench.central.told)
    (report,) = bench.central.told
    assert isinstance(report, SessionReport)
    assert (report.session_id, report.outcome) == ("b", SessionOutcome.NEVER_SEEN)


async def test_a_session_that_waits_for_its_plug_is_reported_without_asking(bench: Bench) -> None:
    """The engine has shown that it runs."""
    bench.shows("preparing", "a")
    bench.central_says(unsettled=("a",))
    await eventually(lambda: bench.central.told)
    (report,) = bench.central.told
    assert isinstance(report, SessionReport)
    assert (report.session_id, report.outcome) == ("a", SessionOutcome.RUNNING)
    assert bench.asked() == []


async def test_tickets_that_found_no_room_are_asked_for_again(bench: Bench) -> None:
    """Once Kafka has taken half of the others, from the first of them on, and once."""

    def ticket(number: int) -> ChargeCompletion:
        return ChargeCompletion(
            message_id=f"m{number}",
            cp_id="CP",
            session_id=f"s{number}",
            energy_consumed_kwh=WattHours(1),
            ended_at=1_000 + number,
        )

    bench.publisher.holds = True
    pump = asyncio.ensure_future(bench.records.pump())
    taken = [bench.records.take(ticket(number)) for number in range(MAX_TICKETS + 20)]
    assert taken == [True] * MAX_TICKETS + [False] * 20
    bench.point.errand.set()
    await bench.done()
    assert bench.asked() == []
    while not bench.records.wants_again:
        bench.publisher.acknowledge()
        await asyncio.sleep(0)
    for _ in range(2):
        bench.point.errand.set()
        await bench.done()
    assert bench.engine.asked == [RecollectCommand(cp_id="CP", since=1_000 + MAX_TICKETS)]
    pump.cancel()
    await asyncio.wait([pump])


async def test_a_late_answer_still_names_what_was_never_seen(bench: Bench) -> None:
    """And has the engine looked at, whatever it was about."""
    bench.engine.answers[ReportSessionsCommand] = NoAnswer("report_sessions_command", 3)
    bench.central_says(unsettled=("a",))
    await eventually(lambda: bench.asked() == [ReportSessionsCommand])
    answer = CommandResponse(status=Outcome.SUCCESS, never_seen=("a", "z"))
    bench.errands.late_answer(answer, peer_of(bench.engine, Role.ENGINE))
    assert [m.session_id for m in bench.central.told if isinstance(m, SessionReport)] == ["a"]
    await eventually(lambda: bench.looks == 1)
