"""What central says of itself, and whether it serves. All of it is asked in another thread."""

from collections import Counter
from collections.abc import Iterable, Iterator

from central.board import Board
from central.counts import OVER, REFUSED, SessionCounts
from central.credentials import Credentials
from central.dead import DeadLetters
from central.gateways.connections import Connections
from central.gateways.lines import Lines
from central.gateways.samples import Samples
from central.gateways.unsaved import Unsaved
from central.identity import Identity
from central.lease import Candidate, Lease
from central.network import LiveSession, Network
from central.operators import Operators
from central.outbox import Outbox
from central.rules.ocpp_commands import OPEN
from central.store import Store
from common.gateway_messages import CommandState
from common.messages import ManualCommandName, Outcome
from common.metrics import table
from common.metrics.histogram import COUNTS, Histogram
from common.metrics.metric import Sample
from common.protocol import ADMIN, CHARGING, DRIVER, DRIVER_REQUESTS, MONITOR, UP
from common.states import EndReason, SessionState, Status


class Commits:
    """How long transactions took, and how many callers shared each. The store's thread counts."""

    def __init__(self) -> None:
        self._seconds = Histogram()
        self._callers = Histogram(COUNTS)

    def __call__(self, seconds: float, callers: int) -> None:
        """A transaction was committed."""
        self._seconds.observe(seconds)
        self._callers.observe(callers)

    def samples(self) -> Iterator[Sample]:
        """All of them so far."""
        yield table.COMMIT_SECONDS(self._seconds)
        yield table.COMMIT_CALLERS(self._callers)


def network_samples(network: Network) -> Iterator[Sample]:
    """Charge points and open sessions, as they are now."""
    statuses = Counter(network.status(live) for live in list(network.points.values()))
    for status in Status:
        yield table.POINTS(statuses[status], status)
    live_sessions = list(network.sessions.values())
    states = Counter(live.session.state for live in live_sessions if not live.session.settled)
    for state in SessionState:
        if state is not SessionState.COMPLETED:
            yield table.SESSIONS(states[state], state)
    charging = (s for s in live_sessions if s.session.state is SessionState.CHARGING)
    yield table.POWER(sum(int(live.rate) for live in charging))
    yield table.UNSETTLED_SECONDS(_oldest_unsettled(network, live_sessions))


def _oldest_unsettled(network: Network, sessions: Iterable[LiveSession]) -> float:
    """Seconds since the first of those began to finish that still do; 0 without one."""
    # By the wall's clock, because it is stored: a restart must not make them young again.
    now = network.clock.wall()
    finishing = (s.session for s in sessions if s.session.state is SessionState.FINISHING)
    return max(
        (now - session.finishing_at for session in finishing if session.finishing_at), default=0.0
    )


def session_samples(counts: SessionCounts, currency: str) -> Iterator[Sample]:
    """What became of sessions; a 0 for each end that may come."""
    yield table.STARTED(counts.started)
    ended = counts.ended.copy()
    for state in OVER:
        for reason in (*EndReason, REFUSED):
            yield table.ENDED(ended[state, reason], state, reason)
    yield table.TICKETS(counts.tickets)
    yield table.ENERGY(counts.energy)
    cents = {currency: 0, **counts.cents}
    for code, amount in cents.items():
        yield table.REVENUE(amount, code)


def store_samples(store: Store) -> Iterator[Sample]:
    """Whether the database takes writes, and whose it is."""
    yield table.DATABASE_UP(float(store.trouble is None))
    yield table.EPOCH(store.epoch)
    yield table.LEADER(1.0)


def standby_samples(candidate: Candidate) -> Iterator[Sample]:
    """That another central leads."""
    yield table.EPOCH(candidate.leader.epoch if candidate.leader else 0)
    yield table.LEADER(0.0)


def identity_samples(identity: Identity) -> Iterator[Sample]:
    """Who was not let in."""
    for role in (MONITOR, DRIVER, ADMIN):
        yield table.FAILED_AUTH(identity.turned_away[role], role)


def operator_samples(operators: Operators) -> Iterator[Sample]:
    """What operators ordered."""
    commands = operators.ordered.copy()
    for command in ManualCommandName:
        for outcome in Outcome:
            yield table.COMMANDS(commands[command, outcome], command, outcome)


def command_samples(lines: Lines) -> Iterator[Sample]:
    """What OCPP charge points were told to do."""
    settled = lines.settled.copy()
    for state in CommandState:
        if state not in OPEN:
            yield table.OCPP_COMMANDS(settled[state], state)
    yield table.OCPP_COMMANDS_OPEN(lines.waiting)


def told_samples(board: Board, outbox: Outbox) -> Iterator[Sample]:
    """What waits to be told to drivers by Kafka, and what never was."""
    yield table.LIVE_DROPPED(board.dropped)
    yield table.OUTBOX(outbox.waiting)


def ocpp_samples(connections: Connections, samples: Samples, unsaved: Unsaved) -> Iterator[Sample]:
    """What is known of charge points behind gateways."""
    counts = connections.counts()
    yield table.OCPP_POINTS(sum(counts.values()))
    yield table.OCPP_GATEWAYS(len(counts))
    yield table.OCPP_SAMPLES(samples.taken)
    yield table.OCPP_UNSAVED(len(unsaved))


def dead_samples(dead: DeadLetters) -> Iterator[Sample]:
    """Records that could not be applied."""
    taken = dead.taken.copy()
    for topic in (CHARGING, DRIVER_REQUESTS, UP):
        yield table.DEAD(taken[topic.name], topic.name)
    yield table.DEAD_WAITING(dead.waiting)
    yield table.DEAD_LEFT(dead.left)


def credential_samples(credentials: Credentials) -> Iterator[Sample]:
    """How many may come in."""
    yield table.CREDENTIALS(credentials.count)


def missing(store: Store, lease: Lease) -> str:
    """What central lacks to serve, in a sentence; empty if nothing.

    Kafka is not among it: without it charges go on, and only live data pause.
    """
    if store.trouble is not None:
        return f"the database takes no writes: {store.trouble}"
    return "" if lease.leads else "its lease was not renewed in time"
