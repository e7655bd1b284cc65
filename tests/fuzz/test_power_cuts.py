"""The power goes at any operation on the disk: what was promised is on it, and nothing is invented.

The journal's own file operations run on a file system that keeps only what was synced, and of the
rest any part. What the engine has said is compared with every state that may be found then.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Refused
from common.states import EndReason
from common.units import WattHours, Watts
from engine.charge_point import ChargePoint
from engine.commands import Commands
from engine.disk import Disk, Folder
from engine.journal import Journal, JournalFailed, parse
from engine.session import Session, Tombstone
from tests.engine.fakes import CP, MemoryDisk, Told, a_session, at, start, stop
from tests.fuzz.crashing import PowerLost, powerless

POWER = Watts(350_000)
LIMIT = 2_500
"""Bytes of a journal that is compacted every few records, and full after six tickets."""


class Life:
    """An engine on a disk, and what it has promised so far.

    Attributes:
        accepted: Sessions that it said yes to.
        never: Sessions that it said would never begin.
        tickets: What it told of ended sessions: their energy.
        told: The most energy that it told of a session.
        settled: What it said yes to forgetting.
    """

    def __init__(self, disk: Disk) -> None:
        self.accepted: set[str] = set()
        self.never: set[str] = set()
        self.tickets: dict[str, int] = {}
        self.told: dict[str, int] = {}
        self.settled: set[str] = set()
        self.seconds = 0
        self._messages = Told()
        self._disk = disk

    def begin(self) -> None:
        self.point = ChargePoint(
            CP,
            Journal(self._disk, CP),
            self._messages,
            at(self.seconds),
            power_limit=POWER,
            journal_limit=LIMIT,
        )
        self.commands = Commands(self.point, POWER, 1.0)

    def do(self, what: str, number: int) -> None:
        """One thing that may happen."""
        session_id = f"s{number}"
        self.seconds += 1
        now = at(self.seconds)
        actions: dict[str, Callable[[], object]] = {
            "start": lambda: self._start(session_id, now),
            "stop": lambda: self._stop(session_id, now),
            "read": lambda: self.point.read(now),
            "settle": lambda: self._settle(session_id, now),
            "report": lambda: self._report(session_id, now),
            "restart": self.begin,
        }
        try:
            actions[what]()
        except Refused:
            pass
        finally:
            self._hear()

    def _start(self, session_id: str, now: Any) -> None:
        self.commands.start(start(session_id, target_kwh=WattHours(500)), now)
        self.accepted.add(session_id)

    def _stop(self, session_id: str, now: Any) -> None:
        known = self.point.book[session_id]
        self.commands.stop(stop(session_id), now)
        if not isinstance(known, Session):
            self.never.add(session_id)

    def _settle(self, session_id: str, now: Any) -> None:
        known = self.point.book[session_id]
        self.commands.settle([session_id], now)
        if isinstance(known, Session) and known.reason:
            self.settled.add(session_id)

    def _report(self, session_id: str, now: Any) -> None:
        never_seen = self.commands.report([session_id], now).never_seen or ()
        self.never |= {*never_seen} - self.settled

    def _hear(self) -> None:
        for message in self._messages.take():
            energy = int(message.energy_consumed_kwh)
            self.told[message.session_id] = max(energy, self.told.get(message.session_id, 0))
            if hasattr(message, "reason"):
                self.tickets[message.session_id] = energy

    def check(self, found: dict[str, bytes]) -> None:
        """That a disk in this state holds all that was promised."""
        data = found.get(Folder.JOURNAL)
        if data is None:
            assert not (self.accepted | self.never)
            return
        contents = parse(data, CP, "journal")
        last = {record.session_id: record for record in contents.records}
        for session_id in self.accepted - self.settled:
            record = last.get(session_id)
            assert isinstance(record, Session), session_id
            assert record.energy >= self.told.get(session_id, 0)
            if session_id in self.tickets:
                assert record.reason is not None
                assert record.energy == self.tickets[session_id]
        for session_id in self.never:
            assert isinstance(last.get(session_id), Tombstone), session_id
        energy = sum(r.energy for r in last.values() if isinstance(r, Session))
        assert energy <= contents.meters.get(1, 0)


steps = st.lists(
    st.tuples(
        st.sampled_from(["start", "stop", "read", "read", "settle", "report", "restart"]),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=150)
@given(steps, st.data())
def test_the_power_goes_at_any_operation(what: list[tuple[str, int]], data: st.DataObject) -> None:
    """Also in the middle of a compaction; the next engine starts, and goes on."""
    with powerless() as (system, folder):
        life = Life(folder)
        life.begin()
        begun = system.operations
        for step in what:
            life.do(*step)
        total = system.operations

    cut = data.draw(st.integers(0, total - 1))
    with powerless() as (system, folder):
        system.left = cut
        life = Life(folder)
        try:
            life.begin()
            for step in what:
                life.do(*step)
        except PowerLost:
            pass
        assert cut >= begun or not life.accepted
        for found in system.outcomes():
            life.check(found)
            again = MemoryDisk(found.get(Folder.JOURNAL))
            next_life = Life(again)
            next_life.begin()
            next_life.do("read", 0)


def test_a_compaction_is_cut_everywhere() -> None:
    """At each of its operations the journal is the old one or the new one, and both are whole."""
    kept = [a_session(f"s{n}", reason=EndReason.FAULT) for n in range(3)]
    cut, done = 0, False
    while not done:
        with powerless() as (system, folder):
            journal = Journal(folder, CP)
            journal.rewrite([a_session("old"), *kept], {1: 5_000})
            journal.append([kept[0]], {1: 5_000})
            system.left = cut
            try:
                journal.rewrite(kept, {1: 5_000}, 7)
                done = True
            except PowerLost:
                pass
            ages = set()
            for found in system.outcomes():
                contents = parse(found[Folder.JOURNAL], CP, "journal")
                ages.add(contents.age)
                assert [r for r in contents.records if r.session_id != "old"][:3] == kept
                assert contents.meters == {1: 5_000}
            assert ages <= ({7} if done else {0, 7})
        cut += 1
    assert cut > 6


@settings(max_examples=300)
@given(steps, st.integers(0, 25), st.integers(1, 10))
def test_a_disk_that_is_full_for_a_while(
    what: list[tuple[str, int]], moment: int, length: int
) -> None:
    """Nothing is said that is not on it, and with room again it goes on."""
    with powerless() as (system, folder):
        life = Life(folder)
        life.begin()
        for number, step in enumerate(what):
            system.full = moment <= number < moment + length
            try:
                life.do(*step)
            except JournalFailed:  # an engine does not start on a full disk
                break
        for found in system.outcomes():
            life.check(found)
        if system.full:
            assert not life.point.running or not life.point.book.trouble
        system.full = False
        life.begin()
        life.do("start", 10)
        assert life.point.book["s10"] is not None
