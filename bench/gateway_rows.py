"""The table of `make bench-gateway`: what is measured, how, and what it must come to."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from bench.gateway_rivals import NoGo
from bench.gateway_stage import Load, Operator, Stage, memory_mib, mobilityhouse, ocpp_go
from bench.machine import percentile
from bench.rows import Figures, Goal
from bench.server import Server

CONNECTIONS = 100
METERS = 1_000
STARTS_PER_SECOND = 200
CHARGING = 1_000
IDLE = 5_000
COMMANDS = 200
OPERATORS = 4
"""Links that commands are asked for by: central takes 32 requests at a time from each."""

COMMANDS_PER_SECOND = 25
RECOVERED = 10_000
SAMPLED = 100
"""Of the recovered charge points, those that are sent a command."""

WATCHED = 20.0
"""Seconds after the death after which they all must be back."""

SETTLE = 2.0
"""Seconds for what is under way to end before memory is looked at."""


@dataclass(frozen=True, slots=True)
class Work:
    """A measurement, which may give several rows.

    Attributes:
        name: How it is called on the command line.
        measure: On a stage with central, for so many seconds after a warm-up.
        goals: What it must come to.
    """

    name: str
    measure: Callable[[Stage, float, float], Figures]
    goals: tuple[Goal, ...]
    one_core: bool = True


# -- How much it answers --


def flooded(server: Server, loads: list[Load], warm_up: float, seconds: float) -> Figures:
    """The rate of answers, and the share of its core that the server used for them."""
    for load in loads:
        load.begin()
    time.sleep(warm_up)
    began, before = time.monotonic(), server.cpu_seconds()
    time.sleep(seconds * 0.9)
    used = (server.cpu_seconds() - before) / (time.monotonic() - began)
    found = [load.found() for load in loads]
    return {
        "rate": sum(each["rate"] for each in found),
        "wrong": sum(each["wrong"] for each in found),
        "server_cpu": used,
    }


def flood(
    stage: Stage, server: Server, call: str, points: int, warm_up: float, seconds: float
) -> Figures:
    """The same, of a load in two processes."""
    options: dict[str, Any] = {
        "points": points // 2,
        "urls": [f"ws://{server.where}"],
        "call": call,
        "warm_up": warm_up,
        "seconds": seconds,
    }
    loads = [stage.load("flood", name=f"F{n}", **options) for n in range(2)]
    return flooded(server, loads, warm_up, seconds)


def heartbeats(stage: Stage, warm_up: float, seconds: float) -> Figures:
    """The gateway, then the others, each with the same load."""
    ours = flood(stage, stage.gateway("one"), "heartbeat", CONNECTIONS, warm_up, seconds)
    with mobilityhouse(stage.folder) as server:
        mobility = flood(stage, server, "heartbeat", CONNECTIONS, warm_up, seconds)
    figures = ours | {
        "mobilityhouse": mobility["rate"],
        "times_mobilityhouse": of_a_core(ours) / of_a_core(mobility),
        "wrong": ours["wrong"] + mobility["wrong"],
    }
    try:
        with ocpp_go(stage.folder) as server:
            go = flood(stage, server, "heartbeat", CONNECTIONS, warm_up, seconds)
    except NoGo:
        return figures
    return figures | {
        "ocpp_go": go["rate"],
        "times_ocpp_go": of_a_core(ours) / of_a_core(go),
        "wrong": figures["wrong"] + go["wrong"],
    }


def of_a_core(figures: Figures) -> float:
    """Answers for each second of processor time: others may have used the core meanwhile."""
    return figures["rate"] / figures["server_cpu"]


def meter_values(stage: Stage, warm_up: float, seconds: float) -> Figures:
    """Each is checked, published and acknowledged before it is answered."""
    return flood(stage, stage.gateway("one"), "meter", METERS, warm_up, seconds)


# -- How soon --


def starts(stage: Stage, warm_up: float, seconds: float) -> Figures:
    """Transactions begun at a rate, by way of Kafka, central and its database."""
    gateway = stage.gateway("one")
    load = stage.load(
        "transactions",
        name="T",
        points=CHARGING,
        urls=[f"ws://{gateway.where}"],
        rate=STARTS_PER_SECOND,
        warm_up=warm_up,
        seconds=seconds,
    )
    load.begin()
    return load.found()


def commands(stage: Stage, warm_up: float, seconds: float) -> Figures:
    """From the moment an operator asks central to that at which the charge point has the call."""
    gateway = stage.gateway("one")
    where = [f"ws://{gateway.where}"]
    load = stage.load("commanded", name="C", points=CONNECTIONS, urls=where, back=where)
    load.begin()
    ids = [f"C-{number}" for number in range(CONNECTIONS)]
    asked, accepted = asyncio.run(ask(stage, [ids[n % len(ids)] for n in range(COMMANDS)]))
    load.begin()
    came = load.found()["came"]
    took = [came[one] - at for one, at in asked.items() if one in came]
    return {
        "p50_ms": percentile(took, 50) * 1000,
        "p99_ms": percentile(took, 99) * 1000,
        "wrong": 2 * COMMANDS - accepted - len(took),
    }


async def ask(stage: Stage, cp_ids: list[str]) -> tuple[dict[str, float], int]:
    """Command these at a steady rate: when each was asked for, and how many were accepted soon."""
    operators = [await Operator().dial(stage.central) for _ in range(OPERATORS)]
    asked: dict[str, float] = {}
    accepted = 0

    async def command(operator: Operator, cp_id: str) -> None:
        nonlocal accepted
        at = time.monotonic()
        heard = await operator.command(cp_id)
        if heard.command is not None:
            asked[heard.command.command_id] = at
            accepted += heard.command.state == "accepted"

    async with asyncio.TaskGroup() as tasks:
        for operator, cp_id in zip(cycle(operators), cp_ids, strict=False):
            tasks.create_task(command(operator, cp_id))
            await asyncio.sleep(1 / COMMANDS_PER_SECOND)
    for operator in operators:
        operator.close()
    return asked, accepted


# -- How many --


def memory(stage: Stage, warm_up: float, seconds: float) -> Figures:
    """What an idle connection costs the gateway."""
    gateway = stage.gateway("one")
    options = {"urls": [f"ws://{gateway.where}"], "sources": ["127.0.0.2"], "interval": 60}
    # The first connections make room that later ones use.
    stage.load("idle", name="W", points=100, seconds=1, **options)
    before = memory_mib(gateway.pid)
    load = stage.load("idle", name="I", points=IDLE, seconds=seconds, **options)
    load.begin()
    found = load.found()
    time.sleep(SETTLE)
    grown = memory_mib(gateway.pid) - before
    return {"kib": grown * 1024 / IDLE, "wrong": found["wrong"]}


def recovery(stage: Stage, warm_up: float, seconds: float) -> Figures:
    """A gateway is killed; its charge points come to the others, and take commands there."""
    limits = ("--max-connections-per-address", "20000")
    dying = stage.gateway("dying", *limits)
    others = [stage.gateway(node, *limits) for node in ("left", "right")]
    load = stage.load(
        "commanded",
        name="R",
        points=RECOVERED,
        urls=[f"ws://{dying.where}"],
        back=[f"ws://{other.where}" for other in others],
    )
    load.begin()
    os.kill(dying.pid, signal.SIGKILL)
    killed = time.monotonic()
    ids = [f"R-{RECOVERED * n // SAMPLED}" for n in range(SAMPLED)]
    asked, _ = asyncio.run(ask(stage, ids))
    time.sleep(max(0.0, killed + WATCHED - time.monotonic()))
    load.begin()
    found = load.found()
    commanded = [found["came"][one] for one in asked if one in found["came"]]
    return {
        "back_s": found["last_back"] - killed,
        "recovered_s": max(found["last_back"], *commanded) - killed,
        "wrong": RECOVERED - found["open"] + SAMPLED - len(commanded),
    }


WORKS = (
    Work(
        "heartbeats",
        heartbeats,
        (
            Goal("heartbeats answered", "rate", "at least", 80_000, "/s"),
            Goal("… as many as mobilityhouse/ocpp", "times_mobilityhouse", "at least", 15, "times"),
            Goal("… as many as ocpp-go", "times_ocpp_go", "at least", 2, "times"),
        ),
    ),
    Work(
        "meter-values",
        meter_values,
        (Goal("MeterValues stored in Kafka", "rate", "at least", 50_000, "/s"),),
    ),
    Work(
        "starts",
        starts,
        (Goal("StartTransaction p99 at 200/s", "p99_ms", "below", 150, "ms"),),
        one_core=False,
    ),
    Work(
        "memory",
        memory,
        (Goal("memory of an idle connection", "kib", "below", 20, "KiB"),),
    ),
    Work(
        "commands",
        commands,
        (Goal("command to charge point p99", "p99_ms", "below", 100, "ms"),),
        one_core=False,
    ),
    Work(
        "recovery",
        recovery,
        (Goal("10,000 charge points of a killed gateway", "recovered_s", "below", 10, "s"),),
        one_core=False,
    ),
)
