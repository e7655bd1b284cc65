"""Defects that somebody might put into the programs, to see whether the simulation finds them.

Each is a function that makes a context in which the programs have it.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

import driver.charge
import engine.disk
from central.answers import Answers
from central.network import LiveSession
from central.outbox import Outbox
from central.rules.billing import closed
from central.rules.records import OutboxEntry, Session
from central.sessions import SessionChanges
from central.store import Change, Store
from common.epochs import Epochs
from common.messages import ChargeCompletion, HeartbeatRequest
from common.states import EndReason, SessionState
from common.units import WattHours
from driver.charge import Charge, Event
from driver.state import Remembered, StateFolder
from engine.charge_point import ChargePoint
from engine.disk import Folder
from engine.moment import Moment
from sim.world import play

Defect = Callable[[], AbstractContextManager[Any]]


def answered_before_it_is_stored() -> AbstractContextManager[Any]:
    """Central does not wait for its commits."""
    write = Store.write

    async def hasty(self: Store, *changes: Change) -> None:
        asyncio.ensure_future(write(self, *changes)).add_done_callback(_looked_at)

    return patch.object(Store, "write", hasty)


def settled_before_it_is_stored() -> AbstractContextManager[Any]:
    """Central stores tickets some time after it has said that they are settled."""
    ticket = SessionChanges.ticket

    async def hasty(self: SessionChanges, live: LiveSession, said: ChargeCompletion) -> None:
        async def later() -> None:
            await asyncio.sleep(1.0)
            await ticket(self, live, said)

        self._network.note_settled(said.session_id)
        asyncio.ensure_future(later()).add_done_callback(_looked_at)

    return patch.object(SessionChanges, "ticket", hasty)


def settled_sessions_left_out() -> AbstractContextManager[Any]:
    """Central never tells what is settled."""
    return patch("central.monitors.settled_of", lambda held, is_settled: ())


def unsettled_sessions_left_out() -> AbstractContextManager[Any]:
    """Central never asks about what is not."""
    return patch("central.monitors.unsettled_of", lambda sessions, commanding: ())


def held_sessions_left_out() -> AbstractContextManager[Any]:
    """Monitors do not say in heartbeats which tickets wait."""

    def made(**fields: Any) -> HeartbeatRequest:
        return HeartbeatRequest(**fields | {"held_sessions": ()})

    return patch("monitor.central_side.HeartbeatRequest", made)


def no_fence_in_the_database() -> AbstractContextManager[Any]:
    """Whoever once led writes on."""
    return patch("central.store.writer.Writer._check_epoch", lambda self, connection: None)


def leads_for_ever() -> AbstractContextManager[Any]:
    """Who once led goes on speaking as if it led."""
    return patch("central.lease.Lease.leads", property(lambda self: True))


class _Credulous(Epochs):
    """Believes whoever speaks."""

    def admits(self, epoch: int | None) -> bool:
        super().admits(epoch)
        return True


def no_fence_at_the_monitor() -> AbstractContextManager[Any]:
    """Monitors obey whoever commands."""
    return patch("monitor.point.Epochs", _Credulous)


@contextmanager
def no_fence_at_the_driver() -> Iterator[None]:
    """Drivers believe whoever tells."""
    seen = driver.charge.seen

    def believed(charge: Charge, event: Event) -> Charge:
        return seen(charge, replace(event, epoch=None))

    with patch("driver.events.Epochs", _Credulous), patch("driver.watch.seen", believed):
        yield


def outbox_not_replayed() -> AbstractContextManager[Any]:
    """What was to be told before central died is told no more."""

    def restore(self: Outbox, entries: Iterable[OutboxEntry], highest: int) -> None:
        self._number = highest

    return patch.object(Outbox, "restore", restore)


def answers_not_remembered() -> AbstractContextManager[Any]:
    """After a restart central knows no answer that it gave."""
    return patch.object(Answers, "restore", lambda self, answers, *, complete: None)


def ticket_told_before_it_is_journaled() -> AbstractContextManager[Any]:
    """The engine writes down what it has already told."""

    def finish(self: ChargePoint, outcomes: Iterable[Any], now: Moment) -> None:
        ended = [session for session in outcomes if session is not None]
        for session in ended:
            self.tell_of(session)
        if ended:
            self._save(ended, now)

    return patch.object(ChargePoint, "_finish", finish)


def nothing_is_synced() -> AbstractContextManager[Any]:
    """The engine's journal is written, and not put on the disk."""

    def write(file: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[engine.disk.os.write(file, rest) :]  # type: ignore[attr-defined]

    return patch("engine.disk._write", write)


def folder_is_not_synced() -> AbstractContextManager[Any]:
    """A new journal may lose its name."""
    return patch.object(Folder, "_sync_folder", lambda self: None)


def never_seen_is_not_journaled() -> AbstractContextManager[Any]:
    """The engine forgets to which sessions it said no."""
    return patch.object(ChargePoint, "bury", lambda self, session_ids, now: True)


def energy_counted_twice() -> AbstractContextManager[Any]:
    """A ticket is added to what its session's readings came to."""

    def doubled(
        session: Session, said: ChargeCompletion, asked: EndReason | None, now: int
    ) -> tuple[Session, Any]:
        if session.state is SessionState.FINISHING:
            more = WattHours(session.energy + said.energy_consumed_kwh)
            said = replace(said, energy_consumed_kwh=more)
        return closed(session, said, asked, now)

    return patch("central.sessions.closed", doubled)


def requests_not_kept() -> AbstractContextManager[Any]:
    """A driver's app does not write down what it asks for."""

    def remember(self: StateFolder, *, request: Any, session: Any) -> None:
        self.remembered = Remembered(driver_id=self._driver_id, request=request, session=session)

    return patch.object(StateFolder, "remember", remember)


def _looked_at(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()


PLANTED: Mapping[Defect, tuple[str, ...]] = {
    answered_before_it_is_stored: (),
    settled_before_it_is_stored: (),
    settled_sessions_left_out: (),
    unsettled_sessions_left_out: (),
    held_sessions_left_out: (),
    no_fence_in_the_database: ("pause",),
    leads_for_ever: ("pause",),
    no_fence_at_the_monitor: ("kill_at_commit", "old_leader_commands"),
    no_fence_at_the_driver: ("kill_at_commit", "old_leader_publishes"),
    outbox_not_replayed: ("broker_down", "kill_at_commit"),
    answers_not_remembered: ("kill_at_commit", "kill_at_message"),
    ticket_told_before_it_is_journaled: ("disk_full",),
    nothing_is_synced: (),
    folder_is_not_synced: (),
    never_seen_is_not_journaled: ("kill_at_commit", "slow"),
    energy_counted_twice: (),
    requests_not_kept: ("kill",),
}
"""Each with the faults among which it is found soonest; among all of them it takes longer."""

MOST_SEEDS = 60
"""Histories in which a defect must show; mostly it shows in the first few."""


def found(defect: Defect) -> tuple[str, list[str]] | None:
    """What was wrong in the first history that was, and what is wrong in it without the defect."""
    only = PLANTED[defect]
    for seed in range(MOST_SEEDS):
        with defect():
            outcome = play(seed, only=only)
        if outcome.wrong:
            return outcome.wrong[0], play(seed, only=only).wrong
    return None
