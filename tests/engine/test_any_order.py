"""In whatever order things come, kills and failing disks among them, what is promised holds."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from common.errors import Refused
from common.messages import ChargeCompletion, ChargingData
from common.states import EndReason
from common.units import WattHours, Watts
from engine.book import MIB
from engine.charge_point import ChargePoint
from engine.commands import Commands
from engine.connector import Connector
from engine.journal import Journal
from engine.session import Session
from tests.engine.fakes import CP, MemoryDisk, Told, at, start, stop

LIMIT = Watts(350_000)
SESSIONS = [f"s{n}" for n in range(8)]
ids = st.sampled_from(SESSIONS)
connectors = st.integers(1, 2)

LITTLE = 1_500
"""Bytes of a journal in which there is room for three tickets or so."""


class AnyOrder(RuleBasedStateMachine):
    """One engine, its disk, and what has been said by it."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.disk = MemoryDisk()
        self.told = Told()
        self.accepted: set[str] = set()
        self.never: set[str] = set()
        self.settled: dict[str, Session] = {}
        self.tickets: dict[str, ChargeCompletion] = {}
        self.readings: dict[str, ChargingData] = {}

    @initialize(auto=st.booleans(), limit=st.sampled_from([LITTLE, MIB]))
    def begin(self, auto: bool, limit: int) -> None:
        self.auto = auto
        self.limit = limit
        self.run()

    def run(self) -> None:
        """Start the engine on what its disk has."""
        self.disk.failing = ""
        journal = Journal(self.disk, CP)
        self.point = ChargePoint(
            CP,
            journal,
            self.told,
            at(self.seconds),
            power_limit=LIMIT,
            connectors=2,
            auto_plug=self.auto,
            journal_limit=self.limit,
        )
        self.commands = Commands(self.point, LIMIT, 1.0)

    @property
    def given_up(self) -> set[str]:
        """Settled sessions of which a journal at its limit keeps no ticket."""
        return {s for s in self.settled if not isinstance(self.point.book[s], Session)}

    # -- What may happen --

    @rule(session_id=ids, connector=connectors, wanted=st.none() | st.integers(0, 3_000))
    def is_started(self, session_id: str, connector: int, wanted: int | None) -> None:
        command = start(
            session_id,
            connector_id=connector,
            max_charging_rate_kw=LIMIT,
            target_kwh=None if wanted is None else WattHours(wanted),
        )
        before = self.point.book[session_id]
        try:
            self.commands.start(command, at(self.seconds))
        except Refused:
            known = self.point.book[session_id]
            if not isinstance(known, Session) and self.point.book.is_saved(session_id):
                self.never.add(session_id)
        else:
            assert session_id not in self.never
            assert isinstance(before, Session) == (session_id in self.accepted)
            self.accepted.add(session_id)

    @rule(session_id=ids, reason=st.sampled_from([None, EndReason.OPERATOR_REQUEST]))
    def is_told_to_stop(self, session_id: str, reason: EndReason | None) -> None:
        known = self.point.book[session_id]
        try:
            self.commands.stop(stop(session_id, reason), at(self.seconds))
        except Refused:
            assert not isinstance(known, Session)
            assert self.disk.failing or self.point.book.objection
        else:
            if not isinstance(known, Session):
                self.never.add(session_id)

    @rule(session_ids=st.lists(ids))
    def is_asked_for_a_report(self, session_ids: list[str]) -> None:
        answer = self.commands.report(session_ids, at(self.seconds))
        assert answer.never_seen is not None
        assert self.accepted.isdisjoint({*answer.never_seen} - self.given_up)
        self.never |= {*answer.never_seen} - self.given_up

    @rule(session_ids=st.lists(ids))
    def is_told_what_is_settled(self, session_ids: list[str]) -> None:
        known = {s: self.point.book[s] for s in session_ids}
        ended = {s: r for s, r in known.items() if isinstance(r, Session) and r.reason}
        self.settled |= ended
        try:
            self.commands.settle(session_ids, at(self.seconds))
        except Refused:
            return
        assert not ended.keys() & {*self.commands.health().held_sessions}

    @rule()
    def is_taken_out_of_order(self) -> None:
        self.commands.stop_point(at(self.seconds))

    @rule()
    def is_put_back_in_order(self) -> None:
        self.commands.resume_point()

    @rule(connector=connectors, key=st.sampled_from("pubr"))
    def has_a_key_pressed(self, connector: int, key: str) -> None:
        one: Connector = self.point.connectors[connector]
        now = at(self.seconds)
        keys: dict[str, Any] = {
            "p": lambda: self.point.plug(one, now),
            "u": lambda: self.point.unplug(one, now),
            "b": lambda: self.point.break_down([one], now),
            "r": lambda: self.point.repair([one]),
        }
        keys[key]()

    @rule(seconds=st.floats(0, 40), reading=st.booleans())
    def lets_time_pass(self, seconds: float, reading: bool) -> None:
        self.seconds += seconds
        self.point.advance(at(self.seconds))
        if reading:
            self.point.read(at(self.seconds))

    @rule()
    def loses_its_monitor(self) -> None:
        self.point.monitor_lost(at(self.seconds))

    @precondition(lambda self: not self.disk.failing)
    @rule(part=st.integers(0, 200))
    def has_its_disk_fail(self, part: int) -> None:
        self.disk.failing, self.disk.part = "Input/output error", part

    @precondition(lambda self: self.disk.failing)
    @rule()
    def has_its_disk_back(self) -> None:
        self.disk.failing = ""
        self.point.read(at(self.seconds))

    @rule(seconds=st.floats(0, 10), cleanly=st.booleans())
    def dies(self, seconds: float, cleanly: bool) -> None:
        if cleanly:
            self.point.leave(at(self.seconds))
        self.seconds += seconds
        self.run()

    # -- What holds at any time --

    @invariant()
    def tells_only_what_the_disk_has_and_no_ticket_two_ways(self) -> None:
        for message in self.told.take():
            assert isinstance(self.point.book[message.session_id], Session)
            assert self.point.book.is_saved(message.session_id)
            self._check(message)

    def _check(self, message: ChargeCompletion | ChargingData) -> None:
        last = self.readings.get(message.session_id)
        if last is not None:
            assert message.energy_consumed_kwh >= last.energy_consumed_kwh
        if isinstance(message, ChargingData):
            assert message.session_id not in self.tickets
            assert last is None or (message.sequence or 0) >= (last.sequence or 0)
            self.readings[message.session_id] = message
        else:
            assert self.tickets.setdefault(message.session_id, message) == message

    @invariant()
    def has_on_its_disk_what_it_says_it_has(self) -> None:
        if self.disk.data is None:
            return
        found = Journal(MemoryDisk(self.disk.data), CP).read()
        journaled = {record.session_id: record for record in found.records}
        for session_id in self.accepted | self.never:
            record = journaled.get(session_id)
            assert record is not None
            ticketed = session_id in self.accepted - self.given_up
            assert isinstance(record, Session) == ticketed
            if self.point.book.is_saved(session_id):
                assert record == self.point.book[session_id]

    @invariant()
    def supplies_nothing_while_it_cannot_journal(self) -> None:
        if self.disk.data is not None and self.point.book.objection:
            assert self.point.running == []

    @invariant()
    def accounts_for_all_energy(self) -> None:
        if self.disk.data is None:
            return
        energy = dict.fromkeys((1, 2), 0)
        for record in map(self.point.book.__getitem__, SESSIONS):
            if isinstance(record, Session):
                energy[record.connector_id] += record.energy
        for session in map(self.settled.__getitem__, self.given_up):
            energy[session.connector_id] += session.energy
        registers = {i: c.meter.register_wh for i, c in self.point.connectors.items()}
        running = {session.connector_id for session in self.point.running}
        for connector_id, register in registers.items():
            if connector_id in running:
                assert energy[connector_id] <= register
            else:
                assert energy[connector_id] == register

    def teardown(self) -> None:
        """In the end each session that was accepted has its one ticket, and nothing is lost."""
        if self.disk.data is None:
            return
        self.run()
        self.commands.report(sorted(self.accepted), at(self.seconds))
        told = {message.session_id: message for message in self.told.take()}
        assert told.keys() == self.accepted - self.given_up
        assert not self.given_up or self.limit == LITTLE
        for message in told.values():
            assert isinstance(message, ChargeCompletion)
            self._check(message)


TestAnyOrder = AnyOrder.TestCase
