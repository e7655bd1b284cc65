"""States: every state with every event, every combination of facts, against the promised tables."""

from collections.abc import Callable
from itertools import chain, combinations, product

import pytest

from common.states import (
    FINISHING_SHOWN_FOR,
    OPEN_STATES,
    PANEL_COLOURS,
    STEPS,
    TAKEN,
    EndReason,
    EngineStatus,
    Facts,
    SessionEvent,
    SessionState,
    Status,
    connector_status,
    point_status,
    read_reported,
    read_status,
    step,
)

LEGAL = {
    "authorised": {"charging", "finishing", "completed", "failed"},
    "charging": {"finishing", "completed", "failed"},
    "finishing": {"completed", "failed"},
    "completed": set(),
    "failed": {"completed"},
}

STAYS = ""
PROMISED_STEPS = {
    # event:       authorised   charging     finishing    completed  failed
    "supplying": ("charging", STAYS, STAYS, STAYS, STAYS),
    "ended": ("finishing", "finishing", STAYS, STAYS, STAYS),
    "refused": ("failed", STAYS, STAYS, STAYS, STAYS),
    # One that has run cannot have been never seen: its engine lost its journal.
    "never_seen": ("failed", "finishing", STAYS, STAYS, STAYS),
    "ticket": ("completed", "completed", "completed", STAYS, "completed"),
    "empty_ticket": ("failed", "failed", "failed", STAYS, STAYS),
}


def test_the_words_are_those_of_the_protocol() -> None:
    """States, end reasons, statuses and engine words as other programs read them."""
    assert [*SessionState] == ["authorised", "charging", "finishing", "completed", "failed"]
    assert set(EndReason) == {
        *("driver_request", "operator_request", "unplugged", "not_plugged_in", "target_reached"),
        *("cp_stopped", "fault", "monitor_lost", "engine_restarted", "cancelled", "lost"),
    }
    assert set(Status) == {
        *("Offline", "Faulted", "Charging", "SuspendedEV", "SuspendedEVSE", "Preparing"),
        *("Finishing", "Reserved", "Unavailable", "Available"),
    }
    assert set(EngineStatus) == {
        *("available", "preparing", "charging", "finishing", "stopped", "faulted"),
    }


@pytest.mark.parametrize("event", SessionEvent)
@pytest.mark.parametrize("state", SessionState)
def test_every_event_in_every_state_does_what_is_promised(
    state: SessionState, event: SessionEvent
) -> None:
    """The step of the table, or none: an event that a state does not list changes nothing."""
    promised = PROMISED_STEPS[event][list(SessionState).index(state)]
    assert step(state, event) == (promised or state)


def test_no_other_step_exists() -> None:
    """From each state exactly the legal ones can be reached in one step."""
    assert {state: {*steps.values()} for state, steps in STEPS.items()} == LEGAL
    assert STEPS.keys() == {*SessionState}


def test_an_event_that_comes_twice_changes_nothing_more() -> None:
    """Messages come late and twice; the second one finds nothing to do."""
    for state, event in product(SessionState, SessionEvent):
        once = step(state, event)
        assert step(once, event) == once


def test_a_completed_session_never_changes() -> None:
    """The ticket is committed; no event moves it any more."""
    assert all(step(SessionState.COMPLETED, event) == "completed" for event in SessionEvent)


def test_open_sessions_hold_connector_and_driver() -> None:
    """`authorised` and `charging` hold; the others do not."""
    assert {"authorised", "charging"} == OPEN_STATES


# ---- Connectors -------------------------------------------------------------------------------

REPORTS = ["Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV", "Finishing"]
REPORTS += ["Reserved", "Unavailable"]
"""OCPP's words of a connector, but for Faulted, which is a fault."""

ALL_FACTS = [
    Facts(
        link_up=up,
        fault=fault,
        stopped=stopped,
        session=session,
        finishing_for=seconds,
        reported=reported,
    )
    for up, fault, stopped, session, seconds, reported in product(
        *[[False, True]] * 3,
        [None, *SessionState],
        [0.0, 59.9, 60.0, 1e6],
        [None, *map(Status, REPORTS)],
    )
]


def _shows_finishing(facts: Facts) -> bool:
    return facts.session == "finishing" and facts.finishing_for < 60 and facts.reported is None


