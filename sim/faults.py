"""What goes wrong, chosen by the seed.

Each fault is a function that does it to a world and sees to its end. How often each is chosen
stands beside it.
"""

import json
from collections.abc import Callable

from common.units import WattHours
from engine.keys import Action, KeyCommand
from sim.chance import SPOKEN, Chance, Trap

Fault = Callable[[Chance], str]
"""Does it, sees to its end, and says what it was."""

# -- Programs --


def kill(chance: Chance) -> str:
    """Any program, after a few more of its steps."""
    process = chance.running("central", "central", "engine", "monitor", "driver")
    if process is None:
        return "nobody to kill"
    process.dies_in = chance.random.randint(1, 60)
    return f"{process} is to die in {process.dies_in} steps"


def kill_at_message(chance: Chance) -> str:
    """Who says, or is about to hear, one of the messages that matter."""
    trap = Trap(chance.random.choice(SPOKEN), chance.random.random() < 0.5)
    chance.traps.append(trap)
    return f"who {'says' if trap.sender else 'hears'} the next {trap.kind} is to die"


def kill_at_commit(chance: Chance) -> str:
    """The leader, right before or after it commits."""
    chance.nodes.database.kills_at_commit = chance.nodes.kill
    return "the leader is to die at its next commit"


def lose_power(chance: Chance) -> str:
    """Any machine; whoever speaks to it hears nothing any more."""
    process = chance.running("central", "engine", "engine", "monitor")
    if process is None:
        return "nobody to unplug"
    chance.nodes.unplug(process)
    return f"{process} has no power"


def lose_power_at_write(chance: Chance) -> str:
    """An engine's, while it writes its journal."""
    node = chance.one("engine")
    process, disk = node.process, node.disk
    if process is None or not process.alive or disk is None:
        return "no engine to unplug"
    disk.dies_at_write = lambda: chance.nodes.unplug(process)
    return f"{process} is to lose its power at its next write"


def kill_point(chance: Chance) -> str:
    """A whole charge point: its engine and its monitor."""
    number = chance.one("engine").name.partition("-")[2]
    for name in (f"engine-{number}", f"monitor-{number}"):
        process = chance.nodes[name].process
        if process is not None:
            chance.nodes.unplug(process)
    return f"charge point {number} has no power"


def pause(chance: Chance) -> str:
    """Any program stands still for a while: SIGSTOP, or a machine that is overloaded."""
    process = chance.running("central", "central", "central", "engine", "monitor", "driver")
    if process is None or process.paused:
        return "nobody to pause"
    process.pause()
    seconds = chance.until(0.5, 12.0, process.go_on)
    return f"{process} stands still for {seconds:.1f} s"


# -- The network --


def _pair(chance: Chance) -> tuple[str, str]:
    kind = chance.random.choice(("engine", "monitor", "monitor", "driver"))
    node = chance.one(kind)
    if kind == "engine":
        return node.name, node.name.replace("engine", "monitor")
    return node.name, chance.one("central").name


def block(chance: Chance) -> str:
    """Nothing gets from one machine to another, in one direction or in both."""
    here, there = _pair(chance)
    network = chance.nodes.network
    ways = chance.random.choice(([(here, there)], [(there, here)], [(here, there), (there, here)]))
    for way in ways:
        network.block(*way)

    def undo() -> None:
        for way in ways:
            network.open(*way)

    seconds = chance.until(0.5, 20.0, undo)
    return f"{' and '.join(' → '.join(way) for way in ways)} blocked for {seconds:.1f} s"


def cut(chance: Chance) -> str:
    """The connections between two machines break."""
    here, there = _pair(chance)
    chance.nodes.network.cut(here, there)
    return f"{here} and {there} are cut off"


def slow(chance: Chance) -> str:
    """What one machine sends to another takes long."""
    here, there = _pair(chance)
    path = chance.nodes.network.path(here, there)
    path.latency = chance.random.uniform(0.1, 2.0)

    def undo() -> None:
        path.latency = path.usual

    seconds = chance.until(1.0, 15.0, undo)
    return f"{here} → {there} takes {path.latency:.1f} s, for {seconds:.1f} s"


# -- Kafka and the database --


def broker_down(chance: Chance) -> str:
    """Kafka does not answer."""
    broker = chance.nodes.broker
    broker.up = False
    seconds = chance.until(0.5, 20.0, broker.came_back)
    return f"Kafka is down for {seconds:.1f} s"


def broker_replaced(chance: Chance) -> str:
    """An empty Kafka comes into the place of the one that was there."""
    broker = chance.nodes.broker
    broker.up = False
    broker.replace()
    seconds = chance.until(0.2, 8.0, broker.came_back)
    return f"Kafka is replaced by an empty one, which answers in {seconds:.1f} s"


def broker_slow(chance: Chance) -> str:
    """Kafka takes long."""
    broker = chance.nodes.broker
    broker.delay = chance.random.uniform(0.2, 3.0)

    def undo() -> None:
        broker.delay = 0.0

    seconds = chance.until(1.0, 15.0, undo)
    return f"Kafka takes {broker.delay:.1f} s longer for {seconds:.1f} s"


def broker_repeats(chance: Chance) -> str:
    """Records come twice, as from a producer that did not hear that they were stored."""
    broker, repeated = chance.nodes.broker, 0
    for topic in ("ev.charging", "ev.driver.requests"):
        log = broker.log(topic)
        for records in log.partitions if log is not None else ():
            for record in records[-chance.random.randint(1, 20) :]:
                broker.append(topic, record.key, record.value, dict(record.headers))
                repeated += 1
    return f"Kafka has {repeated} records twice"


