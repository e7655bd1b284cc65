"""Files and options that a person gives: taken, or refused in one sentence, never a traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from hypothesis import example, given, settings
from hypothesis import strategies as st

import admin.__main__
import central.__main__
import driver.__main__
import engine.__main__
import monitor.__main__
from common.errors import CannotStart
from common.program import read_kafka_config, secret_options
from common.stream import KafkaSettings
from common.stream.client import made
from driver.services import Service, Span, parse
from driver.state import StateFolder
from tests.fuzz.mutations import Edit, edited, edits

PROGRAMS: dict[str, click.Command] = {
    "ev-central": central.__main__.main,
    "ev-engine": engine.__main__.main,
    "ev-monitor": monitor.__main__.main,
    "ev-driver": driver.__main__.main,
    "ev-admin": admin.__main__.main,
}

ODD = st.sampled_from(
    [
        *("", " ", "-", "--", "=", ",", ":", ":0", "a:", "[::1]:7", "[:1", "::", "0.0.0.0:99999"),
        *("-1", "1e999", "nan", "inf", "-inf", "0x10", "1_000", "٣", "½", "1.5", "00", "+1"),
        *("é", "\u202e", "\udcff", "a\nb", "x" * 900, "*", "../..", "/dev/null", "/"),
        *("127.0.0.1:٣", "h:1,,h:2", "h:1,", "http://h:1", "h:1/", "@file", "%s", "{0}", "$HOME"),
    ]
)
# What the system may hand over: no NUL, and bytes that are no UTF-8 as surrogates.
texts = ODD | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)


def is_sentence(text: str) -> bool:
    return 0 < len(text) < 2_000 and "Traceback" not in text


T = TypeVar("T")


def tried(use: Callable[[], T], refusal: type[Exception]) -> T | str:
    """What this gives, or the sentence with which it refuses."""
    try:
        return use()
    except refusal as error:
        said = error.format_message() if isinstance(error, click.ClickException) else str(error)
    assert is_sentence(said)
    return said


# ---- Services ----


@settings(max_examples=300)
@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from(["ALC-001", "#", "a b", "é", ""])).map("\n".join)
)
@example("\ufeffALC-001\n")
@example("ALC-001\r\nALC-002\r\n")
def test_any_file_of_services_is_read_or_refused(text: str) -> None:
    """Services are numbered from 1, and each is a charge point's id on its own line."""
    services = tried(lambda: parse(text), ValueError)
    if isinstance(services, str):
        assert "\n" not in services
        return
    assert [service.number for service in services] == list(range(1, len(services) + 1))
    lines = text.split("\n")
    assert all(s.cp_id in lines[s.line - 1] for s in services)
    assert isinstance(services[0], Service)


@given(texts)
def test_any_span_is_read_or_refused(text: str) -> None:
    """FIRST-LAST in this order, from 1."""
    span = tried(lambda: Span.parse(text), ValueError)
    assert isinstance(span, str) or 1 <= span.first <= span.last


# ---- Kafka's settings ----

KEYS = st.sampled_from(
    [
        *("acks", "debug", "group.id", "log_level", "ssl.ca.location", "sasl.username", "plugin"),
        *("security.protocol", "client.rack", "linger.ms", "statistics.interval.ms", "no.such"),
        # confluent-kafka's own, which are no settings of librdkafka.
        *("error_cb", "stats_cb", "throttle_cb", "oauth_cb", "on_commit", "on_delivery", "logger"),
        *("default.topic.config", "delivery.report.only.error", "default.topic.config "),
        *("queue.buffering.max.messages", "message.max.bytes", "fetch.message.max.bytes"),
    ]
)


@settings(max_examples=300)
@given(
    st.binary(max_size=100)
    | st.lists(st.tuples(KEYS | texts, texts), max_size=4).map(
        lambda pairs: "\n".join(f"{k}={v}" for k, v in pairs).encode("utf-8", "surrogatepass")
    )
)
@example(b"error_cb=x")
@example(b"on_delivery=x")
@example(b"default.topic.config=x")
@example(b"a\0b=c")
@example(b"client.rack=a\0b")
@example(b"linger.ms=never")
@example(b"ssl.ca.location=/nowhere")
def test_any_kafka_properties_are_used_or_refused(content: bytes) -> None:
    """Whatever librdkafka, or its Python part, thinks of them."""
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"fuzz-{os.getpid()}.properties"  # noqa: S108
    path.write_bytes(content)
    for make in (Producer, Consumer, AdminClient):
        tried(partial(client, make, path), CannotStart)
    path.unlink()


