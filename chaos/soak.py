"""`python -m chaos.soak`: does central stay the same size under a day's work?

Thousands of light charge points register, charge and settle at one central, a real process with
production settings and a real Kafka. Its memory, descriptors and threads are sampled all the time.
Central remembers the answers of a day, 100,000 of them at most, and the sessions that were settled
last. What grows until these are full is no leak; so the run begins with as many quick charges, and
only then the soak. What still grows after its first minutes is a leak: the verdict
compares the first quarter after the warm-up with the last one, by their medians.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median

import click

from bench.drivers import Drivers
from bench.points import Points
from bench.programs import serving
from chaos.evidence import Evidence, read_database
from tests.kafka.broker import BrokerError
from tests.kafka.find import find_broker
from tests.kafka.ports import free_port
from tests.postgres.server import Server

TARGET_WH = 50
"""Energy of a charge: 16 s at 11 kW."""

FILL = 110_000
"""Charges before the soak: more than central remembers of anything."""

FILL_RATE = 300.0
"""Of these in a second, as far as there are points that are free."""

FILL_WH = 1
"""Energy of each of these: it ends with its first reading."""

LINKS = 8
"""Links of drivers: each has said who it is before central loses patience with it."""

WARM_UP = 0.25
"""Part of the run after which nothing may grow any more."""

GROWTH = 1.05
"""By how much the memory of the last quarter may exceed that of the first one."""

SLACK_MIB = 4.0
"""MiB that it may exceed it in any case: what the allocator does not give back at once."""

SLACK_DESCRIPTORS = 8
"""Descriptors by which two quarters may differ: links of drivers and to Kafka come and go."""

SETTLES_WITHIN = 60.0
"""Seconds after the last charge in which every ticket must be settled."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Central at one time.

    Attributes:
        at: Seconds since the load began.
        memory: Resident, in MiB.
        charges: That have begun so far.
        held: Tickets that points still hold.
    """

    at: float
    memory: float
    descriptors: int
    threads: int
    charges: int
    held: int

    def __str__(self) -> str:
        return (
            f"{self.at / 60:7.1f} min {self.memory:9.1f} MiB {self.descriptors:7} descriptors"
            f" {self.threads:4} threads {self.charges:8} charges {self.held:5} held"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it: what is not as it should be, in sentences; nothing if all is flat."""

    samples: tuple[Sample, ...]
    wrong: tuple[str, ...]


def judge(samples: Sequence[Sample]) -> list[str]:
    """What has grown, in sentences."""
    steady = samples[int(len(samples) * WARM_UP) :]
    if len(steady) < 8:
        return ["the run was too short to say whether anything grows"]
    quarter = len(steady) // 4
    first, last = steady[:quarter], steady[-quarter:]
    wrong = []
    before, after = (median(s.memory for s in part) for part in (first, last))
    if after > before * GROWTH + SLACK_MIB:
        wrong.append(f"memory grows: {before:.1f} MiB after the warm-up, {after:.1f} at the end")
    for name in ("descriptors", "threads"):
        old, new = (median(getattr(s, name) for s in part) for part in (first, last))
        if new > old + SLACK_DESCRIPTORS:
            wrong.append(f"{name} grow: {old:.0f} after the warm-up, {new:.0f} at the end")
    return wrong


