"""The intake of `ev.up`: in order for each charge point, durable before done, poison set aside."""

import asyncio
from collections.abc import AsyncIterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.gateways import intake as intake_module
from central.gateways.arrivals import Arrivals
from central.network import LivePoint
from common.codec import encode
from common.connection import HEADER, Connection
from common.errors import BadMessage, Reason
from common.gateway_messages import (
    BootRequest,
    ConnectorStatus,
    NodeAlive,
    OcppRequest,
    OcppResponse,
)
from common.messages import (
    CommandOutcome,
    CommandResponse,
    ErrorResponse,
    Message,
    Outcome,
    RegisterResponse,
)
from common.protocol import CENTRAL, DOWN, GATEWAY, UP, sent, wire_name
from common.states import Status
from common.stream import Record
from common.units import Payload
from tests.central.gateways.desk import HERE, Desk, desk, down, up
from tests.central.parts import eventually
from tests.common.strategies import messages


@pytest.fixture
async def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """A central that tries again soon."""
    monkeypatch.setattr(intake_module, "TRY_AGAIN", 0.005)
    async with desk(tmp_path) as made:
        yield made


async def test_a_charge_point_boots_and_is_reached_where_it_is_connected(one: Desk) -> None:
    """The answer goes to the partition of its gateway, with the connection that it is for."""
    one.say(up("CP"))
    answer = await one.ask(BootRequest(cp_id="CP", vendor="ACME", model="One"))
    assert isinstance(answer, RegisterResponse)
    assert answer.status is Outcome.SUCCESS
    assert answer.heartbeat_interval == 300
    assert one.central.connections.of("CP") == HERE
    assert one.central.network.points["CP"].link is not None
    await one.handled(*one.say(down("CP")))
    assert one.central.network.points["CP"].link is None
    assert one.central.network.status(one.central.network.points["CP"]) is Status.OFFLINE


async def test_what_the_database_does_not_take_holds_back_its_charge_point_alone(
    one: Desk,
) -> None:
    """It is handled again in its place; nothing is answered, or done, before it is stored."""
    await one.boot("OTHER")
    one.parts.outage.writes_to_fail = 1_000_000
    boot, status = one.say(
        BootRequest(cp_id="CP", vendor="ACME", model="One"),
        ConnectorStatus(cp_id="CP", connector_id=1, status="Charging"),
    )
    other = one.say(ConnectorStatus(cp_id="OTHER", connector_id=1, status="Preparing"))
    point = one.central.network.points["OTHER"]
    await eventually(lambda: point.reported.get(1) is Status.PREPARING)
    await asyncio.sleep(0.03)  # several attempts
    await one.intake.flush()
    assert one.intake.waiting == 1
    assert "CP" not in one.central.network.points
    assert not {boot.offset, status.offset, other[0].offset} & set(one.reports.finished)
    assert one.answers(boot) == []

    one.parts.outage.writes_to_fail = 0
    assert isinstance(await one.answer(boot), RegisterResponse)
    await one.handled(boot, status, *other)
    assert one.central.network.points["CP"].reported == {1: Status.CHARGING}
    assert one.answers(boot) == [await one.answer(boot)]
    assert one.dead == []


async def test_a_report_is_done_only_once_it_is_stored(one: Desk) -> None:
    """A flush that fails keeps what it was to store, and the offsets."""
    (record,) = one.say(up("CP"))
    await eventually(lambda: one.central.connections.of("CP") is not None)
    one.parts.outage.writes_to_fail = 1
    await one.intake.flush()
    assert one.reports.finished == []
    await one.handled(record)
    stored = await asyncio.to_thread(one.central.store.snapshot)
    assert [last.cp_id for last in stored.connections] == ["CP"]


async def test_a_request_is_done_only_once_its_answer_is_acknowledged(one: Desk) -> None:
    """Else it is handled again after a restart, and answered then."""
    one.parts.publisher.failing = 1
    unheard, heard = one.say(*[BootRequest(cp_id="CP", vendor="ACME", model="One")] * 2)
    await one.handled(heard)
    assert unheard.offset not in one.reports.finished
    assert one.answers(unheard) == []


