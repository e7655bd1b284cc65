"""What the two sides share."""

from common.messages import RecoveryNotification
from monitor.point import Point
from tests.monitor.fakes import FakeLink

NEWS = RecoveryNotification(cp_id="CP")


def test_central_is_told_if_it_can_be() -> None:
    """Without a registered link, or with one that just went, the next heartbeat mends it."""
    point, central = Point("CP"), FakeLink()
    point.tell_central(NEWS)
    point.central = central
    point.tell_central(NEWS)
    central.down = True
    point.tell_central(NEWS)
    assert central.told == [NEWS]
