"""The vigil: who sleeps for too long supplies nothing when it wakes."""

import pytest

from common.messages import ChargeCompletion
from common.states import EndReason
from common.units import Watts
from engine.charge_point import ChargePoint
from engine.journal import Journal
from engine.moment import Timepiece
from engine.uplink import Uplink
from engine.vigil import ASKED_WITHIN, Vigil
from tests.engine.fakes import BEGAN, CP, FakeClock, MemoryDisk, Told, start
from tests.engine.test_uplink import FakeLink

GRACE = 5.0
FULL_POWER = 11_000 / 3_600
"""Wh in a second."""


class Watched:
    """A charge that began 60 s ago, its monitor linked, its engine awake."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.timepiece = Timepiece(self.clock)
        self.told = Told()
        self.uplink = Uplink(CP, self.clock)
        self.link = FakeLink()
        self.uplink.adopt(self.link)
        self.point = ChargePoint(
            CP,
            Journal(MemoryDisk(), CP),
            self.told,
            self.timepiece.now(),
            power_limit=Watts(11_000),
        )
        self.vigil = Vigil(self.point, self.uplink, self.clock, self.timepiece, GRACE)
        self.point.begin(self.point.connectors[1], start(), self.timepiece.now())
        for _ in range(60):
            self.clock.pass_(1)
            self.vigil.woke()
            self.uplink.heard(self.link)
            self.point.read(self.timepiece.now())
        self.reading = self.told.take()[-1]

    def sleep(self, seconds: float) -> None:
        self.clock.pass_(seconds)

    def ticket(self) -> ChargeCompletion:
        [ticket] = self.told.take()
        assert isinstance(ticket, ChargeCompletion)
        return ticket


@pytest.fixture
def watched() -> Watched:
    """A charge under way."""
    return Watched()


@pytest.mark.parametrize("seconds", [GRACE, 20.0, 86_400.0])
def test_who_slept_for_longer_than_the_grace_has_ended_when_it_was_over(
    watched: Watched, seconds: float
) -> None:
    """Its ticket has the energy, and the time, of the grace and not of the sleep."""
    watched.sleep(seconds)
    assert watched.vigil.woke()
    ticket = watched.ticket()
    assert ticket.reason is EndReason.MONITOR_LOST
    assert ticket.ended_at == BEGAN + 60 + GRACE
    grace_wh = ticket.energy_consumed_kwh - watched.reading.energy_consumed_kwh
    assert grace_wh == pytest.approx(GRACE * FULL_POWER, abs=1)
    assert watched.point.running == []


def test_what_waits_to_be_read_after_a_sleep_proves_nothing(watched: Watched) -> None:
    """Bytes that came meanwhile are old; that they are read first changes nothing."""
    watched.sleep(20)
    watched.vigil.woke()  # as the link does before it takes its bytes
    watched.uplink.heard(watched.link)
    watched.vigil.end()
    assert watched.ticket().ended_at == BEGAN + 65


def test_a_short_sleep_changes_nothing(watched: Watched) -> None:
    """The supply goes on, and the link stays."""
    watched.sleep(ASKED_WITHIN - 0.1)
    assert not watched.vigil.woke()
    watched.uplink.heard(watched.link)
    watched.vigil.end()
    assert watched.told.take() == []
    assert watched.link.closed == 0
    assert len(watched.point.running) == 1


def test_a_link_with_old_questions_is_closed(watched: Watched) -> None:
    """Also where the supply goes on: who asked has stopped waiting."""
    watched.sleep(ASKED_WITHIN)
    assert watched.vigil.woke()
    assert watched.link.closed == 1
    assert len(watched.point.running) == 1


def test_an_engine_that_is_awake_ends_at_the_grace(watched: Watched) -> None:
    """Silence that it watched itself, and not before."""
    for _ in range(49):
        watched.sleep(0.1)
        watched.vigil.woke()
        watched.vigil.end()
        assert watched.told.take() == []
    watched.sleep(0.2)
    watched.vigil.woke()
    assert watched.vigil.is_over
    watched.vigil.end()
    assert watched.ticket().reason is EndReason.MONITOR_LOST
    assert not watched.vigil.is_over


def test_what_was_full_before_the_grace_was_over_is_full(watched: Watched) -> None:
    """The reason is the first that came about."""
    watched.point.end(watched.point.running[0], EndReason.DRIVER_REQUEST, watched.timepiece.now())
    watched.told.take()
    command = start("little", target_kwh=watched.reading.energy_consumed_kwh.__class__(1))
    watched.point.begin(watched.point.connectors[1], command, watched.timepiece.now())
    watched.sleep(20)
    watched.vigil.woke()
    assert watched.ticket().reason is EndReason.TARGET_REACHED


def test_days_on_the_wall_are_no_time(watched: Watched) -> None:
    """A clock that is set ends nothing, and a ticket's times are its start plus what passed."""
    for jump in (9 * 86_400.0, -20 * 86_400.0):
        watched.clock.jumped = jump
        watched.sleep(1)
        assert not watched.vigil.woke()
        watched.uplink.heard(watched.link)
        watched.point.read(watched.timepiece.now())
    watched.point.end(watched.point.running[0], EndReason.DRIVER_REQUEST, watched.timepiece.now())
    ticket = watched.told.take()[-1]
    assert (ticket.started_at, ticket.ended_at) == (BEGAN, BEGAN + 62)
