"""What operators ask about OCPP charge points: commands, and what became of them; meter values."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from central.gateways import operators
from central.rules.records import Point, StoredSample
from central.store import AddSample
from common.dispatch import Peer
from common.errors import Reason, Refused
from common.gateway_messages import (
    CommandRequest,
    CommandRequestResponse,
    CommandRow,
    CommandsRequest,
    CommandsResponse,
    OcppCommand,
    Sample,
    SamplesRequest,
    SamplesResponse,
)
from common.messages import CommandOutcome, CommandResponse, Outcome, Role
from common.units import Payload, Price, Watts
from tests.central.gateways.commanding import HERE
from tests.central.gateways.test_link import connected
from tests.central.parts import SOON, Parts, eventually, serving

RESET = CommandRequest(
    message_id="m-1", cp_id="CP-1", action="Reset", payload=Payload(type="Soft"), reason="a test"
)


async def ask(parts: Parts, request: Any, who: str = "ana") -> Any:
    """What a console is answered."""
    outcome = parts.central.dispatcher.call(request, Peer(role=Role.ADMIN, id=who))
    async with asyncio.timeout(SOON):
        return await outcome if asyncio.iscoroutine(outcome) else outcome


async def order(parts: Parts, request: CommandRequest) -> CommandRow:
    answer = await ask(parts, request)
    assert isinstance(answer, CommandRequestResponse)
    assert answer.command is not None
    return answer.command


async def listed(parts: Parts, request: CommandsRequest) -> CommandsResponse:
    answer = await ask(parts, request)
    assert isinstance(answer, CommandsResponse)
    return answer


async def answered(parts: Parts, command_id: str, outcome: CommandOutcome) -> None:
    """The gateway answers."""
    done = outcome is CommandOutcome.ACCEPTED
    await parts.central.commands.answered(
        CommandResponse(
            message_id=command_id,
            status=Outcome.SUCCESS if done else Outcome.FAILURE,
            outcome=outcome,
            payload=Payload(status=outcome.value),
        ),
        HERE,
    )


@asynccontextmanager
async def office(folder: Path) -> AsyncIterator[Parts]:
    """Central with a charge point that speaks OCPP, and one that has a monitor."""
    async with serving(folder) as parts:
        await connected(parts, "CP-1")
        parts.central.network.put_point(
            Point(cp_id="ALC-1", location="", max_rate=Watts(1), price=Price(1))
        )
        yield parts


async def test_an_operator_is_answered_once_the_charge_point_has_answered(tmp_path: Path) -> None:
    async with office(tmp_path) as parts:
        asked = asyncio.ensure_future(order(parts, RESET))
        await eventually(lambda: parts.publisher.to_gateways)
        ((partition, connection, message),) = parts.publisher.to_gateways
        assert (partition, connection) == (3, HERE)
        assert isinstance(message, OcppCommand)
        assert (message.message_id, message.action) == ("m-1", "Reset")
        assert message.expires_at == parts.clock.now + RESET.deadline
        assert not asked.done()
        await answered(parts, "m-1", CommandOutcome.REJECTED)
        row = await asked
        assert (row.state, row.answer, row.by) == ("rejected", {"status": "rejected"}, "ana")


async def test_what_is_not_over_in_time_is_answered_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on, and may be waited for again."""
    monkeypatch.setattr(operators, "WAIT_WITHIN", 0.01)
    async with office(tmp_path) as parts:
        assert (await order(parts, RESET)).state == "sent"
        monkeypatch.setattr(operators, "WAIT_WITHIN", 60.0)
        waiting = asyncio.ensure_future(listed(parts, CommandsRequest(command_id="m-1", wait=True)))
        await asyncio.sleep(0)
        await answered(parts, "m-1", CommandOutcome.ACCEPTED)
        (row,) = (await waiting).commands
        assert row.state == "accepted"


async def test_an_order_that_is_repeated_is_one_command(tmp_path: Path) -> None:
    """As a console repeats it, that did not hear the answer."""
    async with office(tmp_path) as parts:
        for _ in range(3):
            assert (await order(parts, replace(RESET, wait=False))).command_id == "m-1"
        assert len(parts.publisher.to_gateways) == 1
        with pytest.raises(Refused, match="another command"):
            await order(parts, replace(RESET, payload=Payload(type="Hard")))


