"""How each program is begun here: its own code, on a simulated machine."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
from rich.console import RenderableType

import central.app
import driver.app
import engine.app
import monitor.app
from admin.client import Client
from admin.handlers import Handlers
from central.serving import Office
from common.clock import Clock
from common.codec import encode
from common.dispatch import Dispatcher
from common.link import Link
from common.listen import Bind, Listener
from common.messages import Role
from common.metrics.exporter import Exporter
from common.program import Address, Common, Stop
from common.stream import KafkaSettings, Publisher
from common.stream.clients import Clients
from common.units import Price, Watts
from driver.charge import Charge
from driver.screen import Screen
from driver.state import CHARGE, STOP, StateFolder
from engine.app import Engine
from engine.keys import KeyCommand
from engine.terminal import Act
from sim.database import SimulatedDatabase
from sim.disk import JournalFolder, SimulatedDisk

S = TypeVar("S", bound=msgspec.Struct)

CENTRAL_PORT = 7000
ENGINE_PORT = 7101
KAFKA = Address("kafka", 9092)
SETTLE_TIMEOUT = 15.0
"""Seconds after which central estimates what it does not hear of; 900 are usual."""

TIME_SCALE = 20.0
"""Simulated seconds of a charge in a second of the history, so that a charge is short."""

PRICE = Price(3_500)
POWER = Watts(22_000)


@dataclass(frozen=True, slots=True)
class _Central(central.app.Settings):
    clients: Clients | None = None

    def kafka_settings(self) -> KafkaSettings:
        return KafkaSettings(str(KAFKA), clients=self.clients)


class _Links(set[Link]):
    """Links in the order in which they came: a set's own order is not the same twice."""

    def __init__(self) -> None:
        super().__init__()
        self._order: dict[Link, None] = {}

    def add(self, link: Link, /) -> None:
        self._order[link] = None

    def discard(self, link: object, /) -> None:
        self._order.pop(link, None)  # type: ignore[call-overload]

    def __iter__(self) -> Iterator[Link]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)


async def run_central(
    name: str, database: SimulatedDatabase, clients: Clients, bind: Bind, clock: Clock
) -> None:
    """A central, until it is killed."""
    settings = _Central(
        listen=Address(name, CENTRAL_PORT),
        kafka=(KAFKA,),
        database="",
        price=PRICE,
        currency="EUR",
        insecure=True,
        settle_timeout=SETTLE_TIMEOUT,
        clients=clients,
    )
    exporter = Exporter(Role.CENTRAL, clock, on=False)
    listener = Listener(bind=bind)
    listener.links = _Links()
    await listener.open(name, CENTRAL_PORT, accepting=False)
    await Office(settings, database.opened(), listener, exporter, clock).hold(Stop())


class Keys:
    """The keys of an engine, pressed by the history."""

    def __init__(self) -> None:
        self._act: Act | None = None

    def __call__(self, act: Act) -> Self:
        self._act = act
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._act = None

    def continued(self) -> None:
        """The engine was suspended and is back; nothing is to be done for it."""

    def press(self, command: KeyCommand) -> None:
        """Press a key, if an engine listens to it."""
        if self._act is not None:
            self._act(command)


async def run_engine(
    cp_id: str,
    host: str,
    connectors: int,
    disk: SimulatedDisk,
    keys: Callable[[Act], Any],
    bind: Bind,
    clock: Clock,
) -> None:
    """An engine, until it is killed."""
    settings = engine.app.Settings(
        cp_id=cp_id,
        listen=Address(host, ENGINE_PORT),
        journal=Path("journal"),
        power=POWER,
        connectors=connectors,
        auto_plug=True,
        monitor_grace=5.0,
        time_scale=TIME_SCALE,
        insecure=True,
    )
    exporter = Exporter(Role.ENGINE, clock, on=False)
    folder = JournalFolder(disk)
    try:
        await Engine(settings, clock, folder, exporter, bind=bind, terminal=keys).serve(Stop())
    finally:
        folder.close()


async def run_monitor(
    cp_id: str, engine_host: str, centrals: tuple[str, ...], clients: Clients, clock: Clock
) -> None:
    """A monitor, until it is killed."""
    settings = monitor.app.Settings(
        cp_id=cp_id,
        engine=Address(engine_host, ENGINE_PORT),
        central=tuple(Address(name, CENTRAL_PORT) for name in centrals),
        kafka=(KAFKA,),
        location=f"at {cp_id}",
    )
    exporter = Exporter(Role.MONITOR, clock, on=False)
    async with Publisher(KafkaSettings(str(KAFKA), clients=clients)) as publisher:
        await monitor.app.Monitor(settings, publisher, clock, exporter).run(Stop())


class Folder(StateFolder):
    """A driver's state; what is in `files` outlives its processes."""

    def __init__(self, driver_id: str, files: dict[str, bytes]) -> None:
        self._files = files
        super().__init__(Path("state"), driver_id)

    @contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def forget_stop(self) -> None:
        self._files.pop(STOP, None)

    def _read(self, name: str, kind: type[S]) -> S | None:
        data = self._files.get(name)
        if data is None:
            return None
        return msgspec.json.Decoder(kind, dec_hook=_quantity, float_hook=Decimal).decode(data)

    def _write(self, name: str, content: msgspec.Struct, mode: int = 0o644) -> None:
        self._files[name] = encode(content)


def _quantity(kind: type, number: Any) -> Any:
    return kind.from_number(number)  # type: ignore[attr-defined]


def has_unfinished(files: dict[str, bytes]) -> bool:
    """Whether this state holds a request whose end was not shown."""
    return b'"request"' in files.get(CHARGE, b"")


class NoScreen(Screen):
    """Nobody looks."""

    def __init__(self) -> None:
        self.is_terminal = False

    def say(self, text: str, style: str | None = None) -> None:
        pass

    def show(self, table: RenderableType) -> None:
        pass

    def prompt(self, text: str) -> None:
        pass

    def trouble(self, text: str) -> None:
        pass

    def relief(self) -> None:
        pass

    @contextmanager
    def drawing(self) -> Iterator[None]:
        yield

    def draw(self, charge: Charge, trouble: str = "", hint: str = "") -> None:
        pass


async def run_driver(
    driver_id: str,
    files: dict[str, bytes],
    centrals: tuple[str, ...],
    clients: Clients,
    clock: Clock,
    command: driver.app.Command,
) -> int:
    """A driver's app with this command, until that is done or it is killed."""
    settings = driver.app.Settings(
        driver_id=driver_id,
        central=tuple(Address(name, CENTRAL_PORT) for name in centrals),
        kafka=KafkaSettings(str(KAFKA), clients=clients),
        state=Path("state"),
        common=Common(),
        charges=True,
    )
    exporter = Exporter(Role.DRIVER, clock, on=False)
    folder = Folder(driver_id, files)
    return await driver.app.run_with(settings, command, NoScreen(), folder, clock, exporter, Stop())


async def run_operator(
    centrals: tuple[str, ...], clock: Clock, orders: Callable[[Client], Awaitable[None]]
) -> None:
    """An operator's console, until all orders are given or it is killed."""
    addresses = tuple(Address(name, CENTRAL_PORT) for name in centrals)
    client = Client("operator", addresses, clock)
    linked = asyncio.ensure_future(client.run(Dispatcher(Role.ADMIN, Handlers(client))))
    try:
        await orders(client)
    finally:
        linked.cancel()
