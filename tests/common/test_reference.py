"""The generated pages: up to date, complete, and without a dead link."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from common import protocol, states
from common.errors import Reason
from common.messages import (
    ChargingStatusUpdate,
    Message,
    RegisterRequest,
    Role,
    SessionReport,
    StartChargingCommand,
)
from common.protocol import TOPICS, all_messages, answer_of, wire_name
from common.reference.__main__ import FILES, PAGES, main, stale, text_of
from common.reference.markdown import COMMAND
from common.reference.source import definition, meanings
from common.reference.states_page import SPLITS, point_order, status_rows
from common.states import EndReason, EngineStatus, SessionEvent, SessionState, Status, point_status
from tests.common.strategies import fields_of
from tests.common.test_states import ALL_FACTS, PROMISED_STATUS

DOCS = Path(__file__).parents[2] / "docs"

TEXTS = {page: text_of(page) for page in PAGES}
PROTOCOL, STATES = TEXTS["protocol.md"], TEXTS["states.md"]


def run(*arguments: object) -> Result:
    """`python -m common.reference ARGUMENTS`"""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def headings(page: str) -> list[str]:
    """The names by which links find the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", TEXTS[page], re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


def section(title: str, text: str = PROTOCOL) -> str:
    """What stands below a heading, up to the next one."""
    parts = re.split(rf"^#+ {re.escape(title)}\n", text, flags=re.MULTILINE)
    assert len(parts) == 2, f"{title} stands {len(parts) - 1} times"
    return re.split(r"^#", parts[1], flags=re.MULTILINE)[0]


# ---- Up to date -------------------------------------------------------------------------------


@pytest.mark.parametrize("page", FILES)
def test_a_committed_page_says_what_the_code_says(page: str) -> None:
    """Whoever changes a message, a route or a state commits the page that shows it."""
    assert page not in stale(DOCS), f"docs/{page} is out of date: run `{COMMAND}` and commit it"


def test_the_command_writes_what_it_then_finds_good(tmp_path: Path) -> None:
    """In a folder that need not exist."""
    folder = tmp_path / "new" / "docs"
    assert run(folder).exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert (folder / "protocol.md").read_text("utf-8") == PROTOCOL
    assert run("--check", folder).exit_code == 0


def test_the_check_names_the_page_and_the_command(tmp_path: Path) -> None:
    """Exit code 1, nothing written; a missing page is out of date too."""
    run(tmp_path)
    (tmp_path / "states.md").write_text("old")
    found = run("--check", tmp_path)
    assert found.exit_code == 1
    assert f"{tmp_path / 'states.md'}" in found.output
    assert "protocol.md" not in found.output
    assert "make docs" in found.output
    assert (tmp_path / "states.md").read_text() == "old"
    (tmp_path / "protocol.md").unlink()
    assert "protocol.md" in run("--check", tmp_path).output


def test_a_change_of_the_code_makes_a_page_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """A route, a deadline, a step, a bound: nothing on a page stands there by itself."""
    monkeypatch.setattr(protocol, "CENTRAL_ANSWERS_WITHIN", 7.0)
    assert text_of("protocol.md") != PROTOCOL
    monkeypatch.setitem(states.STEPS[SessionState.FAILED], SessionEvent.ENDED, SessionState.FAILED)
    assert text_of("states.md") != STATES


@pytest.mark.parametrize("page", PAGES)
def test_a_page_begins_with_what_made_it(page: str) -> None:
    """So that nobody edits it by hand."""
    first = TEXTS[page].splitlines()[0]
    assert first.startswith("<!-- Generated from common/")
    assert f"`{COMMAND}`" in first


# ---- Readable ---------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_no_link_is_dead(page: str) -> None:
    """Each leads to a heading of this page or of another, or to a page that is written by hand."""
    for other, anchor in re.findall(r"\]\(([\w.]*)#([^)]+)\)", TEXTS[page]):
        assert anchor in headings(other or page)
    for other in re.findall(r"\]\(([\w.]+)\)", TEXTS[page]):
        assert other in PAGES or (DOCS / other).exists()


