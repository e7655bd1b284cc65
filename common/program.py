"""What every program does the same: options, logging, signals, and how it starts and ends.

A program's `__main__` is a click command that makes frozen settings out of options and environment
variables and calls `run`. Its coroutine serves until it is told to stop, after one line `ready …`
on stdout. A start-up error is one sentence on stderr and exit code 1 (2 for a wrong option, which
click says); a traceback is shown only with `--debug`.
"""

import asyncio
import ipaddress
import re
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import click
import uvloop

from common import logs
from common.errors import CannotStart, ChargingError
from common.tls import TlsFiles
from common.units import Quantity

F = TypeVar("F", bound=Callable[..., Any])
Q = TypeVar("Q", bound=Quantity)


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `HOST:PORT`; an IPv6 host stands in brackets.

        Raises:
            ValueError: It is none.
        """
        host, colon, port = text.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not colon or not host or re.search(r"[\s/,]", host):
            raise ValueError(f"{text!r} is not HOST:PORT")
        if not (port.isascii() and port.isdigit() and 0 <= int(port) <= 65_535):
            raise ValueError(f"{text!r} has no port from 0 to 65535")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class AddressType(click.ParamType[Address]):
    """`HOST:PORT` on a command line."""

    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, Address):
            return value
        try:
            return Address.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class AddressListType(click.ParamType[tuple[Address, ...]]):
    """`HOST:PORT[,HOST:PORT…]` on a command line; a tuple of addresses."""

    name = "HOST:PORT[,…]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(Address.parse(part.strip()) for part in value.split(","))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class IdType(click.ParamType[str]):
    """A charge point's or a driver's id on a command line."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,36}", value):
            self.fail(f"{value!r} is no id: 1 to 36 of A-Z a-z 0-9 _ . -", param, ctx)
        return value


class QuantityType(click.ParamType[Q]):
    """An amount with its unit on a command line, such as a power in kW."""

    def __init__(self, kind: type[Q]) -> None:
        self.kind = kind
        self.name = kind.unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Q:
        if isinstance(value, self.kind):
            return value
        try:
            return self.kind.parse(str(value))
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


ADDRESS = AddressType()
ADDRESSES = AddressListType()
CP_ID = IdType("CP")
DRIVER_ID = IdType("DRIVER")


@dataclass(frozen=True, slots=True)
class Common:
    """The options that every program has.

    Attributes:
        log: `console` or `json`.
        log_level: `debug`, `info`, `warning` or `error`.
        debug: Show tracebacks.
    """

    log: logs.LogFormat = "console"
    log_level: str = "info"
    debug: bool = False


def option(*names: str, **settings: Any) -> Callable[[F], F]:
    """A click option that shows its default and its environment variable in `--help`."""
    settings.setdefault("show_default", True)
    settings.setdefault("show_envvar", True)
    return click.option(*names, **settings)


