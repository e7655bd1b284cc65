"""What the links of a program count, together, by the role at their other end.

A link adds 1 to a dict for each message; with `--metrics` off it has nothing to add to.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TypeVar

from common.clock import Clock
from common.errors import LinkLost, Refused
from common.messages import Message, Request, Role
from common.metrics import table
from common.metrics.histogram import Histogram
from common.metrics.metric import Metric, Sample
from common.protocol import all_messages, sent, ways, wire_name

T = TypeVar("T")

Counts = dict[type[Message], int]
Timed = defaultdict[type[Message], Histogram]

NOBODY_YET = "unknown"
"""The role of a peer that has not said who it is."""


class Ending(StrEnum):
    """Why a link ended, in a word."""

    PEER = "peer"
    """The peer closed it."""
    US = "us"
    """We did, for a reason that is told to the peer or needs none."""
    LOST = "lost"
    """The connection broke."""
    SILENT = "silent"
    """Nothing came any more."""
    UNIDENTIFIED = "unidentified"
    """The peer did not say who it is in time."""
    SLOW_READER = "slow_reader"
    """The peer did not read what it was sent."""
    BAD_FRAMES = "bad_frames"
    """The peer does not speak this protocol."""


class Tally:
    """What links to peers of one role count.

    Attributes:
        received, sent: Messages by type. All types are there from the start.
        asked: Seconds until a request of ours was answered; those never answered are not in it.
        answered: Seconds until a request of theirs was answered that had to wait for something.
        refused_us: Refusals that we got, by reason.
        refused: Refusals that we gave, by reason.
        bad: Frames and messages that were not understood, by reason.
        unanswered: Requests of ours whose deadline passed, or whose link went.
        open: Links that are open.
        ended: Links that have ended, by why.
    """

    def __init__(self) -> None:
        self.received: Counts = dict.fromkeys(all_messages(), 0)
        self.sent: Counts = dict.fromkeys(all_messages(), 0)
        self.asked: Timed = defaultdict(Histogram)
        self.answered: Timed = defaultdict(Histogram)
        self.refused_us: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.bad: Counter[str] = Counter()
        self.unanswered: Counter[type[Message]] = Counter()
        self.open = 0
        self.ended: Counter[Ending] = Counter()

    # -- Links --

    def handed_to(self, tally: "Tally") -> "Tally":
        """An open link of ours counts there from now on."""
        self.open -= 1
        tally.open += 1
        return tally

    def end(self, ending: Ending) -> None:
        """A link of ours is gone."""
        self.open -= 1
        self.ended[ending] += 1

    # -- Requests --

    @contextmanager
    def asking(self, request: type[Message], clock: Clock) -> Iterator[None]:
        """Count what becomes of a request of ours that is asked inside the block."""
        began = clock.monotonic()
        try:
            yield
        except Refused as refused:
            self.refused_us[refused.reason] += 1
            self.asked[request].observe(clock.monotonic() - began)
            raise
        except (TimeoutError, LinkLost):
            self.unanswered[request] += 1
            raise
        self.asked[request].observe(clock.monotonic() - began)

    async def timing(self, message: Message, work: Awaitable[T], clock: Clock) -> T:
        """The outcome of a handler's work, which is timed if its message wants an answer."""
        began = clock.monotonic()
        try:
            return await work
        finally:
            if isinstance(message, Request):
                self.answered[type(message)].observe(clock.monotonic() - began)


class Traffic:
    """The tallies of one program, by the role of its peers."""

    def __init__(self, me: Role) -> None:
        self._me = me
        peers = {sender for sender, receiver, topic in ways() if receiver is me and topic is None}
        # There from the start, so that the first of everything is seen as a step up from 0.
        self._tallies: dict[Role | None, Tally] = {peer: Tally() for peer in sorted(peers)}

    def of(self, role: Role | None) -> Tally:
        """The tally for peers of this role; None for those that have not said who they are."""
        tally = self._tallies.get(role)
        if tally is None:
            tally = self._tallies[role] = Tally()
        return tally

    def samples(self) -> Iterator[Sample]:
        """All that was counted, and a 0 for what may come."""
        for role, tally in list(self._tallies.items()):
            yield from self._of_role(role, tally)

    def _of_role(self, role: Role | None, tally: Tally) -> Iterator[Sample]:
        peer = str(role or NOBODY_YET)
        yield table.LINKS(tally.open, peer)
        for ending in Ending:
            yield table.LINKS_ENDED(tally.ended[ending], peer, ending)
        yield from self._messages("received", role, self._me, tally.received, peer)
        yield from self._messages("sent", self._me, role, tally.sent, peer)
        yield from _by_reason(table.REFUSALS, tally.refused, peer, "given")
        yield from _by_reason(table.REFUSALS, tally.refused_us, peer, "got")
        yield from _by_reason(table.BAD_FRAMES, tally.bad, peer)
        yield from _by_type(table.REQUEST_SECONDS, tally.asked, peer, "asked")
        yield from _by_type(table.REQUEST_SECONDS, tally.answered, peer, "answered")
        for message, count in list(tally.unanswered.items()):
            yield table.UNANSWERED(count, wire_name(message), peer)

    def _messages(
        self, direction: str, sender: Role | None, receiver: Role | None, counts: Counts, peer: str
    ) -> Iterator[Sample]:
        usual = sent(sender, receiver, None) if sender and receiver else frozenset()
        for message, count in list(counts.items()):
            if count or message in usual:
                yield table.MESSAGES(count, wire_name(message), direction, peer)


def _by_reason(metric: Metric, counts: Counter[str], *labels: str) -> Iterator[Sample]:
    for reason, count in list(counts.items()):
        yield metric(count, str(reason), *labels)


def _by_type(metric: Metric, timed: Timed, peer: str, side: str) -> Iterator[Sample]:
    for message, histogram in list(timed.items()):
        yield metric(histogram, wire_name(message), peer, side)
