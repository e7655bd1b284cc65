"""What must be true whatever happens, read from the database and from the engines' disks.

Nothing here asks a program, or uses its code: the sums are made anew from what is stored.
"""

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

from driver.charge import Charge
from sim.journal import journal_of, registers_of
from sim.witness import Witness

JOURNALS_EVERY = 5
"""Looks between two at all of the journals, which are long."""

_OPEN_TWICE = """
    SELECT {column}, count(*) FROM sessions
    WHERE state IN ('authorised', 'charging') AND {holds} IS NOT NULL
    GROUP BY {column} HAVING count(*) > 1
"""
_WRONG = """
    SELECT t.session_id FROM tickets t JOIN sessions s USING (session_id)
    WHERE t.cost != (t.energy * t.price + 50000) / 100000
       OR t.price != s.price OR t.energy != s.energy OR t.cost != s.cost
       OR t.driver_id != s.driver_id OR t.cp_id != s.cp_id OR s.state != 'completed'
"""
_BILLED = """
    SELECT cp_id || '/' || connector_id, sum(energy) FROM tickets GROUP BY cp_id, connector_id
"""
_FAILED = "SELECT session_id FROM sessions WHERE state = 'failed'"
_UNDONE = """
    SELECT session_id, state, settled, estimated, holds_connector, holds_driver FROM sessions
    WHERE state NOT IN ('completed', 'failed') OR NOT settled OR "open"
       OR holds_connector IS NOT NULL OR holds_driver IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class _Bill:
    energy: int
    estimated: bool
    revision: int


class Invariants:
    """The checks of one history."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._bills: dict[str, _Bill] = {}
        self._failed: set[str] = set()
        self._looks = 0

    # -- At any time --

    def always(self) -> Iterator[str]:
        """What is wrong now, and would be at any time."""
        query = self._witness.database.query
        for column, holds in (
            ("cp_id || '/' || connector_id", "holds_connector"),
            ("driver_id", "holds_driver"),
        ):
            for what, count in query(_OPEN_TWICE.format(column=column, holds=holds)):
                yield f"{count} sessions hold {what}"
        self._failed |= {row[0] for row in query(_FAILED)}
        for (session_id,) in query(_WRONG):
            yield f"the ticket of {session_id} is wrong"
        yield from self._lost()
        yield from self._more_than_flowed()
        self._looks += 1
        if self._looks % JOURNALS_EVERY == 0:
            yield from self._supplied_twice()

    def _lost(self) -> Iterator[str]:
        """Tickets that are gone, or were changed other than by the true one once."""
        query = self._witness.database.query
        now = {
            session_id: _Bill(energy, bool(estimated), revision)
            for session_id, energy, estimated, revision in query(
                "SELECT session_id, energy, estimated, revision FROM tickets"
            )
        }
        for session_id, before in self._bills.items():
            after = now.get(session_id)
            corrected = before.estimated and after is not None and after.revision == 2
            if after != before and not corrected:
                yield f"the ticket of {session_id} was {before} and is {after}"
        self._bills = now

    def _more_than_flowed(self) -> Iterator[str]:
        flowed = self._flowed()
        for connector, billed in self._billed().items():
            if billed > flowed.get(connector, 0):
                yield f"{connector}: {billed} Wh are billed, {flowed.get(connector)} Wh have flowed"

    def _billed(self) -> dict[str, int]:
        """Wh in tickets, by connector."""
        return dict(self._witness.database.query(_BILLED))

    def _flowed(self) -> dict[str, int]:
        """Wh in the lifetime registers, by connector."""
        return {
            f"{cp_id}/{connector}": register
            for cp_id, content in self._witness.journals.items()
            for connector, register in registers_of(content()).items()
        }

    def _supplied_twice(self) -> Iterator[str]:
        """Connectors that supply two sessions at once, as their engines' journals say."""
        for cp_id, content in self._witness.journals.items():
            sessions = journal_of(content()).sessions.values()
            running = Counter(kept.connector for kept in sessions if kept.reason is None)
            for connector, count in running.items():
                if count > 1:
                    yield f"{cp_id}/{connector} supplies {count} sessions"

    # -- Once all is quiet --

    def settled(self) -> bool:
        """Whether nothing is to come any more, for all that the database and the disks say."""
        return not any(True for _ in self._unsettled())

    def _unsettled(self) -> Iterator[str]:
        query = self._witness.database.query
        for row in query(_UNDONE):
            yield f"not over: {row}"
        for (session_id,) in query("SELECT session_id FROM stop_intents"):
            yield f"a stop was never confirmed: {session_id}"
        for (number,) in query("SELECT count(*) FROM outbox"):
            if number:
                yield f"{number} messages to drivers were never delivered"
        for cp_id, content in self._witness.journals.items():
            for session_id, kept in journal_of(content()).sessions.items():
                if kept.reason is None or not kept.settled:
                    yield f"{cp_id} still holds {session_id}"
        for cp_id, shown in self._witness.rows.items():
            sessions = [connector.get("session_id") for connector in shown["connectors"]]
            if shown["status"] != "Available" or shown["stopped"] or any(sessions):
                yield f"{cp_id} is shown as {shown['status']} with {sessions}"

    def at_the_end(self) -> Iterator[str]:
        """What is wrong after the peace that follows the faults."""
        yield from self.always()
        yield from self._unsettled()
        yield from self._not_conserved()
        tickets = {
            bill[0]: bill[1:]
            for bill in self._witness.database.query(
                "SELECT session_id, energy, estimated, revision FROM tickets"
            )
        }
        for session_id, flow in self._witness.flows.items():
            flowed = max(flow.highest, flow.ticket or 0)
            ticket = tickets.get(session_id)
            if flowed and ticket is None:
                yield f"{flowed} Wh have flowed in {session_id}, and it has no ticket"
            elif ticket is not None and ticket[0] < flowed:
                yield f"{flowed} Wh have flowed in {session_id}, {ticket[0]} Wh are billed"
            elif ticket is not None and ticket[1]:
                yield f"the ticket of {session_id} is still estimated"
        for session_id, bill in tickets.items():
            if bill[2] not in self._witness.told.get(session_id, ()):
                yield f"nobody was told the ticket of {session_id}"
        yield from self._forgotten()

    def was_shown(self, driver_id: str, charges: Sequence[Charge]) -> Iterator[str]:
        """What is wrong with what a driver was shown as the end of its charges."""
        yield from self._unseen(driver_id, {charge.session_id for charge in charges})
        for charge in charges:
            ticket, session_id = charge.ticket, charge.session_id
            ((state, *bill),) = self._witness.database.query(
                "SELECT state, energy, cost, revision FROM sessions WHERE session_id = ?",
                session_id,
            )
            if ticket is None:
                if state != "failed" and session_id not in self._failed:
                    yield f"{session_id} was shown as {charge.state}, and is {state}"
            elif [ticket.energy, ticket.cost] != bill[:2] and not (
                ticket.estimated and ticket.revision < bill[2]
            ):
                yield f"{session_id} was shown with {ticket}, and is {state}: {bill}"

    def _unseen(self, driver_id: str, seen: Set[str]) -> Iterator[str]:
        """Charges that its app was told had begun, and never saw the end of."""
        for (session_id,) in self._witness.database.query(
            "SELECT session_id FROM sessions"
            " WHERE state = 'completed' AND request_role = 'driver' AND driver_id = ?",
            driver_id,
        ):
            if session_id not in seen and session_id in self._witness.begun:
                yield f"{driver_id} never saw the ticket of {session_id}"

    def _not_conserved(self) -> Iterator[str]:
        billed = self._billed()
        for connector, flowed in self._flowed().items():
            if billed.get(connector, 0) != flowed:
                yield f"{connector}: {flowed} Wh have flowed, {billed.get(connector, 0)} are billed"

    def _forgotten(self) -> Iterator[str]:
        known: set[Any] = {
            row[0] for row in self._witness.database.query("SELECT session_id FROM sessions")
        }
        for session_id in self._witness.begun:
            if session_id not in known:
                yield f"a driver was told of {session_id}, and nobody knows it"
