"""Every command in a document is one that its program takes; every link leads somewhere."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from admin.__main__ import main as ev_admin
from central.__main__ import main as ev_central
from common.broker import main as ev_broker
from common.certs import main as certs
from common.probe import main as probe
from driver.__main__ import main as ev_driver
from engine.__main__ import main as ev_engine
from gateway.__main__ import main as ev_gateway
from monitor.__main__ import main as ev_monitor

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PROGRAMS: dict[str, click.Command] = {
    "ev-admin": ev_admin,
    "ev-broker": ev_broker,
    "ev-central": ev_central,
    "ev-driver": ev_driver,
    "ev-engine": ev_engine,
    "ev-gateway": ev_gateway,
    "ev-monitor": ev_monitor,
}
MODULES = {"common.certs": certs, "common.probe": probe}


def commands() -> list[str]:
    """Every line of a document or of the Procfile that starts one of our programs.

    In a page these are the lines of its shell blocks, and of a unit of systemd what it starts.
    """
    found = [line.partition(": ")[2] for line in (ROOT / "Procfile").read_text().splitlines()]
    for page in PAGES:
        for kind, text in re.findall(r"```(\w+)\n(.*?)```", page.read_text(), re.DOTALL):
            if kind in ("sh", "ini"):
                lines = text.replace("\\\n", " ").splitlines()
                found += [re.sub(r"^ExecStart=\S*/", "", line) for line in lines]
    ours = "|".join([*PROGRAMS, "python -m common"])
    return [line.strip() for line in found if re.match(rf"\s*({ours})\b", line)]


def program_of(command: str) -> tuple[click.Command, list[str]]:
    """The program that a line starts, and the words that it gives it."""
    bare = re.split(r" [|>&] ?| 2>|;| #", command)[0].replace("…", "X")
    words = [re.sub(r"%i|\$\{?\w+\}?", "X", word) for word in shlex.split(bare)]
    if words[0] == "python":
        return MODULES[words[2]], words[3:]
    return PROGRAMS[words[0]], words[1:]


def is_taken(program: click.Command, words: list[str], parent: click.Context | None = None) -> bool:
    """Whether the program reads all these words as its options, commands and arguments."""
    context = program.make_context(program.name, words, parent=parent)
    rest = [*context._protected_args, *context.args]
    if not isinstance(program, click.Group) or not rest:
        return not rest
    _, chosen, left = program.resolve_command(context, rest)
    return chosen is not None and is_taken(chosen, left, context)


def named_files(words: list[str]) -> Iterator[Path]:
    """What looks like a file, which its program would want to find."""
    return (Path(word) for word in words if re.fullmatch(r"[\w./-]+\.[a-z]+", word))


def targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_there_are_commands_to_check() -> None:
    """Those of the README, of the Procfile and of the operator's guide."""
    assert len(commands()) >= 25


@pytest.mark.parametrize("command", commands())
def test_a_command_in_a_document_is_taken_by_its_program(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its options and arguments are read as the program itself reads them."""
    program, words = program_of(command)
    monkeypatch.chdir(tmp_path)
    for path in named_files(words):
        assert not path.is_absolute(), f"{path}: a document names files from where one stands"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert is_taken(program, words)


@pytest.mark.parametrize("words", ["--no-such-option", "no-such-command"])
@pytest.mark.parametrize("name", ["ev-central", "ev-admin"])
def test_a_word_that_a_program_does_not_know_would_be_found(name: str, words: str) -> None:
    """What looks at the commands looks."""
    with pytest.raises(click.UsageError):
        is_taken(PROGRAMS[name], shlex.split(words))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_option_that_a_page_names_is_one_of_a_program(page: Path) -> None:
    """Also in a sentence: `--settle-timeout`."""
    named = set(re.findall(r"`(--[a-z][a-z-]+)", page.read_text()))
    assert named <= options()


@cache
def options() -> frozenset[str]:
    """Every option of every program and of its commands."""
    found = {"--help"}
    left = [*PROGRAMS.values(), *MODULES.values()]
    while left:
        command = left.pop()
        found |= {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
        left += command.commands.values() if isinstance(command, click.Group) else ()
    return frozenset(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    """Links within the repository, that is."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_heading_leads_to_one(page: Path) -> None:
    """On the page itself, or on another."""
    for other, anchor in re.findall(r"\]\(([\w./-]*)#([^)]+)\)", page.read_text()):
        text = (page.parent / other).read_text() if other else page.read_text()
        titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        known = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert anchor in known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    """In code, that is: `make demo`."""
    named = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    assert set(named) <= targets()


@cache
def scripts() -> dict[str, str]:
    """The console scripts that are installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: dict[str, str] = project["project"]["scripts"]
    return found


def test_every_console_script_is_a_program_that_is_checked_here() -> None:
    """A new program's commands are checked, too."""
    assert set(scripts()) == set(PROGRAMS)


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_help_names_default_and_environment_of_every_option(name: str) -> None:
    """So that `--help` is enough to use a program."""
    program = PROGRAMS[name]
    with program.make_context(name, [], resilient_parsing=True) as context:
        for option in program.params:
            assert isinstance(option, click.Option)
            assert option.help, option.name
            shown = option.get_help_record(context)
            assert shown is not None, option.name
            assert f"EV_{name[3:].upper()}_" in shown[1], option.name
            default = option.to_info_dict()["default"]
            assert default in (None, False) or "default" in shown[1], option.name
