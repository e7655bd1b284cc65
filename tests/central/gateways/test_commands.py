"""Commands to OCPP charge points: each is stored, sent once, and followed to its end."""

import asyncio
from pathlib import Path

import pytest

from central.gateways.commands import KEPT_FOR, MOST_OPEN
from central.gateways.lines import UNKNOWN_FOR
from common.errors import Reason, Refused, StoreUnavailable
from common.gateway_messages import CommandState
from common.messages import CommandOutcome, StartChargingCommand, StopChargingCommand
from common.units import Price, Watts
from tests.central.gateways.commanding import HERE, THERE, Outage, call, commanding


async def test_a_command_is_sent_to_the_gateway_that_holds_the_connection(tmp_path: Path) -> None:
    """On its partition, with the connection's header, under the command's own id."""
    async with commanding(tmp_path) as it:
        command = await it.commands.order(call("Reset", "m-1", type="Soft"), lasts=60)
        assert command.state is CommandState.SENT
        (sent,) = it.down.sent
        assert (sent.key, sent.partition, sent.connection) == ("CP-1", 3, HERE)
        assert sent.message.message_id == "m-1"
        assert await it.state("m-1") == "sent"


async def test_nothing_is_sent_that_could_not_be_stored(tmp_path: Path) -> None:
    async with commanding(tmp_path) as it:
        Outage(it.store).writes_to_fail = 1
        with pytest.raises(StoreUnavailable):
            await it.commands.order(call("Reset", "m-1"), lasts=60)
        assert it.down.sent == []
        await it.commands.order(call("Reset", "m-1"), lasts=60)
        assert it.down.ids == ["m-1"]


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (CommandOutcome.ACCEPTED, "accepted"),
        (CommandOutcome.REJECTED, "rejected"),
        (CommandOutcome.FAILED, "failed"),
        (CommandOutcome.TIMED_OUT, "timed_out"),
        (CommandOutcome.UNKNOWN, "unknown"),
    ],
)
async def test_what_the_gateway_says_becomes_its_state(
    tmp_path: Path, outcome: CommandOutcome, state: str
) -> None:
    """And wakes who waits for its end."""
    async with commanding(tmp_path) as it:
        command = await it.commands.order(call("Reset", "m-1"), lasts=60)
        waiting = asyncio.ensure_future(it.commands.lines.ended(command, 30))
        await asyncio.sleep(0)
        await it.answer("m-1", outcome, payload=None, error_code=None)
        async with asyncio.timeout(5):
            assert (await waiting).state == state
        assert await it.state("m-1") == state


async def test_an_answer_said_twice_changes_nothing(tmp_path: Path) -> None:
    """A record of Kafka may come again; neither does an answer that nobody asked for."""
    async with commanding(tmp_path) as it:
        await it.commands.order(call("Reset", "m-1"), lasts=60)
        await it.answer("m-1", CommandOutcome.ACCEPTED)
        await it.answer("m-1", CommandOutcome.REJECTED)
        await it.answer("nobody's", CommandOutcome.ACCEPTED)
        assert await it.state("m-1") == "accepted"
        assert sum(it.commands.lines.settled.values()) == 1


async def test_what_is_ordered_while_it_is_not_connected_goes_in_order_once_it_is(
    tmp_path: Path,
) -> None:
    async with commanding(tmp_path) as it:
        await it.moved("CP-1", None)
        for number in range(5):
            command = await it.commands.order(call("Reset", f"m-{number}"), lasts=60)
            assert command.state is CommandState.QUEUED
        assert it.down.sent == []
        await it.moved("CP-1", THERE)
        assert it.down.ids == [f"m-{number}" for number in range(5)]
        assert {(each.partition, each.connection) for each in it.down.sent} == {(5, THERE)}


