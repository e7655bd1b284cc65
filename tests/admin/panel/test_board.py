"""What the panel knows, without a screen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.panel.board import URGENCY, Board, Order
from admin.panel.columns import COLUMNS, cells, heading, text, widths
from common.messages import EventLogged, Severity
from common.states import Status
from common.units import Watts
from tests.admin.rows import connector, point

STATUSES = st.sampled_from(list(Status))


def board_of(*rows: object) -> Board:
    board = Board()
    board.begin()
    for row in rows:
        board.take(row)  # type: ignore[arg-type]
    board.ready()
    return board


def ids(board: Board) -> list[str]:
    return [row.cp_id for row in board.shown()]


def test_a_point_that_central_no_longer_names_disappears() -> None:
    """After a new watch; until that is complete what was known stays, as stale."""
    board = board_of(point("A"), point("B"))
    board.lost()
    assert board.stale
    assert ids(board) == ["A", "B"]
    board.begin()
    board.take(point("B"))
    assert ids(board) == ["A", "B"]
    board.ready()
    assert ids(board) == ["B"]
    assert not board.stale


def test_the_latest_row_counts() -> None:
    board = board_of(point("A"))
    board.take(point("A", Status.FAULTED))
    assert board.counts() == {Status.FAULTED: 1}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("alc", ["ALC-1"]), ("HARBOUR", ["B-2"]), ("ana", ["B-2"]), ("", ["ALC-1", "B-2"]), ("x", [])],
)
def test_the_search_looks_at_ids_places_and_drivers(wanted: str, found: list[str]) -> None:
    charging = (connector(Status.CHARGING, driver="ANA"),)
    board = board_of(
        point("ALC-1", location="Main square"),
        point("B-2", Status.CHARGING, location="Harbour", connectors=charging),
    )
    board.look_for(wanted)
    assert ids(board) == found
    assert board.is_filtered == bool(wanted)


@given(st.lists(STATUSES, max_size=30), STATUSES)
def test_a_filter_shows_one_status_and_the_counts_all(statuses: list[Status], only: Status) -> None:
    board = board_of(*(point(f"CP-{n:02}", status) for n, status in enumerate(statuses)))
    board.show_only(only)
    assert len(ids(board)) == statuses.count(only)
    assert sum(board.counts().values()) == len(statuses)


@given(st.lists(STATUSES, max_size=30))
def test_sorted_by_status_what_needs_somebody_comes_first(statuses: list[Status]) -> None:
    board = board_of(*(point(f"CP-{n:02}", status) for n, status in enumerate(statuses)))
    board.sort_by(Order.STATUS)
    shown = [URGENCY[row.status] for row in board.shown()]
    assert shown == sorted(shown)
    board.sort_by(Order.ID)
    assert ids(board) == sorted(ids(board))


def test_sorted_by_power_what_charges_comes_first() -> None:
    board = board_of(point("A"), point("B", Status.CHARGING))
    board.sort_by(Order.POWER)
    assert ids(board) == ["B", "A"]
    assert board.power() == Watts(7_400)


def test_several_connectors_have_a_line_each() -> None:
    """Below their point's; a single one has none of its own."""
    two = (connector(Status.AVAILABLE, 1), connector(Status.CHARGING, 2))
    board = board_of(point("A"), point("B", Status.CHARGING, connectors=two))
    lines = board.lines()
    assert [line.connector and line.connector.connector_id for line in lines] == [None, None, 1, 2]


def test_events_are_taken_once_and_the_oldest_goes() -> None:
    board = Board()
    for number in range(700):
        board.happened(EventLogged(severity=Severity.INFO, text=str(number)))
    taken = board.take_new_events()
    assert (len(taken), taken[-1].text) == (500, "699")
    assert board.take_new_events() == []


@given(st.integers(79, 400))
def test_columns_fill_the_line_and_never_more(width: int) -> None:
    assert sum(widths(width)) + len(COLUMNS) - 1 <= width
    assert len(heading(width)) <= width


def test_what_does_not_fit_ends_with_an_ellipsis() -> None:
    (line,) = board_of(point("A" * 36, location="B" * 100)).lines()
    assert len(text(line, 79)) <= 79
    assert "…" in text(line, 79)
    assert "A" * 36 in text(line, 400)


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (point("A", Status.AVAILABLE), "Available"),
        (point("A", Status.PREPARING), "Preparing"),
        (point("A", Status.CHARGING), "Charging"),
        (point("A", Status.FINISHING), "Finishing"),
        (point("A", Status.UNAVAILABLE), "Out of Order"),
        (point("A", Status.FAULTED, fault_type="GroundFailure"), "Faulted: GroundFailure"),
        (point("A", Status.OFFLINE), "DISCONNECTED"),
        (point("A", Status.OFFLINE, stopped=True), "DISCONNECTED, stopped"),
    ],
)
def test_every_status_has_a_word_of_its_own(row: object, word: str) -> None:
    (line,) = board_of(row).lines()
    assert cells(line)[2] == word