def client(make: Callable[[dict[str, Any]], object], path: Path) -> None:
    """Make a client of the settings in a file."""
    config = KafkaSettings("127.0.0.1:1", read_kafka_config(str(path)))
    own = {"group.id": "g"} if make is Consumer else {}
    made(make, config.client_config({}, {"log_level": 0, **own}))


# ---- Credentials ----


@settings(max_examples=150)
@given(st.binary(max_size=300), edits)
@example(b"\xef\xbb\xbfsecret\r\n", ("insert", 0.0, b" "))
def test_any_file_of_a_credential_is_read_or_refused(content: bytes, edit: Edit) -> None:
    """Its content is never repeated."""
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"fuzz-{os.getpid()}.secret"  # noqa: S108
    path.write_bytes(edited(content, edit))
    found: list[str | None] = []

    @click.command()
    @secret_options("credential", "A secret.")
    def command(credential: str | None) -> None:
        found.append(credential)

    def use() -> None:
        with command.make_context("test", ["--credential-file", str(path)]) as context:
            command.invoke(context)

    refusal = tried(use, click.ClickException)
    path.unlink()
    if refusal is None:
        assert found[0]
        assert len(found[0]) <= 200


# ---- A driver's state ----

STATE = (
    b'{"driver_id":"D-1","request":{"type":"charge_request","message_id":"m","cp_id":"A",'
    b'"driver_id":"D-1","target_kwh":7.500},"session":{"session_id":"s","cp_id":"A"}}'
)


