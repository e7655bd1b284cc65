"""Readings are made durable once a second, and sooner when there are many."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import cast

import pytest

from central import intake
from central.dead import DeadLetters
from central.intake import ChargingIntake
from common.codec import encode
from common.messages import ChargingData
from common.protocol import CHARGING
from common.stream import Record, Subscription
from common.units import WattHours
from tests.central.parts import Parts, eventually, serving


class Offsets:
    """A subscription's side that is told what is done.

    Attributes:
        committed: Records that were done at the last commit.
    """

    def __init__(self) -> None:
        self.committed = 0
        self._done = 0

    def done(self, records: Iterable[Record]) -> None:
        self._done += len(list(records))

    async def commit(self) -> None:
        self.committed = self._done


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    """A serving central on an empty database."""
    async with serving(tmp_path) as parts:
        yield parts


def reading(offset: int) -> Record:
    """A reading of a session that is over, which changes nothing."""
    said = ChargingData(
        message_id=f"r-{offset}",
        cp_id="CP-1",
        session_id="over",
        sequence=offset + 1,
        energy_consumed_kwh=WattHours(1),
    )
    return Record(CHARGING.name, 0, offset, "CP-1", encode(said), 0, True)


async def test_many_readings_are_not_kept_waiting_for_the_next_flush(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many may be in work, and no more are taken until they are durable."""
    monkeypatch.setattr(intake, "FLUSH_AT", 3)
    monkeypatch.setattr(intake, "FLUSH_EVERY", 3600.0)
    offsets = Offsets()
    feeding = ChargingIntake(
        cast(Subscription, offsets),
        parts.central.dispatcher,
        parts.central.readings,
        cast(DeadLetters, None),
    )
    flushing = asyncio.ensure_future(feeding.flush_for_ever())
    try:
        for offset in range(3):
            assert offsets.committed == 0
            feeding._waiting[0] = [reading(offset)]
            await feeding._work_off(0)
        await eventually(lambda: offsets.committed == 3)
    finally:
        flushing.cancel()
