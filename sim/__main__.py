"""`python -m sim`: play histories, and say what was wrong with them."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from time import monotonic

import click

from sim.faults import FAULTS
from sim.world import Outcome, play


@dataclass(slots=True)
class Totals:
    """The sums of many histories."""

    histories: int = 0
    seconds: float = 0.0
    charges: int = 0
    tickets: int = 0
    energy: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)
    _digest: "blake2b" = field(default_factory=lambda: blake2b(digest_size=16))

    def add(self, outcome: Outcome) -> None:
        """One more."""
        self.histories += 1
        self.seconds += outcome.seconds
        self.charges += outcome.charges
        self.tickets += outcome.tickets
        self.energy += outcome.energy
        self.faults += outcome.faults
        self._digest.update(outcome.digest.encode())
        if outcome.wrong:
            self.failed.append(outcome)

    def lines(self) -> Iterator[str]:
        """What they came to."""
        yield f"{self.histories} histories, {self.seconds / 3600:.1f} simulated hours"
        yield f"{self.faults.total()} faults: " + ", ".join(
            f"{name} {count}" for name, count in sorted(self.faults.items())
        )
        yield f"{self.charges} charges, {self.tickets} tickets, {self.energy / 1000:.3f} kWh"
        yield f"{len(self.failed)} histories in which something was wrong"
        yield f"digest {self._digest.hexdigest()}"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seeds", type=click.IntRange(min=1), default=100, help="How many histories.")
@click.option("--first", type=click.IntRange(min=0), default=0, help="The first one's seed.")
@click.option("--seed", type=click.IntRange(min=0), help="Only this one, with its story.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, help="Processes that play them.")
@click.option(
    "--fault",
    "faults",
    type=click.Choice([fault.__name__ for fault in FAULTS]),
    metavar="NAME",
    multiple=True,
    help="Only this kind of fault; may be given several times. Without it all kinds.",
)
@click.option("--verbose", is_flag=True, help="Show the story of --seed also where all is well.")
def main(
    seeds: int, first: int, seed: int | None, jobs: int, faults: tuple[str, ...], *, verbose: bool
) -> None:
    """Play histories of the whole network with simulated faults, and check what must be true.

    The exit code is 1 if anything was wrong; then the first such history's story is shown, and how
    to play it again.
    """
    if seed is not None:
        outcome = play(seed, told=True, only=faults)
        if verbose or outcome.wrong:
            click.echo(outcome.chronicle)
        _conclude(outcome, faults)
        sys.exit(bool(outcome.wrong))
    totals = Totals()
    began = monotonic()
    for outcome in _played(range(first, first + seeds), jobs, faults):
        totals.add(outcome)
        if outcome.wrong:
            click.echo(f"seed {outcome.seed}: {outcome.wrong[0]}", err=True)
        _show_progress(totals, seeds)
    for line in totals.lines():
        click.echo(line)
    click.echo(f"{monotonic() - began:.0f} s")
    if totals.failed:
        worst = totals.failed[0]
        told = play(worst.seed, told=True, only=faults)
        click.echo(told.chronicle)
        _conclude(told, faults)
        sys.exit(1)


def _played(seeds: Iterable[int], jobs: int, faults: tuple[str, ...]) -> Iterator[Outcome]:
    """The outcomes, in the order of the seeds."""
    playing = partial(play, only=faults)
    if jobs == 1:
        yield from map(playing, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(playing, seeds, chunksize=5)


def _show_progress(totals: Totals, seeds: int) -> None:
    if sys.stderr.isatty():
        click.echo(
            f"\r{totals.histories} of {seeds}, {len(totals.failed)} wrong", err=True, nl=False
        )


def _conclude(outcome: Outcome, faults: tuple[str, ...]) -> None:
    click.echo(f"seed {outcome.seed}: {outcome.seconds:.0f} simulated seconds")
    click.echo(f"faults: {dict(sorted(outcome.faults.items()))}")
    click.echo(f"{outcome.charges} charges, {outcome.tickets} tickets, {outcome.energy} Wh")
    for what in outcome.wrong:
        click.echo(f"WRONG {what}")
    if outcome.wrong:
        only = "".join(f" --fault {name}" for name in faults)
        click.echo(f"play it again: python -m sim --seed {outcome.seed}{only}")
    click.echo(f"digest {outcome.digest}")


if __name__ == "__main__":
    main()
