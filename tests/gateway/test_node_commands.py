"""What becomes of central's commands: sent one at a time, each answered once, none done twice."""

import time
from typing import Any

import pytest

from common.codec import decoder
from common.connection import Connection
from common.gateway_messages import AuthorizeResponse, FrameSeen, FrameType, OcppCommand
from common.messages import (
    CommandOutcome,
    CommandResponse,
    Message,
    Outcome,
    ResumeCpCommand,
    StartChargingCommand,
    StopChargingCommand,
    StopCpCommand,
)
from common.protocol import ANYONE, FRAMES, GATEWAY
from common.units import Payload, Price, Watts
from gateway import commands
from gateway.calls import MAX_WAITING_OWN_CALLS
from tests.gateway.played import Json, PlayedNode, eventually, running


def command(message_id: str = "c1", action: str = "ClearCache", **payload: Any) -> OcppCommand:
    """Any call."""
    return OcppCommand(message_id=message_id, cp_id="CP1", action=action, payload=Payload(payload))


async def became(played: PlayedNode, message_id: str = "c1") -> CommandResponse:
    """What central is told of a command, as soon as it is."""
    found: CommandResponse = await eventually(
        lambda: next(
            (
                m
                for m in reversed(played.kafka.messages("CP1"))
                if isinstance(m, CommandResponse) and m.message_id == message_id
            ),
            None,
        ),
        f"it is said what became of {message_id}",
    )
    return found


START = StartChargingCommand(
    message_id="c1",
    cp_id="CP1",
    connector_id=2,
    session_id="S1",
    driver_id="D1",
    id_tag="TAG1",
    price_per_kwh=Price(3500),
    max_charging_rate_kw=Watts(11_000),
)

CALLS: list[tuple[Message, str, Json]] = [
    (START, "RemoteStartTransaction", {"connectorId": 2, "idTag": "TAG1"}),
    (
        StopChargingCommand(message_id="c1", cp_id="CP1", session_id="S1", transaction_id=7),
        "RemoteStopTransaction",
        {"transactionId": 7},
    ),
    (
        StopCpCommand(message_id="c1", cp_id="CP1"),
        "ChangeAvailability",
        {"connectorId": 0, "type": "Inoperative"},
    ),
    (
        ResumeCpCommand(message_id="c1", cp_id="CP1", connector_id=2),
        "ChangeAvailability",
        {"connectorId": 2, "type": "Operative"},
    ),
    (command(action="Reset", type="Soft"), "Reset", {"type": "Soft"}),
]


@pytest.mark.parametrize(("told", "action", "payload"), CALLS, ids=[c[1] for c in CALLS])
async def test_every_command_is_a_call_with_its_own_id(
    told: Message, action: str, payload: Json
) -> None:
    """And its answer goes to central with the payload."""
    async with running() as played, played.point() as point:
        await played.tell(told)
        assert await point.receive() == [2, "c1", action, payload]
        await point.send([3, "c1", {"status": "Accepted"}])
        answer = await became(played)
    assert (answer.status, answer.outcome) == (Outcome.SUCCESS, CommandOutcome.ACCEPTED)
    assert answer.payload == {"status": "Accepted"}
    assert answer.session_id == getattr(told, "session_id", None)


ANSWERS: list[tuple[OcppCommand, Json, CommandOutcome, str | None]] = [
    (command(), [3, "c1", {"status": "Rejected"}], CommandOutcome.REJECTED, None),
    (
        command(action="UnlockConnector", connectorId=1),
        [3, "c1", {"status": "Unlocked"}],
        CommandOutcome.ACCEPTED,
        None,
    ),
    (
        command(action="GetConfiguration"),
        [3, "c1", {"configurationKey": []}],
        CommandOutcome.ACCEPTED,
        None,
    ),
    (command(), [4, "c1", "InternalError", "no", {}], CommandOutcome.FAILED, "InternalError"),
    (command(), [4, "c1", "OwnWord", "no", {}], CommandOutcome.FAILED, "GenericError"),
    (
        command(),
        [3, "c1", {"status": "Perhaps"}],
        CommandOutcome.FAILED,
        "PropertyConstraintViolation",
    ),
    (command(), [3, "c1"], CommandOutcome.FAILED, "FormationViolation"),
]