@pytest.mark.parametrize(
    ("request_", "reason", "text"),
    [
        (replace(RESET, cp_id="CP-9"), Reason.UNKNOWN_CHARGE_POINT, "CP-9"),
        (replace(RESET, cp_id="ALC-1"), Reason.NOT_ALLOWED, "it has a monitor"),
        (replace(RESET, action="Rest"), Reason.INVALID_MESSAGE, "did you mean Reset"),
        (replace(RESET, action="Fly"), Reason.INVALID_MESSAGE, "Fly - at `$.action`"),
        (replace(RESET, action="Heartbeat"), Reason.INVALID_MESSAGE, "no call to a charge point"),
        (replace(RESET, message_id="x" * 37), Reason.INVALID_MESSAGE, "at `$.message_id`"),
    ],
)
async def test_what_no_gateway_could_send_is_refused_and_not_stored(
    tmp_path: Path, request_: CommandRequest, reason: Reason, text: str
) -> None:
    async with office(tmp_path) as parts:
        with pytest.raises(Refused) as no:
            await order(parts, request_)
        assert no.value.reason is reason
        assert text in no.value.text
        assert (await listed(parts, CommandsRequest())).commands == ()


async def test_commands_are_listed_the_latest_first_and_by_their_charge_point(
    tmp_path: Path,
) -> None:
    async with office(tmp_path) as parts:
        await connected(parts, "CP-2")
        for number in range(5):
            cp_id = "CP-2" if number == 2 else "CP-1"
            request = replace(RESET, message_id=f"m-{number}", cp_id=cp_id, wait=False)
            await order(parts, request)
            parts.clock.now += 1
        of_one = await listed(parts, CommandsRequest(cp_id="CP-1"))
        assert [row.command_id for row in of_one.commands] == ["m-4", "m-3", "m-1", "m-0"]
        first = await listed(parts, CommandsRequest(limit=3))
        rest = await listed(parts, CommandsRequest(limit=3, after=first.next))
        assert [row.command_id for row in (*first.commands, *rest.commands)] == [
            f"m-{number}" for number in (4, 3, 2, 1, 0)
        ]
        assert rest.next is None
        (one,) = (await listed(parts, CommandsRequest(command_id="m-2"))).commands
        assert one.cp_id == "CP-2"
        for nothing in (
            CommandsRequest(command_id="m-9", wait=True),
            CommandsRequest(command_id="m-2", cp_id="CP-1"),
        ):
            assert (await listed(parts, nothing)).commands == ()
        with pytest.raises(Refused, match=r"at `\$.after`"):
            await listed(parts, CommandsRequest(after="nowhere"))


async def test_a_page_of_long_commands_is_shorter(tmp_path: Path) -> None:
    """It must fit a frame; the next page goes on where it ends."""
    async with office(tmp_path) as parts:
        for number in range(4):
            payload = Payload(data="x" * 20_000)
            await order(
                parts,
                replace(
                    RESET,
                    message_id=f"m-{number}",
                    action="DataTransfer",
                    payload=payload,
                    wait=False,
                ),
            )
        found: list[str] = []
        after: str | None = None
        while True:
            page = await listed(parts, CommandsRequest(after=after))
            assert 1 <= len(page.commands) < 4
            found += [row.command_id for row in page.commands]
            if page.next is None:
                break
            after = page.next
        assert found == ["m-3", "m-2", "m-1", "m-0"]


async def test_meter_values_are_listed_the_latest_first(tmp_path: Path) -> None:
    """Those of one transaction alone, where that is asked; a very long one is cut."""

    def stored(at_ms: int, transaction_id: int | None, value: str = "1") -> AddSample:
        sample = Sample(at_ms=at_ms, value=value)
        return AddSample(
            StoredSample(
                cp_id="CP-1",
                digest=at_ms,
                connector_id=1,
                transaction_id=transaction_id,
                sample=sample,
            )
        )

    async with office(tmp_path) as parts:
        await parts.central.store.write(
            stored(1, None), stored(2, 7), stored(3, 7, "s" * 60_000), stored(4, None)
        )
        answer = await ask(parts, SamplesRequest(cp_id="CP-1"))
        assert isinstance(answer, SamplesResponse)
        assert [row.sample.at_ms for row in answer.samples] == [4, 3, 2, 1]
        assert len(answer.samples[1].sample.value) == operators.MAX_VALUE + 1
        of_one = await ask(parts, SamplesRequest(cp_id="CP-1", transaction_id=7, limit=1))
        assert [row.sample.at_ms for row in of_one.samples] == [3]
        rest = await ask(parts, SamplesRequest(cp_id="CP-1", transaction_id=7, after=of_one.next))
        assert [row.sample.at_ms for row in rest.samples] == [2]
        with pytest.raises(Refused, match=r"at `\$.after`"):
            await ask(parts, SamplesRequest(cp_id="CP-1", after="x"))
