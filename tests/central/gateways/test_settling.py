"""A transaction is over when its end has come; without it only where it cannot go on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from central.app import SETTLE_TIMEOUT
from central.gateways.settling import ENDED_AFTER
from common.gateway_messages import IdTagStatus
from common.states import EndReason, SessionState
from tests.central.gateways.charge_point import NOW, ChargePoint, know, tag
from tests.central.gateways.desk import Desk, desk, down

_S = SessionState


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, NOW) as made:
        yield made


@pytest.fixture
async def cp(one: Desk) -> ChargePoint:
    made = await ChargePoint(one).boot()
    await know(one, tag("TAG", driver_id="ana"))
    return made


async def charging(cp: ChargePoint, energy: int = 3_000) -> int:
    """A transaction with so much energy so far."""
    transaction_id, status = await cp.start("TAG", 1_000)
    assert status is IdTagStatus.ACCEPTED
    await cp.status("Charging")
    if energy:
        await cp.meter(transaction_id, 1_000 + energy)
    return transaction_id


async def disconnected(cp: ChargePoint) -> None:
    await cp.desk.handled(*cp.desk.say(down(cp.cp_id, cp.connection)))


async def looked(cp: ChargePoint, seconds: float) -> None:
    """Time passes, and central looks what is due."""
    cp.desk.parts.clock.now += seconds
    await cp.desk.central.patrol.look()


async def state(cp: ChargePoint, transaction_id: int) -> tuple[SessionState, bool]:
    """Its state, and whether its bill is estimated."""
    session = await cp.session(transaction_id)
    return session.state, session.estimated


async def test_nothing_is_closed_while_the_connector_is_in_use(cp: ChargePoint) -> None:
    """However seldom meter values come."""
    transaction_id = await charging(cp)
    for word in ("Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"):
        await cp.status(word)
        await looked(cp, 10 * SETTLE_TIMEOUT)
        assert await state(cp, transaction_id) == (_S.CHARGING, False)


async def test_what_was_offline_for_too_long_is_closed_from_its_last_reading(
    cp: ChargePoint,
) -> None:
    """The true end corrects that, as revision 2, whenever it comes."""
    transaction_id = await charging(cp, 3_000)
    await disconnected(cp)
    await looked(cp, SETTLE_TIMEOUT - 1)
    assert await state(cp, transaction_id) == (_S.CHARGING, False)
    assert cp.desk.central.network.of_driver("ana") is None, "free after two minutes"
    await looked(cp, 1)
    assert await state(cp, transaction_id) == (_S.COMPLETED, True)
    bill = await cp.ticket(transaction_id)
    assert bill is not None
    assert (bill.energy, bill.reason, bill.revision) == (3_000, EndReason.LOST, 1)
    await cp.meter(transaction_id, 4_500)
    for _ in range(2):
        await cp.stop(transaction_id, 5_000, reason="PowerLoss")
    bill = await cp.ticket(transaction_id)
    assert bill is not None
    assert (bill.energy, bill.reason, bill.revision) == (4_000, EndReason.FAULT, 2)
    assert (bill.meter_start_wh, bill.meter_stop_wh) == (1_000, 5_000)
    assert (await cp.session(transaction_id)).settled


async def test_an_estimate_is_corrected_after_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path, NOW) as one:
        cp = await ChargePoint(one).boot()
        await know(one, tag("TAG", driver_id="ana"))
        transaction_id = await charging(cp, 3_000)
        await disconnected(cp)
        await looked(cp, SETTLE_TIMEOUT)
        assert await state(cp, transaction_id) == (_S.COMPLETED, True)
    async with desk(tmp_path, NOW) as one:
        cp = await ChargePoint(one).boot()
        await cp.stop(transaction_id, 5_000)
        bill = await cp.ticket(transaction_id)
        assert bill is not None
        assert (bill.energy, bill.revision) == (4_000, 2)


async def test_a_connector_that_is_available_again_is_free_before_the_end_comes(
    cp: ChargePoint,
) -> None:
    """Not at once: a charge point that starts anew may say so first, and go on charging."""
    transaction_id = await charging(cp)
    await cp.status("Available")
    await looked(cp, 0)
    await looked(cp, ENDED_AFTER - 1)
    assert await state(cp, transaction_id) == (_S.CHARGING, False)
    await cp.status("Charging")
    await cp.status("Available")
    await looked(cp, ENDED_AFTER - 1)
    assert await state(cp, transaction_id) == (_S.CHARGING, False)
    await looked(cp, ENDED_AFTER)
    assert await state(cp, transaction_id) == (_S.FINISHING, False)
    assert cp.desk.central.network.of_driver("ana") is None
    assert cp.desk.central.network.holder("CP", 1) is None
    await looked(cp, SETTLE_TIMEOUT)
    assert await state(cp, transaction_id) == (_S.COMPLETED, True)


async def test_a_transaction_that_was_displaced_is_closed_in_the_end(cp: ChargePoint) -> None:
    """While the next one goes on at its connector."""
    transaction_id = await charging(cp, 3_000)
    cp.clock_ms += 1_000
    newer, _ = await cp.start("TAG", 4_000)
    await looked(cp, SETTLE_TIMEOUT - 1)
    assert await state(cp, transaction_id) == (_S.FINISHING, False)
    await looked(cp, 1)
    assert await state(cp, transaction_id) == (_S.COMPLETED, True)
    assert await state(cp, newer) == (_S.CHARGING, False)


async def test_without_a_reading_there_is_nothing_to_bill(cp: ChargePoint) -> None:
    """The true end still bills what it says."""
    transaction_id = await charging(cp, 0)
    await disconnected(cp)
    await looked(cp, SETTLE_TIMEOUT)
    assert await state(cp, transaction_id) == (_S.FAILED, False)
    await cp.stop(transaction_id, 1_700)
    bill = await cp.ticket(transaction_id)
    assert bill is not None
    assert (bill.energy, bill.revision) == (700, 1)