@pytest.mark.parametrize("page", PAGES)
def test_no_heading_stands_twice(page: str) -> None:
    """A link could mean only one of them."""
    found = headings(page)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("page", PAGES)
def test_tables_are_whole(page: str) -> None:
    """As many cells in each row as in its head; no bar in a cell breaks it."""
    for block in TEXTS[page].split("\n\n"):
        if block.startswith("|"):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, block


# ---- Complete ---------------------------------------------------------------------------------


def own_section(message: type[Message]) -> str:
    """The section of a message, whose title has its senders where its name is not enough."""
    titles = re.findall(rf"^#### ({wire_name(message)}(?: \(.+\))?)$", PROTOCOL, re.MULTILINE)
    found = [section(title) for title in titles]
    return next(text for text in found if definition(message) in text)


@pytest.mark.parametrize("message", all_messages())
def test_every_message_is_described_with_its_fields_and_ways(message: type[Message]) -> None:
    """Its definition, each field, who sends it to whom over what, and its answer."""
    text = own_section(message)
    for field in fields_of(message):
        assert f"| `{field.encode_name}` |" in text + section("What every message carries")
    for route in (r for r in protocol.ROUTES if r.message is message):
        assert f"{route.sender} → {route.receiver}" in text
        assert route.topic is None or f"`{route.topic}`" in text
    answer = answer_of(message)
    assert answer is None or f"answered by [{wire_name(answer)}]" in text


def test_both_heartbeats_have_a_section() -> None:
    """They have one name, and differ by who sends them."""
    assert "cp_id" in section("heartbeat_request (monitor)")
    assert "cp_id" not in section("heartbeat_request (driver, admin)")


def test_who_talks_to_whom_lists_every_way() -> None:
    """As an arrow and as a line of the table."""
    text = section("Who talks to whom")
    for sender, receiver, topic in protocol.ways():
        over = f"`{topic}`" if topic else "TCP"
        over = "inside the program" if sender is receiver else over
        assert f"| {sender} | {receiver} | {over} |" in text
    assert text.count("<-- TCP -->") == 4
    assert text.count("-- ev.") == len(TOPICS)
    assert (
        "- monitor: a link that begins with [register_request (monitor)](#register_request-monitor)"
        in text
    )


def test_bounds_units_and_defaults_are_shown() -> None:
    """For each kind of field, as a person would say it."""
    text = own_section(StartChargingCommand)
    assert "| `cp_id` | string | `[A-Za-z0-9_.-]{1,36}` | **required** |" in text
    assert "| `connector_id` | integer | ≥ 1, ≤ 100 | default `1` |" in text
    assert "| `price_per_kwh` | number, currency/kWh | 0 to 1,000, 4 decimals | **req" in text
    assert "| `target_kwh` | number, kWh | 0 to 100,000, 3 decimals | optional | Energy. |" in text
    assert "| `epoch` | integer | ≥ 0, < 2^53 | optional |" in text
    text = own_section(RegisterRequest)
    assert "| `time_scale` | number | > 0, ≤ 100,000 | optional |" in text
    assert "| number, kW | 0 to 10,000, 3 decimals | default `11.000`, always written |" in text
    assert "| list of [ConnectorEntry](#connectorentry) | at most 100 | optional |" in text
    assert "| list of strings | at most 100, each 1 to 64 characters | optional |" in text
    text = own_section(ChargingStatusUpdate)
    assert "| `status` | word | [Session states](states.md#session-states) | **required** |" in text
    text = own_section(SessionReport)
    assert "| word | `running`, `ended`, `never_seen` | **required** |" in text


