"""Who may charge at an OCPP charge point; starts and ends that are ordered from here."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from central.gateways.settling import BEGINS_AT_LAST, BEGINS_WITHIN
from central.rules.records import Session
from common.connection import Connection
from common.errors import Reason
from common.gateway_messages import IdTagStatus
from common.messages import (
    ChargeRequest,
    ChargeRequestResponse,
    CommandOutcome,
    ManualCommand,
    ManualCommandName,
    ManualCommandResponse,
    Outcome,
    Role,
    StartChargingCommand,
    StopChargingCommand,
    StopChargingRequest,
    StopChargingResponse,
    StopCpCommand,
)
from common.states import EndReason, SessionState
from common.units import WattHours
from tests.central.gateways.charge_point import NOW, ChargePoint, know, tag
from tests.central.gateways.desk import Desk, desk, down
from tests.central.parts import eventually

_S = SessionState
_T = IdTagStatus
_O = CommandOutcome


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, NOW) as made:
        yield made


@pytest.fixture
async def cp(one: Desk) -> ChargePoint:
    return await ChargePoint(one).boot()


def pass_time(cp: ChargePoint, seconds: float) -> None:
    cp.desk.parts.clock.now += seconds
    cp.clock_ms += int(seconds * 1000)


async def looked(cp: ChargePoint, seconds: float = 0.0) -> None:
    """Time passes, and central looks what is due; as often as it delivers stops again."""
    pass_time(cp, seconds)
    for _ in range(5):
        await cp.desk.central.patrol.look()


def ordered(
    cp: ChargePoint, driver_id: str = "ana", target: int | None = None
) -> "asyncio.Task[ChargeRequestResponse]":
    """A driver's charge request, on its way."""
    request = ChargeRequest(
        message_id=f"{driver_id}-{cp.desk.parts.clock.now}",
        cp_id=cp.cp_id,
        driver_id=driver_id,
        target_kwh=None if target is None else WattHours(target),
    )
    return asyncio.ensure_future(cp.desk.central.charging.start(Role.DRIVER, driver_id, request))


async def sent_start(cp: ChargePoint, count: int = 1) -> StartChargingCommand:
    """The start that the charge point was sent."""
    await eventually(lambda: len(cp.told(StartChargingCommand)) == count)
    command = cp.told(StartChargingCommand)[-1]
    assert isinstance(command, StartChargingCommand)
    return command


async def sent_stop(cp: ChargePoint, count: int = 1) -> StopChargingCommand:
    """The stop that the charge point was sent."""
    await eventually(lambda: len(cp.told(StopChargingCommand)) == count)
    command = cp.told(StopChargingCommand)[-1]
    assert isinstance(command, StopChargingCommand)
    return command


async def remotely(
    cp: ChargePoint, driver_id: str = "ana", target: int | None = None
) -> tuple[StartChargingCommand, str]:
    """A start that was ordered from here and accepted: the command, and the session's id."""
    request = ordered(cp, driver_id, target)
    command = await sent_start(cp, len(cp.told(StartChargingCommand)) + 1)
    await cp.answer(command)
    answer = await request
    assert answer.session_id is not None
    return command, answer.session_id


async def stored(cp: ChargePoint, session_id: str) -> Session:
    session = await cp.desk.central.store.session(session_id)
    assert session is not None
    return session


def stopped_by(
    cp: ChargePoint, driver_id: str, session_id: str
) -> "asyncio.Task[StopChargingResponse]":
    """The driver's own stop, on its way."""
    request = StopChargingRequest(
        message_id=f"stop-{cp.desk.parts.clock.now}",
        cp_id=cp.cp_id,
        session_id=session_id,
        driver_id=driver_id,
    )
    return asyncio.ensure_future(cp.desk.central.stopping.request(Role.DRIVER, driver_id, request))


# ---- Authorize --------------------------------------------------------------------------------


async def test_an_id_tag_is_accepted_blocked_expired_or_unknown(cp: ChargePoint) -> None:
    """In whatever case it is written."""
    await know(
        cp.desk,
        tag("GOOD", parent_id_tag="FAMILY", expires_at=NOW + 60),
        tag("BAD", blocked=True),
        tag("OLD", expires_at=NOW),
    )
    said = [(await cp.authorize(each)).id_tag_info for each in ("good", "BAD", "Old", "NEW", "")]
    assert [info.status for info in said if info] == [
        _T.ACCEPTED,
        _T.BLOCKED,
        _T.EXPIRED,
        _T.INVALID,
        _T.INVALID,
    ]
    assert said[0] is not None
    assert (said[0].parent_id_tag, said[0].expires_at) == ("FAMILY", NOW + 60)


