"""An OCPP charge point is asked as a monitor is: who starts a charge knows no difference."""

import asyncio
from pathlib import Path

import pytest

from common.connection import Connection
from common.dispatch import Peer
from common.errors import LinkLost, NoAnswer, NotSent, Reason, Refused
from common.gateway_messages import BootRequest, LinkUp
from common.messages import (
    ChargeRequestResponse,
    CommandOutcome,
    CommandResponse,
    ErrorResponse,
    ManualCommand,
    ManualCommandName,
    ManualCommandResponse,
    Message,
    Outcome,
    RecollectCommand,
    ResumeCpCommand,
    Role,
    StartChargingCommand,
    StopChargingCommand,
    StopCpCommand,
)
from common.protocol import GATEWAY, UP
from common.states import SessionState
from common.units import Payload, Price, Watts
from tests.central.gateways.commanding import HERE, THERE, Commanding, Outage, commanding
from tests.central.parts import SOON, Parts, eventually, serving

START = StartChargingCommand(
    cp_id="CP-1",
    connector_id=2,
    session_id="s-1",
    driver_id="ANA",
    price_per_kwh=Price(3500),
    max_charging_rate_kw=Watts(11_000),
)
STOP = StopChargingCommand(cp_id="CP-1", connector_id=2, session_id="s-1", transaction_id=7)


async def answered(it: Commanding, outcome: CommandOutcome, **said: object) -> None:
    """Answer what is sent next."""
    already = len(it.down.sent)
    await eventually(lambda: len(it.down.sent) > already)
    sent = it.down.sent[-1]
    assert sent.connection is not None
    await it.answer(sent.message.message_id, outcome, sent.connection, **said)


async def test_a_yes_is_the_answer_with_what_the_charge_point_said(tmp_path: Path) -> None:
    async with commanding(tmp_path) as it:
        link = it.commands.link("CP-1", HERE)
        asked = asyncio.ensure_future(link.ask(START))
        await answered(it, CommandOutcome.ACCEPTED, payload=Payload(status="Accepted"))
        answer = await asked
        assert (answer.status, answer.payload) == (Outcome.SUCCESS, {"status": "Accepted"})
        (command,) = (await it.store.command_list(limit=9))[0]
        assert command.action == "RemoteStartTransaction"
        assert command.payload == {"connectorId": 2, "idTag": "ANA"}
        message = it.down.sent[0].message
        assert isinstance(message, StartChargingCommand)
        assert message.expires_at == it.clock.now + 7  # nobody waits for it any longer


@pytest.mark.parametrize(
    ("outcome", "said", "reason", "text"),
    [
        (
            CommandOutcome.REJECTED,
            {"payload": Payload(status="Rejected")},
            Reason.ENGINE_REFUSED,
            "Rejected",
        ),
        (
            CommandOutcome.FAILED,
            {"error_code": "NotSupported", "message": "no such feature"},
            Reason.ENGINE_REFUSED,
            "no such feature",
        ),
        (
            CommandOutcome.FAILED,
            {"error": Reason.INVALID_MESSAGE, "message": "too long - at `$.idTag`"},
            Reason.INVALID_MESSAGE,
            "at `$.idTag`",
        ),
    ],
)
async def test_a_no_is_refused_with_the_answer(
    tmp_path: Path, outcome: CommandOutcome, said: dict[str, object], reason: Reason, text: str
) -> None:
    """So that it is known that nothing began."""
    async with commanding(tmp_path) as it:
        asked = asyncio.ensure_future(it.commands.link("CP-1", HERE).ask(START))
        await answered(it, outcome, **said)
        with pytest.raises(Refused) as no:
            await asked
        assert no.value.reason is reason
        assert text in no.value.text
        assert isinstance(no.value.answer, CommandResponse)


async def test_a_start_that_is_not_answered_may_have_begun(tmp_path: Path) -> None:
    async with commanding(tmp_path) as it:
        link = it.commands.link("CP-1", HERE)
        with pytest.raises(NoAnswer):
            await link.ask(START, within=0.01)
        asked = asyncio.ensure_future(link.ask(START))
        await answered(it, CommandOutcome.UNKNOWN)
        with pytest.raises(LinkLost) as lost:
            await asked
        assert not isinstance(lost.value, NotSent)
        asked = asyncio.ensure_future(link.ask(START))
        await eventually(lambda: len(it.down.sent) == 3)
        await it.moved("CP-1", THERE)
        with pytest.raises(LinkLost) as lost:
            await asked
        assert not isinstance(lost.value, NotSent)


async def test_a_start_that_was_not_sent_is_known_to_have_begun_nothing(tmp_path: Path) -> None:
    """And is not sent later, when nobody waits for it any more."""
    async with commanding(tmp_path) as it:
        link = it.commands.link("CP-1", HERE)
        it.connections.clear()
        with pytest.raises(NotSent):
            await link.ask(START, within=0.01)
        await it.moved("CP-1", HERE)
        assert it.down.sent == []
        Outage(it.store).writes_to_fail = 1
        with pytest.raises(NotSent):
            await link.ask(START)
        link.close(ErrorResponse(error=Reason.REPLACED))
        assert link.is_closing
        with pytest.raises(NotSent, match="replaced"):
            await link.ask(START)
        assert it.down.sent == []


async def test_a_stop_that_is_not_answered_in_time_goes_on(tmp_path: Path) -> None:
    """It may be told again, and waits for the same command then."""
    async with commanding(tmp_path) as it:
        link = it.commands.link("CP-1", HERE)
        with pytest.raises(NoAnswer):
            await link.ask(STOP, within=0.01)
        again = asyncio.ensure_future(link.ask(STOP))
        await asyncio.sleep(0)
        await it.answer(it.down.sent[0].message.message_id, CommandOutcome.ACCEPTED)
        async with asyncio.timeout(SOON):
            assert (await again).status is Outcome.SUCCESS
        assert len(it.down.sent) == 1


