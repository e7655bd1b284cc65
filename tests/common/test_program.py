"""What every program does the same: its options, its one-line errors, and how it ends."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
import uvloop
from click.testing import CliRunner, Result

from common.errors import CannotStart, LinkLost
from common.program import (
    ADDRESS,
    ADDRESSES,
    CP_ID,
    DRIVER_ID,
    Address,
    Common,
    QuantityType,
    Stop,
    common_options,
    kafka_options,
    option,
    program,
    read_kafka_config,
    ready,
    run,
)
from common.units import Price, Quantity, Watts


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Programs set up logging; a test leaves it as it was."""
    yield
    structlog.reset_defaults()


# ---- Options ----------------------------------------------------------------------------------


@program("engine")
@option("--listen", type=ADDRESS, default="127.0.0.1:7101", help="Where it listens.")
@option("--central", type=ADDRESSES, default="127.0.0.1:7000", help="Where central is.")
@option("--cp-id", type=CP_ID, default="ALC-001", help="Its id.")
@option("--driver", type=DRIVER_ID, default="D-1", help="A driver.")
@option("--power", type=QuantityType(Watts), default="11.0", help="Its power.")
@kafka_options
@common_options
def example(**settings: Any) -> None:
    """An engine that shows what it was told."""
    for name, value in sorted(settings.items()):
        click.echo(f"{name}={value!r}")


def invoke(*arguments: str, **environment: str) -> Result:
    """`ev-engine ARGUMENTS`"""
    return CliRunner().invoke(example, arguments, env=environment)


def test_everything_has_a_default() -> None:
    """A first run needs no option."""
    told = invoke()
    assert told.exit_code == 0, told.output
    assert told.output.splitlines() == [
        "central=(Address(host='127.0.0.1', port=7000),)",
        "cp_id='ALC-001'",
        "debug=False",
        "driver='D-1'",
        "kafka=(Address(host='127.0.0.1', port=9092),)",
        "kafka_config=None",
        "listen=Address(host='127.0.0.1', port=7101)",
        "log='console'",
        "log_level='info'",
        "power=Watts(11000)",
    ]


def test_the_environment_is_read_and_the_command_line_wins() -> None:
    """`EV_ENGINE_POWER` and so on."""
    assert "power=Watts(22000)" in invoke(EV_ENGINE_POWER="22").output
    assert "power=Watts(7400)" in invoke("--power", "7.4", EV_ENGINE_POWER="22").output
    assert "central=(Address(host='a', port=1), Address(host='b', port=2))" in (
        invoke(EV_ENGINE_CENTRAL="a:1, b:2").output
    )


def test_help_is_complete() -> None:
    """Each option with its unit, its default and its environment variable."""
    for flag in ("--help", "-h"):
        text = " ".join(invoke(flag).output.split())
        assert text.startswith("Usage: ev-engine ")
        assert "--power KW" in text
        assert "[env var: EV_ENGINE_POWER; default: 11.0]" in text
        assert "--listen HOST:PORT" in text
        assert "EV_ENGINE_LOG_LEVEL" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--listen", "7101"), "'7101' is not HOST:PORT"),
        (("--listen", "127.0.0.1:x"), "'127.0.0.1:x' has no port from 0 to 65535"),
        (("--central", "a:1,b"), "'b' is not HOST:PORT"),
        (("--cp-id", "two words"), "'two words' is no id: 1 to 36 of A-Z a-z 0-9 _ . -"),
        (("--driver", "x" * 37), "is no id"),
        (("--power", "much"), "'much': Expected a number of kW, got 'much'"),
        (("--power", "10001"), "'10001': Expected `number` <= 10000"),
        (("--log", "xml"), "'xml' is not one of 'console', 'json'"),
        (("--kafka-config", "/no/such/file"), "does not exist"),
        (("--nonsense",), "No such option"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_code_2(arguments: tuple[str, ...], said: str) -> None:
    """Which option, and what is wrong with it."""
    told = invoke(*arguments)
    assert told.exit_code == 2
    assert said in told.output
    assert "Traceback" not in told.output


def test_values_that_are_read_already_stay_as_they_are() -> None:
    """click converts defaults too."""
    address = Address("a", 1)
    assert ADDRESS.convert(address, None, None) is address
    assert ADDRESSES.convert((address,), None, None) == (address,)
    power = QuantityType[Quantity](Watts)
    assert power.convert(Watts(5), None, None) == Watts(5)
    assert QuantityType[Quantity](Price).name == "currency/kWh"


# ---- Addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:7000", "127.0.0.1", 7000),
        ("central:0", "central", 0),
        ("[::1]:65535", "::1", 65535),
    ],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int) -> None:
    """And is written as it is read; an IPv6 host stands in brackets."""
    address = Address.parse(text)
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "7000", "host", "host:", ":7000", "host:-1", "host:65536", "host:7 0"),
        *("a b:1", "a,b:1", "http://a:1", "host:٣", "host:1e3", "[]:1"),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """With the text in the sentence."""
    with pytest.raises(ValueError, match=r"is not HOST:PORT|has no port") as refused:
        Address.parse(text)
    assert repr(text) in str(refused.value)


