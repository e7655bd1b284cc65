"""The fakes behave as the real link and the real publisher do, where the monitor relies on it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from common.clock import SystemClock
from common.codec import encode
from common.dispatch import PeerLink
from common.errors import LinkLost, NoAnswer, Reason, Refused
from common.link import Link
from common.messages import (
    ChargeCompletion,
    ErrorResponse,
    HealthCheckRequest,
    HealthCheckResponse,
    Message,
    Outcome,
    ResumeCpCommand,
    Role,
    StopCpCommand,
)
from common.protocol import CHARGING
from common.stream import KafkaSettings, Publisher, ensure_topics
from common.units import WattHours
from monitor.records import Sink
from tests.kafka.broker import Broker
from tests.monitor.fakes import FakeLink, FakePublisher
from tests.monitor.kafka import first_record
from tests.monitor.peers import OK, Script, ScriptedEngine, eventually, health

KO = health(status=Outcome.FAILURE, error=Reason.CHARGE_POINT_FAULTED)
CHECK = HealthCheckRequest(cp_id="CP")


@dataclass
class Bench:
    """A link whose peer is well, refuses to stop by an error, and never answers a resume.

    Attributes:
        breaks: Makes the peer break, so that it answers KO.
        heard: What the peer was told so far, without requests.
    """

    link: PeerLink
    breaks: Callable[[], None]
    heard: Callable[[], list[Message]]


async def fake() -> AsyncIterator[Bench]:
    link = FakeLink()
    link.answers = {
        HealthCheckRequest: health(),
        StopCpCommand: Refused(Reason.UNSUPPORTED_MESSAGE, "no"),
        ResumeCpCommand: NoAnswer("resume_cp_command", 0.01),
    }

    def breaks() -> None:
        link.answers[HealthCheckRequest] = KO

    yield Bench(link, breaks, lambda: link.told)


async def real() -> AsyncIterator[Bench]:
    engine = ScriptedEngine()
    await engine.open()
    engine.script.answers[StopCpCommand] = ErrorResponse(
        error=Reason.UNSUPPORTED_MESSAGE, message="no"
    )
    engine.script.answers[ResumeCpCommand] = None
    _, link = await asyncio.get_running_loop().create_connection(
        lambda: Link(Role.MONITOR, Script(), SystemClock(), peer_role=Role.ENGINE),
        "127.0.0.1",
        engine.port,
    )

    def breaks() -> None:
        engine.says(KO)

    yield Bench(link, breaks, lambda: list(engine.script.all(ErrorResponse)))
    link.close()
    await link.closed
    await engine.close()


@pytest.fixture(params=[fake, real])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """The fake and the real link, each with the same peer."""
    async for bench in request.param():
        yield bench


async def test_an_answer_is_returned(bench: Bench) -> None:
    """As the peer gave it."""
    answer = await bench.link.ask(CHECK)
    assert answer.status is OK
    assert answer.connectors == health().connectors


async def test_a_failing_answer_is_raised_with_the_answer(bench: Bench) -> None:
    """Its reason is the error's."""
    bench.breaks()
    with pytest.raises(Refused) as refused:
        await bench.link.ask(CHECK)
    assert refused.value.reason is Reason.CHARGE_POINT_FAULTED
    assert isinstance(refused.value.answer, HealthCheckResponse)
    assert refused.value.answer.status is Outcome.FAILURE


async def test_an_error_response_is_raised_without_one(bench: Bench) -> None:
    """With its text."""
    with pytest.raises(Refused) as refused:
        await bench.link.ask(StopCpCommand(cp_id="CP"))
    assert (refused.value.reason, refused.value.text) == (Reason.UNSUPPORTED_MESSAGE, "no")
    assert refused.value.answer is None


async def test_silence_is_raised(bench: Bench) -> None:
    """After the time that was allowed."""
    with pytest.raises(NoAnswer):
        await bench.link.ask(ResumeCpCommand(cp_id="CP"), within=0.01)


async def test_what_is_told_is_heard(bench: Bench) -> None:
    """And nothing comes back."""
    bench.link.tell(ErrorResponse(error=Reason.INTERNAL))
    await eventually(lambda: len(bench.heard()) == 1)


async def test_a_closed_link_is_lost(bench: Bench) -> None:
    """For asking and for telling; closing it again is nothing."""
    bench.link.close()
    bench.link.close()
    with pytest.raises(LinkLost):
        await bench.link.ask(CHECK)
    with pytest.raises(LinkLost):
        bench.link.tell(ErrorResponse(error=Reason.INTERNAL))


async def test_patience_can_be_set(bench: Bench) -> None:
    """At any time."""
    assert bench.link.patience is None
    bench.link.patience = 15.0
    assert bench.link.patience == 15.0


# The publisher

TICKET = ChargeCompletion(
    message_id="m", cp_id="CP", session_id="s", energy_consumed_kwh=WattHours(1)
)


async def test_the_fake_publisher_promises_what_the_real_one_keeps(fresh_kafka: Broker) -> None:
    """A future, at once, that is done without a result when the record is stored as it was."""
    settings = KafkaSettings(fresh_kafka.bootstrap)
    await ensure_topics(settings, [CHARGING])
    fake = FakePublisher()
    async with Publisher(settings) as real, asyncio.timeout(30):
        sinks: list[Sink] = [fake, real]
        for sink in sinks:
            sent = sink.publish(CHARGING, "CP", encode(TICKET))
            await sent
            assert sent.done()
    assert fake.records == [TICKET]
    assert await first_record(fresh_kafka.bootstrap) == (b"CP", encode(TICKET))


async def test_both_publishers_refuse_at_their_limit_and_fail_what_they_give_up() -> None:
    """`overloaded` for one too many; the future of what is given up raises."""
    fake = FakePublisher()
    fake.holds = True
    held = fake.publish(CHARGING, "CP", encode(TICKET))
    fake.full = True
    with pytest.raises(Refused) as refused:
        fake.publish(CHARGING, "CP", encode(TICKET))
    assert refused.value.reason is Reason.OVERLOADED
    fake.fail(TimeoutError())
    with pytest.raises(TimeoutError):
        await held

    nowhere = KafkaSettings("127.0.0.1:1")
    async with Publisher(nowhere, max_queued=1, give_up_after=0.1) as publisher:
        held = publisher.publish(CHARGING, "CP", encode(TICKET))
        with pytest.raises(Refused) as refused:
            publisher.publish(CHARGING, "CP", encode(TICKET))
        assert refused.value.reason is Reason.OVERLOADED
        async with asyncio.timeout(30):
            with pytest.raises(Exception, match="not delivered"):
                await held