async def test_a_reconnect_repeats_only_what_is_safe_to_repeat(tmp_path: Path) -> None:
    """Under the same id, so that a gateway knows it; what is not safe may have been done."""
    async with commanding(tmp_path) as it:
        await it.commands.order(call("Reset", "unsafe"), lasts=60)
        await it.commands.order(call("GetConfiguration", "safe"), lasts=60)
        first = it.down.sent[1].value
        await it.moved("CP-1", THERE)
        assert it.down.ids == ["unsafe", "safe", "safe"]
        assert it.down.sent[-1].value == first
        assert [await it.state(each) for each in ("unsafe", "safe")] == ["unknown", "sent"]


async def test_what_an_older_connection_says_of_itself_is_no_news_of_a_newer_one(
    tmp_path: Path,
) -> None:
    """But its answer is: the charge point gave it."""
    async with commanding(tmp_path) as it:
        await it.commands.order(call("GetConfiguration", "m-1"), lasts=60)
        await it.moved("CP-1", THERE)
        await it.answer("m-1", CommandOutcome.UNKNOWN, HERE)
        await it.answer("m-1", CommandOutcome.NOT_SENT, HERE)
        assert await it.state("m-1") == "sent"
        assert it.down.ids == ["m-1", "m-1"]
        await it.answer("m-1", CommandOutcome.ACCEPTED, HERE)
        assert await it.state("m-1") == "accepted"


async def test_what_a_gateway_surely_did_not_send_waits_for_the_next_connection(
    tmp_path: Path,
) -> None:
    """Or goes by it at once, where there is one already."""
    async with commanding(tmp_path) as it:
        await it.commands.order(call("Reset", "m-1"), lasts=60)
        it.connections.clear()
        await it.answer("m-1", CommandOutcome.NOT_SENT, HERE)
        assert await it.state("m-1") == "queued"
        await it.moved("CP-1", THERE)
        assert it.down.ids == ["m-1", "m-1"]

        await it.commands.order(call("Reset", "m-2"), lasts=60)
        it.connections["CP-1"] = HERE
        await it.answer("m-2", CommandOutcome.NOT_SENT, THERE)
        assert it.down.ids[-1] == "m-2"
        assert it.down.sent[-1].connection == HERE


async def test_a_late_answer_settles_what_was_unknown(tmp_path: Path) -> None:
    async with commanding(tmp_path) as it:
        for command_id in ("done", "refused", "never"):
            await it.commands.order(call("Reset", command_id), lasts=60)
        await it.moved("CP-1", THERE)
        await it.answer("done", CommandOutcome.ACCEPTED)
        await it.answer("refused", CommandOutcome.REJECTED)
        await it.answer("never", CommandOutcome.NOT_SENT)
        assert [await it.state(each) for each in ("done", "refused", "never")] == [
            "accepted",
            "rejected",
            "sent",
        ]
        assert it.down.ids == ["done", "refused", "never", "never"]


async def test_what_the_charge_point_reports_settles_what_was_unknown(tmp_path: Path) -> None:
    """A transaction that a remote start explains, and the end of one that was to be stopped."""
    async with commanding(tmp_path) as it:
        await it.commands.order(
            call("RemoteStartTransaction", "start", connectorId=2, idTag="ANA"), lasts=60
        )
        await it.commands.order(call("RemoteStopTransaction", "stop", transactionId=7), lasts=60)
        await it.moved("CP-1", THERE)
        await it.commands.started("CP-1", 2, "BEN")
        await it.commands.started("CP-1", 1, "ANA")
        await it.commands.stopped("CP-1", 8)
        await it.commands.stopped("CP-2", 7)
        assert [await it.state(each) for each in ("start", "stop")] == ["unknown", "unknown"]
        await it.commands.started("CP-1", 2, "ana")
        await it.commands.stopped("CP-1", 7)
        assert [await it.state(each) for each in ("start", "stop")] == ["accepted", "accepted"]


