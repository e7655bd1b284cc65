"""What time, an outage of the database and an outage of Kafka do to central."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from central.intake import ChargingIntake
from central.patrol import DRIVER_HELD_OFFLINE
from common.codec import encode
from common.errors import Reason, StoreUnavailable
from common.exchange import stamped
from common.messages import ChargeCompletion, ChargingStatusUpdate, StatusUpdate
from common.protocol import CHARGING
from common.states import FINISHING_SHOWN_FOR, EndReason, SessionState, Status
from common.stream import Record
from common.units import Money, WattHours
from tests.central.parts import Parts, eventually, serving


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    """A serving central on an empty database."""
    async with serving(tmp_path) as parts:
        yield parts


def ticket(parts: Parts, session_id: str, wh: int, offset: int = 0) -> Record:
    """The record of an engine's last word about a session at CP-1."""
    completion = ChargeCompletion(
        cp_id="CP-1",
        session_id=session_id,
        energy_consumed_kwh=WattHours(wh),
        reason=EndReason.UNPLUGGED,
    )
    value = encode(stamped(completion, parts.clock))
    return Record(CHARGING.name, 0, offset, "CP-1", value, 0, True)


class Nothing:
    """A subscription that is not read from."""


def intake(parts: Parts) -> ChargingIntake:
    """The intake of readings and tickets, fed by the test."""
    central = parts.central
    return ChargingIntake(Nothing(), central.dispatcher, central.readings, central.dead)  # type: ignore[arg-type]


async def test_a_driver_is_free_once_its_point_has_been_offline_for_two_minutes(
    parts: Parts,
) -> None:
    """Until then it is busy; its session stays as it is."""
    gone = await parts.monitor("CP-1")
    await parts.monitor("CP-2")
    begun = await parts.charge("ANA", "CP-1")
    gone.close()
    await eventually(lambda: parts.central.network.points["CP-1"].link is None)
    parts.clock.now += DRIVER_HELD_OFFLINE - 1
    await parts.central.patrol.look()
    assert (await parts.charge("ANA", "CP-2")).error is Reason.DRIVER_BUSY
    parts.clock.now += 2
    await parts.central.patrol.look()
    assert begun.session_id is not None
    assert parts.central.network.sessions[begun.session_id].session.holds_connector
    situation = parts.central.network.situation("CP-2", "ANA")
    assert not situation.driver_busy


async def test_a_connector_shows_finishing_for_a_minute(parts: Parts) -> None:
    """Then it is available, whether or not the ticket has come."""
    link = await parts.monitor("CP-1")
    begun = await parts.charge("ANA", "CP-1")
    link.tell(StatusUpdate(cp_id="CP-1", status="finishing", session_id=begun.session_id))
    network = parts.central.network
    await eventually(lambda: network.row(network.points["CP-1"]).status is Status.FINISHING)
    parts.clock.now += FINISHING_SHOWN_FOR - 1
    assert network.row(network.points["CP-1"]).status is Status.FINISHING
    parts.clock.now += 1
    assert network.row(network.points["CP-1"]).status is Status.AVAILABLE


async def test_a_batch_is_tried_again_as_a_whole_after_an_outage(parts: Parts) -> None:
    """Nothing of it is lost, and nothing billed twice."""
    await parts.monitor("CP-1")
    begun = await parts.charge("ANA", "CP-1")
    assert begun.session_id is not None
    batch = [ticket(parts, begun.session_id, 7500), ticket(parts, begun.session_id, 7500, 1)]
    feeding = intake(parts)
    parts.outage.writes_to_fail = 1
    assert not await feeding._apply(batch)
    assert await feeding._apply(batch)
    stored = await parts.central.store.ticket(begun.session_id)
    assert stored is not None
    assert stored.cost == Money(263)
    await eventually(
        lambda: len([m for m in parts.events("ANA") if isinstance(m, ChargeCompletion)]) == 1
    )


async def test_a_charge_that_cannot_be_stored_begins_nothing(parts: Parts) -> None:
    """The connector and the driver are free, and the same request may be repeated."""
    await parts.monitor("CP-1")
    parts.outage.writes_to_fail = 1
    with pytest.raises(StoreUnavailable):
        await parts.charge("ANA", "CP-1")
    assert parts.central.network.sessions == {}
    assert (await parts.charge("ANA", "CP-1")).session_id


async def test_a_yes_that_cannot_be_stored_is_decided_by_the_points_next_report(
    parts: Parts,
) -> None:
    """And a repeat of the request waits for that, and gets that answer."""
    link = await parts.monitor("CP-1")

    parts.outage.after, parts.outage.writes_to_fail = 1, 1
    with pytest.raises(StoreUnavailable):
        await parts.charge("ANA", "CP-1")
    (live,) = parts.central.network.sessions.values()
    assert not live.answered
    update = StatusUpdate(cp_id="CP-1", status="charging", session_id=live.session.session_id)
    link.tell(update)
    again = await parts.charge("ANA", "CP-1")
    assert again.session_id == live.session.session_id


async def test_what_a_driver_must_be_told_outlives_an_outage_of_kafka(parts: Parts) -> None:
    """It is told again, in the order in which it happened."""
    link = await parts.monitor("CP-1")
    begun = await parts.charge("ANA", "CP-1")
    parts.publisher.failing = 2
    link.tell(StatusUpdate(cp_id="CP-1", status="charging", session_id=begun.session_id))
    await eventually(lambda: parts.publisher.failing <= 1)
    link.tell(StatusUpdate(cp_id="CP-1", status="finishing", session_id=begun.session_id))
    await eventually(lambda: len(parts.events("ANA")) >= 2)
    states = [m.status for m in parts.events("ANA") if isinstance(m, ChargingStatusUpdate)]
    assert states == [SessionState.CHARGING, SessionState.FINISHING]


async def test_what_was_not_told_is_told_after_a_restart(tmp_path: Path) -> None:
    """The outbox is in the database."""
    async with serving(tmp_path) as before:
        before.publisher.failing = 10**9
        link = await before.monitor("CP-1")
        begun = await before.charge("ANA", "CP-1")
        link.tell(StatusUpdate(cp_id="CP-1", status="charging", session_id=begun.session_id))
        live = before.central.network.sessions[begun.session_id or ""]
        await eventually(lambda: live.session.state is SessionState.CHARGING)
        assert before.events("ANA") == []
    async with serving(tmp_path) as after:
        await eventually(lambda: after.events("ANA"))
        (told,) = after.events("ANA")
        assert isinstance(told, ChargingStatusUpdate)
        assert (told.status, told.epoch) == (SessionState.CHARGING, 2)