async def test_who_charges_is_not_concurrent_when_he_is_asked_about(cp: ChargePoint) -> None:
    """He may want to end his charge; by OCPP that counts for a StartTransaction alone."""
    await know(cp.desk, tag("TAG"))
    await cp.start("TAG")
    info = (await cp.authorize("TAG")).id_tag_info
    assert info is not None
    assert info.status is _T.ACCEPTED


async def test_id_tags_of_one_parent_may_end_one_anothers_transactions(cp: ChargePoint) -> None:
    await know(cp.desk, tag("MUM", parent_id_tag="FAMILY"), tag("DAD", parent_id_tag="family"))
    transaction_id, _ = await cp.start("MUM", 1_000)
    await cp.stop(-1, 1_500, id_tag="DAD")
    assert (await cp.session(transaction_id)).energy == 500


async def test_whoever_has_an_id_tag_may_charge_where_central_was_told_so(
    cp: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once at a time; blocked is blocked."""
    monkeypatch.setattr(cp.desk.central.transactions._authorisation, "_accept_unknown", True)
    await know(cp.desk, tag("BAD", blocked=True))
    assert (await cp.start("ANYONE", connector_id=1))[1] is _T.ACCEPTED
    assert (await cp.start("ANYONE", connector_id=2))[1] is _T.CONCURRENT_TX
    info = (await cp.authorize("BAD")).id_tag_info
    assert info is not None
    assert info.status is _T.BLOCKED


# ---- Starts from here -------------------------------------------------------------------------


async def test_a_start_from_here_becomes_the_transaction_that_follows(cp: ChargePoint) -> None:
    """Its driver is accepted by the id tag that was sent, known or not; one session, one bill."""
    command, session_id = await remotely(cp)
    assert (command.id_tag, command.connector_id) == ("ana", 1)
    info = (await cp.authorize("ANA")).id_tag_info
    assert info is not None
    assert info.status is _T.ACCEPTED
    transaction_id, status = await cp.start("ana", 1_000)
    assert status is _T.ACCEPTED
    session = await cp.session(transaction_id)
    assert (session.session_id, session.state) == (session_id, _S.CHARGING)
    assert session.holds_driver
    await cp.stop(transaction_id, 1_300, reason="EVDisconnected")
    bill = await cp.ticket(transaction_id)
    assert bill is not None
    assert (bill.driver_id, bill.energy, bill.reason) == ("ana", 300, EndReason.UNPLUGGED)
    info = (await cp.authorize("ana")).id_tag_info
    assert info is not None
    assert info.status is _T.INVALID


async def test_a_driver_is_told_of_by_his_own_id_tag(cp: ChargePoint) -> None:
    """The first that is not blocked; who has none, and too long an id, by one made of it."""
    await know(cp.desk, tag("A-1", driver_id="ana", blocked=True), tag("A-2", driver_id="ana"))
    command, _ = await remotely(cp)
    assert command.id_tag == "A-2"
    long_id = "a-driver-whose-id-is-as-long-as-it-be"[:36]
    command, _ = await remotely(cp, long_id)
    assert command.id_tag is not None
    assert len(command.id_tag) == 20
    assert (await cp.start(command.id_tag, connector_id=2))[1] is _T.ACCEPTED
    running = cp.desk.central.network.of_driver(long_id)
    assert running is not None
    assert running.session.state is _S.CHARGING


async def test_a_transaction_that_comes_before_the_answer_is_the_answer(
    cp: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's request succeeds by it, also if the answer never comes."""
    monkeypatch.setattr("central.gateways.link.ASK_WITHIN", 0.5)
    request = ordered(cp)
    await sent_start(cp)
    transaction_id, status = await cp.start("ana", 1_000)
    assert status is _T.ACCEPTED
    answer = await request
    session = await cp.session(transaction_id)
    assert (answer.status, answer.session_id) == (Outcome.SUCCESS, session.session_id)


async def test_a_transaction_may_begin_at_another_connector_than_was_asked_for(
    cp: ChargePoint,
) -> None:
    """The session goes there, and leaves the other one free."""
    _, session_id = await remotely(cp)
    transaction_id, status = await cp.start("ana", 1_000, connector_id=2)
    session = await cp.session(transaction_id)
    assert (status, session.session_id, session.connector_id) == (_T.ACCEPTED, session_id, 2)
    network = cp.desk.central.network
    assert network.holder("CP", 1) is None
    assert [row.session_id for row in network.row(network.points["CP"]).connectors] == [
        None,
        session_id,
    ]
    await cp.stop(transaction_id, 1_100)
    bill = await cp.ticket(transaction_id)
    assert bill is not None
    assert bill.connector_id == 2


async def test_a_start_from_here_survives_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path, NOW) as one:
        cp = await ChargePoint(one).boot()
        _, session_id = await remotely(cp)
    async with desk(tmp_path, NOW) as one:
        cp = await ChargePoint(one).boot()
        transaction_id, status = await cp.start("ana", 1_000)
        assert (await cp.session(transaction_id)).session_id == session_id
        assert status is _T.ACCEPTED