async def test_a_deadline_ends_what_waits_and_what_was_sent(tmp_path: Path) -> None:
    """And what was ended is not sent when the charge point connects."""
    async with commanding(tmp_path) as it:
        await it.commands.order(call("Reset", "sent"), lasts=60)
        await it.moved("CP-2", None)
        await it.commands.order(call("Reset", "queued", "CP-2"), lasts=60)
        it.clock.now += 59
        await it.commands.look()
        assert [await it.state(each) for each in ("sent", "queued")] == ["sent", "queued"]
        it.clock.now += 1
        await it.commands.look()
        assert [await it.state(each) for each in ("sent", "queued")] == ["timed_out"] * 2
        await it.moved("CP-2", THERE)
        assert it.down.ids == ["sent"]
        await it.answer("sent", CommandOutcome.ACCEPTED)
        assert await it.state("sent") == "accepted"


async def test_a_later_change_of_availability_takes_the_place_of_one_that_waits(
    tmp_path: Path,
) -> None:
    """Of the same connector; what was sent goes on."""
    async with commanding(tmp_path) as it:
        await it.moved("CP-1", None)
        change = "ChangeAvailability"
        await it.commands.order(call(change, "a", connectorId=1, type="Inoperative"), lasts=60)
        await it.commands.order(call(change, "b", connectorId=2, type="Inoperative"), lasts=60)
        await it.commands.order(call(change, "c", connectorId=1, type="Operative"), lasts=60)
        assert [await it.state(each) for each in "abc"] == ["superseded", "queued", "queued"]
        await it.moved("CP-1", HERE)
        await it.commands.order(call(change, "d", connectorId=1, type="Inoperative"), lasts=60)
        assert it.down.ids == ["b", "c", "d"]


async def test_a_charge_point_has_so_many_open_commands_at_most(tmp_path: Path) -> None:
    """One more is refused, and stored nowhere."""
    async with commanding(tmp_path) as it:
        await it.moved("CP-1", None)
        for number in range(MOST_OPEN):
            await it.commands.order(call("Reset", f"m-{number}"), lasts=60)
        with pytest.raises(Refused) as refused:
            await it.commands.order(call("Reset", "more"), lasts=60)
        assert refused.value.reason is Reason.OVERLOADED
        assert await it.store.command("more") is None
        await it.commands.order(call("Reset", "elsewhere", "CP-2"), lasts=60)


async def test_an_order_with_a_known_id_is_not_given_again(tmp_path: Path) -> None:
    """Nor is its id taken for another call."""
    async with commanding(tmp_path) as it:
        for _ in range(2):
            await it.commands.order(call("Reset", "m-1", type="Soft"), lasts=60)
        await it.answer("m-1", CommandOutcome.ACCEPTED)
        again = await it.commands.order(call("Reset", "m-1", type="Soft"), lasts=60)
        assert (again.state, it.down.ids) == (CommandState.ACCEPTED, ["m-1"])
        for other in (call("Reset", "m-1", type="Hard"), call("Reset", "m-1", "CP-2", type="Soft")):
            with pytest.raises(Refused, match="another command"):
                await it.commands.order(other, lasts=60)


async def test_a_restart_sends_nothing_twice_and_loses_nothing(tmp_path: Path) -> None:
    """What was sent still awaits its answer; what waited goes on waiting, in its order."""
    async with commanding(tmp_path) as it:
        await it.commands.order(call("Reset", "sent"), lasts=60)
        await it.moved("CP-2", None)
        for command_id in ("first", "second"):
            await it.commands.order(call("Reset", command_id, "CP-2"), lasts=60)
        clock = it.clock
    async with commanding(tmp_path, clock) as it:
        await it.commands.look()
        assert it.down.sent == []
        await it.answer("sent", CommandOutcome.ACCEPTED)
        assert await it.state("sent") == "accepted"
        await it.moved("CP-2", THERE)
        assert it.down.ids == ["first", "second"]


