"""What can die: how it is killed, what users see meanwhile, and how it comes back.

It comes back as an init system would bring it: the same program with the same options. Nothing
else is told, mended or restarted.
"""

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.errors import Reason
from tests.faults.network import Case, at, awaited, find, kill, lines, now
from tests.programs.network import BIN, SOON, Json, eventually

REASONS = frozenset(reason.value for reason in Reason)

LOADED = 2.0
"""Seconds that a loaded machine may add to what is promised."""

FAULT_WITHIN = 2.0
"""Seconds in which central knows that an engine is dead."""

GRACE = 5.0
"""Seconds after its monitor's last word for which an engine supplies on."""


@dataclass(frozen=True, slots=True)
class Victim:
    """A program that dies.

    Attributes:
        kill: With SIGKILL, or as good as that.
        revive: Starts it again.
        seen: Checks what users see while it is away and a charge is under way.
        shared: All charge points have this one.
        reason: Why that charge ends, if somebody unplugs the car afterwards.
    """

    name: str
    kill: Callable[[Case], None]
    revive: Callable[[Case], None]
    seen: Callable[[Case], None]
    shared: bool = False
    reason: str = "unplugged"

    def __str__(self) -> str:
        return self.name


def die(cases: Sequence[Case], *victims: Victim) -> None:
    """Kill these at once, of each charge, and note when that was."""
    before = now()
    for victim in victims:
        for case in cases[:1] if victim.shared else cases:
            victim.kill(case)
    for case in cases:
        case.died_at = (before, now())


def revive(cases: Sequence[Case], *victims: Victim) -> None:
    """Start them again, one kind after the other."""
    for victim in victims:
        for case in cases[:1] if victim.shared else cases:
            victim.revive(case)


def died(case: Case) -> float:
    """Unix seconds of the death."""
    assert case.died_at is not None
    return case.died_at[0].timestamp()


def _since_death(case: Case, line: Json) -> float:
    return at(line).timestamp() - died(case)


# -- What is seen --


def _without_monitor(case: Case) -> None:
    """Offline at once; the engine ends its supply after its grace, and supplies nothing new."""
    gone = awaited(case.network.all_centrals, "disconnected: ", cp_id=case.point.cp_id)
    assert _since_death(case, gone) < LOADED
    assert case.network.status(case.point.cp_id) == "Offline"
    assert refusal(case, "EVE") == "charge_point_offline"
    ended = case.point.engine.says("ended", session_id=case.session_id, reason="monitor_lost")
    assert _since_death(case, ended) < GRACE + LOADED


def _without_engine(case: Case) -> None:
    """Faulted within two seconds."""
    fault = awaited(case.network.all_centrals, "fault: EngineUnreachable", cp_id=case.point.cp_id)
    assert _since_death(case, fault) < FAULT_WITHIN + LOADED
    assert case.network.status(case.point.cp_id) == "Faulted"
    assert refusal(case, "EVE") == "charge_point_faulted"


def _goes_on(case: Case) -> None:
    """The supply goes on: another reading is taken."""

    def more() -> bool:
        readings = lines(case.point.engine, "sent", type="charging_data")
        return any(_since_death(case, line) > 0 for line in readings)

    eventually(more, "the supply goes on")
    assert not find(case.point.engine, "ended", session_id=case.session_id)


def _without_central(case: Case) -> None:
    """The supply goes on, and the driver's screen says what is missing."""
    _goes_on(case)
    assert case.charge is not None
    case.charge.shows("cannot reach CENTRAL")


def _without_broker(case: Case) -> None:
    """The panel shows the charge, and the driver's app has it from central's history."""
    _goes_on(case)
    assert case.network.status(case.point.cp_id) == "Charging"


def _without_database(case: Case) -> None:
    """Nothing new is acknowledged, and operators are told why; what runs goes on."""
    _goes_on(case)
    assert refusal(case, "EVE") in ("internal", "overloaded")
    says_what_is_missing(case)


def says_what_is_missing(case: Case) -> None:
    """Returns when an operator is told that the database does not answer."""
    command = [str(BIN / "ev-admin"), "--central", case.network.address, "health"]

    def told() -> bool:
        done = subprocess.run(command, capture_output=True, timeout=2 * SOON, check=False)
        return done.returncode == 1 and b"database" in done.stdout + done.stderr

    eventually(told, "an operator is told what is missing")


def refusal(case: Case, driver_id: str) -> str:
    """Why another driver cannot charge at this point now."""
    command = case.network.driver(driver_id, "charge", case.point.cp_id, "--json")
    done = subprocess.run(command, capture_output=True, timeout=2 * SOON, check=False)
    assert done.returncode == 1, done.stdout.decode()
    said = done.stderr.decode()
    reasons: list[str] = [word for word in re.findall(r"\w+", said) if word in REASONS]
    assert reasons, said
    return reasons[-1]


# -- How they die and come back --


def _kill_driver(case: Case) -> None:
    assert case.charge is not None
    case.charge.close()


def _kill_database(case: Case) -> None:
    assert case.network.server is not None
    case.network.server.kill()


def _revive_database(case: Case) -> None:
    assert case.network.server is not None
    case.network.server.start()


MONITOR = Victim(
    "monitor",
    kill=lambda case: kill(case.point.monitor),
    revive=lambda case: case.point.monitor.start(),
    seen=_without_monitor,
    reason="monitor_lost",
)
ENGINE = Victim(
    "engine",
    kill=lambda case: kill(case.point.engine),
    revive=lambda case: case.point.engine.start(),
    seen=_without_engine,
    reason="engine_restarted",
)
DRIVER = Victim("driver", kill=_kill_driver, revive=lambda case: case.begin(), seen=_goes_on)
CENTRAL = Victim(
    "central",
    kill=lambda case: kill(case.network.central),
    revive=lambda case: case.network.central.start(),
    seen=_without_central,
    shared=True,
)
BROKER = Victim(
    "broker",
    kill=lambda case: case.network.broker.kill(),
    revive=lambda case: case.network.broker.start(),
    seen=_without_broker,
    shared=True,
)
DATABASE = Victim(
    "database",
    kill=_kill_database,
    revive=_revive_database,
    seen=_without_database,
    shared=True,
)

VICTIMS = (MONITOR, ENGINE, DRIVER, CENTRAL, BROKER)
"""Those of every network; the database only where it is a server."""
