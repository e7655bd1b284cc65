"""The table of actions: complete, and each of them called by those who may."""

from collections import Counter

import pytest
from ocpp.v16.enums import Action as Theirs

from gateway.v16 import messages
from gateway.v16.actions import ACTIONS, Direction, Profile
from gateway.v16.types import Payload

UP, DOWN, BOTH = Direction


def test_the_table_has_the_actions_that_others_know() -> None:
    """28 of OCPP 1.6, and 11 of its security extension."""
    assert sorted(ACTIONS) == sorted(action.value for action in Theirs)
    assert Counter(row.profile is Profile.SECURITY for row in ACTIONS.values()) == {
        False: 28,
        True: 11,
    }


def test_each_is_called_by_who_may_call_it() -> None:
    """10 + 4 by the charge point, 19 + 7 by us; DataTransfer by both."""
    rows = ACTIONS.values()
    assert Counter((row.profile is Profile.SECURITY, row.direction) for row in rows) == {
        (False, UP): 9,
        (False, DOWN): 18,
        (False, BOTH): 1,
        (True, UP): 4,
        (True, DOWN): 7,
    }
    assert [row.name for row in rows if row.from_charge_point and row.to_charge_point] == [
        "DataTransfer"
    ]
    assert all(row.from_charge_point or row.to_charge_point for row in rows)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_row_names_the_structs_of_its_action(name: str) -> None:
    """Which are had from `messages`, too."""
    row = ACTIONS[name]
    assert row.name == name
    assert row.request is getattr(messages, f"{name}Request")
    assert row.response is getattr(messages, f"{name}Response")
    assert row.request.__doc__
    assert row.request.__doc__ != Payload.__doc__
