"""What is shown of a reading: to the driver always, of the point's row what somebody looks at."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from central.board import LIVE_FIGURES_EVERY
from common.dispatch import Peer
from common.messages import ChargingData, PointChanged, Role
from common.protocol import CHARGING
from common.states import SessionState
from common.units import WattHours, Watts
from tests.central.parts import Parts, eventually, serving


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    """A serving central on an empty database, with a charge at CP-1."""
    async with serving(tmp_path) as parts:
        await parts.monitor("CP-1")
        begun = await parts.charge("ANA", "CP-1")
        read(parts, begun.session_id or "", 1)
        live = parts.central.network.sessions[begun.session_id or ""]
        await eventually(lambda: live.session.state is SessionState.CHARGING)
        parts.central.board.flush()
        yield parts


def read(parts: Parts, session_id: str, sequence: int) -> None:
    """Let a reading come by Kafka."""
    reading = ChargingData(
        message_id=f"r-{sequence}",
        cp_id="CP-1",
        session_id=session_id,
        sequence=sequence,
        energy_consumed_kwh=WattHours(3 * sequence),
        charging_rate=Watts(11_000),
    )
    peer = Peer(role=Role.MONITOR, id="CP-1", transport=CHARGING.name)
    parts.central.readings.reading(reading, peer)


def session_of(parts: Parts) -> str:
    """The one session."""
    (session_id,) = parts.central.network.sessions
    return session_id


async def test_a_reading_makes_no_row_that_nobody_looks_at(parts: Parts) -> None:
    """Its driver is told of each; `ev.points` has live figures now and then."""
    board, session_id = parts.central.board, session_of(parts)
    before = len(parts.events("ANA"))
    for sequence in (2, 3, 4):
        read(parts, session_id, sequence)
    assert len(parts.events("ANA")) == before + 3
    assert not board._changed
    parts.clock.now += LIVE_FIGURES_EVERY
    read(parts, session_id, 5)
    assert list(board._changed) == ["CP-1"]


async def test_a_reading_is_shown_at_once_to_who_watches(parts: Parts) -> None:
    """With the energy and the cost that it says."""
    board, session_id = parts.central.board, session_of(parts)
    shown: list[PointChanged] = []

    class Operator:
        """An operator's link."""

        def tell(self, message: PointChanged) -> None:
            shown.append(message)

    board._watchers.add(Operator())  # type: ignore[arg-type]
    read(parts, session_id, 2)
    board.flush()
    (row,) = shown
    assert row.connectors[0].energy_consumed_kwh == WattHours(6)