def program(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function the command `ev-NAME`; its options read `EV_NAME_…` from the environment."""
    return click.command(f"ev-{name}", context_settings=_context(name))


def group(name: str, **settings: Any) -> Callable[[Callable[..., Any]], click.Group]:
    """Make a function the command `ev-NAME`, to which commands are added.

    Its own options stand before the command, and read `EV_NAME_…` from the environment.
    """
    return click.group(f"ev-{name}", context_settings=_context(name), **settings)


def _context(name: str) -> dict[str, Any]:
    return {
        "auto_envvar_prefix": f"EV_{name.upper()}",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    }


def common_options(function: F) -> F:
    """Add `--log`, `--log-level` and `--debug`."""
    for add in (
        option("--debug", is_flag=True, help="Show a traceback when something fails."),
        option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"]),
            default="info",
            help="What is logged; debug logs each message in and out.",
        ),
        option(
            "--log",
            type=click.Choice(["console", "json"]),
            default="console",
            help="How it is logged, on stderr: lines for people, or JSON lines for programs.",
        ),
    ):
        function = add(function)
    return function


def kafka_options(function: F) -> F:
    """Add `--kafka` and `--kafka-config`."""
    for add in (
        option(
            "--kafka-config",
            type=click.Path(exists=True, dir_okay=False),
            help="File of librdkafka settings, KEY=VALUE a line, as for TLS and SASL.",
        ),
        option(
            "--kafka",
            type=ADDRESSES,
            default="127.0.0.1:9092",
            help="Kafka's bootstrap servers.",
        ),
    ):
        function = add(function)
    return function


_PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


def tls_options(function: F) -> F:
    """Add `--tls-cert`, `--tls-key` and `--tls-ca`; the function gets one `tls: TlsFiles`."""

    @wraps(function)
    def with_files(
        *args: Any, tls_cert: Path | None, tls_key: Path | None, tls_ca: Path | None, **given: Any
    ) -> Any:
        return function(*args, tls=TlsFiles(tls_cert, tls_key, tls_ca), **given)

    for add in (
        option(
            "--tls-ca",
            type=_PEM,
            help="Certificates, in PEM, that are trusted. A program that dials uses TLS with it;"
            " one that listens demands certificates of its peers.",
        ),
        option("--tls-key", type=_PEM, help="The key of --tls-cert, in PEM, not encrypted."),
        option(
            "--tls-cert",
            type=_PEM,
            help="Our certificate, in PEM. A program that listens uses TLS with it.",
        ),
    ):
        with_files = add(with_files)
    return cast(F, with_files)


MAX_CREDENTIAL = 200
"""Characters of a credential."""


def credential_options(function: F) -> F:
    """Add `--credential` and `--credential-file`; the function gets one `credential`, or None."""
    return secret_options("credential", "Secret that proves our id to central.")(function)


def secret_options(name: str, meaning: str) -> Callable[[F], F]:
    """Add `--NAME` and `--NAME-file`; the function gets one keyword, the secret or None."""

    def decorate(function: F) -> F:
        keyword = name.replace("-", "_")

        @wraps(function)
        def with_secret(*args: Any, **given: Any) -> Any:
            secret, file = given.pop(keyword), given.pop(f"{keyword}_file")
            given[keyword] = _secret(secret, file, name)
            return function(*args, **given)

        for add in (
            option(
                f"--{name}-file",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                help=f"File that holds the secret of --{name}.",
            ),
            option(
                f"--{name}",
                metavar="TEXT",
                help=f"{meaning} Better given in the environment or in a file, where other users"
                " cannot see it.",
            ),
        ):
            with_secret = add(with_secret)
        return cast(F, with_secret)

    return decorate


def _secret(text: str | None, file: Path | None, name: str) -> str | None:
    """The secret that is meant; its text is never repeated."""
    if text is not None and file is not None:
        raise click.UsageError(f"--{name} and --{name}-file say the same: give one of them.")
    if file is not None:
        try:
            text = read_text(file).strip()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise click.BadParameter(
                f"cannot read {file}: {why}", param_hint=f"'--{name}-file'"
            ) from None
    if text is not None and (not 1 <= len(text) <= MAX_CREDENTIAL or "\0" in text):
        raise click.BadParameter(
            f"it has {len(text)} characters, not 1 to {MAX_CREDENTIAL}", param_hint=f"'--{name}'"
        )
    return text


MAX_FILE = 1 << 20
"""Bytes of a file that a person names: thousands of settings, or services."""


def read_text(path: Path) -> str:
    """The text of a small file, without the mark that some editors put at its beginning.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no UTF-8 text, or longer than `MAX_FILE`.
    """
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise ValueError(f"it has more than {MAX_FILE:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8 text") from None


def is_loopback(address: Address) -> bool:
    """Whether only this machine can reach a listener there: all that its name means is loopback."""
    try:
        found = socket.getaddrinfo(address.host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(where[4][0]).is_loopback for where in found)


def must_not_be_open(
    listen: Address, *, tls: bool, credentials: bool, insecure: bool, make: str
) -> None:
    """Refuse to listen to other machines without TLS and credentials.

    Args:
        make: How credentials are made, for the sentence.

    Raises:
        CannotStart: It would be open to everybody who reaches it.
    """
    if insecure or is_loopback(listen):
        return
    missing = [*([] if tls else ["--tls-cert and --tls-key"]), *([] if credentials else [make])]
    if missing:
        raise CannotStart(
            f"{listen} can be reached from other machines: it needs {' and '.join(missing)},"
            " or --insecure"
        )


def read_kafka_config(path: str | None) -> dict[str, str]:
    """The librdkafka settings in a file of `KEY=VALUE` lines; `#` begins a comment line.

    Raises:
        CannotStart: The file cannot be read, or a line is neither.
    """
    if path is None:
        return {}
    settings: dict[str, str] = {}
    try:
        lines = read_text(Path(path)).split("\n")
    except (OSError, ValueError) as error:
        raise CannotStart(f"cannot read {path}: {error}") from None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise CannotStart(f"{path}, line {number}: not KEY=VALUE")
        settings[key.strip()] = value.strip()
    return settings


class Stop:
    """Tells a serving coroutine that it is to end: on SIGTERM, SIGINT, or when it says so."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """End the program cleanly, as SIGTERM does."""
        self._asked.set()

    async def wait(self) -> None:
        """Return once the program is to end."""
        await self._asked.wait()


def ready(*words: object) -> None:
    """Say on stdout that the program serves: one line that begins with `ready`."""
    click.echo(" ".join(["ready", *map(str, words)]))


def run(
    name: str, settings: Common, main: Callable[[Stop], Coroutine[Any, Any, int | None]]
) -> None:
    """Run a program's coroutine to its end and exit with what it returns (None is 0).

    SIGTERM and SIGINT ask it to stop; a second one cancels it.
    """
    logs.configure(name, form=settings.log, level=settings.log_level)
    _allow_files()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_until_stopped(main))
    except KeyboardInterrupt:
        code = 130
    except (ChargingError, OSError) as error:
        _give_up(name, error, settings.debug)
    except BaseExceptionGroup as group:
        found, bugs = group.split((ChargingError, OSError))
        if found is None or bugs is not None:
            raise
        _give_up(name, _first(found), settings.debug)
    sys.exit(code or 0)


def _allow_files() -> None:
    """Let this process open as many files, and with them links, as it is allowed to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _give_up(name: str, error: BaseException, debug: bool) -> None:
    if debug:
        raise error
    click.echo(f"{name}: {error}", err=True)
    sys.exit(1)


async def _until_stopped(main: Callable[[Stop], Coroutine[Any, Any, int | None]]) -> int | None:
    stop = Stop()
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(main(stop))
    asked = 0

    def on_signal() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            stop.ask()
        else:
            work.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        return await work
    except asyncio.CancelledError:
        return 130
