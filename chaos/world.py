"""Everything that chaos runs: the programs, Kafka and the database, and a proxy in each link.

What another TCP link may break goes through a proxy: each monitor's to its engine and to central,
all drivers' to central, and everybody's to Kafka. Who only watches goes to central directly.
"""

import asyncio
import subprocess
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from chaos.plan import APP, CENTRAL, names
from chaos.programs import BIN, App, Program
from chaos.proxy import Proxy
from tests.kafka.cluster import broker_behind
from tests.kafka.jars import JarBroker
from tests.kafka.ports import free_port
from tests.postgres.server import Server

STARTING = 6
"""Programs that are started at once."""

TIME_SCALE = "60"
"""Simulated seconds in a second: a charge of seconds has energy that one can bill."""


@dataclass(frozen=True, slots=True)
class Point:
    """A charge point: its programs, and the links that can be broken; one to each central."""

    cp_id: str
    engine: Program
    monitor: Program
    to_engine: Proxy
    to_central: list[Proxy]


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a world is.

    Attributes:
        apps: Drivers' apps; each has one of the last charge points for itself.
        centrals: One leads, the others stand by.
        postgresql: Central's database is a PostgreSQL server; else a SQLite file.
    """

    points: int
    apps: int = 1
    centrals: int = 1
    postgresql: bool = True

    @property
    def ids(self) -> list[str]:
        """The charge points' ids."""
        return [f"CP-{number:03}" for number in range(1, self.points + 1)]


class World:
    """All of it. Use as an async context manager, then `start`.

    Args:
        folder: Where databases, journals and logs go.

    Attributes:
        centrals: By their names in a plan; the drivers' apps, too.
        addresses: Where they listen.
        server: The database's; None with SQLite.
        database: Central's, by its URL.
        journals: The folder of the engines' journals.
    """

    def __init__(self, folder: Path, shape: Shape) -> None:
        self.journals = folder / "journals"
        self.points: dict[str, Point] = {}
        self.server: Server | None = Server() if shape.postgresql else None
        self.database = f"sqlite:///{folder / 'central.db'}"
        self.addresses = [f"127.0.0.1:{free_port()}" for _ in range(shape.centrals)]
        self.centrals: dict[str, Program] = {}
        self.apps: dict[str, App] = {}
        self._app_names = names(APP, shape.apps)
        self.ids = shape.ids
        self.broker: JarBroker
        self.to_drivers: list[Proxy] = []
        self.to_kafka: Proxy
        self._folder = folder
        self._stack = AsyncExitStack()

    @property
    def app_points(self) -> list[str]:
        """The charge points that the apps have for themselves."""
        return self.ids[len(self.ids) - len(self._app_names) :]

    @property
    def programs(self) -> list[Program]:
        """Central, engines and monitors."""
        points = self.points.values()
        return [*self.centrals.values(), *(p.engine for p in points), *(p.monitor for p in points)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def start(self, say: Callable[[str], None]) -> None:
        """Start everything; `say` gets what is being done."""
        say("starting Kafka and the database")
        await self._start_broker()
        await self._start_database()
        say("starting central")
        self._stack.push_async_callback(self.stop)
        for name, address in zip(names(CENTRAL, len(self.addresses)), self.addresses, strict=True):
            self.to_drivers.append(await self._proxy(address))
            self.centrals[name] = self._central(name, address, self.to_drivers[-1].address)
            await self.centrals[name].start()
        say(f"starting {len(self.ids)} charge points, two programs each")
        at_once = asyncio.Semaphore(STARTING)

        async def start(program: Program) -> None:
            async with at_once:
                await program.start()

        for cp_id in self.ids:
            self.points[cp_id] = await self._point(cp_id)
        for name, cp_id in zip(self._app_names, self.app_points, strict=True):
            self.apps[name] = self._app(name, cp_id)
            self._stack.callback(self.apps[name].close)
        points = self.points.values()
        await asyncio.gather(
            *(start(point.engine) for point in points), *(start(point.monitor) for point in points)
        )

    async def _start_broker(self) -> None:
        listener = free_port()
        self.to_kafka = await self._proxy(f"127.0.0.1:{listener}")
        self.broker = broker_behind(int(self.to_kafka.address.rpartition(":")[2]), listener)
        self._stack.callback(self.broker.close)
        await asyncio.to_thread(self.broker.start)

    async def _start_database(self) -> None:
        if self.server is None:
            return
        self._stack.callback(self.server.close)
        await asyncio.to_thread(self.server.start)
        self.database = self.server.database()
        migrate = [str(BIN / "ev-central"), "migrate", "--database", self.database]
        await asyncio.to_thread(subprocess.run, migrate, check=True, capture_output=True)

    def _central(self, name: str, address: str, advertised: str) -> Program:
        # Whom a standby sends to the leader is to meet a proxy there as well.
        return Program(
            self._folder,
            name,
            *("ev-central", "--listen", address, "--advertise", advertised),
            *("--kafka", self.to_kafka.address),
            *("--database", self.database),
        )

    async def _point(self, cp_id: str) -> Point:
        address = f"127.0.0.1:{free_port()}"
        to_engine = await self._proxy(address)
        to_central = [await self._proxy(address) for address in self.addresses]
        engine = Program(
            self._folder,
            f"engine-{cp_id}",
            *("ev-engine", "--cp-id", cp_id, "--listen", address, "--time-scale", TIME_SCALE),
            *("--journal", str(self.journals / cp_id)),
        )
        monitor = Program(
            self._folder,
            f"monitor-{cp_id}",
            *("ev-monitor", "--cp-id", cp_id, "--location", "here"),
            *("--engine", to_engine.address),
            *("--central", ",".join(proxy.address for proxy in to_central)),
            *("--kafka", self.to_kafka.address),
        )
        return Point(cp_id, engine, monitor, to_engine, to_central)

    def _app(self, name: str, cp_id: str) -> App:
        where = ",".join(proxy.address for proxy in self.to_drivers)
        return App(
            self._folder,
            name,
            *("ev-driver", "--driver-id", name, "--state", str(self._folder / name)),
            *("--central", where, "--kafka", self.to_kafka.address),
            *("charge", cp_id, "--kwh", "0.5"),
        )

    async def _proxy(self, address: str) -> Proxy:
        host, _, port = address.rpartition(":")
        proxy = Proxy(host, int(port))
        await proxy.open()
        self._stack.push_async_callback(proxy.close)
        return proxy

    async def stop(self) -> None:
        """Ask all programs to end; returns when they have."""
        await asyncio.gather(*(program.stop() for program in self.programs))
