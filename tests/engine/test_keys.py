"""Keys, pressed one by one or written one a line."""

import pytest

from common.units import WattHours
from engine.keys import PROMPT, Action, KeyCommand, Keys


def press(keys: Keys, text: str) -> list[KeyCommand | str]:
    return [outcome for outcome in map(keys.key, text) if outcome is not None]


@pytest.mark.parametrize("action", [a for a in Action if a is not Action.CHARGE])
def test_a_letter_is_a_command(action: Action) -> None:
    """Alone, or after the connector's number; on a line as on a key."""
    assert press(Keys(), action) == [KeyCommand(action)]
    assert press(Keys(), f"12{action}") == [KeyCommand(action, 12)]
    assert Keys().line(f" {action} ") == KeyCommand(action)
    assert Keys().line(f"2{action}") == KeyCommand(action, 2)
    assert Keys().line(f"2 {action}") == KeyCommand(action, 2)


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("D-1", KeyCommand(Action.CHARGE, None, "D-1")),
        (" D-1  7.5 ", KeyCommand(Action.CHARGE, None, "D-1", WattHours(7_500))),
        ("E-2\x7f1", KeyCommand(Action.CHARGE, None, "E-1")),
        ("\x7f\x7fX\b\bD", KeyCommand(Action.CHARGE, None, "D")),
        ("D\t1", KeyCommand(Action.CHARGE, None, "D1")),
    ],
)
def test_c_asks_who_wants_to_charge(typed: str, command: KeyCommand) -> None:
    """The id is typed and may be corrected; a key in it is no command."""
    keys = Keys()
    assert press(keys, "c") == [PROMPT]
    assert press(keys, typed) == []
    assert keys.typed
    assert press(keys, "\r") == [command]
    assert press(keys, "p") == [KeyCommand(Action.PLUG)]


def test_c_may_name_the_connector() -> None:
    """As every other key."""
    keys = Keys()
    assert press(keys, "2cD-1\n") == [PROMPT, KeyCommand(Action.CHARGE, 2, "D-1")]


def test_the_prompt_can_be_left() -> None:
    """Escape, and keys are keys again; an empty line leaves the question standing."""
    keys = Keys()
    assert press(keys, "c\n\nD\x1b") == [PROMPT, "never mind"]
    assert press(keys, "u") == [KeyCommand(Action.UNPLUG)]


def test_on_a_pipe_the_driver_is_on_the_same_or_the_next_line() -> None:
    """Blank lines say nothing."""
    keys = Keys()
    assert keys.line("c D-1 2.25") == KeyCommand(Action.CHARGE, None, "D-1", WattHours(2_250))
    assert keys.line("") is None
    assert keys.line("3c") == PROMPT
    assert keys.line("  ") is None
    assert keys.line("D-2") == KeyCommand(Action.CHARGE, 3, "D-2")
    assert keys.line("p") == KeyCommand(Action.PLUG)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("x", "'x' is no key; ? shows them"),
        ("plug", "'plug' is no key; ? shows them"),
        ("p now", "'p now' is no key; ? shows them"),
        ("2", "'2' is no key; ? shows them"),
        ("1234p", "'1234p' is no key; ? shows them"),
        ("c D 1 2", "'D 1 2' is no driver's id"),
        ("c Łódź", "'Łódź' is no driver's id"),
        ("c " + "D" * 37, f"{'D' * 37!r} is no driver's id"),
        ("c D much", "'much' is no energy: Expected a number of kWh, got 'much'"),
        ("c D -1", "'-1' is no energy: Expected `number` >= 0"),
    ],
)
def test_what_is_no_key_is_said(line: str, sentence: str) -> None:
    """And keys go on."""
    keys = Keys()
    assert keys.line(line) == sentence
    assert keys.line("p") == KeyCommand(Action.PLUG)


def test_a_pressed_key_that_is_none_is_said() -> None:
    """With the number that stood before it."""
    assert press(Keys(), "2x") == ["'2x' is no key; ? shows them"]
    assert press(Keys(), "\r\n ") == []
