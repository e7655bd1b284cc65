"""One side of a link without its socket: bytes in, messages out; requests out, answers matched.

`Exchange` owns the frames, the decoder of what the peer may say now, the count of faults and the
requests that wait for an answer. It has no I/O and no timers; `link.Link` moves its bytes.
"""

from collections.abc import Iterator
from typing import Protocol

from msgspec.structs import replace

from common.clock import Clock, new_id
from common.codec import Decoder, encode, read_message_id
from common.errors import BadMessage, Reason, Refused
from common.framing import Fault, FrameDecoder, frame
from common.messages import ErrorResponse, Message, Outcome, Response
from common.protocol import answer_of

MAX_FAULTS = 5
"""Faults in a row, without a good frame between them, that end a link: who sends that many does
not speak this protocol."""


class Waiter(Protocol):
    """Who waits for an answer; a future."""

    def done(self) -> bool: ...

    def set_result(self, answer: Response, /) -> None: ...

    def set_exception(self, error: BaseException, /) -> None: ...


def stamped(message: Message, clock: Clock, answering: Message | None = None) -> Message:
    """The message with its envelope: what it lacks of id, time and trace is filled in.

    Args:
        answering: The message that this one answers: its id and trace are carried on.
    """
    message_id, trace_id = message.message_id, message.trace_id
    if answering is not None:
        message_id = answering.message_id
        trace_id = trace_id or answering.trace_id or answering.message_id
    return replace(
        message,
        message_id=message_id or new_id(),
        trace_id=trace_id,
        timestamp=message.timestamp or int(clock.wall()),
    )


class Exchange:
    """The protocol's side of a link.

    Attributes:
        decoder: Takes what the peer may say now; replaced when the peer has said who it is.
        faults: Bad frames so far.
        ended: The peer broke the rules for good; close once the last answer is written.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.faults = 0
        self.ended = False
        self._frames = FrameDecoder()
        self._faults_in_a_row = 0
        self._waiting: dict[str, tuple[type[Response] | None, Waiter]] = {}

    # -- Receiving --

    @property
    def unfinished(self) -> int:
        """Which frame, counted from 1, has begun and not ended; 0 if none has."""
        return self._frames.unfinished

    def receive(self, data: bytes) -> Iterator[Message | BadMessage]:
        """Yield what these bytes complete, in order; a `BadMessage` is to be answered.

        The decoder may be replaced between two items. After `ended` nothing more comes.
        """
        if self.ended:
            return
        for item in self._frames.feed(data):
            try:
                if isinstance(item, Fault):
                    raise BadMessage(item.reason, item.text, read_message_id(item.data))
                message = self.decoder.decode(item)
            except BadMessage as bad:
                self._count(bad)
                yield bad
                if self.ended:
                    return
            else:
                self._faults_in_a_row = 0
                yield message

    def _count(self, bad: BadMessage) -> None:
        if bad.reason is Reason.TOO_LARGE:
            self.faults += 1
            self.ended = True
        elif bad.reason is Reason.BAD_FRAME:
            self.faults += 1
            self._faults_in_a_row += 1
            self.ended = self._faults_in_a_row >= MAX_FAULTS
        else:
            self._faults_in_a_row = 0  # the frame was good, only its message was not

    # -- Sending --

    def expect(self, request: Message, waiter: Waiter) -> None:
        """Let `waiter` have the answer to this request.

        Raises:
            ValueError: Another request with this `message_id` waits already.
        """
        if request.message_id in self._waiting:
            raise ValueError(f"request {request.message_id} waits already")
        self._waiting[request.message_id] = (answer_of(type(request)), waiter)

    def forget(self, message_id: str) -> None:
        """Nobody waits for this answer any more."""
        self._waiting.pop(message_id, None)

    def settle(self, message: Message) -> bool:
        """Give an answer to whoever waits for it; False if nobody does.

        A failure, and an `error_response`, raise `Refused` where the answer is awaited.
        """
        waiting = self._waiting.get(message.message_id)
        if waiting is None or not isinstance(message, Response | ErrorResponse):
            return False
        answer, waiter = waiting
        if isinstance(message, Response) and type(message) is not answer:
            return False
        self.forget(message.message_id)
        if waiter.done():
            return False
        if isinstance(message, ErrorResponse):
            waiter.set_exception(Refused(message.error, message.message, leader=message.leader))
        elif message.status is Outcome.FAILURE:
            reason = message.error or Reason.INTERNAL
            waiter.set_exception(Refused(reason, message.message, message))
        else:
            waiter.set_result(message)
        return True

    def fail(self, error: Exception) -> None:
        """The link is gone: everybody who waits gets `error`."""
        waiting, self._waiting = self._waiting, {}
        for _, waiter in waiting.values():
            if not waiter.done():
                waiter.set_exception(error)


def to_frame(message: Message) -> bytes:
    """The frame of a stamped message.

    Raises:
        FrameTooLong: It does not fit: our fault.
    """
    return frame(encode(message))
