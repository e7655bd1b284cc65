"""Central's commands to charge points: checked, sent one at a time, answered.

Central keeps its commands, and sends one again until it has heard what became of it. Here one is
sent once for each connection: while it waits or is open a repeat is ignored, and once the charge
point has answered the repeat gets the same answer.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from common.clock import Clock
from common.errors import Reason
from common.logs import handled
from common.messages import CommandOutcome, CommandResponse, Message, Outcome
from common.units import Payload as Json
from gateway.calls import OwnCalls, TooManyCalls, Unanswered
from gateway.counts import Counts
from gateway.link import Link
from gateway.ocppj import MAX_ID, Call, CallError, CallErrorCode, CallFailed, CallResult
from gateway.uplink import Uplink

log = structlog.get_logger()

ANSWER_WITHIN = 30.0
"""Seconds that a charge point has to answer, those included in which others went before."""

SWEEP_EVERY = 0.25
"""Seconds between two looks for calls whose time is up."""

MAX_REMEMBERED = 2_000
"""Answers that are kept for repeats; the oldest are forgotten first."""

REASONS = {
    CommandOutcome.ACCEPTED: None,
    CommandOutcome.REJECTED: Reason.ENGINE_REFUSED,
    CommandOutcome.FAILED: Reason.ENGINE_REFUSED,
    CommandOutcome.TIMED_OUT: Reason.TIMED_OUT,
    CommandOutcome.UNKNOWN: Reason.TIMED_OUT,
    CommandOutcome.NOT_SENT: Reason.CHARGE_POINT_OFFLINE,
}
"""Why a command was not done, in the network's words."""


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """A command that waits for the charge point's answer."""

    command: Message
    action: str
    link: Link
    began: float


