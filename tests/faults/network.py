"""A network of real processes with a proxy in each connection that a test may break."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from chaos.conservation import Report, Violation, audit
from chaos.proxy import Proxy, Wires
from tests.kafka.broker import Broker
from tests.kafka.cluster import Cluster
from tests.kafka.ports import free_port
from tests.postgres.server import Server
from tests.programs.network import Charge, Json, Network, Program, eventually

AUDIT_EVERY = 0.25
"""Seconds between two audits, each of which reads all books."""

FAST = ("--time-scale", "60")
"""An hour's charge in a minute."""


class Route:
    """The ways from one program to another, each with a proxy: one for each address it dials.

    Attributes:
        address: What the one who dials is given.
    """

    def __init__(self, *proxies: Proxy) -> None:
        self._proxies = proxies
        self.address = ",".join(proxy.address for proxy in proxies)

    def do(self, fault: Callable[[Proxy], None]) -> None:
        """Do this to every way: `route.do(Proxy.half_open)`."""
        for proxy in self._proxies:
            fault(proxy)

    def heal(self) -> None:
        """Let everything through, what was held first."""
        self.do(Proxy.heal)


class Centrals:
    """All centrals as one: what one of them says, all have said."""

    name = "central"

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = programs

    def log(self) -> list[Json]:
        """Every line that any of them has logged so far, by time."""
        if len(self._programs) == 1:
            return self._programs[0].log()
        lines = [line for program in self._programs for line in program.log()]
        return sorted(lines, key=lambda line: str(line["timestamp"]))


class Logs(Protocol):
    """Who has logged something."""

    name: str

    def log(self) -> list[Json]: ...


@dataclass(slots=True)
class Point:
    """A charge point whose links can be broken.

    Attributes:
        engine, monitor: Its programs.
        to_engine: Between the monitor and the engine.
        to_central: Between the monitor and central.
    """

    cp_id: str
    engine: Program
    monitor: Program
    to_engine: Route
    to_central: Route

    def heal(self) -> None:
        """Let everything through that was held."""
        self.to_engine.heal()
        self.to_central.heal()


class Wired(Network):
    """A network whose links can be broken, on a broker that may be killed.

    Args:
        to_kafka: The proxy before the broker; None where there is none.
        server: The database's, where it is one that may be killed.
        centrals: How many; they know each other by the database.

    Attributes:
        all_centrals: For what any of them has logged.
        to_drivers: Between drivers and central.
    """

    def __init__(
        self,
        folder: Path,
        broker: Broker | Cluster,
        wires: Wires,
        database: str | None = None,
        to_kafka: Proxy | None = None,
        server: Server | None = None,
        centrals: int = 1,
    ) -> None:
        self.database = database or f"sqlite:///{folder / 'central.db'}"
        self.folder = folder
        self._broker = broker
        self.server = server
        self._to_kafka = to_kafka
        self._report: Report
        self._audited = 0.0
        self._auditing = threading.Lock()
        self.wires = wires
        self._journals = folder / "journals"
        where = to_kafka.address if to_kafka is not None else broker.bootstrap
        super().__init__(folder, where, self.database, centrals=centrals)
        self.all_centrals = Centrals(self.centrals)
        self.to_drivers = Route(*map(wires.to, self.addresses))

    @property
    def broker(self) -> Broker:
        """The one broker there is."""
        assert isinstance(self._broker, Broker)
        return self._broker

    @property
    def to_kafka(self) -> Proxy:
        """The proxy before the broker."""
        assert self._to_kafka is not None
        return self._to_kafka

    def wired(self, cp_id: str, *engine_options: str) -> Point:
        """A charge point that is known to central and available."""
        address = f"127.0.0.1:{free_port()}"
        to_engine = Route(self.wires.to(address))
        to_central = Route(*map(self.wires.to, self.address.split(",")))
        engine = self._add(
            f"ev-engine@{cp_id}",
            *("--cp-id", cp_id, "--listen", address, "--journal", str(self._journals / cp_id)),
            *(engine_options or FAST),
        )
        monitor = self._add(
            f"ev-monitor@{cp_id}",
            *("--cp-id", cp_id, "--engine", to_engine.address, "--central", to_central.address),
            *("--location", "here", *self._kafka),
        )
        engine.start()
        monitor.start()
        awaited(self.all_centrals, "connected", cp_id=cp_id)
        return Point(cp_id, engine, monitor, to_engine, to_central)

    def follow(self, leader: Program) -> None:
        """Whoever is started from now on dials this central first, and the others after it."""
        first = self.addresses[self.centrals.index(leader)]
        self._address = ",".join([first, *(each for each in self.addresses if each != first)])
        self.to_drivers = Route(*map(self.wires.to, self.address.split(",")))

    def driver(self, driver_id: str, *words: str, log: str | None = None) -> list[str]:
        """The command line of a driver's app, whose link can be broken."""
        command = super().driver(driver_id, *words, log=log)
        return [self.to_drivers.address if word == self.address else word for word in command]

    def is_available(self, cp_id: str) -> None:
        """Returns when a charge can start there."""
        eventually(lambda: cp_id in self.available(), f"{cp_id} is available")

    def status(self, cp_id: str) -> str:
        """The point's word on an operator's screen."""
        return str(self.admin("status", cp_id)["points"][0]["status"])

    def sessions(self, cp_id: str) -> list[Json]:
        """The point's sessions, as an operator lists them."""
        found: list[Json] = self.admin("sessions", "--cp", cp_id)["sessions"]
        return found

    def audit(self, since: float) -> Report:
        """What the audit from outside says of all charge points that there ever were.

        Those who ask at once are told the same, as long as it is younger than `since`, a monotonic
        time.
        """
        with self._auditing:
            began = time.monotonic()
            if self._audited <= since or began - self._audited > AUDIT_EVERY:
                self._report, self._audited = audit(self.database, [self._journals]), began
            return self._report


