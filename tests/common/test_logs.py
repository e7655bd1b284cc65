"""Logs: one line per event, with the ids by which a charge's story is found."""

import io
import json
from collections.abc import Iterator
from errno import ENOSPC
from typing import Any

import pytest
import structlog

from common.logs import ID_FIELDS, LogFormat, Wiretap, configure, handled, ids_of
from common.messages import (
    AuthRequest,
    ChargeRequest,
    HealthCheckRequest,
    Message,
    Role,
    StartChargingCommand,
)
from common.protocol import all_messages, wire_name
from tests.common.strategies import sample


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is one for the whole process; a test leaves it as it was."""
    yield
    structlog.reset_defaults()


class Written:
    """Logging into memory."""

    def __init__(self, form: LogFormat = "json", level: str = "debug") -> None:
        self._stream = io.StringIO()
        configure("central", form=form, level=level, stream=self._stream)

    def text(self) -> str:
        return self._stream.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


def test_a_json_line_is_one_object_with_time_program_and_level() -> None:
    """For programs that collect them."""
    written = Written()
    structlog.get_logger().warning("full", bytes=5, text="two\nlines")
    (line,) = written.lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "full",
        "bytes": 5,
        "text": "two\nlines",
        "level": "warning",
        "program": "central",
    }


def test_a_console_line_is_for_people() -> None:
    """Time, level, event and facts on one line, without colours where none can be shown."""
    written = Written("console")
    structlog.get_logger().info("refused", reason="driver_busy")
    (line,) = written.text().splitlines()
    assert "refused" in line
    assert "reason=driver_busy" in line
    assert "\x1b" not in line
    assert line[2] == line[5] == ":"


@pytest.mark.parametrize(
    ("level", "kept"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_lines_below_the_level_are_not_written(level: str, kept: list[str]) -> None:
    """Each level keeps what is as bad or worse."""
    written = Written(level=level)
    for name in ("debug", "info", "warning", "error"):
        getattr(structlog.get_logger(), name)("something")
    assert [line["level"] for line in written.lines()] == kept


def test_lines_go_to_stderr_unless_told_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    """stdout is for results."""
    configure("driver", form="json", level="info")
    structlog.get_logger().info("hello")
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["program"] == "driver"


def test_a_traceback_is_part_of_its_line() -> None:
    """In JSON as text; it does not break the line."""
    written = Written()
    try:
        raise KeyError("cp-9")
    except KeyError as error:
        structlog.get_logger().error("handler failed", exc_info=error)
    (line,) = written.lines()
    assert "KeyError: 'cp-9'" in line["exception"]


# ---- Ids --------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", all_messages())
def test_the_ids_of_a_message_are_those_of_its_fields(message: type[Message]) -> None:
    """Message, trace, charge point, session and driver, as far as it has them."""
    expected = {name: "A-1" for name in ID_FIELDS if name in message.__struct_fields__}
    assert ids_of(sample(message)) == expected


def test_an_id_that_is_absent_is_left_out() -> None:
    """No line says `None`."""
    assert ids_of(HealthCheckRequest(cp_id="A")) == {"cp_id": "A"}
    assert ids_of(ChargeRequest(message_id="m", cp_id="A", driver_id="D")) == {
        "message_id": "m",
        "cp_id": "A",
        "driver_id": "D",
    }


def test_a_line_written_while_a_message_is_handled_carries_its_ids() -> None:
    """Without anybody passing them on; what the line says itself stays."""
    written = Written()
    request = ChargeRequest(message_id="m-1", cp_id="A", driver_id="D")
    token = handled.set(request)
    structlog.get_logger().info("stored", session_id="s", cp_id="B")
    handled.reset(token)
    structlog.get_logger().info("idle")
    first, second = written.lines()
    found = {name: first[name] for name in ID_FIELDS}
    assert found == {
        "message_id": "m-1",
        "trace_id": "m-1",
        "cp_id": "B",
        "session_id": "s",
        "driver_id": "D",
    }
    assert not second.keys() & set(ID_FIELDS)


def test_a_trace_goes_on_through_what_follows() -> None:
    """A message that follows another is traced by the first one's id."""
    written = Written()
    handled.set(HealthCheckRequest(message_id="m-2", trace_id="m-1", cp_id="A"))
    structlog.get_logger().info("asked")
    handled.set(None)
    assert written.lines()[0]["trace_id"] == "m-1"


class FullDisk(io.StringIO):
    """Takes a line only while there is room."""

    room = False

    def write(self, text: str) -> int:
        if not self.room:
            raise OSError(ENOSPC, "No space left on device")
        return super().write(text)


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    """What is logged on a full disk is lost; with room again, lines are written again."""
    disk = FullDisk()
    configure("central", form="json", level="debug", stream=disk)
    log = structlog.get_logger()
    for level in ("debug", "info", "warning", "error", "exception"):
        getattr(log, level)("lost")
    disk.room = True
    log.info("written")
    assert [json.loads(line)["event"] for line in disk.getvalue().splitlines()] == ["written"]


# ---- The wire ---------------------------------------------------------------------------------


def test_each_message_in_and_out_is_a_line_at_debug_level() -> None:
    """With its type, its ids and its peer; the trace is its own id if it began it all."""
    written = Written()
    wire = Wiretap()
    assert wire.on
    request = ChargeRequest(message_id="m-1", cp_id="A", driver_id="D")
    wire.seen("received", request, "driver D by tcp")
    wire.seen("sent", sample(StartChargingCommand), "monitor A by tcp")
    received, sent = written.lines()
    assert (received["event"], sent["event"]) == ("received", "sent")
    assert received["type"] == wire_name(ChargeRequest)
    assert received["peer"] == "driver D by tcp"
    assert received["trace_id"] == received["message_id"] == "m-1"
    assert sent["session_id"] == sent["trace_id"] == "A-1"
    assert {received["level"], sent["level"]} == {"debug"}


def test_messages_are_not_logged_at_other_levels() -> None:
    """And it is known beforehand, so that nothing is done for them."""
    written = Written(level="info")
    wire = Wiretap()
    assert not wire.on
    wire.seen("sent", sample(ChargeRequest), "central")
    assert written.text() == ""


def test_no_secret_is_logged() -> None:
    """A credential is no id, and only ids are written."""
    written = Written()
    Wiretap().seen("sent", AuthRequest(message_id="m", role=Role.DRIVER, credential="hush"), "x")
    assert "hush" not in written.text()