@pytest.mark.parametrize(("told", "answer", "outcome", "code"), ANSWERS)
async def test_the_answer_says_what_became_of_it(
    told: OcppCommand, answer: Json, outcome: CommandOutcome, code: str | None
) -> None:
    """Done, not done, or an error; also an answer that is none."""
    async with running() as played, played.point() as point:
        await played.tell(told)
        await point.receive()
        await point.send(answer)
        found = await became(played)
    assert (found.outcome, found.error_code) == (outcome, code)


async def test_a_lenient_charge_point_may_answer_as_it_likes() -> None:
    """As far as it is clear what is meant."""
    async with running(lenient=frozenset("*")) as played, played.point() as point:
        await played.tell(command())
        await point.receive()
        await point.send([3, "c1", {"status": "accepted", "more": 1}])
        assert (await became(played)).outcome is not CommandOutcome.FAILED


WRONG = [
    (command(action="Reset", type="Sideways"), "$.type"),
    (command(action="Reset"), "$.type"),
    (command(action="Unheard"), "Unheard"),
    (command(action="BootNotification"), "BootNotification"),
    (StopChargingCommand(message_id="c1", cp_id="CP1", session_id="S1"), "$.transactionId"),
    (command("x" * 37), "message_id"),
]


@pytest.mark.parametrize(("told", "named"), WRONG)
async def test_a_wrong_command_is_refused_and_not_sent(told: Message, named: str) -> None:
    """With the field's name, in OCPP's own spelling."""
    async with running() as played, played.point() as point:
        await played.tell(told)
        found = await became(played, told.message_id)
        assert (found.outcome, found.error) == (CommandOutcome.FAILED, "invalid_message")
        assert named in found.message
        assert await point.call("Heartbeat", {})  # what is received first


async def test_one_call_is_open_at_a_time_and_the_rest_wait_in_order() -> None:
    """The next is written once the one before is answered."""
    async with running() as played, played.point() as point:
        for number in range(3):
            await played.tell(command(f"c{number}"))
        for number in range(3):
            assert (await point.receive())[1] == f"c{number}"
            assert await point.call("Heartbeat", {})  # and nothing but its answer comes
            await point.send([3, f"c{number}", {"status": "Accepted"}])
        await became(played, "c2")


async def test_too_many_commands_are_not_sent() -> None:
    """A hundred wait; who sent the next may send it again."""
    async with running() as played, played.point() as point:
        for number in range(MAX_WAITING_OWN_CALLS + 2):
            await played.tell(command(f"c{number}"))
        found = await became(played, f"c{MAX_WAITING_OWN_CALLS + 1}")
        assert found.outcome is CommandOutcome.NOT_SENT
        await point.receive()


async def test_the_same_command_again_is_not_done_again() -> None:
    """While it is open nothing happens; once it is answered the answer is repeated."""
    async with running() as played, played.point() as point:
        for _ in range(2):
            await played.tell(command())
        assert (await point.receive())[1] == "c1"
        await point.send([3, "c1", {"status": "Accepted"}])
        first = await became(played)
        await played.tell(command())

        def answers() -> list[Message]:
            return [m for m in played.kafka.messages("CP1") if isinstance(m, CommandResponse)]

        await eventually(lambda: len(answers()) == 2, "the answer is repeated")
        assert answers() == [first, first]
        assert await point.call("Heartbeat", {})


async def test_a_command_that_is_not_answered_in_time_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What waited behind it is sent; the late answer is a stray."""
    monkeypatch.setattr(commands, "ANSWER_WITHIN", 0.3)
    async with running() as played, played.point() as point:
        await played.tell(command("c1"))
        assert (await point.receive())[1] == "c1"
        assert (await became(played, "c1")).outcome is CommandOutcome.TIMED_OUT
        await played.tell(command("c2"))
        assert (await point.receive())[1] == "c2"
        await point.send([3, "c1", {"status": "Accepted"}])
        await point.send([3, "c2", {"status": "Accepted"}])
        assert (await became(played, "c2")).outcome is CommandOutcome.ACCEPTED
        assert played.node.counts.strays == 1


async def test_a_command_that_comes_too_late_is_not_sent() -> None:
    """Its deadline has passed."""
    async with running() as played, played.point() as point:
        late = OcppCommand(
            message_id="c1",
            cp_id="CP1",
            action="ClearCache",
            payload=Payload(),
            expires_at=int(time.time()) - 1,
        )
        await played.tell(late)
        assert (await became(played)).outcome is CommandOutcome.NOT_SENT
        assert await point.call("Heartbeat", {})


async def test_what_was_open_when_the_connection_went_is_unknown() -> None:
    """And what waited was not sent; both before the connection's end is told."""
    async with running() as played:
        async with played.point() as point:
            for number in range(3):
                await played.tell(command(f"c{number}"))
            await point.receive()
        outcomes = [(await became(played, f"c{n}")).outcome for n in range(3)]
        kinds = [type(message).__name__ for message in played.kafka.messages("CP1")]
    assert outcomes == [CommandOutcome.UNKNOWN, CommandOutcome.NOT_SENT, CommandOutcome.NOT_SENT]
    assert kinds == ["LinkUp", *["CommandResponse"] * 3, "LinkDown"]


