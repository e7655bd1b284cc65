"""How each kind of fault is done to the world, and undone."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from chaos.plan import Fault, Kind
from chaos.programs import App, Program
from chaos.proxy import Proxy
from chaos.world import Point, World

T = TypeVar("T")

Step = Callable[[World, str], Awaitable[None]]
"""Does something to a world's target."""


@dataclass(frozen=True, slots=True)
class Deed:
    """A fault's two steps."""

    begin: Step
    end: Step


async def begin(world: World, fault: Fault) -> None:
    """Inject a fault."""
    await DEEDS[fault.kind].begin(world, fault.target)


async def end(world: World, fault: Fault) -> None:
    """Undo it; programs that were killed are ready when this returns."""
    await DEEDS[fault.kind].end(world, fault.target)


def _to(which: Callable[[World, str], T], action: Callable[[T], Awaitable[None] | None]) -> Step:
    """Does this to what a target's name stands for, and waits for it where there is a wait."""

    async def step(world: World, target: str) -> None:
        waiting = action(which(world, target))
        if waiting is not None:
            await waiting

    return step


def _to_point(action: Callable[[Point], Awaitable[None] | None]) -> Step:
    return _to(lambda world, target: world.points[target], action)


def _to_world(action: Callable[[World], Awaitable[None] | None]) -> Step:
    return _to(lambda world, _: world, action)


def _to_central(action: Callable[[Program], Awaitable[None] | None]) -> Step:
    return _to(lambda world, target: world.centrals[target], action)


def _to_app(action: Callable[[App], Awaitable[None] | None]) -> Step:
    return _to(lambda world, target: world.apps[target], action)


def _link(which: Callable[[Point], Iterable[Proxy]], fault: Callable[[Proxy], None]) -> Deed:
    """A fault of a point's links, undone by healing them."""
    return Deed(
        _to_point(lambda point: _each(which(point), fault)),
        _to_point(lambda point: _each(which(point), Proxy.heal)),
    )


def _shared_link(which: Callable[[World], Iterable[Proxy]], fault: Callable[[Proxy], None]) -> Deed:
    return Deed(
        _to_world(lambda world: _each(which(world), fault)),
        _to_world(lambda world: _each(which(world), Proxy.heal)),
    )


def _each(proxies: Iterable[Proxy], action: Callable[[Proxy], None]) -> None:
    for proxy in proxies:
        action(proxy)


def _engine_link(point: Point) -> Iterable[Proxy]:
    return [point.to_engine]


def _central_links(point: Point) -> Iterable[Proxy]:
    return point.to_central


def _kafka_link(world: World) -> Iterable[Proxy]:
    return [world.to_kafka]


def _driver_links(world: World) -> Iterable[Proxy]:
    return world.to_drivers


def _cut(proxy: Proxy) -> None:
    proxy.cut(refuse=True)


def _delay(proxy: Proxy) -> None:
    proxy.delay(0.3)


def _kill_both(point: Point) -> None:
    point.engine.kill()
    point.monitor.kill()


async def _start_both(point: Point) -> None:
    await asyncio.gather(point.engine.start(), point.monitor.start())


def _signal_broker(number: signal.Signals) -> Step:
    return _to_world(lambda world: os.kill(world.broker.pid, number))


async def _kill_broker(world: World) -> None:
    await asyncio.to_thread(world.broker.kill)


async def _empty_broker(world: World) -> None:
    await _kill_broker(world)
    await asyncio.to_thread(world.broker.empty)


async def _start_broker(world: World) -> None:
    await asyncio.to_thread(world.broker.start)


async def _kill_database(world: World) -> None:
    assert world.server is not None
    await asyncio.to_thread(world.server.kill)


async def _start_database(world: World) -> None:
    assert world.server is not None
    await asyncio.to_thread(world.server.start)


DEEDS: dict[Kind, Deed] = {
    Kind.KILL_ENGINE: Deed(
        _to_point(lambda point: point.engine.kill()), _to_point(lambda point: point.engine.start())
    ),
    Kind.KILL_MONITOR: Deed(
        _to_point(lambda point: point.monitor.kill()),
        _to_point(lambda point: point.monitor.start()),
    ),
    Kind.KILL_POINT: Deed(_to_point(_kill_both), _to_point(_start_both)),
    Kind.PAUSE_ENGINE: Deed(
        _to_point(lambda point: point.engine.pause()),
        _to_point(lambda point: point.engine.resume()),
    ),
    Kind.PAUSE_MONITOR: Deed(
        _to_point(lambda point: point.monitor.pause()),
        _to_point(lambda point: point.monitor.resume()),
    ),
    Kind.CUT_ENGINE: _link(_engine_link, _cut),
    Kind.CUT_CENTRAL: _link(_central_links, _cut),
    Kind.HALF_OPEN_ENGINE: _link(_engine_link, Proxy.half_open),
    Kind.HALF_OPEN_CENTRAL: _link(_central_links, Proxy.half_open),
    Kind.DEAF_MONITOR: _link(_central_links, Proxy.lose_to_client),
    Kind.MUTE_MONITOR: _link(_central_links, Proxy.lose_to_server),
    Kind.SLOW_CENTRAL: _link(_central_links, _delay),
    Kind.KILL_CENTRAL: Deed(_to_central(Program.kill), _to_central(Program.start)),
    Kind.PAUSE_CENTRAL: Deed(_to_central(Program.pause), _to_central(Program.resume)),
    Kind.KILL_BROKER: Deed(_to_world(_kill_broker), _to_world(_start_broker)),
    Kind.PAUSE_BROKER: Deed(_signal_broker(signal.SIGSTOP), _signal_broker(signal.SIGCONT)),
    Kind.EMPTY_BROKER: Deed(_to_world(_empty_broker), _to_world(_start_broker)),
    Kind.HALF_OPEN_BROKER: _shared_link(_kafka_link, Proxy.half_open),
    Kind.KILL_DATABASE: Deed(_to_world(_kill_database), _to_world(_start_database)),
    Kind.KILL_APP: Deed(_to_app(App.kill), _to_app(App.start)),
    Kind.CUT_DRIVERS: _shared_link(_driver_links, _cut),
    Kind.HALF_OPEN_DRIVERS: _shared_link(_driver_links, Proxy.half_open),
}