def test_reasons_topics_deadlines_and_limits_are_listed() -> None:
    """Each with its meaning from the source."""
    refusals = section("Refusals")
    for reason in Reason:
        assert re.search(rf"\| `{reason}` \| (answer|`error_response`) \| \w", refusals)
    for topic in TOPICS:
        assert f"| `{topic}` |" in section("Topics")
        assert f"| `{topic.key}` | {topic.partitions} |" in section("Topics")
    assert "go to `ev.driver.events`" in section("Topics")
    for (asker, answerer), seconds in protocol.DEADLINES.items():
        assert f"| {asker} | {answerer} | {seconds:g} s |" in section("Deadlines")
    for limit in ("`MAX_DATA` | 65,536 |", "`MAX_FAULTS` | 5 |", "`MAX_ROWS` | 200 |"):
        assert limit in section("Limits")


@pytest.mark.parametrize("words", [Reason, Role, SessionState, SessionEvent, EndReason])
def test_meanings_are_the_strings_below_the_members(words: type) -> None:
    """Read from the source, because Python keeps none of them."""
    said = meanings(words)
    assert said
    assert all(name in words.__members__ for name in said)  # type: ignore[attr-defined]


ONLY_REPORTED = {Status.SUSPENDED_EV, Status.SUSPENDED_EVSE, Status.RESERVED}
"""Only a charge point itself knows these."""


# ---- States -----------------------------------------------------------------------------------


def test_the_diagram_has_every_step_and_no_other() -> None:
    """Drawn from the table that moves sessions."""
    arrows = set(re.findall(r"^    (\w+) --> (\w+): (.+)$", STATES, re.MULTILINE))
    drawn = {(a, event, b) for a, b, events in arrows for event in events.split(", ")}
    assert drawn == {(a, event, b) for a in states.STEPS for event, b in states.STEPS[a].items()}
    assert "[*] --> authorised" in STATES
    assert "completed --> [*]" in STATES


def test_every_state_event_reason_and_word_is_listed() -> None:
    """With its meaning, where the word alone does not say it."""
    for title, words in (
        ("Session states", SessionState),
        ("Session steps", SessionEvent),
        ("End reasons", EndReason),
        ("Engine words", EngineStatus),
    ):
        for word in words:
            assert f"| `{word}` |" in section(title, STATES)
    assert "| `SuspendedEV` | `charging` |" in section("Engine words", STATES)
    assert "| `Reserved` | a sign of life only |" in section("Engine words", STATES)


def test_exactly_one_line_of_the_status_table_fits_each_combination_of_facts() -> None:
    """And it says the promised status."""
    rows = status_rows(SPLITS)
    for facts in ALL_FACTS:
        late = facts.finishing_for >= states.FINISHING_SHOWN_FOR
        session = "none" if facts.session is None else str(facts.session)
        if session == "finishing":
            session += " for longer" if late else " for less than 60 s"
        cells = [
            "up" if facts.link_up else "down",
            "yes" if facts.fault else "no",
            str(facts.reported or "none"),
            session,
            "yes" if facts.stopped else "no",
        ]
        fitting = [
            status
            for line, status in rows
            if all(c == "any" or v in c.split(" · ") for c, v in zip(line, cells, strict=True))
        ]
        assert fitting == [next(s for fits, s, _ in PROMISED_STATUS if fits(facts))], facts


def test_the_status_table_is_as_short_as_the_promised_one() -> None:
    """Seven lines, one for each status, where no charge point has a word of its own."""
    rows = [(cells[2], status) for cells, status in status_rows(SPLITS)]
    found = [status for word, status in rows if word in ("any", "none")]
    assert sorted(found) == sorted({*Status} - ONLY_REPORTED)
    assert {status for _, status in rows} == {*Status}


def test_the_order_of_a_points_words_is_asked_not_copied() -> None:
    """Each wins over all that stand below it."""
    order = point_order()
    assert order[0] == "Faulted"
    assert all(point_status(order[n:]) is word for n, word in enumerate(order))
    assert "1. `Faulted`\n2. `Charging`" in STATES