# ---- Kafka's settings -------------------------------------------------------------------------


def test_kafka_settings_are_read_line_by_line(tmp_path: Path) -> None:
    """`KEY=VALUE`, with comments and empty lines; a value may hold what it likes."""
    file = tmp_path / "kafka.properties"
    file.write_text("# TLS\n\nsecurity.protocol=SSL\n  ssl.key.password = a=b #c \n")
    assert read_kafka_config(str(file)) == {
        "security.protocol": "SSL",
        "ssl.key.password": "a=b #c",
    }
    assert read_kafka_config(None) == {}


@pytest.mark.parametrize("line", ["security.protocol", "=SSL", "  = x"])
def test_a_line_that_is_no_setting_is_named(tmp_path: Path, line: str) -> None:
    """By file and number."""
    file = tmp_path / "kafka.properties"
    file.write_text(f"a=b\n{line}\n")
    with pytest.raises(CannotStart, match=r"kafka\.properties, line 2: not KEY=VALUE$"):
        read_kafka_config(str(file))


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    """Missing, a folder, or no text."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for path in (tmp_path / "missing", tmp_path, binary):
        with pytest.raises(CannotStart, match=r"^cannot read "):
            read_kafka_config(str(path))


# ---- Running ----------------------------------------------------------------------------------

Main = Callable[[Stop], Any]


def exit_code(main: Main, *, debug: bool = False) -> int:
    """The code with which a program of this coroutine exits."""
    with pytest.raises(SystemExit) as exited:
        run("engine", Common(debug=debug), main)
    code = exited.value.code
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3)])
def test_a_program_exits_with_what_it_returns(returned: int | None, code: int) -> None:
    """None is success."""

    async def main(stop: Stop) -> int | None:
        return returned

    assert exit_code(main) == code


def test_a_program_runs_on_uvloop() -> None:
    """The fast loop, for every program."""

    async def main(stop: Stop) -> int:
        return int(isinstance(asyncio.get_running_loop(), uvloop.Loop))

    assert exit_code(main) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_a_program_to_stop(number: signal.Signals) -> None:
    """It finishes what it does and exits as it likes."""

    async def main(stop: Stop) -> int:
        os.kill(os.getpid(), number)
        await stop.wait()
        return 0

    assert exit_code(main) == 0


def test_a_second_signal_ends_it_at_once() -> None:
    """Code 130, whatever it waited for."""

    async def main(stop: Stop) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
        return 0

    assert exit_code(main) == 130


def test_a_program_may_stop_itself() -> None:
    """As a signal would."""

    async def main(stop: Stop) -> int:
        stop.ask()
        await stop.wait()
        return 4

    assert exit_code(main) == 4


ERRORS = [
    CannotStart("cannot listen on 127.0.0.1:7000: in use"),
    LinkLost("CENTRAL"),
    OSError(28, "No space left on device"),
    ExceptionGroup("tasks", [ExceptionGroup("inner", [CannotStart("no"), LinkLost("x")])]),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_one_sentence_and_code_1(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, with the program's name; also out of a task group."""

    async def main(stop: Stop) -> None:
        raise error

    assert exit_code(main) == 1
    out, err = capsys.readouterr()
    first: BaseException = error
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    assert (out, err) == ("", f"engine: {first}\n")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_debug_shows_the_traceback(error: Exception) -> None:
    """The exception itself comes out."""

    async def main(stop: Stop) -> None:
        raise error

    with pytest.raises(Exception, match=r"."):
        run("engine", Common(debug=True), main)


@pytest.mark.parametrize("bug", [KeyError("bug"), ExceptionGroup("tasks", [KeyError("bug")])])
def test_a_bug_is_not_made_a_sentence(bug: Exception) -> None:
    """Its traceback is what helps."""

    async def main(stop: Stop) -> None:
        raise bug

    with pytest.raises(type(bug)):
        run("engine", Common(), main)


def test_a_bug_beside_an_expected_error_is_not_hidden() -> None:
    """A link that was lost at the same time is no reason to keep quiet about it."""

    async def main(stop: Stop) -> None:
        raise ExceptionGroup("tasks", [LinkLost("CENTRAL"), KeyError("bug")])

    with pytest.raises(ExceptionGroup):
        run("engine", Common(), main)


def test_an_interrupt_outside_the_loop_is_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C before the program listens for it, or after."""

    async def main(stop: Stop) -> None:
        """Never begins."""

    def interrupted(self: object, work: Any) -> None:
        work.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio.Runner, "run", interrupted)
    assert exit_code(main) == 130


def test_ready_is_one_line_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """For who waits for it."""
    ready("engine", Address("127.0.0.1", 7101))
    assert capsys.readouterr().out == "ready engine 127.0.0.1:7101\n"