async def test_another_transaction_takes_the_connector_of_a_start_from_here(
    cp: ChargePoint,
) -> None:
    """Somebody was faster; the start has failed, and its driver is free."""
    await know(cp.desk, tag("TAG-B", driver_id="bo"))
    _, session_id = await remotely(cp)
    _, status = await cp.start("TAG-B")
    session = await stored(cp, session_id)
    assert (status, session.state, session.settled) == (_T.ACCEPTED, _S.FAILED, True)
    assert cp.desk.central.network.of_driver("ana") is None


# ---- Starts that do not begin -----------------------------------------------------------------


async def test_a_start_without_a_car_is_given_up(cp: ChargePoint) -> None:
    """After two minutes at a connector that is available; what begins later is another session."""
    _, session_id = await remotely(cp)
    await looked(cp, BEGINS_WITHIN - 1)
    assert (await stored(cp, session_id)).state is _S.AUTHORISED
    await looked(cp, 1)
    session = await stored(cp, session_id)
    assert (session.state, session.reason) == (_S.FAILED, EndReason.NOT_PLUGGED_IN)
    assert cp.desk.central.network.holder("CP", 1) is None
    transaction_id, status = await cp.start("ana", 1_000)
    assert status is _T.INVALID
    assert (await cp.session(transaction_id)).session_id != session_id


async def test_a_start_is_awaited_longer_where_a_car_may_be(cp: ChargePoint) -> None:
    """While the connector is not available."""
    _, session_id = await remotely(cp)
    await cp.status("Preparing")
    await looked(cp, BEGINS_AT_LAST - 1)
    assert (await stored(cp, session_id)).state is _S.AUTHORISED
    await looked(cp, 1)
    assert (await stored(cp, session_id)).state is _S.FAILED


async def test_a_start_whose_answer_is_awaited_is_not_given_up(cp: ChargePoint) -> None:
    """However long that takes: who waits decides."""
    request = ordered(cp)
    command = await sent_start(cp)
    await looked(cp, BEGINS_AT_LAST)
    assert cp.desk.central.network.holder("CP", 1) is not None
    await cp.answer(command)
    assert (await request).status is Outcome.SUCCESS


