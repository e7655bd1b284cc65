"""The program: its options, its line `ready`, its end, and one sentence for each wrong start."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kafka.ports import free_port

from .central import Central, command
from .conftest import Broker
from .peer import Message
from .roles import Network

ROOT = Path(__file__).parents[2]


def run(*arguments: str, timeout: float = 40.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, capture_output=True, text=True, timeout=timeout, check=False, cwd=ROOT
    )


@pytest.mark.parametrize("start", [command(), [sys.executable, "-m", "central"]])
def test_help_names_the_options(start: list[str]) -> None:
    """`--help` shows every option with its environment variable and default."""
    shown = run(*start, "--help")
    assert shown.returncode == 0
    for option in ("listen", "kafka", "database", "price", "currency", "log"):
        assert f"--{option}" in shown.stdout
        assert f"CENTRAL_{option.upper()}" in shown.stdout
    assert "127.0.0.1:7000" in shown.stdout


def test_sigterm_ends_it_cleanly(own: Network) -> None:
    """With peers on it and a charge running, it closes the links and exits with 0."""
    monitor, driver = own.monitor(), own.driver()
    driver.begin(monitor)
    silent = own.link()
    assert own.central.stop() == 0
    for link in (monitor, driver, silent):
        link.wait_closed()


def test_it_ends_cleanly_with_a_request_in_work(own: Network) -> None:
    """A start command that is never answered does not keep it from ending."""
    monitor, driver = own.monitor(), own.driver()
    driver.charge(monitor.cp_id)
    monitor.take(type="start_charging_command")
    assert own.central.stop() == 0


def test_its_log_is_json_lines(own: Network) -> None:
    """With `--log json` each line on stderr is an object; a charge's lines name its ids."""
    monitor, driver = own.monitor(), own.driver()
    session_id = driver.begin(monitor)
    monitor.ticket(session_id, 1.0)
    driver.wait_session(session_id, "completed")
    assert own.central.stop() == 0
    lines: list[Message] = [json.loads(line) for line in own.central.log().splitlines()]
    assert lines
    assert all(isinstance(line, dict) for line in lines)
    text = own.central.log()
    assert session_id in text
    assert monitor.cp_id in text
    assert "Traceback" not in text


WRONG = {
    "no port": ("--listen", "127.0.0.1"),
    "a port that is no number": ("--listen", "127.0.0.1:http"),
    "a port out of range": ("--listen", "127.0.0.1:70000"),
    "no database": ("--database", "nonsense"),
    "an unknown database": ("--database", "oracle9i://somewhere/else"),
    "a database in a folder that is not there": ("--database", "sqlite:////no/such/folder/x.db"),
    "no broker": ("--kafka", "not an address"),
    "a negative price": ("--price", "-1"),
    "a price that is no number": ("--price", "cheap"),
    "a price that is not a number": ("--price", "nan"),
    "an unknown option": ("--no-such-option", "1"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_option_is_one_sentence(
    kafka: Broker, tmp_path: Path, wrong: tuple[str, str]
) -> None:
    """It exits with 1 or 2, says what is wrong, and shows no traceback."""
    central = Central(tmp_path, kafka.bootstrap)
    ended = run(*command(), *central.options(), *wrong)
    assert_one_sentence(ended)


def test_a_port_in_use_is_one_sentence(kafka: Broker, tmp_path: Path) -> None:
    """The sentence names the address."""
    central = Central(tmp_path, kafka.bootstrap)
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        ended = run(*command(), *central.options(), "--listen", f"127.0.0.1:{port}")
    assert_one_sentence(ended)
    assert str(port) in ended.stderr


def assert_one_sentence(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode in {1, 2}, ended.stderr
    assert not any(line.startswith("ready") for line in ended.stdout.splitlines())
    assert "Traceback" not in ended.stderr
    assert ended.stderr.strip(), "said nothing"
    assert len(ended.stderr.strip().splitlines()) <= 6, ended.stderr
