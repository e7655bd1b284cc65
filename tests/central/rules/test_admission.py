"""Who may charge where."""

from typing import Any

import pytest

from central.rules.admission import Situation, admit
from common.errors import Reason, Refused

REFUSALS: list[tuple[dict[str, Any], int | None, Reason]] = [
    ({"known": False}, None, Reason.UNKNOWN_CHARGE_POINT),
    ({"connectors": 2}, 3, Reason.UNKNOWN_CHARGE_POINT),
    ({"online": False}, None, Reason.CHARGE_POINT_OFFLINE),
    ({"fault": "GroundFailure"}, None, Reason.CHARGE_POINT_FAULTED),
    ({"connectors": 2, "faulted_connectors": {2}}, 2, Reason.CHARGE_POINT_FAULTED),
    ({"connectors": 2, "faulted_connectors": {1, 2}}, None, Reason.CHARGE_POINT_FAULTED),
    ({"stopped": True}, None, Reason.CHARGE_POINT_STOPPED),
    ({"driver_busy": True}, None, Reason.DRIVER_BUSY),
    ({"held_connectors": {1}}, None, Reason.CHARGE_POINT_BUSY),
    ({"connectors": 2, "held_connectors": {2}}, 2, Reason.CHARGE_POINT_BUSY),
    (
        {"connectors": 2, "held_connectors": {1}, "faulted_connectors": {2}},
        None,
        Reason.CHARGE_POINT_BUSY,
    ),
]


@pytest.mark.parametrize(("facts", "connector", "reason"), REFUSALS)
def test_each_obstacle_is_refused_with_its_own_reason(
    facts: dict[str, Any], connector: int | None, reason: Reason
) -> None:
    """Every refusal of a charge request names what stands in the way."""
    with pytest.raises(Refused) as caught:
        admit("CP-1", connector, Situation(**facts))
    assert caught.value.reason is reason
    assert caught.value.text


def test_refusals_are_checked_in_the_order_in_which_they_count() -> None:
    """With every obstacle at once, taking the first away brings the next one."""
    facts: dict[str, Any] = {
        "known": False,
        "online": False,
        "fault": "OtherError",
        "stopped": True,
        "driver_busy": True,
        "held_connectors": {1},
    }
    cured: dict[str, Any] = {
        "known": True,
        "online": True,
        "fault": None,
        "stopped": False,
        "driver_busy": False,
        "held_connectors": frozenset(),
    }
    found = []
    for obstacle in list(facts):
        with pytest.raises(Refused) as caught:
            admit("CP-1", None, Situation(**facts))
        found.append(caught.value.reason)
        facts[obstacle] = cured[obstacle]
    assert found == [
        Reason.UNKNOWN_CHARGE_POINT,
        Reason.CHARGE_POINT_OFFLINE,
        Reason.CHARGE_POINT_FAULTED,
        Reason.CHARGE_POINT_STOPPED,
        Reason.DRIVER_BUSY,
        Reason.CHARGE_POINT_BUSY,
    ]
    assert admit("CP-1", None, Situation(**facts)) == 1


def test_any_free_connector_is_given_where_none_is_asked_for() -> None:
    """The first connector that is neither held nor faulted serves."""
    situation = Situation(connectors=4, held_connectors={1}, faulted_connectors={2})
    assert admit("CP-1", None, situation) == 3


def test_the_connector_that_is_asked_for_is_given() -> None:
    """A free connector that is named is not exchanged for another."""
    assert admit("CP-1", 2, Situation(connectors=3)) == 2