async def test_a_refusal_is_an_answer_and_no_poison(one: Desk) -> None:
    """Who asks what central does not know is told so."""
    await one.boot("CP")
    answer = await one.ask(OcppRequest(cp_id="CP", action="Nonsense", payload=Payload()))
    assert isinstance(answer, OcppResponse)
    assert (answer.status, answer.error) == (Outcome.FAILURE, Reason.NOT_ALLOWED)
    assert one.dead == []


async def test_a_defect_sets_the_request_aside_and_who_asked_is_told(
    one: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows from the same charge point is handled all the same."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(one.central.points, "_save", broken)
        answer = await one.ask(BootRequest(cp_id="CP", vendor="ACME", model="One"))
    assert isinstance(answer, ErrorResponse)
    assert (answer.error, answer.message) == (Reason.INTERNAL, "")
    assert [type(why) for _, why in one.dead] == [ZeroDivisionError]
    await one.boot("CP")


FAR = Connection("gw-1", 64, 1)
POISON: dict[str, dict[str, Any]] = {
    "no JSON": {"value": b"poison"},
    "no message that may come here": {"value": b'{"type":"charge_request","message_id":"m"}'},
    "no key": {"key": None},
    "another one's key": {"key": "OTHER"},
    "no connection": {"connection": None},
    "a partition that does not exist": {"connection": FAR},
}


@pytest.mark.parametrize("kind", POISON)
async def test_poison_is_set_aside_and_what_is_around_it_is_applied(one: Desk, kind: str) -> None:
    """Whatever is wrong with a record, it holds nothing up."""
    await one.boot("CP")
    status = ConnectorStatus(cp_id="CP", connector_id=1, status="Charging")
    bad = one.record(status, **POISON[kind])
    good = one.record(ConnectorStatus(cp_id="CP", connector_id=2, status="Preparing"))
    one.reports.write([bad, good])
    await one.handled(bad, good)
    assert [record for record, _ in one.dead] == [bad]
    assert one.central.network.points["CP"].reported == {2: Status.PREPARING}


@pytest.mark.parametrize("kind", ["no message", "another one's key"])
async def test_who_asked_by_a_bad_record_is_told_why(one: Desk, kind: str) -> None:
    """Where it can be told at all: its gateway need not wait for its deadline."""
    boot = BootRequest(message_id="b-1", cp_id="CP", vendor="ACME", model="One")
    if kind == "no message":
        record = one.record(boot, value=b'{"type":"register_request","message_id":"b-1"}')
    else:
        record = one.record(boot, key="OTHER")
    one.reports.write([record])
    answer = await one.answer(record)
    assert isinstance(answer, ErrorResponse)
    assert answer.error is Reason.INVALID_MESSAGE
    assert "CP" not in one.central.network.points


async def test_a_gateways_own_record_must_be_its_own(one: Desk) -> None:
    """Nobody says for another gateway that it runs."""
    alive = NodeAlive(node="gw-2", partition=3, connections=1)
    records = [one.record(alive, key="gw-2"), one.record(alive, key="gw-1")]
    records.append(one.record(alive, Connection("gw-2", 3, 0), key="gw-2"))
    one.reports.write(records)
    await one.handled(*records)
    assert [record for record, _ in one.dead] == records[:2]


async def test_the_answer_to_a_command_overtakes_what_waits(one: Desk) -> None:
    """Whoever is at the head of the lane may be waiting for it."""
    await one.boot("CP")
    one.parts.outage.writes_to_fail = 1_000_000
    one.say(ConnectorStatus(cp_id="CP", connector_id=2, status="Available"))
    answer = CommandResponse(
        message_id="of-nobody", status=Outcome.SUCCESS, outcome=CommandOutcome.ACCEPTED
    )
    answered = one.record(answer, key="CP")
    one.reports.write([answered])
    await eventually(lambda: answered in one.intake._applied)
    assert one.intake.waiting == 1
    one.parts.outage.writes_to_fail = 0


async def test_what_waits_goes_on_after_the_intake_has_failed(one: Desk) -> None:
    """A run that ends leaves its lanes to the next one."""
    one.parts.outage.writes_to_fail = 1_000_000
    boot, status = one.say(
        BootRequest(cp_id="CP", vendor="ACME", model="One"),
        ConnectorStatus(cp_id="CP", connector_id=1, status="Charging"),
    )
    await eventually(lambda: one.intake.waiting == 1)
    await one.restart_intake()
    one.parts.outage.writes_to_fail = 0
    await one.handled(boot, status)
    assert one.central.network.points["CP"].reported == {1: Status.CHARGING}


async def test_messages_of_a_charge_point_are_handled_in_their_order(one: Desk) -> None:
    """Though each third one waits for the database, and the database fails now and then."""
    points = [f"CP-{n}" for n in range(5)]
    for cp_id in points:
        await one.boot(cp_id)
    told: list[tuple[str, str]] = []
    reported = one.central.transactions.connector_reported
    records = []

    def note(point: LivePoint, connector_id: int, word: Status) -> None:
        told.append((point.point.cp_id, f"{connector_id} {word}"))
        reported(point, connector_id, word)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(one.central.transactions, "connector_reported", note)
        one.parts.outage.after, one.parts.outage.writes_to_fail = 7, 9
        expected = []
        for n in range(30):
            word = ("Available", "Preparing", "Charging")[n % 3]
            for cp_id in points:
                # A connector that was not known makes the point be stored.
                connector_id = n + 1 if n % 3 == 0 else 1
                expected.append((cp_id, f"{connector_id} {word}"))
                records += one.say(
                    ConnectorStatus(cp_id=cp_id, connector_id=connector_id, status=word)
                )
        await one.handled(*records)
    for cp_id in points:
        # One that was tried again is told of again, in its place.
        of_point = [what for whose, what in told if whose == cp_id]
        assert [k for k, _ in groupby(of_point)] == [w for c, w in expected if c == cp_id]


MESSAGES = sorted(sent(GATEWAY, CENTRAL, UP), key=wire_name)
headers = st.just(HERE.header()) | st.none() | st.binary(max_size=20)


@given(
    message=st.sampled_from(MESSAGES).flatmap(messages),
    key=st.sampled_from(["own", "own", "other"]) | st.none(),
    header=headers,
)
def test_every_message_of_a_gateway_is_read_or_refused_with_a_reason(
    message: Message, key: str | None, header: bytes | None
) -> None:
    """Read, where it has its own key and a connection; refused otherwise."""
    own = getattr(message, "cp_id", None) or getattr(message, "node", "CP")
    key = own if key == "own" else key
    names = Connection.of(header)
    is_right = key == own and names is not None and names.partition < DOWN.partitions
    if isinstance(message, NodeAlive):
        is_right = is_right and names is not None and names.node == own
    if isinstance(message, CommandResponse):
        is_right = is_right or (key == "other" and names is not None)
    record = a_record(encode(message), key, header)
    if is_right:
        arrival = Arrivals().read(record)
        assert (arrival.message, arrival.whose, arrival.connection) == (message, key, names)
    else:
        with pytest.raises(BadMessage) as bad:
            Arrivals().read(record)
        assert bad.value.message_id == message.message_id


@given(value=st.binary(max_size=100), header=headers)
def test_bytes_that_are_no_message_are_refused(value: bytes, header: bytes | None) -> None:
    """Nothing that anybody may write to the topic ends the intake."""
    with pytest.raises(BadMessage):
        Arrivals().read(a_record(value, "CP", header))


def a_record(value: bytes, key: str | None, header: bytes | None) -> Record:
    whose = None if key is None else key.encode()
    return Record(UP.name, 0, 0, key, value, 0, False, ((HEADER, header),), whose)
