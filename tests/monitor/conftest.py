"""A monitor between a scripted engine and a scripted central, with a fake publisher."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from common.clock import SystemClock
from common.messages import Role
from common.metrics.exporter import Exporter
from common.program import Address, Stop
from monitor import engine_side
from monitor.app import Monitor, Settings
from tests.monitor.fakes import FakePublisher
from tests.monitor.peers import ScriptedCentral, ScriptedEngine

CP = "ALC-001"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Health checks at short intervals, so that a test need not wait a second for the next."""
    monkeypatch.setattr(engine_side, "CHECK_EVERY", 0.1)
    monkeypatch.setattr(engine_side, "LOOK_EVERY", 0.05)


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    """An engine that listens."""
    engine = ScriptedEngine()
    await engine.open()
    yield engine
    await engine.close()


@pytest.fixture
async def central() -> AsyncIterator[ScriptedCentral]:
    """A central that listens."""
    central = ScriptedCentral()
    await central.open()
    yield central
    await central.close()


@pytest.fixture
def publisher() -> FakePublisher:
    """A Kafka that acknowledges at once."""
    return FakePublisher()


@pytest.fixture
def settings(engine: ScriptedEngine, central: ScriptedCentral) -> Settings:
    """How the monitor is started."""
    return Settings(
        cp_id=CP,
        engine=Address("127.0.0.1", engine.port),
        central=(Address("127.0.0.1", central.port),),
        kafka=(),
        location="Puerto 3",
    )


@pytest.fixture
async def monitor(
    quick: None, settings: Settings, publisher: FakePublisher
) -> AsyncIterator[Monitor]:
    """A monitor that runs."""
    async with running(settings, publisher) as monitor:
        yield monitor


@asynccontextmanager
async def running(settings: Settings, publisher: FakePublisher) -> AsyncIterator[Monitor]:
    """Run a monitor until the test ends."""
    clock = SystemClock()
    exporter = Exporter(Role.MONITOR, clock, on=False)
    monitor, stop = Monitor(settings, publisher, clock, exporter), Stop()
    work = asyncio.ensure_future(monitor.run(stop))
    try:
        yield monitor
    finally:
        stop.ask()
        await work