async def test_a_start_that_nobody_answered_frees_its_connector_in_the_end(
    cp: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what begins of it meanwhile is stopped, and billed."""
    monkeypatch.setattr("central.gateways.link.ASK_WITHIN", 0.05)
    answer = await ordered(cp)
    assert answer.error is Reason.TIMED_OUT
    assert answer.session_id is not None
    assert cp.desk.central.network.holder("CP", 1) is not None
    await looked(cp, BEGINS_WITHIN)
    assert cp.desk.central.network.holder("CP", 1) is None
    assert not cp.desk.central.changes.intents
    answer = await ordered(cp)
    transaction_id, _ = await cp.start("ana", 1_000)
    session = await cp.session(transaction_id)
    assert (session.driver_id, session.state) == ("ana", _S.CHARGING)
    await looked(cp)
    command = await sent_stop(cp)
    assert (command.transaction_id, command.reason) == (transaction_id, EndReason.CANCELLED)
    await cp.stop(transaction_id, 1_050, reason="Remote")
    bill = await cp.ticket(transaction_id)
    assert bill is not None
    assert (bill.energy, bill.reason) == (50, EndReason.CANCELLED)
    assert not cp.desk.central.changes.intents


async def test_a_start_is_taken_back_before_it_has_begun(cp: ChargePoint) -> None:
    """At once; if it begins all the same it is answered, and stopped."""
    _, session_id = await remotely(cp)
    answer = await stopped_by(cp, "ana", session_id)
    assert answer.status is Outcome.SUCCESS
    session = await stored(cp, session_id)
    assert (session.state, session.reason) == (_S.FAILED, EndReason.DRIVER_REQUEST)
    assert cp.desk.central.network.holder("CP", 1) is None
    assert cp.desk.central.network.of_driver("ana") is None
    assert cp.told(StopChargingCommand) == []
    transaction_id, _ = await cp.start("ana", 1_000)
    await looked(cp)
    assert (await sent_stop(cp)).transaction_id == transaction_id
    await cp.stop(transaction_id, 1_000, reason="Remote")
    session = await cp.session(transaction_id)
    assert (session.driver_id, session.reason) == ("ana", EndReason.DRIVER_REQUEST)


async def test_a_start_that_begins_while_it_is_taken_back_is_stopped(cp: ChargePoint) -> None:
    """Whichever is first, nobody charges on who was told that he does not."""
    _, session_id = await remotely(cp)
    live = cp.desk.central.network.sessions[session_id]
    async with live.lock:
        cp.desk.say(cp.start_of("ana"), connection=cp.connection)
        await eventually(lambda: len(live.lock._waiters or ()) == 1)
        asked = stopped_by(cp, "ana", session_id)
        await eventually(lambda: len(live.lock._waiters or ()) == 2)
    command = await sent_stop(cp)
    await cp.answer(command)
    assert (await asked).status is Outcome.SUCCESS
    assert live.session.transaction_id == command.transaction_id
    assert live.session.state is _S.CHARGING


async def test_a_start_that_was_taken_back_is_forgotten_in_the_end(tmp_path: Path) -> None:
    """Also by the next central."""
    async with desk(tmp_path, NOW) as one:
        cp = await ChargePoint(one).boot()
        _, session_id = await remotely(cp)
        await stopped_by(cp, "ana", session_id)
    async with desk(tmp_path, NOW) as one:
        cp = await ChargePoint(one).boot()
        assert list(one.central.changes.intents) == [session_id]
        await looked(cp)
        assert list(one.central.changes.intents) == [session_id]
        await looked(cp, BEGINS_WITHIN)
        assert not one.central.changes.intents
        assert not one.central.network.sessions
        assert (await stored(cp, session_id)).settled


# ---- Ends from here ---------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["driver", "operator"])
async def test_a_stop_from_here_is_on_the_ticket(cp: ChargePoint, who: str) -> None:
    """`Remote` is what was asked for."""
    _, session_id = await remotely(cp)
    transaction_id, _ = await cp.start("ana", 1_000)
    asked = stopped_by(cp, "ana", session_id) if who == "driver" else by_operator(cp)
    command = await sent_stop(cp)
    assert command.transaction_id == transaction_id
    await cp.answer(command)
    answer = await asked
    assert isinstance(answer, StopChargingResponse | ManualCommandResponse)
    assert answer.status is Outcome.SUCCESS
    await cp.stop(transaction_id, 1_400, reason="Remote")
    bill = await cp.ticket(transaction_id)
    assert bill is not None
    assert bill.reason == f"{who}_request"


def by_operator(
    cp: ChargePoint, name: ManualCommandName = ManualCommandName.STOP_CHARGING
) -> "asyncio.Task[object]":
    """An operator's order, on its way."""
    command = ManualCommand(message_id=f"op-{name}", command=name, cp_id=cp.cp_id)
    outcome = cp.desk.central.dispatcher.call(command, cp.admin)
    assert asyncio.iscoroutine(outcome)
    return asyncio.ensure_future(outcome)


async def test_a_stop_that_nobody_here_asked_for_is_an_operators(cp: ChargePoint) -> None:
    """A RemoteStopTransaction that an operator sent as a bare call."""
    await know(cp.desk, tag("TAG"))
    transaction_id, _ = await cp.start("TAG", 1_000)
    await cp.stop(transaction_id, 1_400, reason="Remote")
    assert (await cp.session(transaction_id)).reason is EndReason.OPERATOR_REQUEST


async def test_why_a_stop_was_asked_for_survives_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path, NOW) as one:
        cp = await ChargePoint(one).boot()
        _, session_id = await remotely(cp)
        transaction_id, _ = await cp.start("ana", 1_000)
        asked = stopped_by(cp, "ana", session_id)
        await cp.answer(await sent_stop(cp))
        await asked
    async with desk(tmp_path, NOW) as one:
        cp = await ChargePoint(one).boot()
        await cp.stop(transaction_id, 1_400, reason="Remote")
        assert (await cp.session(transaction_id)).reason is EndReason.DRIVER_REQUEST
        assert not one.central.changes.intents