def database_full(chance: Chance) -> str:
    """The database takes no write."""
    database = chance.nodes.database
    database.failing = True

    def undo() -> None:
        database.failing = False

    seconds = chance.until(0.3, 8.0, undo)
    return f"the database is full for {seconds:.1f} s"


def database_slow(chance: Chance) -> str:
    """Each commit takes long."""
    database = chance.nodes.database
    database.delay = chance.random.uniform(0.1, 2.5)

    def undo() -> None:
        database.delay = 0.0

    seconds = chance.until(1.0, 10.0, undo)
    return f"the database takes {database.delay:.1f} s longer for {seconds:.1f} s"


# -- Charge points and clocks --


def disk_full(chance: Chance) -> str:
    """An engine cannot write its journal."""
    node = chance.one("engine")
    disk = node.disk
    assert disk is not None
    disk.full = True

    def undo() -> None:
        disk.full = False

    seconds = chance.until(0.5, 8.0, undo)
    return f"the disk of {node.name} is full for {seconds:.1f} s"


def break_down(chance: Chance) -> str:
    """A charge point breaks, and is repaired."""
    name = chance.one("engine").name
    chance.press(name, KeyCommand(Action.BREAK))
    seconds = chance.until(0.5, 8.0, lambda: chance.press(name, KeyCommand(Action.REPAIR)))
    return f"{name} is broken for {seconds:.1f} s"


def unplug_car(chance: Chance) -> str:
    """A car is unplugged while it charges."""
    name = chance.one("engine").name
    chance.press(name, KeyCommand(Action.UNPLUG))
    return f"the car at {name} is unplugged"


def ask_at_menu(chance: Chance) -> str:
    """Somebody asks for a charge at the charge point itself, and may walk away."""
    name, driver = chance.one("engine").name, chance.random.choice(("D-1", "D-2", "WALK-IN"))
    target = WattHours(chance.random.choice((100, 700)))
    chance.press(name, KeyCommand(Action.CHARGE, None, driver, target))
    return f"{driver} asks for {target} kWh at {name}"


def set_clock(chance: Chance) -> str:
    """Somebody sets a wall clock."""
    node = chance.one("central", "engine", "monitor", "driver")
    seconds = chance.random.choice((-4000.0, -61.0, -5.0, 5.0, 61.0, 4000.0))
    node.machine.set_wall(seconds)
    return f"the clock of {node.name} is set by {seconds:+.0f} s"


# -- A central that does not know that it leads no more --


def old_leader_commands(chance: Chance) -> str:
    """A monitor is told something by a central of an epoch that is over."""
    monitor = chance.running("monitor")
    epoch = chance.witness.epochs.get(str(monitor), 0)
    if monitor is None or epoch < 2:
        return "no monitor to mislead"
    kind = chance.random.choice(("start_charging_command", "stop_cp_command"))
    fields = {
        "type": kind,
        "message_id": f"old-{chance.nodes.loop.now}",
        "cp_id": str(monitor).replace("monitor", "CP"),
        "epoch": epoch - 1,
    }
    if kind == "start_charging_command":
        fields |= {
            "session_id": f"old-{chance.nodes.loop.now}",
            "driver_id": "D-1",
            "price_per_kwh": 0.35,
            "max_charging_rate_kw": 22,
        }
    else:
        fields["reason"] = "an old leader says so"
    if not chance.nodes.network.forge(monitor, "central", json.dumps(fields).encode()):
        return f"{monitor} has no link to mislead it by"
    return f"an old leader tells {monitor}: {kind}"


def old_leader_publishes(chance: Chance) -> str:
    """A driver is told by Kafka that its charge has failed, by a central that leads no more."""
    rows = chance.witness.database.query(
        "SELECT session_id, cp_id, driver_id FROM sessions WHERE state = 'charging'"
    )
    broker, now = chance.nodes.broker, chance.nodes.loop.now
    if not rows or not broker.up or broker.log("ev.driver.events") is None:
        return "no charge to tell lies of"
    session_id, cp_id, driver_id = chance.random.choice(rows)
    told_at, epoch = chance.witness.events.get(session_id, (0.0, 0))
    listens = chance.nodes[driver_id.replace("D", "driver")].process if epoch > 1 else None
    if listens is None or now - told_at > 1.5 or listens.begun > told_at - 5.0:
        return "no driver who knows better"
    fields = {
        "type": "charging_status_update",
        "message_id": f"old-{chance.nodes.loop.now}",
        "session_id": session_id,
        "cp_id": cp_id,
        "status": "failed",
        "progress": 0,
        "epoch": epoch - 1,
    }
    broker.append("ev.driver.events", driver_id, json.dumps(fields).encode(), None)
    return f"an old leader tells {driver_id} that its charge has failed"


FAULTS: dict[Fault, int] = {
    kill: 5,
    kill_at_message: 7,
    kill_at_commit: 3,
    lose_power: 3,
    lose_power_at_write: 3,
    kill_point: 1,
    pause: 3,
    block: 4,
    cut: 2,
    slow: 2,
    broker_down: 2,
    broker_replaced: 2,
    broker_slow: 1,
    broker_repeats: 2,
    database_full: 2,
    database_slow: 2,
    disk_full: 2,
    break_down: 1,
    unplug_car: 1,
    ask_at_menu: 2,
    old_leader_commands: 2,
    old_leader_publishes: 1,
    set_clock: 2,
}
"""How often each is chosen, relative to the others."""