@dataclass(slots=True)
class Case:
    """One charge, and what happens to it.

    Attributes:
        charge: The driver's app; None before it is started.
        died_at: When something was killed, and when it was gone.
    """

    network: Wired
    point: Point
    driver_id: str
    charge: Charge | None = None
    died_at: tuple[datetime, datetime] | None = None

    def begin(self) -> None:
        """The driver's app asks for a charge; or asks for the same again, after it died."""
        self.charge = Charge(self.network, self.network.folder, self.driver_id, self.point.cp_id)

    @property
    def session_id(self) -> str:
        """Of the charge, as soon as central has stored it."""
        line: Json = eventually(
            lambda: find(self.network.all_centrals, "charge requested", cp_id=self.point.cp_id),
            "the charge is stored",
        )
        return str(line["session_id"])

    def metered(self) -> bool:
        """Whether the engine has taken a reading with energy."""
        readings = lines(self.point.engine, "sent", type="charging_data")
        return len(list(readings)) > 1

    def unplug(self) -> None:
        """End the charge at the point itself, if it runs there."""
        session_id = self.session_id
        begun = find(self.point.engine, "charging", session_id=session_id)
        if begun and not find(self.point.engine, "ended", session_id=session_id):
            self.point.engine.press("u")

    def ends(self) -> None:
        """Unplug the car if it charges; returns when all is settled and the audit is content.

        One session was made of it, whoever repeated what; the driver's app ended with the right
        code, and the point is free.

        Raises:
            AssertionError: It is not so, or not after a while; the text may be the audit's.
        """

        began = time.monotonic()

        def over() -> bool:
            self.unplug()
            return not self._wrong(began)

        try:
            eventually(over, "all is settled")
        except AssertionError as late:
            wrong = map(str, self._wrong(time.monotonic()))
            raise AssertionError("\n".join([str(late), *wrong])) from None
        rows = self.network.sessions(self.point.cp_id)
        (row,) = [row for row in rows if row["driver_id"] == self.driver_id]
        assert row["session_id"] == self.session_id
        if self.charge is not None:
            # A start that was never answered is refused, though it may have supplied and be billed.
            refused = find(self.network.all_centrals, "start failed", session_id=self.session_id)
            well = row["state"] == "completed" and not refused
            assert self.charge.ends() == (0 if well else 1)
        self.network.is_available(self.point.cp_id)

    def _wrong(self, since: float) -> list[Violation]:
        """What the audit finds here; what another charge of the network did is not ours."""
        ours = (self.point.cp_id, f"{self.point.cp_id}/1", self.session_id, self.driver_id)
        return [v for v in self.network.audit(since).violations if v.where in ours]

    def close(self) -> None:
        """Leave nothing running of this charge."""
        if self.charge is not None:
            self.charge.close()
        for program in (self.point.monitor, self.point.engine):
            program.close()


def lines(program: Logs, event: str, **fields: object) -> Iterator[Json]:
    """The lines of a program's log with this event, or that begin so, and these fields."""
    for line in program.log():
        if line["event"].startswith(event) and fields.items() <= line.items():
            yield line


def find(program: Logs, event: str, **fields: object) -> Json | None:
    """The first of these lines; None if there is none yet."""
    return next(lines(program, event, **fields), None)


def awaited(program: Logs, event: str, **fields: object) -> Json:
    """The first of these lines, as soon as it is there."""
    line: Json = eventually(
        lambda: find(program, event, **fields), f"{program.name} logs {event!r} {fields}"
    )
    return line


def at(line: Json) -> datetime:
    """When a line was logged."""
    return datetime.fromisoformat(line["timestamp"])


def now() -> datetime:
    """The time as the programs log it: they run on this machine."""
    return datetime.now(UTC)


def kill(program: Program) -> None:
    """As `kill -9` does."""
    program.end(signal.SIGKILL)
