"""One charge's story out of the programs' logs."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from admin.__main__ import main
from admin.trace.lines import Source
from admin.trace.story import folded, story


def line(second: int, program: str, event: str, **fields: Any) -> str:
    stamp = f"2026-11-21T10:00:{second:02}.000000Z"
    return json.dumps({"event": event, "program": program, "timestamp": stamp, **fields})


REQUEST = {"trace_id": "t-1", "message_id": "t-1"}
SESSION = {"trace_id": "t-1", "session_id": "s-1"}


@pytest.fixture
def logs(tmp_path: Path) -> list[Path]:
    """Three programs' logs of two charges; the engine's knows the session alone."""
    driver, central, engine = (
        tmp_path / f"{name}.jsonl" for name in ("driver", "central", "engine")
    )
    driver.write_text(
        "\n".join(
            [
                line(1, "ev-driver", "sent", type="charge_request", peer="central", **REQUEST),
                line(9, "ev-driver", "received", type="charge_completion", peer="c", **SESSION),
            ]
        )
    )
    central.write_text(
        "\n".join(
            [
                line(2, "ev-central", "charge requested", **SESSION),
                "Traceback (most recent call last):",
                line(3, "ev-central", "sent", type="start_charging_command", peer="m", **SESSION),
                line(4, "ev-central", "charge requested", trace_id="t-2", session_id="s-2"),
                line(8, "ev-central", "ticket: 0.500 kWh", **SESSION),
            ]
        )
    )
    engine.write_text(
        "\n".join(
            [
                *(
                    line(
                        second,
                        "ev-engine",
                        "sent",
                        type="charging_data",
                        peer="monitor",
                        session_id="s-1",
                        message_id=f"m-{second}",
                    )
                    for second in range(4, 8)
                ),
                line(
                    5,
                    "ev-engine",
                    "sent",
                    type="health_check_response",
                    peer="monitor",
                    session_id="s-1",
                ),
            ]
        )
    )
    return [engine, driver, central]


@pytest.mark.parametrize("wanted", ["t-1", "s-1", "m-5"])
def test_a_charge_is_found_by_trace_session_or_message(logs: list[Path], wanted: str) -> None:
    """What names its session belongs to it, though it does not name its trace."""
    found = story(wanted, [Source(path) for path in logs])
    assert len(found) == 10
    assert found[0].type == "charge_request"
    assert [each.timestamp for each in found] == sorted(each.timestamp for each in found)
    assert not any(each.session_id == "s-2" for each in found)


def test_what_repeats_is_told_once_and_what_says_nothing_not_at_all(logs: list[Path]) -> None:
    """Four readings are one line; a health check that names the session tells nothing."""
    told = folded(story("t-1", [Source(path) for path in logs]))
    readings = [times for each, times in told if each.type == "charging_data"]
    assert readings == [4]
    assert not any(each.type == "health_check_response" for each, _ in told)


def told(*arguments: object, code: int = 0, stdin: bytes | None = None) -> tuple[str, str]:
    result = CliRunner().invoke(main, ["trace", *map(str, arguments)], input=stdin)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def test_the_story_is_told_with_seconds_since_its_beginning(logs: list[Path]) -> None:
    out, err = told("s-1", *logs)
    assert "+0.000  driver   → central  charge_request" in out
    assert "+7.000  central  ticket: 0.500 kWh" in out
    assert "(4 times)" in out
    assert "1 lines of" in err
    assert "central.jsonl are no JSON objects" in err


def test_as_json_it_is_every_line_as_it_was_logged(logs: list[Path]) -> None:
    out, _ = told("t-1", *logs, "--json")
    lines = json.loads(out)["lines"]
    assert len(lines) == 10
    assert lines[0] == json.loads(logs[1].read_text().splitlines()[0])


def test_logs_may_be_compressed_or_come_by_stdin(logs: list[Path], tmp_path: Path) -> None:
    packed = tmp_path / "engine.jsonl.gz"
    packed.write_bytes(gzip.compress(logs[0].read_bytes()))
    out, _ = told("t-1", packed, "-", logs[2], "--json", stdin=logs[1].read_bytes())
    assert len(json.loads(out)["lines"]) == 10


def test_what_is_not_found_or_not_read_is_said(logs: list[Path], tmp_path: Path) -> None:
    """With what to do, and a failure."""
    _, err = told("nobody", *logs, code=1)
    assert "nothing is known of nobody" in err
    assert "--log json --log-level debug" in err
    _, err = told("t-1", tmp_path / "missing", code=1)
    assert "cannot read" in err
    _, err = told("t-1", code=2)
    assert "FILE" in err
