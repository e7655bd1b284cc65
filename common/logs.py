"""Logging: structlog everywhere, one line per event, with the ids that tell a charge's story.

While a message is handled, `handled` holds it, and every line logged meanwhile carries its ids.
Each message in and out is one line at debug level: `grep TRACE_ID` over the logs of all programs,
sorted by time, is the story of one charge.
"""

import logging
import sys
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Literal, TextIO

import structlog
from msgspec import Struct
from structlog.typing import EventDict, WrappedLogger

from common.messages import Message
from common.protocol import wire_name

LogFormat = Literal["console", "json"]

handled: ContextVar[Message | None] = ContextVar("handled", default=None)
"""The message that is being handled in this task."""

ID_FIELDS = ("message_id", "trace_id", "cp_id", "session_id", "driver_id")


def ids_of(message: Struct) -> dict[str, str]:
    """The ids that a message carries, by field name."""
    found = ((name, getattr(message, name, None)) for name in ID_FIELDS)
    return {name: value for name, value in found if value}


def _add_ids(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    message = handled.get()
    if message is not None:
        for name, value in ids_of(message).items():
            event.setdefault(name, value)
        event.setdefault("trace_id", message.message_id)
    return event


def configure(program: str, *, form: LogFormat, level: str, stream: TextIO | None = None) -> None:
    """Set up logging for a program, once, before anything logs.

    Args:
        program: Its name; each JSON line carries it.
        form: `console` for people, `json` for programs: one object a line.
        level: `debug`, `info`, `warning` or `error`.
        stream: Where lines go; stderr if None, so that stdout is free for results.
    """

    def add_program(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["program"] = program
        return event

    target = stream or sys.stderr
    shared: list[Any] = [_add_ids, structlog.processors.add_log_level]
    if form == "json":
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        tail: list[Any] = [
            add_program,
            stamp,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=False),
        ]
    else:
        stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False)
        tail = [stamp, structlog.dev.ConsoleRenderer(colors=target.isatty(), pad_event_to=34)]
    structlog.configure(
        processors=[*shared, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=lambda *_: _Lines(target),
        cache_logger_on_first_use=False,
    )


class _Lines(structlog.PrintLogger):
    """Writes lines. Where they cannot be written, on a full disk, they are lost and nothing else:
    an error here would fail whatever was being logged, and cut the link that it came from.
    """

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


class Wiretap:
    """Logs messages in and out at debug level; costs next to nothing at any other.

    Attributes:
        on: Whether debug lines are written at all.
    """

    def __init__(self) -> None:
        self._log = structlog.get_logger("wire")
        self.on: bool = self._log.is_enabled_for(logging.DEBUG)

    def seen(self, direction: Literal["received", "sent"], message: Message, peer: str) -> None:
        """Log one message; `peer` is who it came from, or went to, and over what."""
        if self.on:
            ids = ids_of(message)
            ids.setdefault("trace_id", message.message_id)
            self._log.debug(direction, type=wire_name(type(message)), peer=peer, **ids)
