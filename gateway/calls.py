"""One connection's CALLs, one open at a time in each direction (OCPP-J 4.1.1). No I/O, no clock.

`PeerCalls` are the charge point's. One that comes while another is unanswered breaks the rule, but
a charge point must not lose what it has to report: it is counted, waits, and is handled and
answered in its turn. So the effects and the answers are in the order in which the calls came. A
repeated id is no special case: it is handled and answered again. An error, which 4.2.3 has for it,
would be taken for the answer to the first.

`OwnCalls` are ours. They are written in order, each once the one before is settled or given up. An
answer that fits no open call is dropped and counted: it came too late, or its call was never made.
"""

from collections import deque
from dataclasses import dataclass

from gateway.ocppj import Call, CallError, CallResult

MAX_WAITING_PEER_CALLS = 100
"""Of one charge point; with as many its socket is not to be read until some are answered."""

MAX_WAITING_OWN_CALLS = 100
"""For one charge point; a further one is refused to whoever wants it sent."""


class PeerCalls:
    """The charge point's calls that are not answered yet.

    Attributes:
        open: The one that is being handled.
        early: How many came while another was open.
    """

    __slots__ = ("_waiting", "early", "open")

    def __init__(self) -> None:
        self.open: Call | None = None
        self.early = 0
        self._waiting: deque[Call] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + (self.open is not None)

    @property
    def full(self) -> bool:
        """Stop reading: what was read by then is still taken, and is a socket's buffer at most."""
        return len(self._waiting) >= MAX_WAITING_PEER_CALLS

    def receive(self, call: Call) -> bool:
        """Take a call; True if it is open now and to be handled, False if it waits its turn."""
        if self.open is None:
            self.open = call
            return True
        self.early += 1
        self._waiting.append(call)
        return False

    def answered(self, call: Call) -> Call | None:
        """Its answer is written. The next one, open now and to be handled, if there is one.

        Raises:
            ValueError: It is not the open one: it has been answered before.
        """
        if call is not self.open:
            raise ValueError(f"call {call.id} is not open")
        self.open = self._waiting.popleft() if self._waiting else None
        return self.open


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A call of ours that was given up."""

    call: Call
    sent: bool
    """It was written, and may have been done."""


class TooManyCalls(Exception):
    """As many calls wait for this charge point as may."""


class OwnCalls:
    """Our calls to the charge point that are not answered yet.

    Deadlines are seconds of the caller's clock, and count also while a call waits.

    Attributes:
        open: The one that is written and awaits its answer.
        strays: Answers that fitted no open call.
    """

    __slots__ = ("_deadlines", "_waiting", "open", "strays")

    def __init__(self) -> None:
        self.open: Call | None = None
        self.strays = 0
        self._waiting: deque[Call] = deque()
        self._deadlines: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, message_id: str) -> bool:
        """A call with this id is open or waits."""
        return message_id in self._deadlines

    @property
    def deadline(self) -> float | None:
        """When `expire` is next to be called; None while there is no call."""
        return min(self._deadlines.values(), default=None)

    def add(self, call: Call, deadline: float) -> Call | None:
        """Take a call; it is returned if it is open now and to be written, else it waits.

        Raises:
            ValueError: A call with its id is open or waits.
            TooManyCalls: Enough wait.
        """
        if call.id in self._deadlines:
            raise ValueError(f"call {call.id} is not answered yet")
        if len(self._waiting) >= MAX_WAITING_OWN_CALLS:
            raise TooManyCalls
        self._deadlines[call.id] = deadline
        self._waiting.append(call)
        return self.next()

    def next(self) -> Call | None:
        """Open the call whose turn it is and return it, to be written; None if none may be."""
        if self.open is not None or not self._waiting:
            return None
        self.open = self._waiting.popleft()
        return self.open

    def settle(self, answer: CallResult | CallError) -> Call | None:
        """The call of ours that this answers; None if there is none. `next` may be had then."""
        call = self.open
        if call is None or call.id != answer.id:
            self.strays += 1
            return None
        self._forget(call)
        return call

    def expire(self, now: float) -> list[Unanswered]:
        """Give up the calls whose deadline has come, in their order. `next` may be had then."""
        return [self._give_up(c) for c in self._all() if self._deadlines[c.id] <= now]

    def close(self) -> list[Unanswered]:
        """Give up all, in their order: the connection is gone."""
        return [self._give_up(call) for call in self._all()]

    def _all(self) -> list[Call]:
        return ([self.open] if self.open else []) + list(self._waiting)

    def _give_up(self, call: Call) -> Unanswered:
        sent = call is self.open
        if not sent:
            self._waiting.remove(call)
        self._forget(call)
        return Unanswered(call, sent)

    def _forget(self, call: Call) -> None:
        del self._deadlines[call.id]
        if call is self.open:
            self.open = None
