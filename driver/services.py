"""The file of services: one charge point's id per line; blank lines and `#` comments are skipped.

A service is one charge to be asked for. Services are counted from 1, in the order of the file;
errors name the line of the file.
"""

import re
from dataclasses import dataclass
from typing import Self

_CP_ID = re.compile(r"[A-Za-z0-9_.-]{1,36}")

MAX_NAMED = 5
"""Faulty lines named in one sentence; the others are counted."""


@dataclass(frozen=True, slots=True)
class Service:
    """One charge to be asked for: the `number`th of the file, on that `line`."""

    number: int
    line: int
    cp_id: str


@dataclass(frozen=True, slots=True)
class Span:
    """The services from `first` to `last`, both included."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `FIRST-LAST`, or one number.

        Raises:
            ValueError: It is neither, or the last comes before the first.
        """
        first, dash, last = text.partition("-")
        if not all(re.fullmatch("[0-9]{1,9}", part) for part in (first, last if dash else first)):
            raise ValueError(f"{_shortened(text)!r} is neither a service's number nor FIRST-LAST")
        span = cls(int(first), int(last if dash else first))
        if not 1 <= span.first <= span.last:
            raise ValueError(f"{text!r}: services are counted from 1, and FIRST comes before LAST")
        return span


def is_charge_point_id(text: str) -> bool:
    """Whether a charge point may have this id."""
    return _CP_ID.fullmatch(text) is not None


def parse(text: str) -> tuple[Service, ...]:
    """The services of a file.

    Raises:
        ValueError: A line is no charge point's id, or there is none; one sentence names the lines.
    """
    services: list[Service] = []
    faults: list[str] = []
    for line, content in enumerate(text.split("\n"), 1):
        cp_id = content.partition("#")[0].strip()
        if not cp_id:
            continue
        if is_charge_point_id(cp_id):
            services.append(Service(len(services) + 1, line, cp_id))
        else:
            faults.append(f"line {line}: {_shortened(cp_id)!r}")
    if faults:
        more = f" and {len(faults) - MAX_NAMED} more" if len(faults) > MAX_NAMED else ""
        named = ", ".join(faults[:MAX_NAMED])
        raise ValueError(f"no charge point id (1 to 36 of A-Z a-z 0-9 _ . -): {named}{more}")
    if not services:
        raise ValueError("no service in it: one charge point id per line is needed")
    return tuple(services)


def chosen(services: tuple[Service, ...], span: Span | None) -> tuple[Service, ...]:
    """The services of this span; all of them without one.

    Raises:
        ValueError: The span reaches beyond the last service.
    """
    if span is None:
        return services
    if span.last > len(services):
        raise ValueError(f"there are {len(services)} services, so there is no {span.last}")
    return services[span.first - 1 : span.last]


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"
