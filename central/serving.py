"""Central from its start to its end: a standby until it leads, serving until it leads no more.

What runs while it leads: the lease; the listener's links; the intake of readings and of requests;
the outbox; the patrol, which looks once a second at what only time decides.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial

import structlog

from central import metrics
from central.app import Central, Settings
from central.gateways.intake import MAX_BATCH, GatewayIntake
from central.intake import ChargingIntake, RequestIntake
from central.kafka import KafkaWatch
from central.lease import LOOK_EVERY, Candidate, Lease
from central.standby import Standby
from central.store import Store
from central.store.credentials import listed
from central.store.database import Database, kafka_secret, opened
from common.clock import Clock, SystemClock
from common.errors import CannotStart, StoreUnavailable
from common.listen import Listener
from common.metrics.exporter import Exporter, exporting
from common.metrics.kafka import published, read
from common.program import Stop, must_not_be_open, ready
from common.protocol import ACCESS, CENTRAL, CHARGING, DRIVER_REQUESTS, UP
from common.stream import Publisher, Subscription
from common.tls import server_context

log = structlog.get_logger()

GROUP = "ev-central"
"""The consumer group under which Kafka keeps central's offsets."""

FINISH_WITHIN = 5.0
"""Seconds for which requests in work may still be finished when central stops."""

LEADER_SOUGHT = 1.0
"""Seconds for which the new leader's address is sought, so that peers can be told it."""

COLLECT_AFTER = 50_000
"""Allocations between two looks for cyclic garbage, of which central makes little: with Python's
own 700 it spent a quarter of its time looking through links and sessions that all live."""

SWITCH_EVERY = 0.0002
"""Seconds after which a thread that wants the interpreter gets it. The database's thread wants it
again after each row; with Python's own 5 ms it would wait that long each time central is busy."""

BEGIN_AGAIN = 1.0
"""Seconds until a loop that failed unexpectedly begins again."""


async def serve(settings: Settings, stop: Stop) -> None:
    """Run central until it is told to stop.

    Raises:
        CannotStart: The port, the database or Kafka's topics are not as they must be.
    """
    sys.setswitchinterval(SWITCH_EVERY)
    gc.set_threshold(COLLECT_AFTER, 50, 50)
    clock = SystemClock()
    async with exporting(CENTRAL, settings.metrics, clock) as exporter:
        await asyncio.to_thread(_look_who_may_come, settings)
        database = await asyncio.to_thread(opened, settings.database)
        listener = Listener(tls=server_context(settings.tls))
        # Who dials meanwhile waits until it is known who leads.
        await listener.open(settings.listen.host, settings.listen.port, accepting=False)
        try:
            await Office(settings, database, listener, exporter, clock).hold(stop)
        finally:
            await listener.close()


def _look_who_may_come(settings: Settings) -> None:
    """Refuse to be open to everybody, before anything is touched.

    Raises:
        CannotStart: It would be; the sentence says what to do.
    """
    if settings.is_trusting:
        return
    made = any(credential.revoked_at is None for credential in listed(settings.database))
    must_not_be_open(
        settings.listen,
        tls=settings.tls.cert is not None,
        credentials=made,
        insecure=settings.insecure,
        make="a credential (ev-central credentials add)",
    )