async def test_a_command_for_a_connection_that_is_gone_is_not_sent() -> None:
    """Its charge point may be here by a newer one: central sends it there."""
    async with running() as played, played.point() as point:
        here = played.connection()
        played.kafka.tell(Connection(here.node, here.partition, here.epoch - 1), command())
        found = await became(played)
        assert found.outcome is CommandOutcome.NOT_SENT
        assert await point.call("Heartbeat", {})
        assert played.node.counts.misdirected == 1


async def test_what_is_for_another_node_is_dropped() -> None:
    """One that had this partition before."""
    async with running() as played, played.point() as point:
        here = played.connection()
        played.kafka.tell(Connection("other", here.partition, here.epoch), command())
        played.kafka.put(here.partition, b"{}", ())
        await eventually(lambda: played.node.counts.misdirected == 2, "they are counted")
        assert await point.call("Heartbeat", {})


async def test_a_central_that_leads_no_more_commands_nothing() -> None:
    """A lower epoch than the last is dropped; nonsense too, and both are counted."""
    async with running() as played, played.point() as point:
        here = played.connection()
        played.kafka.tell(here, command("c1"), epoch=2)
        assert (await point.receive())[1] == "c1"
        played.kafka.tell(here, command("c2"), epoch=1)
        played.kafka.put(here.partition, b"nonsense", (("connection", here.header()),))
        counts = played.node.counts
        await eventually(lambda: (counts.deposed, counts.unreadable) == (1, 1), "they are counted")


async def test_an_answer_reaches_the_connection_that_asked_and_no_other() -> None:
    """One that was meant for the connection before is dropped."""
    async with running(lambda message: None) as played, played.point() as point:
        await point.send([2, "1", "Authorize", {"idTag": "TAG1"}])
        asked = await eventually(lambda: played.kafka.messages("CP1")[1:], "it is asked")
        answer = AuthorizeResponse(message_id=asked[0].message_id, status=Outcome.FAILURE)
        here = played.connection()
        played.kafka.tell(Connection(here.node, here.partition, here.epoch - 1), answer)
        await eventually(lambda: played.node.counts.late == 1, "it is counted")
        await played.tell(answer)
        assert (await point.receive())[0] == 4


async def test_frames_are_shown_with_their_pairs() -> None:
    """Each as it went over the wire; an answer with its action and how long it took."""
    async with running(frames=True) as played, played.point() as point:
        await point.call("Authorize", {"idTag": "TAG1"})
        await point.call("Heartbeat", {})
        await point.send("nonsense\0")
        await point.receive()
        await played.tell(command())
        await point.receive()
        await point.send([3, "c1", {"status": "Accepted"}])
        await became(played)
        reads = decoder(GATEWAY, ANYONE, FRAMES)
        seen: list[Any] = [
            reads.decode(s.value) for s in played.kafka.said if s.topic == FRAMES.name
        ]
    assert all(isinstance(frame, FrameSeen) for frame in seen)
    call, result, unknown = FrameType.CALL, FrameType.CALLRESULT, FrameType.UNKNOWN
    up, down = "from_charge_point", "to_charge_point"
    assert [(f.message_type, f.direction, f.action) for f in seen] == [
        (call, up, "Authorize"),
        (result, down, "Authorize"),
        (call, up, "Heartbeat"),
        (result, down, "Heartbeat"),
        (unknown, up, None),
        (FrameType.CALLERROR, down, None),
        (call, down, "ClearCache"),
        (result, up, "ClearCache"),
    ]
    assert [f.latency_us is not None for f in seen] == [
        False,
        True,
        False,
        True,
        *[False] * 3,
        True,
    ]
    assert seen[4].raw == "nonsense\N{REPLACEMENT CHARACTER}"
    assert seen[0].raw == '[2, "1", "Authorize", {"idTag": "TAG1"}]'
