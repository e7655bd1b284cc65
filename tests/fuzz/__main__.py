"""`python -m tests.fuzz`: coverage-guided fuzzing by atheris, which `make fuzz` installs.

What is found lies in `.fuzz/TARGET`, with the corpus; the same command tries all of that again.
"""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click

FOLDER = Path(".fuzz")
NAMES = ("frames", "messages", "journal", "ocpp_frames", "ocpp_payloads")


@click.command()
@click.option("--target", type=click.Choice(NAMES), help="This one alone.")
@click.option("--seconds", type=click.IntRange(1), default=60, show_default=True, help="For each.")
@click.option("--here", is_flag=True, hidden=True)
def main(target: str | None, seconds: int, here: bool) -> None:
    """Fuzz frames, messages, journals and what is OCPP; exits with 1 if something was found."""
    if find_spec("atheris") is None:
        raise click.ClickException("atheris is not installed: run make fuzz")
    if here:
        assert target is not None
        fuzz(target, seconds)
    found = False
    for name in (target,) if target else NAMES:
        command = [sys.executable, "-m", "tests.fuzz", "--target", name, "--here"]
        done = subprocess.run([*command, "--seconds", str(seconds)], check=False)
        click.echo(f"{name}: {'found something' if done.returncode else 'nothing found'}")
        found |= done.returncode != 0
    sys.exit(int(found))


def fuzz(target: str, seconds: int) -> None:
    """Fuzz one target; ends the process, as atheris does."""
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["common", "engine", "gateway"]):
        targets = import_module("tests.fuzz.targets")
    corpus = FOLDER / target
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        for number, seed in enumerate(import_module("tests.fuzz.seeds").seeds(target)):
            (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", "-max_len=66000", "-timeout=10", "-rss_limit_mb=2048"]
    options += [f"-artifact_prefix={FOLDER}/{target}-", "-print_final_stats=1", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], targets.TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
