"""Whether the engine agrees to be stopped."""

import pytest

from common.messages import ConnectorEntry, ResumeCpCommand, StopCpCommand
from monitor.health import Condition
from monitor.stopping import Stopping

STOP, RESUME = StopCpCommand, ResumeCpCommand


def showing(status: str) -> Condition:
    connector = ConnectorEntry(connector_id=1, status=status)
    return Condition(heard=True, status=status, connectors=(connector,))


@pytest.mark.parametrize(
    ("wanted", "shown", "confirmed", "command"),
    [
        (True, "available", None, STOP),
        (True, "charging", None, STOP),
        (True, "stopped", None, None),
        (False, "stopped", None, RESUME),
        (False, "available", None, None),
        (False, "charging", None, None),
        # What it shows counts more than what it once confirmed.
        (True, "available", True, STOP),
        (False, "stopped", False, RESUME),
        # Where it does not show it, what it confirmed counts.
        (True, "faulted", None, STOP),
        (True, "faulted", False, STOP),
        (True, "faulted", True, None),
        (False, "faulted", None, RESUME),
        (False, "faulted", True, RESUME),
        (False, "faulted", False, None),
        (None, "available", None, None),
        (None, "stopped", None, None),
    ],
)
def test_the_engine_is_made_to_agree_both_ways(
    wanted: bool | None,
    shown: str,
    confirmed: bool | None,
    command: type[StopCpCommand] | type[ResumeCpCommand] | None,
) -> None:
    """Every combination of what central wants, the engine shows, and it has confirmed."""
    stopping = Stopping("CP")
    if confirmed is not None:
        stopping.confirmed(stopped=confirmed)
    stopping.told(wanted)
    given = stopping.next_command(showing(shown))
    assert (type(given) if given else None) is command


def test_a_command_is_given_once_for_each_answer_of_centrals() -> None:
    """An engine that says yes and does nothing is asked again with the next answer, not in a
    circle."""
    stopping = Stopping("CP")
    stopping.told(True)
    assert stopping.next_command(showing("available")) is not None
    stopping.confirmed(stopped=True)
    assert stopping.next_command(showing("available")) is None
    stopping.told(True)
    assert stopping.next_command(showing("available")) is not None


def test_a_new_engine_is_made_to_agree_at_once() -> None:
    """It was told before, but may have been started anew since."""
    stopping = Stopping("CP")
    stopping.told(True)
    stopping.next_command(showing("faulted"))
    stopping.confirmed(stopped=True)
    stopping.engine_is_new()
    assert isinstance(stopping.next_command(showing("faulted")), StopCpCommand)


def test_a_command_on_its_way_counts_as_centrals_latest_word() -> None:
    """An older answer of central's does not undo it when the engine comes back."""
    stopping = Stopping("CP")
    stopping.told(False)
    stopping.commanded(stopped=True)
    stopping.engine_is_new()
    assert isinstance(stopping.next_command(showing("available")), StopCpCommand)


def test_silence_about_it_changes_nothing() -> None:
    """A central that does not speak of stopping wants nothing."""
    stopping = Stopping("CP")
    stopping.told(True)
    stopping.told(None)
    assert isinstance(stopping.next_command(showing("available")), StopCpCommand)
