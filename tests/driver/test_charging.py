"""What a driver remembers of a request that was refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from common.clock import SystemClock
from common.errors import PASSING, Reason, Refused
from common.messages import StopChargingRequest
from driver.charging import Charging
from driver.client import Client
from driver.screen import Screen
from driver.state import Held, StateFolder
from driver.watch import Watch

UNDECIDED = sorted(PASSING)
DECIDED = [Reason.CHARGE_POINT_BUSY, Reason.TIMED_OUT]


class Refusing:
    """A client to which central says no."""

    def __init__(self, reason: Reason) -> None:
        self._reason = reason
        self.asked: list[Any] = []

    async def ask(self, request: Any) -> Any:
        self.asked.append(request)
        raise Refused(self._reason)


class NoLiveData:
    """Kafka has nothing to say."""

    following = True

    def start(self) -> None:
        """It is not even there."""


Refused_ = Callable[[Reason], tuple[Charging, Refusing]]


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """A driver's state."""
    return StateFolder(tmp_path, "D-1")


@pytest.fixture
def refused(folder: StateFolder) -> Refused_:
    """A driver whom central refuses for this reason."""

    def made(reason: Reason) -> tuple[Charging, Refusing]:
        clock, client = SystemClock(), Refusing(reason)
        charging = Charging(
            "D-1",
            cast(Client, client),
            Watch(clock),
            NoLiveData(),
            folder,
            Screen(clock),
            None,
            clock,
        )
        return charging, client

    return made


@pytest.mark.parametrize("reason", UNDECIDED)
async def test_a_refusal_that_decides_nothing_is_asked_again_as_the_same_request(
    refused: Refused_, reason: Reason
) -> None:
    """A copy of it may be on its way by Kafka: a new one could begin a second charge."""
    charging, client = refused(reason)
    for _ in range(2):
        with pytest.raises(Refused):
            await charging.charge("CP-1")
    first, second = client.asked
    assert first.message_id == second.message_id


@pytest.mark.parametrize("reason", DECIDED)
async def test_a_request_that_was_refused_for_good_is_forgotten(
    refused: Refused_, reason: Reason
) -> None:
    """To try again is another request."""
    charging, client = refused(reason)
    for _ in range(2):
        with pytest.raises(Refused):
            await charging.charge("CP-1")
    first, second = client.asked
    assert first.message_id != second.message_id
    assert charging.unfinished() is None


@pytest.mark.parametrize("reason", UNDECIDED)
async def test_a_stop_that_was_not_decided_is_repeated(
    refused: Refused_, folder: StateFolder, reason: Reason
) -> None:
    """With the same id, as a charge is."""
    charging, client = refused(reason)
    with pytest.raises(Refused):
        await charging.stop(Held(session_id="s1", cp_id="CP-1"))
    kept = folder.pending_stop()
    assert isinstance(kept, StopChargingRequest)
    assert kept.message_id == client.asked[0].message_id