class Office:
    """What outlives a term of leading: the port, the database, and the wish to lead."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        listener: Listener,
        exporter: Exporter,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._database = database
        self._listener = listener
        self._exporter = exporter
        self._clock = clock
        self._address = settings.address(listener.port)
        self._candidate = Candidate(database, str(self._address), clock)
        self._standby = Standby(self._candidate, clock)
        self._has_served = False

    async def hold(self, stop: Stop) -> None:
        """Lead whenever nobody else does, until told to stop."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stopping.done():
                self._listener.make_link = self._standby.accept
                with self._exporter.showing():
                    begun, epoch = await self._until_leading(stopping)
                if epoch is None:
                    return
                with self._exporter.showing():
                    await self._try_to_lead(epoch, begun, stopping)
        finally:
            stopping.cancel()

    async def _until_leading(self, stopping: "asyncio.Future[None]") -> tuple[float, int | None]:
        """Look for the lease until it is ours: our epoch, None if told to stop, and since when."""
        self._exporter.serves(self._why_standby)
        self._exporter.add(partial(metrics.standby_samples, self._candidate))
        said = False
        while not stopping.done():
            begun = self._clock.monotonic()
            try:
                epoch = await self._candidate.look()
            except StoreUnavailable as error:
                log.warning("cannot look who leads", why=str(error))
            else:
                if epoch is not None:
                    return begun, epoch
            if self._candidate.lives and not said:
                said = True
                self._stand_by()
            await asyncio.wait((stopping,), timeout=LOOK_EVERY)
        return begun, None

    def _stand_by(self) -> None:
        self._listener.accept()
        leader = self._candidate.leads_elsewhere
        log.info("standby", leader=leader)
        if not self._has_served:
            self._has_served = True
            ready(f"ev-central {self._where}, standby of {leader}")

    def _why_standby(self) -> str:
        leader = self._candidate.leads_elsewhere
        return f"it is a standby: {leader} leads" if leader else "nobody leads yet"

    @property
    def _where(self) -> str:
        return f"{self._listener.host}:{self._listener.port}"

    # -- A term --

    async def _try_to_lead(
        self, epoch: int, begun: float, stopping: "asyncio.Future[None]"
    ) -> None:
        """Lead; where that cannot begin, say why, and let others try.

        Raises:
            CannotStart: It cannot begin, and this central never served.
        """
        try:
            await self._lead(epoch, begun, stopping)
        except (CannotStart, StoreUnavailable) as error:
            if not self._has_served:
                raise CannotStart(str(error)) from error
            log.error("cannot lead", why=str(error), epoch=epoch)
            await asyncio.wait((stopping,), timeout=BEGIN_AGAIN)

    async def _lead(self, epoch: int, begun: float, stopping: "asyncio.Future[None]") -> None:
        """Serve until told to stop, or until the lead is lost."""
        secret = await asyncio.to_thread(kafka_secret, self._database)
        store = Store(self._database, epoch, secret)
        lease = Lease(store, self._clock, begun)
        keeping = asyncio.ensure_future(lease.keep())
        try:
            async with Publisher(self._settings.kafka_settings()) as publisher:
                publisher.fence = lambda: lease.leads
                central = Central(
                    self._settings,
                    store,
                    publisher,
                    self._clock,
                    listener=self._listener,
                    fence=lease.fence,
                )
                lease.on_back = central.board.show_all
                try:
                    await self._serve(central, publisher, lease, stopping)
                finally:
                    await self._leave(central, publisher, lease)
        finally:
            keeping.cancel()
            await store.close()
            gc.unfreeze()
        if not lease.over.is_set():
            await self._candidate.give_back(epoch)

    async def _serve(
        self,
        central: Central,
        publisher: Publisher,
        lease: Lease,
        stopping: "asyncio.Future[None]",
    ) -> None:
        self._show(central, publisher)
        known_cluster = await central.restore()
        await central.credentials.refresh()
        kafka = self._settings.kafka_settings()
        central.watch = watch = KafkaWatch(kafka, central.store, central.board)
        watch.on_back = central.access.tell_all
        if not self._has_served or known_cluster is None:
            await watch.first_look(known_cluster)
        gc.freeze()  # what is there now stays: it need not be looked through
        self._listener.make_link = central.accept
        self._listener.accept()
        readings = Subscription(kafka, CHARGING, group=GROUP, start="committed")
        requests = Subscription(kafka, DRIVER_REQUESTS, group=GROUP, start="committed")
        reports = Subscription(kafka, UP, group=GROUP, start="committed", max_batch=MAX_BATCH)
        central.subscriptions = [readings, requests, reports]
        central.reports = reports
        central.access.topic = access = Subscription(kafka, ACCESS, group=None, start="beginning")
        async with readings, requests, reports, access:
            for subscription in central.subscriptions:
                self._exporter.add(partial(read, subscription))
            self._exporter.serves(partial(metrics.missing, central.store, lease))
            self._say_that_it_leads(central)
            await _work(central, readings, requests, reports, publisher, lease, stopping)

    def _show(self, central: Central, publisher: Publisher) -> None:
        """Let central's numbers be seen."""
        self._exporter.follow(central.dispatcher)
        commits = metrics.Commits()
        central.store.observe(commits)
        for source in (
            commits.samples,
            partial(metrics.network_samples, central.network),
            partial(metrics.session_samples, central.changes.counts, central.network.currency),
            partial(metrics.store_samples, central.store),
            partial(metrics.identity_samples, central.identity),
            partial(metrics.operator_samples, central.operators),
            partial(metrics.command_samples, central.commands.lines),
            partial(metrics.told_samples, central.board, central.outbox),
            partial(metrics.credential_samples, central.credentials),
            partial(metrics.dead_samples, central.dead),
            partial(metrics.ocpp_samples, central.connections, central.samples, central.unsaved),
            partial(published, publisher),
        ):
            self._exporter.add(source)

    def _say_that_it_leads(self, central: Central) -> None:
        epoch = central.store.epoch
        if self._has_served:
            log.warning("leads now", epoch=epoch)
        else:
            self._has_served = True
            ready(f"ev-central {self._where}, epoch {epoch}")
        central.board.show_all()

    async def _leave(self, central: Central, publisher: Publisher, lease: Lease) -> None:
        """Let go of all links: to the new leader, or because central stops."""
        if not lease.over.is_set():
            await self._listener.close()
            await central.dispatcher.settle(FINISH_WITHIN)
            return
        publisher.give_up()
        self._listener.make_link = self._standby.accept
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(LEADER_SOUGHT):
                await self._candidate.look()
        sentence = self._standby.sentence()
        log.warning("leads no more", epoch=central.store.epoch, leader=sentence.leader)
        for link in list(self._listener.links):
            link.close(sentence)
        await central.dispatcher.settle(0)


