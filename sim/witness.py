"""Hears all that is said, holds everybody to it, and believes nothing else.

It stands between the programs: it reads the bytes that they write to one another, to Kafka and to
their journals, with nothing of their code. What somebody says is a promise, which is looked at
that very moment: an answer is in the database before it is given, a ticket on the disk before it is
told.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from sim.journal import Journal, journal_of

Broken = Callable[[str], None]


_DECIDES = (
    "charge_request_response",
    "stop_charging_response",
    "register_response",
    "manual_command_response",
)
"""What only a leader may say, beside commands and lists of sessions."""

LATE = 0.2
"""Seconds for which two clocks may disagree about who leads."""

_COMMANDS = ("start_charging_command", "stop_charging_command", "stop_cp_command")


_ORDER = (
    "Faulted",
    "Charging",
    "Preparing",
    "Finishing",
    "Available",
    "Unavailable",
)
"""A point shows the first of these that one of its connectors has."""

_ANSWERS = (b'{"type":"charge_request_response"', b'{"type":"stop_charging_response"')


class Reading(Protocol):
    """What is asked of a database."""

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows that are committed."""


@dataclass(slots=True)
class Flow:
    """What an engine said of one session.

    Attributes:
        cp_id: Where.
        highest: Wh that its readings came to.
        ticket: Wh of its ticket; None before it.
    """

    cp_id: str
    highest: int = 0
    ticket: int | None = None


