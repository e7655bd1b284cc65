"""Proves from outside that nothing delivered was lost and nothing was billed twice.

`python -m chaos.conservation --database URL --journal DIR …`

Theory of operation. An auditor does not ask the books how they were kept. So this program imports
nothing of the project: it reads the engines' journals with a parser of its own, central's database
with plain SQL, and computes every sum and every price again. What the meters counted and what was
billed must then be the same, to the watt-hour and to the cent.

The network is to be at rest: no charge runs, and what was settled is known to both sides. While it
is not, the rules about open and unsettled things say so.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import click

from chaos.evidence import Connector, Evidence, Unreadable, read_database, read_journal


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is not as it must be.

    Attributes:
        rule: Which of `RULES` it breaks.
        where: The charge point, connector or session.
        text: What is wrong, for people.
    """

    rule: str
    where: str
    text: str


# -- The rules --


def _conserved(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Every watt-hour that a meter counted is on one ticket, and no other is."""
    billed = {c: sum(t["energy"] for t in ts) for c, ts in evidence.tickets_by_connector().items()}
    for connector in sorted(evidence.registers.keys() | billed.keys()):
        register, tickets = evidence.registers.get(connector), billed.get(connector, 0)
        if register is None:
            yield _name(connector), f"{tickets} Wh are billed, and no journal shows its meter"
        elif register != tickets:
            yield _name(connector), f"the meter counted {register} Wh, {tickets} Wh are billed"


def _no_overlap(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """The tickets of a connector follow each other, by the readings of its meter."""
    for connector, tickets in sorted(evidence.tickets_by_connector().items()):
        until, before = 0, "the meter's begin"
        for ticket in tickets:
            start, stop = ticket["meter_start_wh"], ticket["meter_stop_wh"]
            if start is None or stop is None:
                continue
            if start < until:
                text = f"session {ticket['session_id']} begins at {start} Wh, before {before} ends"
                yield _name(connector), text
            elif start > until:
                yield _name(connector), f"{until} to {start} Wh are on no ticket"
            until, before = max(until, stop), f"session {ticket['session_id']}"


def _one_ticket(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """A session has at most one ticket, and one where energy flowed, with that energy."""
    of = Counter(ticket["session_id"] for ticket in evidence.tickets)
    known = {session["session_id"] for session in evidence.sessions}
    for session_id, count in of.items():
        if count > 1:
            yield session_id, f"it has {count} tickets"
        if session_id not in known:
            yield session_id, "it has a ticket, and central does not know it"
    energies = {ticket["session_id"]: ticket["energy"] for ticket in evidence.tickets}
    for session in evidence.journaled:
        session_id = session["session_id"]
        supplied = session["meter_wh"] - session["meter_start_wh"]
        billed = energies.get(session_id)
        if supplied and billed is None:
            yield session_id, f"{session['cp_id']} supplied {supplied} Wh, and it has no ticket"
        elif billed is not None and billed != supplied:
            yield session_id, f"{session['cp_id']} supplied {supplied} Wh, billed are {billed} Wh"


def _priced(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """A ticket costs its energy times the session's price, rounded half up, once, to the cent."""
    sessions = {session["session_id"]: session for session in evidence.sessions}
    for ticket in evidence.tickets:
        session_id = ticket["session_id"]
        exact = Decimal(ticket["energy"]) / 1000 * Decimal(ticket["price"]) / 10_000
        cost = int(exact.quantize(Decimal("0.01"), ROUND_HALF_UP) * 100)
        if cost != ticket["cost"]:
            yield session_id, f"its ticket costs {ticket['cost']} cents, {cost} are right"
        start, stop = ticket["meter_start_wh"], ticket["meter_stop_wh"]
        if start is not None and stop is not None and stop - start != ticket["energy"]:
            text = (
                f"its ticket has {ticket['energy']} Wh, and meter readings {stop - start} Wh apart"
            )
            yield session_id, text
        session = sessions.get(session_id, ticket)
        for figure in ("energy", "price", "cost", "revision"):
            if session[figure] != ticket[figure]:
                yield (
                    session_id,
                    f"its {figure} is {session[figure]}, the ticket's {ticket[figure]}",
                )


def _closed(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """No session is left open, or holds a connector or a driver."""
    for session in evidence.sessions:
        if session["state"] not in ("completed", "failed") or session["open"]:
            yield session["session_id"], f"it is still open, as {session['state']}"
        for held in ("holds_connector", "holds_driver"):
            if session[held] is not None:
                yield session["session_id"], f"it still {held.replace('_', ' ')} {session[held]}"
    for session in evidence.journaled:
        if session.get("reason") is None:
            yield session["session_id"], f"{session['cp_id']} still serves it"


def _settled(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Both sides know that it is over; nothing waits, is estimated or disputed."""
    for session in evidence.sessions:
        if not session["settled"]:
            yield session["session_id"], "central has not settled it"
        if session["disputed"]:
            yield session["session_id"], "its engine sent a second, different ticket"
    for ticket in evidence.tickets:
        if ticket["estimated"]:
            yield ticket["session_id"], "its ticket is an estimate"
    for session in evidence.journaled:
        if session.get("reason") is not None and session.get("settled_at") is None:
            yield session["session_id"], f"{session['cp_id']} still holds its ticket"
    for intent in evidence.tables["stop_intents"]:
        yield intent["session_id"], "it is still to be stopped"
    for entry in evidence.tables["outbox"]:
        yield str(entry["key"]), f"what is to be told to {entry['topic']} was not"


RULES: dict[str, Callable[[Evidence], Iterator[tuple[str, str]]]] = {
    "every watt-hour is billed": _conserved,
    "no watt-hour is billed twice": _no_overlap,
    "one ticket for a session": _one_ticket,
    "the cost is right": _priced,
    "no session is open": _closed,
    "everything is settled": _settled,
}
"""Each yields where it is broken, and how."""


def _name(connector: Connector) -> str:
    return f"{connector[0]}/{connector[1]}"


# -- The report --


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        metered_wh: What all meters counted.
        billed_wh: What is on all tickets.
        cost_cents: What all tickets come to, by currency.
    """

    points: int
    sessions: int
    tickets: int
    metered_wh: int
    billed_wh: int
    cost_cents: dict[str, int]
    violations: tuple[Violation, ...]

    def __str__(self) -> str:
        costs = [f"{Decimal(cents) / 100:.2f} {name}" for name, cents in self.cost_cents.items()]
        cost = ", ".join(costs) or "0.00"
        lines = [
            f"{self.points} charge points, {self.sessions} sessions, {self.tickets} tickets",
            f"{self.metered_wh} Wh metered, {self.billed_wh} Wh billed: {cost}",
            *(f"{v.rule}: NO: {v.where}: {v.text}" for v in self.violations),
        ]
        broken = {violation.rule for violation in self.violations}
        return "\n".join([*lines, *(f"{rule}: yes" for rule in RULES if rule not in broken)])


def audit(database: str, journals: Sequence[Path]) -> Report:
    """Read everything and judge it.

    Args:
        database: Central's, by its URL.
        journals: Folders of engines' journals, or folders that hold such folders.

    Raises:
        Unreadable: A journal or the database cannot be read.
    """
    evidence = Evidence()
    for path in journals:
        folders = sorted(journal.parent for journal in path.glob("*/journal"))
        for folder in folders or [path]:
            read_journal(folder, evidence)
    read_database(database, evidence)
    costs: Counter[str] = Counter()
    for ticket in evidence.tickets:
        costs[ticket["currency"]] += ticket["cost"]
    return Report(
        points=len({cp_id for cp_id, _ in evidence.registers}),
        sessions=len(evidence.sessions),
        tickets=len(evidence.tickets),
        metered_wh=sum(evidence.registers.values()),
        billed_wh=sum(ticket["energy"] for ticket in evidence.tickets),
        cost_cents=dict(costs),
        violations=tuple(
            Violation(rule, where, text)
            for rule, check in RULES.items()
            for where, text in check(evidence)
        ),
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--database", required=True, metavar="URL", help="Central's, as central is given it.")
@click.option(
    "--journal",
    "journals",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of an engine's journal, or a folder of such folders; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def main(database: str, journals: tuple[Path, ...], *, as_json: bool) -> None:
    """Compare what the engines' meters counted with what central billed.

    The exit code is 0 only if both are the same and nothing is open. It reads only, and all
    engines and the one central may run.
    """
    try:
        report = audit(database, journals)
    except Unreadable as error:
        click.echo(f"conservation: {error}", err=True)
        sys.exit(1)
    click.echo(json.dumps(asdict(report), indent=2) if as_json else str(report))
    sys.exit(1 if report.violations else 0)


if __name__ == "__main__":
    main()
