"""Nonsense over a real link to each program's own handlers: answered or dropped, as is promised.

No handler fails, every request and every bad message is answered, nothing else is, and the link
lives on until five bad frames in a row.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.messages import Role
from tests.fuzz.nonsense import documents
from tests.fuzz.peers import Assaults

CENTRAL, MONITOR, ENGINE, DRIVER, ADMIN, *_ = Role
VICTIMS = {
    "engine from monitor": (MONITOR, ENGINE, None),
    "monitor from engine": (ENGINE, MONITOR, None),
    "monitor from central": (CENTRAL, MONITOR, None),
    "driver from central": (CENTRAL, DRIVER, None),
    "admin from central": (CENTRAL, ADMIN, None),
    "central from monitor": (MONITOR, CENTRAL, None),
    "central from driver": (DRIVER, CENTRAL, None),
    "central from admin": (ADMIN, CENTRAL, None),
}


@pytest.fixture(scope="module")
def assaults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assaults]:
    """The programs of this module."""
    with Assaults(tmp_path_factory.mktemp("central")) as programs:
        yield programs


def test_every_program_is_tried(assaults: Assaults) -> None:
    """From each side that it listens to."""
    assert assaults.victims.keys() == VICTIMS.keys()


@pytest.mark.parametrize("victim", VICTIMS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_nonsense_is_answered_or_dropped(
    assaults: Assaults, victim: str, data: st.DataObject
) -> None:
    """By a program that serves on as if nothing had been."""
    contents = data.draw(st.lists(documents(VICTIMS[victim]), max_size=8))
    assaults.run(victim, contents)