class Soak:
    """One run against a central that serves.

    Args:
        pid: Central's.
        rate: Charges that begin in a second.
    """

    def __init__(self, points: Points, drivers: Drivers, pid: int, rate: float) -> None:
        self._points = points
        self._drivers = drivers
        self._process = Path(f"/proc/{pid}")
        self._rate = rate
        self._target = TARGET_WH
        self._free = list(points.points)
        self._random = Random(1)
        self._charges: set[asyncio.Task[None]] = set()
        self._begun = 0
        self._refused: list[str] = []
        self._began = asyncio.get_running_loop().time()

    async def fill(self, charges: int, every: float) -> None:
        """Let central remember as much as it ever will: so many quick charges."""
        rate, self._rate, self._target = self._rate, FILL_RATE, FILL_WH
        driving = asyncio.create_task(self._drive())
        try:
            while self._begun < charges:
                await asyncio.sleep(every)
                self._take_sample()
        finally:
            driving.cancel()
        self._rate, self._target = rate, TARGET_WH

    async def run(self, seconds: float, every: float) -> Verdict:
        """Charge for so long, with a sample at each interval; then let all settle."""
        samples = []
        began = self._passed()
        driving = asyncio.create_task(self._drive())
        try:
            while (passed := self._passed() - began) < seconds:
                await asyncio.sleep(min(every, seconds - passed))
                samples.append(self._take_sample())
        finally:
            driving.cancel()
        wrong = judge(samples) + await self._settled() + self._refused[:5]
        return Verdict(tuple(samples), tuple(wrong))

    def _passed(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    async def _drive(self) -> None:
        """Begin charges at the rate, each at a point that is free."""
        while True:
            await asyncio.sleep(self._random.expovariate(self._rate))
            if not self._free:
                continue
            number = self._random.randrange(len(self._free))
            self._free[number], self._free[-1] = self._free[-1], self._free[number]
            task = asyncio.create_task(self._charge(self._free.pop()))
            self._charges.add(task)
            task.add_done_callback(self._charges.discard)

    async def _charge(self, cp_id: str) -> None:
        try:
            answer = await self._drivers.charge(cp_id, f"D-{cp_id}", self._target)
        except (TimeoutError, ConnectionError) as error:
            self._refused.append(f"{cp_id}: {str(error) or 'no answer'}")
            return
        if answer.status != "success":
            self._refused.append(f"{cp_id}: refused, {answer.error}")
            return
        self._begun += 1
        point = self._points.points[cp_id]
        while point.supply is not None or point.held:  # noqa: ASYNC110 -- points call nobody
            await asyncio.sleep(1.0)
        self._free.append(cp_id)

    def _take_sample(self) -> Sample:
        sample = self._sample()
        click.echo(str(sample), err=True)
        return sample

    def _sample(self) -> Sample:
        status = dict(
            line.split(":", 1) for line in (self._process / "status").read_text().splitlines()
        )
        return Sample(
            at=self._passed(),
            memory=int(status["VmRSS"].split()[0]) / 1024,
            descriptors=len(list((self._process / "fd").iterdir())),
            threads=int(status["Threads"]),
            charges=self._begun,
            held=self._points.held,
        )

    async def _settled(self) -> list[str]:
        """Wait for the last charges; what is left of them, in a sentence."""
        try:
            async with asyncio.timeout(SETTLES_WITHIN):
                await asyncio.gather(*self._charges)
        except TimeoutError:
            return [f"{len(self._charges)} charges are not settled within {SETTLES_WITHIN:g} s"]
        return []


def _conserved(database: str, points: Points) -> list[str]:
    evidence = Evidence()
    read_database(database, evidence)
    billed = sum(ticket["energy"] for ticket in evidence.tickets)
    if billed == points.supplied_wh:
        return []
    return [f"{points.supplied_wh} Wh were supplied, {billed} Wh are billed"]


async def soak(
    address: str,
    kafka: str,
    database: str,
    pid: int,
    *,
    points: int,
    fill: int,
    seconds: float,
    rate: float,
) -> Verdict:
    """Load a central that serves, and judge it."""
    host, _, port = address.rpartition(":")
    ids = [f"CP-{number:05}" for number in range(points)]
    async with Points([address], kafka, ids) as fleet, Drivers((host, int(port)), LINKS) as drivers:
        await fleet.registered()
        every = max(1.0, min(30.0, seconds / 60))
        load = Soak(fleet, drivers, pid, rate)
        await load.fill(fill, every)
        verdict = await load.run(seconds, every)
        return Verdict(verdict.samples, (*verdict.wrong, *_conserved(database, fleet)))


@contextmanager
def _database(folder: Path, *, postgresql: bool) -> Iterator[str]:
    """The URL of an empty database with central's schema."""
    if not postgresql:
        yield f"sqlite:///{folder / 'central.db'}"
        return
    with Server() as server:
        url = server.database()
        subprocess.run(
            [sys.executable, "-m", "central", "migrate", "--database", url],
            check=True,
            capture_output=True,
        )
        yield url


def _run(points: int, fill: int, seconds: float, rate: float, *, postgresql: bool) -> Verdict:
    address = f"127.0.0.1:{free_port()}"
    with (
        tempfile.TemporaryDirectory(prefix="evcharging-soak-") as name,
        find_broker(own=True) as broker,
        _database(Path(name), postgresql=postgresql) as database,
        serving(
            Path(name),
            "central",
            [
                *("central", "--listen", address, "--kafka", broker.bootstrap),
                *("--database", database, "--log-level", "warning"),
            ],
        ) as pid,
    ):
        click.echo(f"{points} charge points, {rate:g} charges a second", err=True)
        load = soak(
            address,
            broker.bootstrap,
            database,
            pid,
            points=points,
            fill=fill,
            seconds=seconds,
            rate=rate,
        )
        return asyncio.run(load)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--points", type=click.IntRange(1, 10_000), default=2_000, show_default=True)
@click.option("--minutes", type=click.FloatRange(0.2), default=30.0, show_default=True)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 1_000),
    default=20.0,
    show_default=True,
    help="Charges that begin in a second.",
)
@click.option(
    "--fill",
    type=click.IntRange(0),
    default=FILL,
    show_default=True,
    help="Quick charges before that, until central remembers as much as it ever will.",
)
@click.option("--postgresql", is_flag=True, help="Central's database is a server, not a file.")
@click.option("--json", "as_json", is_flag=True, help="Print samples and verdict as JSON.")
def main(
    points: int, minutes: float, rate: float, fill: int, *, postgresql: bool, as_json: bool
) -> None:
    """Watch central's memory and descriptors while thousands of charge points charge.

    The exit code is 0 only if nothing grows after the warm-up, every charge is settled, and what
    was supplied is what was billed.
    """
    try:
        verdict = _run(points, fill, minutes * 60, rate, postgresql=postgresql)
    except (BrokerError, RuntimeError) as error:
        click.echo(f"soak: {error}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(asdict(verdict), indent=2))
    else:
        click.echo("\n".join(map(str, verdict.samples)))
        click.echo("\n".join(verdict.wrong or ["flat"]))
    sys.exit(1 if verdict.wrong else 0)


if __name__ == "__main__":
    main()
