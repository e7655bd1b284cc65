"""What can go wrong, and whose fault it is.

::

    ChargingError
    ├── Refused           a rule said no, here or at the peer: carries a `Reason`
    ├── BadMessage        the peer's fault: bytes that are no message it may send now
    ├── NoAnswer          a request's deadline passed
    ├── LinkLost          the link went while, or before, something was asked over it
    │   └── NotSent       before: it was surely not sent
    ├── FrameTooLong      our fault: a message that does not fit a frame
    ├── StoreUnavailable  the database does not take writes now; nothing was changed
    └── CannotStart       a start-up error: one sentence for the person who started us

Exceptions carry data; their sentences are built in `__str__`.
"""

from enum import StrEnum

from msgspec import Struct


class Reason(StrEnum):
    """Why something was refused, and whether asking again can help."""

    UNKNOWN_CHARGE_POINT = "unknown_charge_point"
    """No such charge point or connector. Asking again does not help."""
    CHARGE_POINT_BUSY = "charge_point_busy"
    """Every connector asked for is held by a session. Try later."""
    CHARGE_POINT_OFFLINE = "charge_point_offline"
    """Its monitor is not connected. Try later."""
    CHARGE_POINT_FAULTED = "charge_point_faulted"
    """It has a fault. Try later."""
    CHARGE_POINT_STOPPED = "charge_point_stopped"
    """An operator stopped it. Try later."""
    UNKNOWN_SESSION = "unknown_session"
    """No such session. Asking again does not help."""
    NOT_YOUR_SESSION = "not_your_session"
    """The session is another driver's. Asking again does not help."""
    DRIVER_BUSY = "driver_busy"
    """The driver already has a session. Try later."""
    NOT_AUTHENTICATED = "not_authenticated"
    """Who you are is not proved. Asking again does not help."""
    NOT_ALLOWED = "not_allowed"
    """You may not do this. Asking again does not help."""
    INVALID_MESSAGE = "invalid_message"
    """A field is missing or wrong, or an id was used for something else. Mend it."""
    UNSUPPORTED_MESSAGE = "unsupported_message"
    """No message of this protocol, or not one that you may send now. Mend it."""
    BAD_FRAME = "bad_frame"
    """Bytes that are no frame, or a frame that holds no JSON. Mend it."""
    TOO_LARGE = "too_large"
    """A frame over the limit; the link is closed. Mend it."""
    ENGINE_REFUSED = "engine_refused"
    """The charge point said no. Ask again as a new request."""
    TIMED_OUT = "timed_out"
    """No answer came; whatever was begun is being cancelled. Ask again as a new request."""
    REPLACED = "replaced"
    """Another link took this id's place; wait 10 s at least before dialling again."""
    STANDBY = "standby"
    """Another central leads; the answer names it. Ask there."""
    OVERLOADED = "overloaded"
    """A limit was reached and nothing was done. Ask again after a pause."""
    INTERNAL = "internal"
    """Our fault; the log has it. Ask again."""


NOT_ANSWERS = frozenset(
    {
        Reason.BAD_FRAME,
        Reason.TOO_LARGE,
        Reason.INVALID_MESSAGE,
        Reason.UNSUPPORTED_MESSAGE,
        Reason.NOT_AUTHENTICATED,
        Reason.STANDBY,
        Reason.OVERLOADED,
        Reason.INTERNAL,
        Reason.REPLACED,
    }
)
"""Reasons that travel as `error_response`; every other one as the request's own answer."""

PASSING = frozenset({Reason.OVERLOADED, Reason.INTERNAL, Reason.STANDBY})
"""Refusals that decide nothing: they are not remembered, and the same request may be repeated."""


class ChargingError(Exception):
    """Anything this system raises on purpose."""


class Refused(ChargingError):
    """A rule said no.

    A handler raises it, and the peer's `ask` raises it again with the same reason.

    Attributes:
        reason: Why.
        text: A sentence for people.
        answer: The peer's answer, a `Response`, where it was the peer that refused with its own.
        leader: With `standby`: who leads, `HOST:PORT`, where that is known.
    """

    def __init__(
        self,
        reason: Reason,
        text: str = "",
        answer: Struct | None = None,
        leader: str | None = None,
    ) -> None:
        super().__init__(reason, text)
        self.reason = reason
        self.text = text
        self.answer = answer
        self.leader = leader

    def __str__(self) -> str:
        return f"{self.reason}: {self.text}" if self.text else str(self.reason)


class BadMessage(ChargingError):
    """Bytes from the peer that are no message which it may send now.

    Attributes:
        reason: `bad_frame`, `too_large`, `invalid_message` or `unsupported_message`.
        text: The field and the rule, where there is one.
        message_id: The offender's, where it could be read.
    """

    def __init__(self, reason: Reason, text: str, message_id: str | None = None) -> None:
        super().__init__(reason, text, message_id)
        self.reason = reason
        self.text = text
        self.message_id = message_id

    def __str__(self) -> str:
        return f"{self.reason}: {self.text}"


class NoAnswer(ChargingError):
    """A request's deadline passed without an answer."""

    def __init__(self, request: str, seconds: float) -> None:
        super().__init__(request, seconds)
        self.request = request
        self.seconds = seconds

    def __str__(self) -> str:
        return f"no answer to {self.request} within {self.seconds:g} s"


class LinkLost(ChargingError):
    """The link to a peer is gone, and with it the answers that were awaited over it."""

    def __init__(self, peer: str, why: str = "") -> None:
        super().__init__(peer, why)
        self.peer = peer
        self.why = why

    def __str__(self) -> str:
        return f"link to {self.peer} is lost" + (f": {self.why}" if self.why else "")


class NotSent(LinkLost):
    """The link to a peer is gone, and what was asked was surely not sent over it."""

    def __str__(self) -> str:
        return f"not sent to {self.peer}" + (f": {self.why}" if self.why else "")


class FrameTooLong(ChargingError):
    """A message of ours that does not fit a frame: what grows must be paged."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(size, limit)
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        return f"a frame of {self.size} bytes; {self.limit} at most"


class StoreUnavailable(ChargingError):
    """The database does not take writes now; nothing was changed, and it may be tried again."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"the database does not answer: {self.why}"


class CannotStart(ChargingError):
    """A start-up error, said in one sentence; the program exits with 1."""