@dataclass(slots=True)
class Witness:
    """Everything that counts of what was said.

    Args:
        database: What is committed.
        journals: What is synced, by charge point.
        broken: Told of a promise that was not kept.

    Attributes:
        flows: What engines said, by session.
        begun: Sessions that a driver was told have begun.
        told: Revisions of tickets that were told to drivers by Kafka, by session.
        answers: What was answered to each request that gets the same answer for ever.
        epochs: The highest epoch that each monitor has heard of.
        rows: The latest row of each charge point that was published.
        taken: When each epoch was first seen to be under way, in Unix seconds.
        events: When something was last published to a session's driver, and of which epoch.
    """

    database: Reading
    journals: dict[str, Callable[[], bytes]]
    broken: Broken
    flows: dict[str, Flow] = field(default_factory=dict)
    begun: dict[str, str] = field(default_factory=dict)
    told: dict[str, set[int]] = field(default_factory=dict)
    answers: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, tuple[float, int]] = field(default_factory=dict)
    taken: dict[int, float] = field(default_factory=dict)
    _stale: set[str] = field(default_factory=set)
    _starts: dict[str, str] = field(default_factory=dict)

    # -- Over TCP --

    def said(self, kind: str, who: str, to: str, data: bytes) -> None:
        """A message was written by one program to another."""
        match kind:
            case "charging_data":
                self._reading(json.loads(data))
            case "charge_completion":
                self._ticket(json.loads(data))
            case "charge_request_response" if who.startswith("central"):
                self._answered(json.loads(data))
            case "stop_charging_response":
                self._answered(json.loads(data))
            case "settle_sessions_command":
                self._settled(json.loads(data)["session_ids"], f"{who} to {to}")
            case "register_response" | "heartbeat_response" if b'"settled_sessions":["' in data:
                self._settled(json.loads(data)["settled_sessions"], f"{who} to {to}")
            case "command_response" if who.startswith("engine"):
                self._obeyed(who, json.loads(data))
            case "start_charging_command" if to.startswith("engine"):
                message = json.loads(data)
                self._starts[message.get("message_id", "")] = message["session_id"]
                self._passed_on(kind, who, message)
            case _ if kind in _COMMANDS and who.startswith("monitor"):
                self._passed_on(kind, who, json.loads(data))

    def spoke(self, at: float, kind: str, who: str, data: bytes) -> None:
        """A central has said this: if it decides anything, it must have been the one that leads.

        Args:
            at: Unix seconds.
        """
        if not (kind in _DECIDES or kind.endswith("_command") or b'"unsettled_sessions":' in data):
            return
        for address, epoch, renewed_at in self.database.query(
            "SELECT address, epoch, renewed_at FROM lease"
        ):
            taken_at = self.taken.setdefault(epoch, renewed_at)
            if address not in ("", f"{who}:7000") and at - taken_at > LATE:
                self.broken(f"{who} says {kind} while {address} leads")

    def heard(self, kind: str, who: str, data: bytes) -> None:
        """A message of central's has come to a monitor."""
        if kind not in ("register_response", *_COMMANDS):
            return
        message = json.loads(data)
        epoch = message.get("epoch")
        if epoch is None:
            return
        highest = self.epochs.get(who, 0)
        if kind == "register_response":
            self.epochs[who] = max(highest, epoch)
        elif epoch < highest:
            self._stale.add(_named(who, kind, message))
        else:
            self._stale.discard(_named(who, kind, message))

    def _reading(self, message: dict[str, Any]) -> None:
        flow = self._flow(message)
        energy = _wh(message)
        if flow.ticket is not None and energy > flow.ticket:
            self.broken(f"a reading of {energy} Wh after a ticket of {flow.ticket} Wh")
        flow.highest = max(flow.highest, energy)

    def _ticket(self, message: dict[str, Any]) -> None:
        flow, energy, session_id = self._flow(message), _wh(message), message["session_id"]
        if flow.ticket not in (None, energy):
            self.broken(f"the engine's ticket of {session_id} was {flow.ticket} Wh, is {energy} Wh")
        flow.ticket = energy
        if energy < flow.highest:
            self.broken(f"a ticket of {energy} Wh after a reading of {flow.highest} Wh")
        if message["meter_stop_wh"] - message["meter_start_wh"] != energy:
            self.broken(f"a ticket that is not what its meter counted: {session_id}")
        kept = self._journal(message["cp_id"]).sessions.get(session_id)
        if kept is None or kept.reason is None or kept.energy != energy:
            self.broken(f"a ticket was told that is not on the disk: {session_id}")

    def _flow(self, message: dict[str, Any]) -> Flow:
        return self.flows.setdefault(message["session_id"], Flow(message["cp_id"]))

    def _journal(self, cp_id: str) -> Journal:
        return journal_of(self.journals[cp_id]())

    def _answered(self, message: dict[str, Any]) -> None:
        message_id, error = message["message_id"], message.get("error")
        if error in ("overloaded", "internal", "standby"):
            return
        words = (message["status"], error, message.get("session_id"), message.get("message"))
        if self.answers.setdefault(message_id, words) != words:
            self.broken(f"two answers to {message_id}: {self.answers[message_id]} and {words}")
        if not self.database.query("SELECT 1 FROM answers WHERE message_id = ?", message_id):
            self.broken(f"an answer was given that is not stored: {words}")
        if message["status"] == "success" and "session_id" in message:
            session_id = message["session_id"]
            self.begun[session_id] = message["cp_id"]
            if not self.database.query("SELECT 1 FROM sessions WHERE session_id = ?", session_id):
                self.broken(f"a driver was told of a session that is not stored: {session_id}")

    def _settled(self, session_ids: list[str], where: str) -> None:
        for session_id in session_ids:
            found = self.database.query(
                "SELECT settled OR disputed FROM sessions WHERE session_id = ?", session_id
            )
            if found != [(1,)]:
                self.broken(f"{where}: {session_id} is called settled, and is not")

    def _obeyed(self, who: str, message: dict[str, Any]) -> None:
        """An engine's yes to a start: the session is on its disk."""
        session_id = self._starts.get(message["message_id"])
        if message["status"] == "success" and session_id is not None:
            cp_id = who.replace("engine", "CP")
            if session_id not in self._journal(cp_id).sessions:
                self.broken(f"an engine's yes is not on its disk: {session_id}")

    def _passed_on(self, kind: str, who: str, message: dict[str, Any]) -> None:
        if _named(who, kind, message) in self._stale:
            self.broken(f"{who} passed on a command of a central that leads no more: {kind}")

    def committed(self, who: str) -> None:
        """A central has committed something: it must have been the one that leads."""
        ((address,),) = self.database.query("SELECT address FROM lease")
        if address not in ("", f"{who}:7000"):
            self.broken(f"{who} wrote while {address} led")

    # -- By Kafka --

    def published(self, at: float, topic: str, value: bytes) -> None:
        """A record is in the log."""
        if topic == "ev.points":
            row = json.loads(value)
            self.rows[row["cp_id"]] = row
            for wrong in wrong_in(row):
                self.broken(f"{row['cp_id']} is shown wrongly: {wrong}")
        if topic == "ev.driver.events" and b'"epoch":' in value:
            message = json.loads(value)
            self.events[message["session_id"]] = (at, message["epoch"])
        if topic == "ev.driver.events" and value.startswith(_ANSWERS):
            self._answered(json.loads(value))
        if topic == "ev.driver.events" and value.startswith(b'{"type":"charge_completion"'):
            message = json.loads(value)
            session_id, revision = message["session_id"], message.get("revision", 1)
            self.told.setdefault(session_id, set()).add(revision)
            rows = self.database.query(
                "SELECT energy, cost, revision FROM tickets WHERE session_id = ?", session_id
            )
            words = (_wh(message), round(message["total_cost"] * 100), revision)
            if not rows or (rows[0] != words and rows[0][2] <= revision):
                self.broken(f"a ticket was told that is not stored: {words}, stored is {rows}")


def wrong_in(row: dict[str, Any]) -> Iterator[str]:
    """What the table of statuses does not allow in a charge point's row."""
    words = [connector["status"] for connector in row["connectors"]]
    first = next((word for word in _ORDER if word in words), "Offline")
    if row["status"] != first:
        yield f"{row['status']}, but its connectors are {words}"
    for connector in row["connectors"]:
        word, holds = connector["status"], "session_id" in connector
        if word in ("Charging", "Preparing") and not holds:
            yield f"{word} without a session"
        elif word in ("Available", "Unavailable") and (
            holds or row["stopped"] is (word == "Available")
        ):
            yield f"{word}, stopped is {row['stopped']}, a session holds it: {holds}"
        elif row.get("fault_type") and word not in ("Faulted", "Offline"):
            yield f"{word} with the fault {row['fault_type']}"


def _named(who: str, kind: str, message: dict[str, Any]) -> str:
    """A command, so that it is known again when it is passed on."""
    return f"{who} {kind} {message.get('session_id') or message.get('reason')}"


def _wh(message: dict[str, Any]) -> int:
    energy: float = message["energy_consumed_kwh"]
    return round(energy * 1000)
