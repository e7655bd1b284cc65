"""The keys of a charge point: what a person in front of it may do.

A key is a letter, after the connector's number where it matters: `p`, `2u`. On a pipe each line
holds one. `c` is followed by the driver's id and, where the driver wants no full car, the energy in
kWh: `D-1` or `D-1 7.5`.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from common.units import WattHours


class Action(StrEnum):
    """What a key does."""

    PLUG = "p"
    UNPLUG = "u"
    BREAK = "b"
    REPAIR = "r"
    CHARGE = "c"
    HELP = "?"


HELP = """\
keys: p plug in   u unplug   b break   r repair   c ask for a charge   ? this help
      a number before the key is the connector: 2u"""

PROMPT = "driver id, and kWh if not a full car: "

_LINE = re.compile(r"(\d{0,3})\s*([pubrc?])(?:\s+(\S.*))?")
_DRIVER = re.compile(r"([A-Za-z0-9_.-]{1,36})(?:\s+(\S+))?")


@dataclass(frozen=True, slots=True)
class KeyCommand:
    """What a person wants.

    Attributes:
        connector_id: None where none was named.
        driver_id: Who asks for a charge.
        target: The energy asked for; None for a full car.
    """

    action: Action
    connector_id: int | None = None
    driver_id: str = ""
    target: WattHours | None = None


class Keys:
    """Makes commands of what is typed.

    Attributes:
        prompting: The driver's id is being typed.
        typed: What has been typed of a connector's number or a driver's id.
    """

    def __init__(self) -> None:
        self.prompting = False
        self.typed = ""
        self._connector: int | None = None

    def line(self, text: str) -> KeyCommand | str | None:
        """Take a whole line: a command, or what is to be said to the person, or nothing."""
        text = text.strip()
        if not text:
            return None
        if self.prompting:
            return self._driver(text)
        match = _LINE.fullmatch(text)
        if match is None:
            return f"{text[:40]!r} is no key; ? shows them"
        number, letter, rest = match.groups()
        connector = int(number) if number else None
        action = Action(letter)
        if action is Action.CHARGE:
            self.prompting, self._connector = True, connector
            return self._driver(rest) if rest else PROMPT
        if rest:
            return f"{text[:40]!r} is no key; ? shows them"
        return KeyCommand(action, connector)

    def key(self, char: str) -> KeyCommand | str | None:
        """Take one key as it is pressed."""
        if self.prompting:
            return self._edit(char)
        if char.isdigit():
            self.typed += char
            return None
        text, self.typed = self.typed + char, ""
        return self.line(text)

    def _edit(self, char: str) -> KeyCommand | str | None:
        if char in "\r\n":
            text, self.typed = self.typed, ""
            return self.line(text)
        if char == "\x1b":
            self.prompting, self.typed = False, ""
            return "never mind"
        if char in "\b\x7f":
            self.typed = self.typed[:-1]
        elif char.isprintable():
            self.typed += char
        return None

    def _driver(self, text: str) -> KeyCommand | str:
        self.prompting = False
        match = _DRIVER.fullmatch(text)
        if match is None:
            return f"{text[:40]!r} is no driver's id"
        driver_id, energy = match.groups()
        try:
            target = WattHours.parse(energy) if energy else None
        except ValueError as error:
            return f"{energy[:40]!r} is no energy: {error}"
        return KeyCommand(Action.CHARGE, self._connector, driver_id, target)
