"""Every command in a document is one that its program takes; every link leads somewhere."""

import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import click
import pytest

from central.__main__ import main as ev_central
from common.broker import main as ev_broker
from driver.__main__ import main as ev_driver
from engine.__main__ import main as ev_engine
from monitor.__main__ import main as ev_monitor

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PROGRAMS: dict[str, click.Command] = {
    "ev-broker": ev_broker,
    "ev-central": ev_central,
    "ev-driver": ev_driver,
    "ev-engine": ev_engine,
    "ev-monitor": ev_monitor,
}


def commands() -> list[str]:
    """Every line of a document or of the Procfile that starts one of our programs."""
    texts = [page.read_text() for page in PAGES] + [(ROOT / "Procfile").read_text()]
    lines = [line.split("#")[0].strip() for text in texts for line in text.splitlines()]
    found = [re.sub(r"^[a-z0-9-]+:\s+(?=ev-)", "", line) for line in lines]
    return [line for line in found if re.match(r"ev-[a-z]+ +-", line)]


def targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_there_are_commands_to_check() -> None:
    """The README's five, and the Procfile's eight."""
    assert len(commands()) >= 12


@pytest.mark.parametrize("command", commands())
def test_a_command_in_a_document_is_taken_by_its_program(command: str) -> None:
    """Its options and arguments are read as the program itself reads them."""
    name, *words = shlex.split(command)
    program = PROGRAMS[name]
    context = program.make_context(name, words, resilient_parsing=False)
    if isinstance(program, click.Group):
        sub, chosen, rest = program.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert chosen is not None
        chosen.make_context(sub, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    """Links within the repository, that is."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (page.parent / link).exists()] == []


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
