"""A run: drivers charge, faults are injected by the plan, then everything must settle by itself.

Theory of operation. Faults are begun in the order of the plan, each at its time, and undone by
tasks of their own. When the last is over, drivers begin nothing new and see their last charges
to their ends. From then on nobody touches anything, and within `SETTLES_WITHIN` the audit from
outside must be content. Then the programs are stopped, and the audit must still be.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from chaos import faults
from chaos.conservation import Report as Audit
from chaos.conservation import audit
from chaos.drivers import Driver, Promises
from chaos.evidence import Evidence, Unreadable, read_database
from chaos.plan import Fault
from chaos.report import Report
from chaos.watch import Watch
from chaos.world import Shape, World
from tests.kafka.broker import BrokerError

SETTLES_WITHIN = 180.0
"""Seconds after the last fault in which everything must be settled: the longest waits between
two tries are 10 s, and several follow each other."""

SAY_EVERY = 10.0
"""Seconds between two lines about how it goes."""

SEE_EVERY = 1.0
"""Seconds between two looks at who has ended by itself, and at the books at the end."""

Say = Callable[[str], None]


class Run:
    """One run in a world that has started.

    Args:
        say: Gets a line about what happens.
    """

    def __init__(self, world: World, seed: int, plan: Sequence[Fault], say: Say) -> None:
        self._world = world
        self._seed = seed
        self._plan = plan
        self._say = say
        self._promises = Promises()
        self._watch = Watch(world.addresses)
        self._drivers = [
            Driver(
                f"D-{cp_id}",
                cp_id,
                world.ids,
                f"{seed}/{cp_id}",
                self._promises,
                [proxy.address for proxy in world.to_drivers],
            )
            for cp_id in world.ids
            if cp_id not in world.app_points
        ]
        self._done: list[Fault] = []
        self._failed: list[str] = []
        self._began = 0.0

    async def run(self) -> Report:
        """Charge and break, then see what came of it."""
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        apps = self._world.apps.values()
        looking = [loop.create_task(x) for x in (self._watch.run(), self._see(), self._tell())]
        charging = [*(d.run() for d in self._drivers), *(app.run() for app in apps)]
        driving = [loop.create_task(each) for each in charging]
        try:
            await self._inject()
            self._say("no more faults: everything must settle by itself now")
            await self._settle(driving)
        finally:
            for task in (*looking, *driving):
                task.cancel()
            ended = await asyncio.gather(*looking, *driving, return_exceptions=True)
            self._failed += [repr(error) for error in ended if isinstance(error, Exception)]
            self._watch.close()
            for driver in self._drivers:
                driver.close()
            for app in apps:
                app.close()
        seconds = loop.time() - self._began
        await self._world.stop()
        return self._report(seconds)

    # -- Breaking --

    async def _inject(self) -> None:
        """Every fault of the plan; returns when the last is undone."""
        undoing: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            for fault in self._plan:
                await self._until(fault.at)
                if fault.target in undoing:
                    # A loaded machine starts a program more slowly than the plan has it.
                    await asyncio.wait([undoing[fault.target]])
                self._say(str(fault))
                self._watch.begun(fault)
                await faults.begin(self._world, fault)
                self._done.append(fault)
                undoing[fault.target] = tasks.create_task(self._undo(fault))

    async def _undo(self, fault: Fault) -> None:
        await self._until(fault.at + fault.lasts)
        try:
            await faults.end(self._world, fault)
        except (RuntimeError, BrokerError) as error:
            self._failed.append(str(error))
        self._watch.ended(fault)

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, self._began + at - asyncio.get_running_loop().time()))

    # -- Meanwhile --

    async def _see(self) -> None:
        """Start again what has ended by itself, as an init system does; it is a defect."""
        while True:
            for program in self._world.programs:
                await program.see()
            await asyncio.sleep(SEE_EVERY)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(SAY_EVERY)
            seconds = asyncio.get_running_loop().time() - self._began
            statuses = Counter(self._watch.statuses.values())
            words = ", ".join(f"{count} {word}" for word, count in sorted(statuses.items()))
            self._say(
                f"{seconds:7.1f} s  {len(self._done)} faults, "
                f"{len(self._promises.sessions)} charges, {len(self._promises.tickets)} tickets;"
                f" {words or 'central does not answer'}"
            )

    # -- Afterwards --

    async def _settle(self, driving: Sequence[asyncio.Task[None]]) -> None:
        """Return when all is settled, or has had the time for it."""
        for driver in self._drivers:
            driver.stopping = True
        for app in self._world.apps.values():
            app.finish()
        try:
            async with asyncio.timeout(SETTLES_WITHIN):
                await asyncio.wait(driving)
                while not await self._is_settled():  # noqa: ASYNC110 -- the books call nobody
                    await asyncio.sleep(SEE_EVERY)
        except TimeoutError:
            self._say(f"not settled within {SETTLES_WITHIN:g} s")

    async def _is_settled(self) -> bool:
        if self._watch.waits:
            return False
        try:
            found = await asyncio.to_thread(self._audit)
        except Unreadable:  # its journal is being put in place
            return False
        return not found.violations

    def _audit(self) -> Audit:
        return audit(self._world.database, [self._world.journals])

    def _report(self, seconds: float) -> Report:
        world, found = self._world, self._audit()
        deaths: Counter[str] = Counter()
        for program in world.programs:
            deaths[program.name.partition("-")[0]] += program.deaths
        deaths["app"] = sum(app.deaths for app in world.apps.values())
        wrong = [
            *(f"{v.rule}: NO: {v.where}: {v.text}" for v in found.violations),
            *self._promises.broken,
            *self._forgotten(),
            *self._watch.late,
            *(f"chaos could not go on: {why}" for why in self._failed),
            *(defect for program in world.programs for defect in program.defects),
        ]
        return Report(
            seed=self._seed,
            points=len(world.ids),
            seconds=seconds,
            faults=tuple(self._done),
            deaths=dict(deaths),
            charges=len(self._promises.sessions),
            refusals=dict(self._promises.refused),
            longest=self._watch.longest,
            audit=found,
            wrong=tuple(wrong),
        )

    def _forgotten(self) -> list[str]:
        """What drivers were told and the books do not have."""
        evidence = Evidence()
        read_database(self._world.database, evidence)
        stored = {session["session_id"] for session in evidence.sessions}
        billed = {t["session_id"]: (t["energy"], t["cost"]) for t in evidence.tickets}
        promised = self._promises.sessions.values()
        return [
            *(
                f"session {s} was acknowledged, and is forgotten"
                for s in promised
                if s not in stored
            ),
            *(
                f"session {s}: its driver saw {shown}, the ticket says {billed.get(s)} (Wh, cents)"
                for s, shown in self._promises.tickets.items()
                if billed.get(s) != shown
            ),
        ]


async def chaos(folder: Path, shape: Shape, seed: int, plan: Sequence[Fault], say: Say) -> Report:
    """Start a world in this folder, run, and stop it; told to end by SIGTERM, stop it at once."""
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    async with World(folder, shape) as world:
        await world.start(say)
        return await Run(world, seed, plan, say).run()
