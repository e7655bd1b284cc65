"""The panel on a screen, driven by keys."""

import time

import pytest

from admin.panel.point_list import PointList
from common.messages import EventLogged, HealthResponse, Outcome, Severity
from common.states import Status
from tests.admin.panel.played import NARROW, WIDE, played
from tests.admin.rows import connector, point

SIZES = pytest.mark.parametrize("size", [NARROW, WIDE], ids=["80x24", "200x50"])


@SIZES
async def test_every_state_of_the_table_is_on_the_screen(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """With its word; a charge with power, energy, cost and driver."""
    ids = {status: f"CP-{number}" for number, status in enumerate(Status)}
    async with played(monkeypatch, size) as central:
        await central.tell(*(point(cp_id, status) for status, cp_id in ids.items()))
        words = {
            Status.OFFLINE: "DISCONNECTED",
            Status.UNAVAILABLE: "Out of Order",
        }
        for status in Status:
            assert words.get(status, status) in central.line_of(ids[status])
        charging = central.line_of(ids[Status.CHARGING])
        for figure in ("7.400", "1.234", "0.43", "D-1"):
            assert figure in charging
        top = central.screen()
        assert f"{len(Status)} points" in top
        in_one_line = " ".join(top.split())
        assert all(f"1 {words.get(status, status)}" in in_one_line for status in Status)
        assert "Kafka ok" in top
        assert "database ok" in top
        assert "7.400 kW" in top


async def test_colours_are_those_of_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """Green, orange, red and grey; each another one, also in the light."""
    rows = [
        point("A", Status.AVAILABLE),
        point("B", Status.CHARGING),
        point("C", Status.UNAVAILABLE),
        point("D", Status.FAULTED),
        point("E", Status.OFFLINE),
    ]
    async with played(monkeypatch) as central:
        for _ in range(2):
            await central.tell(*rows)
            await central.press("end")  # the selected line has a background of its own
            points = central.panel.query_one(PointList)
            colours = []
            for y in range(5):
                (segment, *_) = list(points.render_line(y))
                assert segment.style is not None
                colours.append(segment.style.color)
            assert colours[0] == colours[1]
            assert len(set(colours)) == 4
            await central.press("t")


async def test_the_selected_point_is_stopped_and_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with played(monkeypatch) as central:
        await central.tell(point("A"), point("B"))
        await central.press("down", "s", "r", "e", "up", "s")
        assert central.client.orders == [
            ("stop_cp", "B", None),
            ("resume_cp", "B", None),
            ("stop_charging", "B", None),
            ("stop_cp", "A", None),
        ]


@pytest.mark.parametrize(("key", "command"), [("A", "stop_cp"), ("U", "resume_cp")])
async def test_all_are_ordered_only_once_that_is_confirmed(
    monkeypatch: pytest.MonkeyPatch, key: str, command: str
) -> None:
    """The question names how many; escape is no; the reason goes with the command."""
    async with played(monkeypatch) as central:
        await central.tell(point("A"), point("B"))
        await central.press(key)
        assert "ALL 2 charge points?" in central.screen()
        await central.press("escape")
        assert central.client.orders == []
        await central.press(key, *"storm", "enter")
        assert central.client.orders == [(command, "*", "storm")]


async def test_those_that_are_shown_are_ordered_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search narrows what the capital letters do; without one they mean all."""
    async with played(monkeypatch) as central:
        await central.tell(point("ALC-1"), point("ALC-2"), point("VLC-1"))
        await central.press("slash", *"alc-")
        await central.press("enter")
        await central.press("S")
        assert "the 2 charge points that are shown?" in central.screen()
        await central.press("enter")
        assert central.client.orders == [("stop_cp", "ALC-1", None), ("stop_cp", "ALC-2", None)]
        await central.press("escape")
        await central.press("R")
        assert "ALL 3 charge points?" in central.screen()


async def test_failures_are_told_with_their_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async with played(monkeypatch, WIDE) as central:
        await central.tell(point("A"))
        central.client.fails.add("A")
        await central.press("s")
        await central.shows("engine_refused")


async def test_a_search_and_a_filter_narrow_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is typed; escape shows everything again."""
    async with played(monkeypatch) as central:
        await central.tell(point("ALC-1"), point("VLC-1", Status.OFFLINE))
        await central.press("slash", *"vlc")
        assert "ALC-1" not in central.screen()
        assert "showing 1 of 2" in central.screen()
        await central.press("enter", "escape", "f")
        assert "only DISCONNECTED" in central.screen()
        assert "ALC-1" not in central.screen()
        await central.press("escape")
        assert "ALC-1" in central.screen()


async def test_details_show_connectors_and_follow_what_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last sessions are asked for; a change while it is open is shown."""
    two = (connector(Status.AVAILABLE, 1), connector(Status.CHARGING, 2, driver="ANA"))
    async with played(monkeypatch) as central:
        await central.tell(point("A", Status.CHARGING, connectors=two))
        await central.press("enter")
        await central.shows("connector 2  Charging  ANA  7.400 kW")
        await central.shows("no sessions yet")
        await central.tell(point("A", Status.FAULTED, fault_type="GroundFailure"))
        await central.shows("Faulted: GroundFailure")
        await central.press("escape")
        assert "no sessions yet" not in central.screen()


async def test_a_price_is_asked_for_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with played(monkeypatch) as central:
        await central.tell(point("A"))
        await central.press("p", *"much", "enter")
        assert "Expected" in central.screen()
        assert central.client.orders == []
        await central.press(*["backspace"] * 4, *"0.4", "enter")
        assert central.client.orders == [("set_price", "A", None)]


async def test_central_going_and_coming_back_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known stays, as it was; no order is given meanwhile."""
    async with played(monkeypatch, WIDE) as central:
        await central.tell(point("A", Status.CHARGING))
        central.client.trouble = "cannot reach CENTRAL at 127.0.0.1:7000 (refused)"
        central.panel.board.lost()
        await central.drawn()
        assert "cannot reach CENTRAL" in central.screen()
        assert "Charging" in central.line_of("A  ")
        await central.press("s")
        assert central.client.orders == []
        await central.tell(point("A", Status.AVAILABLE))
        assert "cannot reach CENTRAL" not in central.screen()
        assert "Available" in central.line_of("A  ")


async def test_trouble_of_kafka_and_the_database_is_in_the_header(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with played(monkeypatch, WIDE) as central:
        central.feed.health = HealthResponse(
            status=Outcome.SUCCESS, kafka="no broker answers", database="disk full", lag=7
        )
        await central.tell(point("A"))
        for text in ("Kafka no broker answers", "database disk full", "7 records behind"):
            assert text in central.screen()


async def test_events_stream_below(monkeypatch: pytest.MonkeyPatch) -> None:
    async with played(monkeypatch) as central:
        await central.tell(point("A"))
        for number in range(20):
            text = f"event {number}"
            central.panel.board.happened(
                EventLogged(severity=Severity.ALARM, text=text, cp_id="A", timestamp=1)
            )
        await central.drawn()
        await central.shows("event 19  A")
        assert "event 2 " not in central.screen()


async def test_help_names_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async with played(monkeypatch, WIDE) as central:
        await central.press("question_mark")
        for words in ("stop, resume the selected", "asks first", "light or dark", "quit"):
            assert words in central.screen()
        await central.press("x")
        assert "light or dark" not in central.screen()


@SIZES
async def test_a_thousand_points_that_change_leave_the_keys_quick(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """Each key is answered in a tenth of a second while every point changes again and again."""
    rows = [point(f"CP-{number:04}") for number in range(1_000)]
    changed = [point(f"CP-{number:04}", Status.CHARGING) for number in range(1_000)]
    async with played(monkeypatch, size) as central:
        await central.tell(*rows)
        slowest = 0.0
        for turn in range(10):
            for row in changed if turn % 2 else rows:
                central.panel.board.take(row)
            begun = time.perf_counter()
            await central.pilot.press("down")
            central.panel.draw()
            slowest = max(slowest, time.perf_counter() - begun)
        await central.press("end")
        assert "CP-0999" in central.screen()
        await central.press("home")
        assert "CP-0000" in central.screen()
    assert slowest < 0.5, "a tenth of a second on a free machine"