async def test_what_kafka_did_not_take_is_sent_by_the_next_look(tmp_path: Path) -> None:
    async with commanding(tmp_path) as it:
        it.down.full = True
        command = await it.commands.order(call("Reset", "m-1"), lasts=60)
        assert command.state is CommandState.QUEUED
        it.down.full = False
        await it.commands.look()
        assert it.down.ids == ["m-1"]


async def test_a_connection_that_comes_while_the_database_is_down_is_made_up_for(
    tmp_path: Path,
) -> None:
    async with commanding(tmp_path) as it:
        await it.moved("CP-1", None)
        await it.commands.order(call("Reset", "m-1"), lasts=60)
        Outage(it.store).writes_to_fail = 1
        await it.moved("CP-1", THERE)
        assert it.down.sent == []
        await it.commands.look()
        assert it.down.ids == ["m-1"]


async def test_an_operators_command_is_in_the_audit_log_with_its_end(tmp_path: Path) -> None:
    """Central's own are not: they are part of what was ordered."""
    async with commanding(tmp_path) as it:
        for command_id in ("done", "refused", "open"):
            order = call("Reset", command_id)
            await it.commands.order(order, lasts=60, by="ana", reason="a test")
        await it.commands.order(call("Reset", "central's"), lasts=60)
        await it.answer("done", CommandOutcome.ACCEPTED)
        await it.answer("refused", CommandOutcome.REJECTED)
        entries, _ = await it.store.audit(limit=10)
        assert [(e.command, e.admin_id, e.reason) for e in entries] == [
            ("Reset", "ana", "a test")
        ] * 3
        assert [(e.succeeded, e.failed) for e in reversed(entries)] == [(1, 0), (0, 1), (0, 0)]


async def test_central_does_not_ask_twice_for_what_it_awaits_already(tmp_path: Path) -> None:
    """A stop that is told again and again waits for the first one's answer."""
    async with commanding(tmp_path) as it:
        stop = StopChargingCommand(cp_id="CP-1", session_id="s", transaction_id=7)
        first = await it.commands.order(stop, lasts=60, join=True)
        again = await it.commands.order(stop, lasts=60, join=True)
        assert again.command_id == first.command_id
        assert len(it.down.sent) == 1
        await it.commands.order(
            StartChargingCommand(
                cp_id="CP-1",
                session_id="s",
                driver_id="ANA",
                price_per_kwh=Price(1),
                max_charging_rate_kw=Watts(1),
            ),
            lasts=7,
        )
        assert len(it.down.sent) == 2


async def test_old_commands_are_forgotten_and_undecided_ones_are_not(tmp_path: Path) -> None:
    async with commanding(tmp_path) as it:
        await it.commands.order(call("Reset", "over"), lasts=60)
        await it.answer("over", CommandOutcome.ACCEPTED)
        await it.commands.order(call("Reset", "unknown"), lasts=60)
        await it.answer("unknown", CommandOutcome.UNKNOWN)
        it.clock.now += KEPT_FOR / 1000 + 1
        await it.commands.look()
        assert await it.store.command("over") is None
        assert await it.state("unknown") == "unknown"
        assert UNKNOWN_FOR < KEPT_FOR
        await it.commands.started("CP-1", 1, "ANA")  # nothing in memory is explained any more
        assert it.commands.lines.all_busy() == []


async def test_a_start_that_was_withdrawn_is_not_sent_any_more(tmp_path: Path) -> None:
    """One that was sent cannot be taken back."""
    async with commanding(tmp_path) as it:
        sent = await it.commands.order(call("RemoteStartTransaction", "a"), lasts=7)
        assert (await it.commands.withdraw(sent)).state is CommandState.SENT
        await it.moved("CP-1", None)
        queued = await it.commands.order(call("RemoteStartTransaction", "b"), lasts=7)
        assert (await it.commands.withdraw(queued)).state is CommandState.TIMED_OUT
        await it.moved("CP-1", HERE)
        assert it.down.ids == ["a"]