def _is_open(facts: Facts) -> bool:
    return facts.session in ("authorised", "charging")


def _says(word: str, *, while_open: bool) -> tuple[Callable[[Facts], bool], str, str]:
    colour = "orange" if word in ("Reserved", "Unavailable") else "green"
    return (lambda f: f.reported == word and (while_open or not _is_open(f)), word, colour)


PROMISED_STATUS: list[tuple[Callable[[Facts], bool], str, str]] = [
    (lambda f: not f.link_up, "Offline", "grey"),
    (lambda f: f.fault, "Faulted", "red"),
    # A charge point's own word, but none that contradicts a session that holds the connector.
    _says("Charging", while_open=True),
    _says("SuspendedEV", while_open=True),
    _says("SuspendedEVSE", while_open=True),
    _says("Preparing", while_open=True),
    _says("Finishing", while_open=True),
    _says("Reserved", while_open=False),
    _says("Unavailable", while_open=False),
    (lambda f: f.session == "charging", "Charging", "green"),
    (lambda f: f.session == "authorised", "Preparing", "green"),
    (_shows_finishing, "Finishing", "green"),
    (lambda f: f.stopped, "Unavailable", "orange"),
    (lambda f: True, "Available", "green"),
]


def test_every_combination_of_facts_shows_the_promised_status() -> None:
    """The first row of the table that fits, for all combinations, with its colour."""
    for facts in ALL_FACTS:
        status, colour = next((s, c) for fits, s, c in PROMISED_STATUS if fits(facts))
        assert connector_status(facts) == status, facts
        assert PANEL_COLOURS[connector_status(facts)] == colour, facts


def test_every_row_of_the_status_table_is_reached() -> None:
    """No status, and no colour, is there for nothing."""
    assert {connector_status(facts) for facts in ALL_FACTS} == {*Status} == {*PANEL_COLOURS}


def test_finishing_is_shown_for_a_minute() -> None:
    """A ticket that does not come does not hide for ever that the connector is free."""
    assert FINISHING_SHOWN_FOR == 60


# ---- Points -----------------------------------------------------------------------------------

ORDER = ["Faulted", "Charging", "SuspendedEV", "SuspendedEVSE", "Preparing", "Finishing"]
ORDER += ["Available", "Reserved", "Unavailable", "Offline"]


def test_a_point_shows_the_most_important_of_its_connectors() -> None:
    """For every set of words the first in the promised order, whatever their order and number."""
    words = [*Status]
    assert len(words) == len(ORDER)
    every = chain.from_iterable(combinations(words, n) for n in range(1, len(words) + 1))
    for connectors in every:
        expected = min(connectors, key=ORDER.index)
        assert point_status(connectors) == point_status([*reversed(connectors)] * 2) == expected


def test_a_point_without_connectors_is_offline() -> None:
    """Nothing is known of it."""
    assert point_status([]) == "Offline"


# ---- Words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "read"),
    [
        *((word.value, word.value) for word in EngineStatus),
        ("Available", "available"),
        ("CHARGING", "charging"),
        ("SuspendedEV", "charging"),
        ("suspendedevse", "charging"),
        ("Unavailable", "stopped"),
        ("Reserved", None),
        ("well", None),
        ("", None),
        ("Ünknown", None),
    ],
)
def test_a_status_is_read_in_the_engines_words_or_ocpps(word: str, read: str | None) -> None:
    """In any case of letters; any other word is a sign of life only."""
    assert read_status(word) == read


@pytest.mark.parametrize("word", REPORTS)
def test_a_charge_points_own_word_is_read_in_any_case(word: str) -> None:
    """Each of OCPP's words is the status of that name."""
    assert read_reported(word) is read_reported(word.upper()) is Status(word)


@pytest.mark.parametrize("word", ["Faulted", "Offline", "", "Ünknown", "charging "])
def test_what_is_no_word_of_a_connector_in_use_is_not_read(word: str) -> None:
    """A fault is told of by its error code; that it is offline no charge point can say."""
    assert read_reported(word) is None


def test_whoever_may_begin_to_charge_may_at_a_connector_that_waits_for_the_plug() -> None:
    """Every other word than `Available` and `Preparing` says that somebody else may not."""
    assert {word for word in map(Status, REPORTS) if word not in TAKEN} == {
        Status.AVAILABLE,
        Status.PREPARING,
    }
