"""Charge points' calls to Kafka, and their answers back.

Theory of operation. A link hands over one call at a time. It is decoded, becomes messages, and is
answered by its policy: at once; when Kafka has acknowledged the last message (`_stored`); or when
central's answer has come (`settle`), at the latest after 10 s with an error, whereupon the charge
point asks again. Records of a charge point go to one partition, in the order of its calls, and so
do the `link_up` and `link_down` that enclose them.

Back-pressure. When too many calls are unanswered, or too many records wait for Kafka, a call is put
aside and its socket not read; both go on when there is room again. So nothing is dropped, and who
only says that it is alive is still answered.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

import structlog
from msgspec import Raw

from common.clock import Clock
from common.codec import encode
from common.connection import HEADER, Connection
from common.errors import Refused
from common.gateway_messages import LinkDown, LinkUp, NodeAlive
from common.logs import Wiretap
from common.messages import CommandResponse, ErrorResponse, Message, Response
from common.protocol import UP
from common.stream import Headers, Publisher
from gateway.counts import Counts
from gateway.ending import Ending
from gateway.link import Hold, Link
from gateway.ocppj import Call, CallErrorCode, CallFailed, CallResult
from gateway.version import Origin, Policy, Upward
from gateway.waiting import Waiting

log = structlog.get_logger()

SWEEP_EVERY = 0.25
"""Seconds between two looks for calls that central has not answered, and for room."""

EMPTY = Raw(b"{}")
"""The answer to what needs no more than to be kept."""

CENTRAL_BY = f"CENTRAL by {UP}"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be under way before sockets are not read.

    Attributes:
        unanswered: Calls of charge points.
        queued: Records that Kafka has not acknowledged. Half as many is when reading begins again.
    """

    unanswered: int = 20_000
    queued: int = 50_000


