"""The watched charge: what comes before it is known which charge that is, is not lost."""

from common.clock import SystemClock
from common.states import SessionState
from driver.charge import Charge
from driver.watch import KEPT, Watch
from tests.driver.central import row
from tests.driver.test_charge import reading, status, ticket


def test_what_came_before_the_answer_counts() -> None:
    """A ticket may be quicker than the answer that names its session."""
    watch = Watch(SystemClock())
    watch.seen(status(SessionState.CHARGING))
    watch.seen(ticket(4_000))
    watch.follow(Charge("S-1", "CP-1"))
    assert watch.charge is not None
    assert watch.charge.over


def test_what_is_kept_is_bounded() -> None:
    """The latest of other sessions' messages are kept, and no more than so many."""
    watch = Watch(SystemClock())
    for number in range(KEPT + 1):
        watch.seen(reading(number + 1, 10 * (KEPT - number), session_id="S-1"))
    watch.follow(Charge("S-1", "CP-1"))
    assert watch.charge is not None
    assert watch.charge.energy == 10 * (KEPT - 1)


async def test_a_move_wakes_who_waits_once() -> None:
    """A repeat is no move."""
    watch = Watch(SystemClock())
    watch.follow(Charge("S-1", "CP-1"))
    assert (await watch.moved()).energy == 0
    watch.seen(reading(1, 100))
    assert (await watch.moved()).energy == 100
    watch.seen(reading(1, 100))
    assert not watch.told(row("S-2"))
    watch.seen(reading(2, 200))
    assert (await watch.moved()).energy == 200
