"""A journal that grows: compacted while the engine runs, and full when too much must be kept."""

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from common.errors import Reason, Refused
from common.states import EndReason
from common.units import MAX_LISTED_SESSIONS, Watts
from engine.book import Book
from engine.charge_point import ChargePoint
from engine.commands import Commands
from engine.journal import Journal
from engine.ledger import KEEP_SECONDS
from engine.session import Session, Tombstone
from tests.engine.fakes import BEGAN, CP, MemoryDisk, Told, a_session, at, start, stop

ENDED = EndReason.DRIVER_REQUEST
LIMIT = 20_000
POWER = Watts(11_000)
METERS = {1: 1_030}
NOW = at(0)


class Engine:
    """A charge point with little room for its journal; it can be killed."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.disk = MemoryDisk()
        self.told = Told()
        self.limit = limit
        self.seconds = 0
        self.begun = 0
        self.restart()

    def restart(self) -> None:
        self.point = ChargePoint(
            CP,
            Journal(self.disk, CP),
            self.told,
            at(self.seconds),
            power_limit=POWER,
            journal_limit=self.limit,
        )
        self.commands = Commands(self.point, POWER, 1.0)

    @property
    def size(self) -> int:
        assert self.disk.data is not None
        return len(self.disk.data)

    def charge(self) -> str:
        """A charge from start to stop; its session."""
        session_id = f"s{self.begun}"
        self.begun += 1
        self.seconds += 1
        self.commands.start(start(session_id), at(self.seconds))
        self.commands.stop(stop(session_id), at(self.seconds))
        return session_id

    def charge_until_full(self) -> list[str]:
        """Charges, none of which is settled, until the journal is full; their sessions."""
        sessions = []
        while not self.point.book.full:
            sessions.append(self.charge())
        return sessions

    def sleeps(self, seconds: int) -> None:
        self.seconds += seconds
        self.point.read(at(self.seconds))


def test_a_journal_is_compacted_while_the_engine_runs() -> None:
    """A charge of hours never takes more than its limit, and its last entry is there."""
    engine = Engine()
    engine.commands.start(start(), at(0))
    largest = 0
    for second in range(1, 2_000):
        engine.point.read(at(second))
        largest = max(largest, engine.size)
    assert largest < LIMIT / 2
    assert engine.point.running[0].sequence == 1_999
    assert Journal(engine.disk, CP).read().records[-1] == engine.point.running[0]


def test_at_its_limit_what_runs_ends_and_nothing_begins() -> None:
    """No ticket is dropped: all are on the disk, and told, as soon as they are written."""
    engine = Engine()
    sessions = engine.charge_until_full()
    assert len(sessions) > 30
    with pytest.raises(Refused, match="the journal is full of tickets that are not settled") as no:
        engine.commands.start(start("one more"), at(engine.seconds))
    assert no.value.reason is Reason.ENGINE_REFUSED
    assert engine.commands.health().message == (
        "the journal is full of tickets that are not settled"
    )
    engine.restart()
    assert engine.point.book.full
    engine.told.take()
    for first in range(0, len(sessions), MAX_LISTED_SESSIONS):
        engine.commands.report(sessions[first : first + MAX_LISTED_SESSIONS], at(engine.seconds))
    assert [ticket.session_id for ticket in engine.told.take()] == sessions


def test_a_charge_that_fills_the_journal_is_ended_with_its_ticket() -> None:
    """By the reading that was too much, once what must be kept takes three quarters."""
    engine = Engine()
    while engine.size < LIMIT * 0.72:
        engine.charge()
        engine.restart()
    engine.commands.start(start("runs"), at(engine.seconds))
    with capture_logs() as logs:
        while engine.point.running:
            engine.sleeps(1)
            if not engine.point.book.full:
                engine.point.bury([f"never {engine.seconds}"], at(engine.seconds))
    assert [line["event"] for line in logs if line["log_level"] == "error"] == [
        "no supply: the journal is full"
    ]
    ticket = engine.told.take()[-1]
    assert (ticket.session_id, ticket.reason) == ("runs", EndReason.FAULT)
    assert engine.point.book.is_saved("runs")


def test_a_full_journal_has_room_again_when_tickets_are_settled() -> None:
    """Within a second, though settled tickets would be kept for longer: they go, oldest first."""
    engine = Engine()
    sessions = engine.charge_until_full()
    settled = sessions[: len(sessions) // 2]
    with capture_logs() as logs:
        engine.commands.settle(settled, at(engine.seconds))
        engine.sleeps(1)
    events = [line["event"] for line in logs]
    assert events == [
        "settled tickets are given up before their time",
        "the journal has room again",
    ]
    engine.charge()
    book = engine.point.book
    kept = [isinstance(book[s], Session) for s in settled]
    assert kept == sorted(kept)
    assert not kept[0]
    assert all(isinstance(book[s], Session) for s in sessions[len(settled) :])


def test_a_session_whose_ticket_was_given_up_never_begins_again() -> None:
    """However late a start of it comes."""
    engine = Engine()
    sessions = engine.charge_until_full()
    engine.commands.settle(sessions, at(engine.seconds))
    engine.sleeps(1)
    assert isinstance(engine.point.book[sessions[0]], Tombstone)
    with pytest.raises(Refused, match="taken back or refused before"):
        engine.commands.start(start(sessions[0]), at(engine.seconds))


def test_even_far_beyond_its_limit_a_ticket_is_taken() -> None:
    """Sessions that never begin are not, so that nobody can make the journal grow for ever."""
    book = Book(Journal(MemoryDisk(), CP), NOW, LIMIT)
    book.open(METERS, NOW)
    for number in range(200):
        assert book.save([a_session(f"s{number}", reason=ENDED)], METERS, NOW)
    assert book.journal_bytes > 2 * LIMIT
    assert not book.has_room_for_tombstones()
    assert len(book.ended_since(0)) == 200


@pytest.mark.parametrize(
    "ask",
    [
        lambda engine: engine.commands.start(start("new"), at(engine.seconds)),
        lambda engine: engine.commands.stop(stop("new"), at(engine.seconds)),
    ],
)
def test_what_cannot_be_journaled_is_not_promised(ask: Callable[[Engine], object]) -> None:
    """Far beyond the limit a stop of an unknown session is refused, as is its start."""
    engine = Engine()
    sessions = engine.charge_until_full()
    while engine.point.book.has_room_for_tombstones():
        engine.point.bury([f"never {len(sessions)}"], at(engine.seconds))
        sessions.append("")
    with pytest.raises(Refused, match="the journal is full"):
        ask(engine)
    assert engine.commands.report(["new"], at(engine.seconds)).never_seen == ()


def test_what_is_old_goes_when_the_engine_has_run_for_seven_days() -> None:
    """Whatever the clock on the wall says, and however often the engine was restarted."""
    disk = MemoryDisk()
    day = 24 * 3_600
    for run in range(8):
        journal = Journal(disk, CP)
        book = Book(journal, at(0))
        book.open(METERS, at(0))
        if run == 0:
            book.save([Tombstone(session_id="never", at=BEGAN + 90 * day)], METERS, at(0))
        assert (book["never"] is not None) == (run < 7)
        book.save([a_session(reason=ENDED)], METERS, at(day))
    assert book.age(at(day)) == 8 * day > KEEP_SECONDS