class Commands:
    """The commands that are under way on this node's links."""

    def __init__(self, uplink: Uplink, clock: Clock, counts: Counts) -> None:
        self._uplink = uplink
        self._clock = clock
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._ordered: dict[str, Ordered] = {}
        self._busy: dict[Link, OwnCalls] = {}
        self._answers: OrderedDict[str, CommandResponse] = OrderedDict()

    # -- From central --

    def order(self, link: Link, command: Message) -> None:
        """Send this command; what becomes of it is published."""
        token = handled.set(command)
        try:
            self._order(link, command)
        finally:
            handled.reset(token)

    def _order(self, link: Link, command: Message) -> None:
        known = self._answers.get(command.message_id)
        if known is not None:
            self._uplink.respond(known, link.cp_id, link.headers)
            return
        if command.message_id in self._ordered:
            return
        try:
            action, payload = link.version.downward[type(command)].call(command)
            link.version.check(action, payload)
        except CallFailed as failed:
            self._refuse(link, command, failed.description)
            return
        if len(command.message_id) > MAX_ID:
            self._refuse(link, command, f"message_id: {MAX_ID} characters at most")
            return
        self._begin(link, command, Call(command.message_id, action, link.version.encode(payload)))

    def _begin(self, link: Link, command: Message, call: Call) -> None:
        within = ANSWER_WITHIN
        expires_at = getattr(command, "expires_at", None)
        if expires_at is not None:
            within = min(within, expires_at - self._clock.wall())
        if within <= 0:
            self._respond(link, command, CommandOutcome.NOT_SENT, message="it came too late")
            return
        calls = link.own_calls
        if calls is None:
            calls = link.own_calls = OwnCalls()
        now = self._loop.time()
        try:
            ready = calls.add(call, now + within)
        except TooManyCalls:
            text = "too many commands wait for this charge point"
            self._respond(link, command, CommandOutcome.NOT_SENT, message=text)
            return
        self._ordered[call.id] = Ordered(command, call.action, link, now)
        self._busy[link] = calls
        if ready is not None:
            self._send(link, ready)

    def _send(self, link: Link, call: Call) -> None:
        log.debug("command sent", cp_id=link.cp_id, action=call.action, message_id=call.id)
        link.send(call)

    # -- From the charge point --

    def answered(self, link: Link, answer: CallResult | CallError) -> None:
        """A charge point has answered a call of ours, or one that nobody made."""
        calls = link.own_calls
        call = calls.settle(answer) if calls is not None else None
        if calls is None or call is None:
            self._counts.strays += 1
            return
        ordered = self._ordered.pop(call.id)
        seconds = self._loop.time() - ordered.began
        self._counts.command_seconds[call.action].observe(seconds)
        became = self._read(ordered, answer)
        self._remember(became)
        self._say(link, became)
        self._next(link, calls)

    def is_bad(self, link: Link, message_id: str | None) -> None:
        """A charge point has answered with what is no answer."""
        calls = link.own_calls
        if message_id is None or calls is None or calls.open is None:
            return
        if calls.open.id == message_id:
            text = "its answer is no frame of OCPP-J"
            failed = CallFailed(CallErrorCode.FORMATION_VIOLATION, text)
            self.answered(link, failed.answer(message_id))

    def _read(self, ordered: Ordered, answer: CallResult | CallError) -> CommandResponse:
        command, version = ordered.command, ordered.link.version
        if isinstance(answer, CallError):
            return response(
                command,
                CommandOutcome.FAILED,
                error_code=answer.code.value,
                message=answer.description,
            )
        try:
            if ordered.link.lenient:
                _, faults = version.decode_response_leniently(ordered.action, answer.payload)
                self._counts.faults.update(faults)
            else:
                version.decode_response(ordered.action, answer.payload)
        except CallFailed as failed:
            return response(
                command,
                CommandOutcome.FAILED,
                error_code=failed.code.value,
                message=f"its answer is none to {ordered.action}: {failed.description}",
            )
        payload = Json(msgspec.json.decode(answer.payload))
        return response(command, version.outcome_of(payload), payload=payload)

    def gone(self, link: Link) -> None:
        """A link has ended: what was sent by it may have been done, what waited was not."""
        calls = self._busy.pop(link, None)
        if calls is not None:
            self._give_up(link, calls.close(), CommandOutcome.UNKNOWN)

    # -- What time decides --

    async def run(self) -> None:
        """Give up what is not answered in time, for ever."""
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            self.sweep(self._loop.time())

    def sweep(self, now: float) -> None:
        """Give up what is not answered by now."""
        for link, calls in list(self._busy.items()):
            given_up = calls.expire(now)
            if given_up:
                self._give_up(link, given_up, CommandOutcome.TIMED_OUT)
                self._next(link, calls)

    def _give_up(self, link: Link, calls: list[Unanswered], sent: CommandOutcome) -> None:
        for each in calls:
            ordered = self._ordered.pop(each.call.id)
            outcome = sent if each.sent else CommandOutcome.NOT_SENT
            self._respond(link, ordered.command, outcome)

    def _next(self, link: Link, calls: OwnCalls) -> None:
        call = calls.next()
        if call is not None:
            self._send(link, call)
        elif not len(calls):
            self._busy.pop(link, None)

    # -- To central --

    def _refuse(self, link: Link, command: Message, text: str) -> None:
        outcome, error = CommandOutcome.FAILED, Reason.INVALID_MESSAGE
        self._say(link, response(command, outcome, error=error, message=text))

    def _respond(
        self, link: Link, command: Message, outcome: CommandOutcome, message: str = ""
    ) -> None:
        self._say(link, response(command, outcome, message=message))

    def _say(self, link: Link, answer: CommandResponse) -> None:
        self._counts.commands[str(answer.outcome)] += 1
        self._uplink.respond(answer, link.cp_id, link.headers)

    def _remember(self, answer: CommandResponse) -> None:
        self._answers[answer.message_id] = answer
        if len(self._answers) > MAX_REMEMBERED:
            self._answers.popitem(last=False)


def response(
    command: Message, outcome: CommandOutcome, *, message: str = "", **more: Any
) -> CommandResponse:
    """What became of a command."""
    more.setdefault("error", REASONS[outcome])
    return CommandResponse(
        message_id=command.message_id,
        trace_id=command.trace_id or command.message_id,
        status=Outcome.SUCCESS if outcome is CommandOutcome.ACCEPTED else Outcome.FAILURE,
        outcome=outcome,
        message=message.replace("\0", "")[:1000],
        session_id=getattr(command, "session_id", None),
        **more,
    )
