"""Times as an operator writes them: `2h` ago, `2026-11-21`, `2026-11-21T08:30`, Unix seconds."""

import re
from datetime import datetime
from typing import Any

import click

from common.clock import SystemClock

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}


def parse(text: str, now: float) -> int:
    """The Unix second that is meant.

    Args:
        text: A duration before `now`, an ISO 8601 date or time (of the local zone if it names
            none), or Unix seconds.

    Raises:
        ValueError: It is none of these.
    """
    if match := re.fullmatch(r"(\d{1,9})([smhdw])", text):
        return max(0, int(now) - int(match[1]) * SECONDS[match[2]])
    if re.fullmatch(r"\d{9,11}", text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
        seconds = int(
            moment.astimezone().timestamp() if moment.tzinfo is None else moment.timestamp()
        )
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text!r} is no time: write 2h or 7d (ago), 2026-11-21, 2026-11-21T08:30"
            " or Unix seconds"
        ) from None
    if seconds < 0:
        raise ValueError(f"{text!r} is before 1970")
    return seconds


def shown(seconds: int | None) -> str:
    """A time as a person reads it, in the local zone."""
    if not seconds:
        return ""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def shown_ms(milliseconds: int) -> str:
    """A time in Unix milliseconds as a person reads it, in the local zone."""
    moment = datetime.fromtimestamp(milliseconds / 1000).astimezone()
    return moment.isoformat(sep=" ", timespec="milliseconds")[:23]


class MomentType(click.ParamType[int]):
    """A time on a command line."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse(str(value), SystemClock().wall())
        except ValueError as error:
            self.fail(str(error), param, ctx)


MOMENT = MomentType()