@settings(max_examples=200)
@given(
    st.binary(max_size=100) | st.lists(edits, max_size=3).map(lambda changes: _all(STATE, changes))
)
@example(b'{"driver_id":"D-1","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
@example(b'{"driver_id":"D-1","request":' + b"[" * 100_000)
@example(STATE.replace(b"7.500", b"1e999999999"))
@example(STATE.replace(b"7.500", b"NaN"))
@example(STATE.replace(b"7.500", b"9" * 6_000))
@example(STATE.replace(b'"s"', b'"\xff"'))
def test_any_state_of_a_driver_is_read_or_refused(content: bytes) -> None:
    """The sentence says which file is to be deleted to begin afresh."""
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"fuzz-{os.getpid()}.state"  # noqa: S108
    folder.mkdir(exist_ok=True)
    files = [folder / name for name in ("charge.json", "stop.json", "kafka-key.json")]
    for file in files:
        file.write_bytes(content)
    uses: list[Callable[[], object]] = [
        lambda: StateFolder(folder, "D-1"),
        lambda: _without_charge(folder).pending_stop(),
        lambda: _without_charge(folder).kafka_key(),
    ]
    for use in uses:
        refusal = tried(use, CannotStart)
        assert not isinstance(refusal, str) or str(folder) in refusal
    for file in files:
        file.unlink(missing_ok=True)
    folder.rmdir()


def _without_charge(folder: Path) -> StateFolder:
    (folder / "charge.json").unlink(missing_ok=True)
    return StateFolder(folder, "D-1")


def _all(data: bytes, changes: list[Edit]) -> bytes:
    for change in changes:
        data = edited(data, change)
    return data


# ---- Options ----


def options_of(command: click.Command) -> list[tuple[list[str], str]]:
    """Each option of a command and of those below it: the words before it, and its name."""
    found: list[tuple[list[str], str]] = [
        ([], option.opts[0]) for option in command.params if isinstance(option, click.Option)
    ]
    for name, below in getattr(command, "commands", {}).items():
        found += [([name, *words], option) for words, option in options_of(below)]
    return found


def refused(name: str, arguments: list[str]) -> click.ClickException | None:
    """How a program refuses these arguments; None if it would begin, or show its help."""
    try:
        context = PROGRAMS[name].make_context(name, list(arguments))
        while isinstance(context.command, click.Group):
            words = [*context._protected_args, *context.args]
            if not words:
                return None
            word, command, rest = context.command.resolve_command(context, words)
            assert command is not None
            context = command.make_context(word, rest, parent=context)
    except click.ClickException as error:
        return error
    except click.exceptions.Exit:
        return None
    return None


@pytest.mark.parametrize("name", PROGRAMS)
@settings(max_examples=150)
@given(st.data())
def test_any_value_of_any_option_is_taken_or_refused(name: str, data: st.DataObject) -> None:
    """By a wrong option's sentence and exit code 2."""
    words, option = data.draw(st.sampled_from(options_of(PROGRAMS[name])))
    arguments = [*words, option, data.draw(texts), *data.draw(st.lists(texts, max_size=2))]
    error = refused(name, arguments)
    if error is not None:
        assert error.exit_code == 2
        assert is_sentence(error.format_message())


WRONG: list[tuple[str, list[str], int]] = [
    ("ev-engine", ["--cp-id", "A", "--journal", "{f}"], 1),
    ("ev-engine", ["--cp-id", "A", "--journal", "{d}", "--journal-limit", "0"], 2),
    ("ev-engine", ["--cp-id", "A", "--journal", "{d}", "--journal-limit", "many"], 2),
    ("ev-engine", ["--cp-id", "A", "--journal", "{d}", "--listen", "256.0.0.1:1"], 1),
    ("ev-engine", ["--cp-id", "A", "--journal", "{d}", "--tls-cert", "{f}"], 1),
    ("ev-monitor", ["--cp-id", "A", "--kafka-config", "{f}"], 1),
    ("ev-monitor", ["--cp-id", "A", "--kafka-config", "{odd}"], 1),
    ("ev-monitor", ["--cp-id", "A", "--credential-file", "{bin}"], 2),
    ("ev-monitor", ["--cp-id", "A", "--tls-ca", "{bin}"], 1),
    ("ev-driver", ["--driver-id", "D", "--state", "{f}", "available"], 2),
    (
        "ev-driver",
        ["--driver-id", "D", "--state", "{d}", "--kafka-config", "{odd}", "available"],
        2,
    ),
    ("ev-driver", ["--driver-id", "D", "--state", "{d}", "services", "{bin}"], 2),
    ("ev-driver", ["--driver-id", "D", "--state", "{d}", "services", "{f}"], 2),
    ("ev-driver", ["--driver-id", "D", "--state", "{d}", "services", "/dev/zero"], 2),
    ("ev-monitor", ["--cp-id", "A", "--credential-file", "/dev/zero"], 2),
    ("ev-monitor", ["--cp-id", "A", "--kafka-config", "/dev/zero"], 1),
    ("ev-admin", ["--credential-file", "{bin}", "status"], 2),
    ("ev-admin", ["--central", "h:1,", "status"], 2),
    ("ev-central", ["--kafka-config", "{odd}", "--database", "sqlite:///{d}/x.db"], 1),
    ("ev-central", ["--database", "sqlite:///{bin}"], 1),
    ("ev-central", ["--database", "no such thing"], 1),
]


@pytest.mark.parametrize(("name", "arguments", "code"), WRONG, ids=lambda given: str(given)[:60])
def test_a_program_refuses_in_a_sentence(
    tmp_path: Path, name: str, arguments: list[str], code: int
) -> None:
    """The real program, at its own process's end."""
    files = {"f": "not what it should be", "odd": "error_cb=x\n"}
    for key, text in files.items():
        (tmp_path / key).write_text(text)
    (tmp_path / "bin").write_bytes(b"\xff\xfe\x00" * 100)
    (tmp_path / "d").mkdir()
    places = {key: tmp_path / key for key in ("f", "odd", "bin", "d")}
    done = subprocess.run(
        [Path(sys.executable).parent / name, *(a.format(**places) for a in arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith(("Usage", "Try"))]
    assert len([line for line in said if line.strip()]) == 1, done.stderr
