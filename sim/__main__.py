"""`python -m sim`: play histories, and say what was wrong with them."""

import signal
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from time import monotonic

import click

from sim.faults import FAULTS
from sim.outcome import Outcome, Totals
from sim.story import Detail
from sim.world import play


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
@click.option(
    "--verbose", is_flag=True, help="All of the story of --seed, and also where all is well."
)
def main(
    seeds: int, first: int, seed: int | None, jobs: int, faults: tuple[str, ...], *, verbose: bool
) -> None:
    """Play histories of the whole network with simulated faults, and check what must be true.

    The exit code is 1 if anything was wrong; then the first such history's story is shown, and how
    to play it again.
    """
    if seed is not None:
        outcome = play(seed, detail=Detail.EVERYTHING if verbose else Detail.STORY, only=faults)
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
        told = play(worst.seed, detail=Detail.STORY, only=faults)
        click.echo(told.chronicle)
        _conclude(told, faults)
        sys.exit(1)


def _played(seeds: Iterable[int], jobs: int, faults: tuple[str, ...]) -> Iterator[Outcome]:
    """The outcomes, in the order of the seeds."""
    playing = partial(play, only=faults)
    if jobs == 1:
        yield from map(playing, seeds)
        return
    with ProcessPoolExecutor(jobs, initializer=_leave_interrupts_to_us) as pool:
        try:
            yield from pool.map(playing, seeds, chunksize=5)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _leave_interrupts_to_us() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _show_progress(totals: Totals, seeds: int) -> None:
    """On a terminal in one line that changes; in a log ten lines."""
    text = f"{totals.histories} of {seeds} histories, {len(totals.failed)} wrong"
    if sys.stderr.isatty():
        click.echo(f"\r{text}", err=True, nl=totals.histories == seeds)
    elif totals.histories % max(1, seeds // 10) == 0:
        click.echo(text, err=True)


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