async def test_a_stop_without_a_transaction_has_nothing_to_stop(tmp_path: Path) -> None:
    async with commanding(tmp_path) as it:
        stop = StopChargingCommand(cp_id="CP-1", session_id="s-1")
        answer = await it.commands.link("CP-1", HERE).ask(stop)
        assert (answer.status, it.down.sent) == (Outcome.SUCCESS, [])


async def test_a_later_order_takes_the_place_of_one_that_waits(tmp_path: Path) -> None:
    async with commanding(tmp_path) as it:
        link = it.commands.link("CP-1", HERE)
        it.connections.clear()
        stop = asyncio.ensure_future(link.ask(StopCpCommand(cp_id="CP-1")))
        resume = asyncio.ensure_future(link.ask(ResumeCpCommand(cp_id="CP-1"), within=0.05))
        with pytest.raises(NotSent, match="later command"):
            await stop
        with pytest.raises(LinkLost, match="connected again"):
            await resume
        found, _ = await it.store.command_list(limit=9)
        assert [(c.state, c.payload) for c in found] == [
            ("queued", {"connectorId": 0, "type": "Operative"}),
            ("superseded", {"connectorId": 0, "type": "Inoperative"}),
        ]


async def test_what_ocpp_does_not_know_is_refused_and_nothing_is_told(tmp_path: Path) -> None:
    async with commanding(tmp_path) as it:
        link = it.commands.link("CP-1", HERE)
        with pytest.raises(Refused, match="recollect_command"):
            await link.ask(RecollectCommand(cp_id="CP-1", since=0))
        with pytest.raises(LinkLost):
            link.tell(ErrorResponse(error=Reason.INTERNAL))
        assert it.down.sent == []
        assert (link.address, link.patience, link.why) == ("gw-1", None, "")


# -- With all of central --


async def connected(parts: Parts, cp_id: str, connection: Connection = HERE) -> None:
    """A charge point connects to a gateway, and boots."""
    peer = Peer(role=GATEWAY, id=cp_id, transport=UP.name, connection=connection)
    node, partition, epoch = connection.node, connection.partition, connection.epoch
    up = LinkUp(cp_id=cp_id, node=node, partition=partition, epoch=epoch)
    assert parts.central.dispatcher.call(up, peer) is None
    boot = BootRequest(cp_id=cp_id, vendor="V", model="M")
    handled = parts.central.dispatcher.call(boot, peer)
    assert asyncio.iscoroutine(handled)
    await handled


async def sent(parts: Parts) -> Message:
    """What a gateway is sent next."""
    await eventually(lambda: parts.publisher.to_gateways)
    partition, connection, message = parts.publisher.to_gateways.pop(0)
    assert (partition, connection) == (3, HERE)
    return message


async def say(parts: Parts, message: Message, outcome: CommandOutcome) -> None:
    """A gateway answers."""
    done = outcome is CommandOutcome.ACCEPTED
    await parts.central.commands.answered(
        CommandResponse(
            message_id=message.message_id,
            status=Outcome.SUCCESS if done else Outcome.FAILURE,
            outcome=outcome,
        ),
        HERE,
    )


async def test_a_drivers_charge_starts_once_the_charge_point_says_yes(tmp_path: Path) -> None:
    async with serving(tmp_path) as parts:
        await connected(parts, "CP-1")
        asked = asyncio.ensure_future(parts.charge("ANA", "CP-1"))
        command = await sent(parts)
        assert isinstance(command, StartChargingCommand)
        assert not asked.done()
        await say(parts, command, CommandOutcome.ACCEPTED)
        async with asyncio.timeout(SOON):
            answer: ChargeRequestResponse = await asked
        assert answer.status is Outcome.SUCCESS
        live = parts.central.network.sessions[answer.session_id or ""]
        assert (live.session.state, live.session.confirmed) == (SessionState.AUTHORISED, True)


async def test_a_charge_point_that_says_no_is_free_for_the_next_driver(tmp_path: Path) -> None:
    async with serving(tmp_path) as parts:
        await connected(parts, "CP-1")
        for outcome in (CommandOutcome.REJECTED, CommandOutcome.FAILED):
            asked = asyncio.ensure_future(parts.charge(f"D-{outcome}", "CP-1"))
            await say(parts, await sent(parts), outcome)
            answer = await asked
            assert answer.error is Reason.ENGINE_REFUSED
            assert not parts.central.network.sessions


async def test_an_operators_stop_and_resume_change_the_availability(tmp_path: Path) -> None:
    async with serving(tmp_path) as parts:
        await connected(parts, "CP-1")
        for name, wanted in (
            (ManualCommandName.STOP_CP, StopCpCommand),
            (ManualCommandName.RESUME_CP, ResumeCpCommand),
        ):
            order = ManualCommand(message_id=f"o-{name}", command=name, cp_id="CP-1")
            peer = Peer(role=Role.ADMIN, id="ana")
            handled = parts.central.dispatcher.call(order, peer)
            assert asyncio.iscoroutine(handled)
            asked = asyncio.ensure_future(handled)
            command = await sent(parts)
            assert isinstance(command, wanted)
            await say(parts, command, CommandOutcome.ACCEPTED)
            answer = await asked
            assert isinstance(answer, ManualCommandResponse)
            assert [r.applied for r in answer.results] == [True]