class Uplink:
    """What goes from this node's links to central.

    Attributes:
        unanswered: Calls of charge points that wait for their answer.
    """

    def __init__(
        self,
        publisher: Publisher,
        node: str,
        clock: Clock,
        counts: Counts,
        limits: Limits | None = None,
    ) -> None:
        self.unanswered = 0
        self._publisher = publisher
        self._node = node
        self._wall = clock.wall
        self._counts = counts
        self._limits = limits or Limits()
        self._tap = Wiretap()
        self._loop = asyncio.get_running_loop()
        # A later run of the same node uses no id of an earlier one.
        self._prefix = f"{node}-{int(clock.wall()):x}-"
        self._number = 0
        self._waiting: dict[str, Waiting] = {}  # in the order of their deadlines
        self._aside: deque[tuple[Link, Call]] = deque()

    @property
    def aside(self) -> int:
        """Calls that were put aside until there is room."""
        return len(self._aside)

    # -- Connections --

    def link_up(self, link: Link) -> None:
        """A link is open: all that it says comes after this."""
        up = LinkUp(
            message_id=self._new_id(),
            timestamp=int(self._wall()),
            cp_id=link.cp_id,
            node=link.connection.node,
            partition=link.connection.partition,
            epoch=link.connection.epoch,
            ocpp_version=link.version.name,
            security_profile=link.security_profile,
        )
        self._say(up, link.cp_id, link.headers)

    def link_down(self, link: Link, ending: Ending) -> None:
        """A link has ended: nothing that it says comes after this."""
        down = LinkDown(
            message_id=self._new_id(),
            timestamp=int(self._wall()),
            cp_id=link.cp_id,
            node=link.connection.node,
            epoch=link.connection.epoch,
            message=ending,
        )
        self._say(down, link.cp_id, link.headers)

    def alive(self, partition: int, connections: int) -> None:
        """Say that this node runs."""
        if self.has_room:
            alive = NodeAlive(
                message_id=self._new_id(),
                timestamp=int(self._wall()),
                node=self._node,
                partition=partition,
                connections=connections,
            )
            header = Connection(self._node, partition, 0).header()
            self._say(alive, self._node, [(HEADER, header)])

    def respond(self, response: CommandResponse, cp_id: str, headers: Headers) -> None:
        """Say what became of a command.

        Args:
            headers: Those of the connection that the command was for.
        """
        self._say(response, cp_id, headers)

    def _say(self, message: Message, key: str, headers: Headers) -> None:
        self._tap.seen("sent", message, CENTRAL_BY)
        try:
            self._publisher.publish(UP, key, encode(message), headers)
        except Refused as refused:
            # Calls leave so much room that this does not come about. If it does, central learns
            # of a connection by what it says, and that it is gone by what is not answered.
            log.error("not told to central", key=key, message=repr(message)[:200], why=str(refused))

    # -- Calls --

    @property
    def has_room(self) -> bool:
        """Whether more may come."""
        limits = self._limits
        return self.unanswered < limits.unanswered and self._publisher.queued < limits.queued

    def called(self, link: Link, call: Call) -> None:
        """A charge point's call is open; it is answered exactly once, unless its link ends."""
        if not self.has_room:
            link.hold(Hold.NODE)
            self._aside.append((link, call))
            return
        row = link.version.upward.get(call.action)
        waiting = Waiting(self, link, call, row, self._loop.time())
        try:
            if row is None:
                self._counts.calls["unknown"] += 1
                link.version.decode_request(call.action, call.payload)
                raise AssertionError(f"{call.action} has a payload and no row")
            self._counts.calls[call.action] += 1
            messages = self._translated(link, call, row)
        except CallFailed as failed:
            self._fail(link, call, failed)
        except Exception as error:
            log.error("a call failed", cp_id=link.cp_id, action=call.action, exc_info=error)
            self._fail(link, call, CallFailed(CallErrorCode.INTERNAL_ERROR))
        else:
            self.unanswered += 1
            self._send(waiting, row, messages)

    def _translated(self, link: Link, call: Call, row: Upward) -> tuple[Message, ...]:
        version = link.version
        if link.lenient:
            payload, faults = version.decode_request_leniently(call.action, call.payload)
            self._counts.faults.update(faults)
        else:
            payload = version.decode_request(call.action, call.payload)
        if link.faulted is None:
            link.faulted = set()
        origin = Origin(link.cp_id, link.faulted, self._new_id(), int(self._wall()))
        return row.messages(payload, origin)

    def _send(self, waiting: Waiting, row: Upward, messages: tuple[Message, ...]) -> None:
        if row.policy is Policy.AT_ONCE:
            self._answer(waiting, None)
            return
        link, last = waiting.link, messages[-1]
        for message in messages[:-1]:
            self._publish(message, link)
        if row.policy is Policy.FROM_CENTRAL:
            self._waiting[last.message_id] = waiting
            self._publish(last, link)
        else:
            if self._tap.on:
                self._tap.seen("sent", last, CENTRAL_BY)
            self._publisher.post(UP, link.cp_id, encode(last), link.headers, waiting)

    # -- Answers --

    def settle(self, answer: Response | ErrorResponse, connection: Connection) -> None:
        """Central has answered; one that nobody waits for any more is counted and dropped.

        Args:
            connection: The one that the answer is for.
        """
        waiting = self._waiting.get(answer.message_id)
        if waiting is None or waiting.link.connection.epoch != connection.epoch:
            self._counts.late += 1
            return
        del self._waiting[answer.message_id]
        if waiting.link.ending is not None:
            self._counts.late += 1
        self._answer(waiting, answer)

    def stored(self, waiting: Waiting) -> None:
        """Kafka has the message of a call that waits for just that."""
        call = waiting.call
        try:
            waiting.link.answer(call, CallResult(call.id, EMPTY))
        except Exception as error:  # the publisher has others to tell
            log.error("an answer failed", cp_id=waiting.link.cp_id, exc_info=error)
        self._done(waiting)

    def _answer(self, waiting: Waiting, answer: Response | ErrorResponse | None) -> None:
        link, call = waiting.link, waiting.call
        assert waiting.row is not None
        try:
            if isinstance(answer, ErrorResponse):
                raise link.version.refused(answer.error, answer.message)
            payload = waiting.row.answer(answer, int(self._wall() * 1000))
            result = link.version.encode(payload)
        except CallFailed as failed:
            self._fail(link, call, failed)
        except Exception as error:
            log.error("an answer failed", cp_id=link.cp_id, action=call.action, exc_info=error)
            self._fail(link, call, CallFailed(CallErrorCode.INTERNAL_ERROR))
        else:
            link.answer(call, CallResult(call.id, result))
        self._done(waiting)

    def _done(self, waiting: Waiting) -> None:
        self.unanswered -= 1
        seconds = self._loop.time() - waiting.began
        self._counts.seconds[waiting.call.action].observe(seconds)
        if self._aside:
            self._take_up()

    def _fail(self, link: Link, call: Call, failed: CallFailed) -> None:
        self._counts.errors[failed.code] += 1
        log.info("call refused", cp_id=link.cp_id, action=call.action[:50], why=str(failed))
        link.answer(call, failed.answer(call.id))

    # -- What time decides --

    async def run(self) -> None:
        """Give up what central does not answer, and take up what was put aside, for ever."""
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            self._give_up(self._loop.time())
            self._take_up()

    def _give_up(self, now: float) -> None:
        while self._waiting:
            message_id, waiting = next(iter(self._waiting.items()))
            if waiting.until > now:
                return
            del self._waiting[message_id]
            if waiting.link.ending is None:
                text = "central does not answer now; try again"
                failed = CallFailed(CallErrorCode.INTERNAL_ERROR, text)
                self._fail(waiting.link, waiting.call, failed)
            self._done(waiting)

    def _take_up(self) -> None:
        """Handle what was put aside, once there is half of all room."""
        limits = self._limits
        if (
            self.unanswered * 2 > limits.unanswered
            or self._publisher.queued * 2 > limits.queued
            or not self._aside
        ):
            return
        while self._aside and self.has_room:
            link, call = self._aside.popleft()
            if link.ending is None:
                link.release(Hold.NODE)
                self.called(link, call)

    def _publish(self, message: Message, link: Link) -> "asyncio.Future[None]":
        self._tap.seen("sent", message, CENTRAL_BY)
        return self._publisher.publish(UP, link.cp_id, encode(message), link.headers)

    def _new_id(self) -> str:
        self._number += 1
        return f"{self._prefix}{self._number}"