async def _work(
    central: Central,
    readings: Subscription,
    requests: Subscription,
    reports: Subscription,
    publisher: Publisher,
    lease: Lease,
    stopping: "asyncio.Future[None]",
) -> None:
    assert central.watch is not None
    intake = ChargingIntake(readings, central.dispatcher, central.readings, central.dead)
    asked = RequestIntake(
        requests,
        central.dispatcher,
        central.charging,
        central.credentials,
        publisher,
        central.clock,
        central.dead,
        central.store.epoch,
    )
    reported = GatewayIntake(
        reports,
        central.dispatcher,
        central.connections,
        central.points,
        central.commands,
        central.unsaved,
        central.store,
        publisher,
        central.clock,
        central.dead,
    )
    async with asyncio.TaskGroup() as tasks:
        serving = [
            tasks.create_task(_kept_running(work))
            for work in (
                intake.run,
                intake.flush_for_ever,
                asked.run,
                reported.run,
                reported.flush_for_ever,
                central.connections.run,
                central.dead.run,
                central.outbox.run,
                central.patrol.run,
                central.commands.run,
                central.access.run,
                central.access.watch,
                central.credentials.run,
                central.id_tags.run,
                central.watch.run,
            )
        ]
        over = tasks.create_task(lease.over.wait())
        await asyncio.wait((stopping, over), return_when=asyncio.FIRST_COMPLETED)
        for task in (*serving, over):
            task.cancel()
    if not lease.over.is_set():
        await intake.flush()
        await reported.flush()


async def _kept_running(work: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run one of central's loops; a defect in one is logged, and must not end the others."""
    while True:
        try:
            await work()
        except Exception as error:
            log.error("a loop of central failed", loop=work.__qualname__, exc_info=error)
        await asyncio.sleep(BEGIN_AGAIN)
