"""Keys from a pipe and from a terminal, in this process."""

import asyncio
import os
import pty
import termios
from collections.abc import Iterator

import pytest

from engine import terminal
from engine.keys import PROMPT, Action, KeyCommand
from engine.terminal import Terminal, is_foreground

PLUG, UNPLUG = KeyCommand(Action.PLUG), KeyCommand(Action.UNPLUG)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe; the writing end may be closed by the test."""
    read, write = os.pipe()
    yield read, write
    os.close(read)
    try:
        os.close(write)
    except OSError:
        return


@pytest.fixture
def screen() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: the person's and the program's."""
    person, program = pty.openpty()
    yield person, program
    os.close(person)
    os.close(program)


async def settle() -> None:
    """Let what has been written be read."""
    for _ in range(20):
        await asyncio.sleep(0.001)


async def test_each_line_of_a_pipe_is_a_key(
    pipe: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """However the lines are cut, and also where the last has no end."""
    read, write = pipe
    done: list[KeyCommand] = []
    with Terminal(done.append, read):
        os.write(write, b"p\n2")
        await settle()
        assert done == [PLUG]
        os.write(write, b"u\r\nnonsense\nc\nD-")
        await settle()
        os.write(write, b"1\nu")
        os.close(write)
        await settle()
    assert done == [
        PLUG,
        KeyCommand(Action.UNPLUG, 2),
        KeyCommand(Action.CHARGE, None, "D-1"),
        UNPLUG,
    ]
    assert capsys.readouterr().out == f"'nonsense' is no key; ? shows them\n{PROMPT}\n"


async def test_bytes_that_are_no_text_do_no_harm(pipe: tuple[int, int]) -> None:
    """They are no key."""
    read, write = pipe
    done: list[KeyCommand] = []
    with Terminal(done.append, read):
        os.write(write, b"\xff\xfe\np\n")
        await settle()
    assert done == [PLUG]


@pytest.mark.parametrize("what", ["/dev/null", "file", "closed"])
async def test_anything_else_is_nobody(what: str, tmp_path: object) -> None:
    """A file, /dev/null or nothing at all: the engine runs headless."""
    if what == "closed":
        fd = os.open("/dev/null", os.O_RDONLY)
        os.close(fd)
    else:
        path = what if what == "/dev/null" else f"{tmp_path}/keys"
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        os.write(fd, b"p\n")
        os.lseek(fd, 0, os.SEEK_SET)
    done: list[KeyCommand] = []
    with Terminal(done.append, fd):
        await settle()
    assert done == []
    if what != "closed":
        os.close(fd)


async def test_a_terminal_of_others_is_left_alone(screen: tuple[int, int]) -> None:
    """One that is not ours, or in whose background we are, is neither read nor changed."""
    person, program = screen
    assert not is_foreground(program)
    before = termios.tcgetattr(program)
    done: list[KeyCommand] = []
    with Terminal(done.append, program) as one:
        one.continued()
        os.write(person, b"p\n")
        await settle()
        assert termios.tcgetattr(program) == before
    assert done == []


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal is ours; for real it is in the tests of the whole program."""
    monkeypatch.setattr(terminal, "is_foreground", lambda fd: True)


@pytest.mark.usefixtures("ours")
async def test_on_a_terminal_each_key_counts_as_it_is_pressed(
    screen: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Enter; arrows are no keys; the driver's id is shown as it is typed."""
    person, program = screen
    done: list[KeyCommand] = []
    with Terminal(done.append, program):
        assert "p plug in" in capsys.readouterr().out
        for pressed in (b"p", b"\x1b[A", b"x", b"2", b"c", b"D", b"2", b"\x7f", b"1"):
            os.write(person, pressed)
            await settle()
        assert done == [PLUG]
        os.write(person, b"\nu")
        await settle()
    assert done == [PLUG, KeyCommand(Action.CHARGE, 2, "D1"), UNPLUG]
    shown = capsys.readouterr().out
    last = [line.rpartition("\r")[2] for line in shown.split("\n") if line]
    assert last == ["'x' is no key; ? shows them", f"{PROMPT}D1"]


@pytest.mark.usefixtures("ours")
async def test_a_terminal_is_given_back_as_it_was(screen: tuple[int, int]) -> None:
    """Also after it was put back to normal meanwhile, as a shell does with a suspended program."""
    _, program = screen
    before = termios.tcgetattr(program)
    with Terminal(lambda command: None, program) as one:
        changed = termios.tcgetattr(program)
        assert not changed[3] & (termios.ICANON | termios.ECHO)
        termios.tcsetattr(program, termios.TCSANOW, before)
        one.continued()
        assert termios.tcgetattr(program)[3] == changed[3]
    assert termios.tcgetattr(program) == before


@pytest.mark.usefixtures("ours")
async def test_a_terminal_that_has_gone_is_nobody() -> None:
    """Its engine goes on without keys."""
    person, program = pty.openpty()
    done: list[KeyCommand] = []
    with Terminal(done.append, program):
        os.close(person)
        await settle()
    os.close(program)
    assert done == []