async def test_a_stop_is_told_again_until_the_transaction_has_ended(cp: ChargePoint) -> None:
    """A charge point may say yes and forget it; but not every few seconds."""
    _, session_id = await remotely(cp)
    transaction_id, _ = await cp.start("ana", 1_000)
    asked = stopped_by(cp, "ana", session_id)
    await cp.answer(await sent_stop(cp))
    await asked
    await looked(cp, 59)
    assert len(cp.told(StopChargingCommand)) == 1
    await looked(cp, 1)
    await cp.answer(await sent_stop(cp, 2), _O.REJECTED)
    await looked(cp, 119)
    assert len(cp.told(StopChargingCommand)) == 2
    await looked(cp, 1)
    await sent_stop(cp, 3)
    await cp.stop(transaction_id, 2_000, reason="Remote")
    await looked(cp, 4_000)
    assert len(cp.told(StopChargingCommand)) == 3


async def test_a_stop_that_is_refused_is_said_to_be(cp: ChargePoint) -> None:
    _, session_id = await remotely(cp)
    await cp.start("ana", 1_000)
    asked = stopped_by(cp, "ana", session_id)
    await cp.answer(await sent_stop(cp), _O.REJECTED)
    assert (await asked).error is Reason.ENGINE_REFUSED


async def test_a_charge_ends_when_it_has_taken_what_was_asked_for(cp: ChargePoint) -> None:
    """A charge point knows of no target: central stops it, once."""
    await remotely(cp, target=2_000)
    transaction_id, _ = await cp.start("ana", 1_000)
    await cp.meter(transaction_id, 2_999)
    assert cp.told(StopChargingCommand) == []
    await cp.meter(transaction_id, 3_000)
    command = await sent_stop(cp)
    await cp.meter(transaction_id, 3_001)
    await cp.answer(command)
    await cp.meter(transaction_id, 3_002)
    await cp.stop(transaction_id, 3_003, reason="Remote")
    session = await cp.session(transaction_id)
    assert (session.energy, session.reason) == (2_003, EndReason.TARGET_REACHED)
    assert len(cp.told(StopChargingCommand)) == 1


async def test_a_target_is_asked_for_again_where_the_charge_point_refuses(
    cp: ChargePoint,
) -> None:
    """As every other stop."""
    await remotely(cp, target=2_000)
    transaction_id, _ = await cp.start("ana", 1_000)
    await cp.meter(transaction_id, 3_000)
    await cp.answer(await sent_stop(cp), _O.REJECTED)
    await looked(cp, 60)
    assert (await sent_stop(cp, 2)).reason is EndReason.TARGET_REACHED


async def test_a_stop_waits_for_a_charge_point_that_is_offline(cp: ChargePoint) -> None:
    """A driver's, and an operator's of the whole point; each is told when it is back."""
    await know(cp.desk, tag("BO", driver_id="bo"))
    _, session_id = await remotely(cp)
    first, _ = await cp.start("ana", 1_000)
    second, _ = await cp.start("BO", 1_000, connector_id=2)
    await cp.desk.handled(*cp.desk.say(down("CP"), connection=cp.connection))
    answer = await stopped_by(cp, "ana", session_id)
    assert answer.error is Reason.CHARGE_POINT_OFFLINE
    await by_operator(cp, ManualCommandName.STOP_CP)
    assert cp.told(StopChargingCommand) == []
    back = Connection("gw-2", 5, 2)
    cp.connection = back
    await cp.desk.connect("CP", back)
    await looked(cp)
    await eventually(lambda: len(cp.told(StopChargingCommand)) == 2)
    for transaction_id, reason in ((first, "driver_request"), (second, "cp_stopped")):
        await cp.stop(transaction_id, 1_100, reason="Remote")
        assert (await cp.session(transaction_id)).reason == reason


async def test_a_charge_point_that_is_stopped_ends_its_transactions_first(
    cp: ChargePoint,
) -> None:
    """With `cp_stopped` on their tickets; then it becomes inoperative."""
    await know(cp.desk, tag("TAG-A"), tag("TAG-B"))
    first, _ = await cp.start("TAG-A", 1_000, connector_id=1)
    second, _ = await cp.start("TAG-B", 1_000, connector_id=2)
    order = by_operator(cp, ManualCommandName.STOP_CP)
    await sent_stop(cp, 2)
    for command in cp.told(StopChargingCommand):
        assert cp.told(StopCpCommand) == []
        await cp.answer(command)
    await eventually(lambda: cp.told(StopCpCommand))
    await cp.answer(cp.told(StopCpCommand)[0])
    await order
    for transaction_id in (first, second):
        await cp.stop(transaction_id, 1_100, reason="Remote")
        assert (await cp.session(transaction_id)).reason is EndReason.CP_STOPPED
