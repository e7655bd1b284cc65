"""From a decoded message to the method that handles it.

`@handler` marks a method; the annotation of its first parameter says which message it takes, and
its return annotation what it answers. A `Dispatcher` is proved complete against the protocol table
when it is built, so a program that cannot handle everything it may receive does not start.

What a peer may send at all is decided before, by the decoder of its role and transport.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import (
    Any,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import structlog

from common.connection import Connection
from common.errors import NOT_ANSWERS, ChargingError, Reason, Refused, StoreUnavailable
from common.logs import handled
from common.messages import Answer, ErrorResponse, Message, Outcome, Request, Response, Role
from common.metrics.traffic import Traffic
from common.protocol import answer_of, received

log = structlog.get_logger()


class PeerLink(Protocol):
    """What a handler may do with the TCP link that a message came by."""

    patience: float | None
    address: str | None

    async def ask(self, request: Request[Answer], *, within: float | None = None) -> Answer: ...

    def tell(self, message: Message) -> None: ...

    def close(self, why: ErrorResponse | None = None) -> None: ...


@dataclass(slots=True)
class Peer:
    """Who a message came from, as far as it is proved.

    Attributes:
        role: Its role; None until it has said so.
        id: Its id; None until it has identified itself.
        transport: `tcp`, or the name of the topic.
        link: The TCP link; None for a record.
        proved: It is this id's: its credential, or the record's proof, was right. Then it speaks
            for no other.
        connection: Of a charge point behind a gateway: the connection that the message came by.
    """

    role: Role | None
    id: str | None = None
    transport: str = "tcp"
    link: PeerLink | None = None
    proved: bool = False
    connection: Connection | None = None

    def __str__(self) -> str:
        return f"{self.role or 'unknown'} {self.id or '?'} by {self.transport}"


T = TypeVar("T")

SoonOrLater: TypeAlias = T | Coroutine[Any, Any, T]
"""What a plain handler returns that mostly answers at once, and now and then has to wait."""

Handled = Message | None
Handler = Callable[[Any, Peer], Handled | Coroutine[Any, Any, Handled]]
F = TypeVar("F", bound=Callable[..., Any])


class HandlerMismatch(TypeError):
    """A program's handlers and the protocol table disagree; `problems` lists every way in which."""

    def __init__(self, role: Role, problems: list[str]) -> None:
        super().__init__(role, problems)
        self.role = role
        self.problems = problems

    def __str__(self) -> str:
        return f"{self.role} cannot start: " + "; ".join(self.problems)


def handler(method: F) -> F:
    """Mark `def method(self, message: X, peer: Peer) -> Y` as the handler of `X`.

    A handler that waits for something is an `async def`; any other is a plain `def` and is done
    before the next message of its link is looked at. It may raise `Refused`. A union takes several
    messages: `def late(self, answer: X | Y, peer: Peer) -> None`.
    """
    method.__is_handler__ = True  # type: ignore[attr-defined]
    return method


class Dispatcher:
    """The handlers of one role, proved complete when built.

    Attributes:
        traffic: What the links of this program count in; None: they do not. To be set before the
            first link is made.

    Raises:
        HandlerMismatch: A message has no handler, or two; a handler has no message; or its return
            type is not the message's answer. All disagreements are in the one exception.
    """

    traffic: Traffic | None = None

    def __init__(self, role: Role, *owners: object) -> None:
        self.role = role
        self._handlers: dict[type[Message], Handler] = {}
        self._running: set[asyncio.Task[None]] = set()
        expected = received(role)
        problems: list[str] = []
        for owner in owners:
            for method in _marked(owner):
                for message, problem in _match(role, method, expected):
                    if problem is None and message in self._handlers:
                        problem = f"{method.__qualname__}: {message.__name__} already has a handler"
                    if problem is not None:
                        problems.append(problem)
                    self._handlers.setdefault(message, method)
        missing = sorted(m.__name__ for m in expected - self._handlers.keys())
        problems += [f"no handler for {name}" for name in missing]
        if problems:
            raise HandlerMismatch(role, problems)

    @classmethod
    def of_one(cls, role: Role, answer: Callable[[Message, Peer], Message | None]) -> Self:
        """One that gives every message of this role the same treatment, as who serves nobody."""
        one = cls.__new__(cls)
        one.role = role
        one._handlers = dict.fromkeys(received(role), answer)
        one._running = set()
        return one

    def call(self, message: Message, peer: Peer) -> Handled | Coroutine[Any, Any, Handled]:
        """Handle a message; what its handler raises is raised here, or when the work is awaited."""
        token = handled.set(message)
        try:
            outcome = self._handlers[type(message)](message, peer)
        finally:
            handled.reset(token)
        return _within(message, outcome) if isinstance(outcome, Coroutine) else outcome

    def dispatch(self, message: Message, peer: Peer) -> Handled | Coroutine[Any, Any, Handled]:
        """Handle a message; what comes back is what the peer is to be told, or will be.

        Never raises: what a handler raises becomes the refusal that the peer is to get.
        """
        try:
            outcome = self.call(message, peer)
        except Exception as error:
            return refusal(message, error)
        return _finish(message, outcome) if isinstance(outcome, Coroutine) else outcome

    @property
    def in_work(self) -> int:
        """Handlers that have begun and wait for something."""
        return len(self._running)

    def waits(self, message: Message) -> bool:
        """Whether the handler of this message may have to wait for something."""
        return inspect.iscoroutinefunction(self._handlers[type(message)])

    def keep(self, work: asyncio.Task[None]) -> None:
        """Hold a task that finishes a handler's work: it may outlive the link that began it."""
        self._running.add(work)
        work.add_done_callback(self._running.discard)

    async def settle(self, within: float) -> None:
        """Wait until no handler is at work, `within` seconds at most; cancel what still is."""
        if self._running:
            await asyncio.wait(self._running, timeout=within)
        for work in list(self._running):
            work.cancel()


async def _within(message: Message, work: Coroutine[Any, Any, Handled]) -> Handled:
    token = handled.set(message)
    try:
        return await work
    finally:
        handled.reset(token)


async def _finish(message: Message, work: Coroutine[Any, Any, Handled]) -> Handled:
    try:
        return await work
    except Exception as error:
        return refusal(message, error)


def refusal(message: Message, error: Exception) -> Message | None:
    """What the sender of `message` is told when handling it raised `error`."""
    token = handled.set(message)  # the line in the log carries its ids
    try:
        reason, text = _logged(error)
    finally:
        handled.reset(token)
    if isinstance(message, Response | ErrorResponse):
        return None
    answer = answer_of(type(message))
    if answer is None or reason in NOT_ANSWERS:
        return ErrorResponse(error=reason, message=text)
    return answer(status=Outcome.FAILURE, error=reason, message=text)


def _logged(error: Exception) -> tuple[Reason, str]:
    """Log what a handler raised; why and with which words its message is refused."""
    if isinstance(error, Refused):
        log.info("refused", reason=error.reason, text=error.text)
        return error.reason, error.text
    if isinstance(error, StoreUnavailable):
        log.warning("not stored", error=str(error))
        return Reason.INTERNAL, "nothing was stored; try again"
    # The peer learns no details: they may be nobody's business.
    log.error("handler failed", exc_info=error, expected=isinstance(error, ChargingError))
    return Reason.INTERNAL, ""


def _marked(owner: object) -> list[Handler]:
    # Looked up on the class, so that no property is run by looking.
    names = [n for n, m in inspect.getmembers(type(owner)) if hasattr(m, "__is_handler__")]
    return [getattr(owner, name) for name in names]


def _match(
    role: Role, method: Any, expected: frozenset[type[Message]]
) -> list[tuple[type[Message], str | None]]:
    """Each message that a handler says it takes, with what is wrong about that."""
    where = method.__qualname__
    hints = get_type_hints(method)
    answer = _answered(hints.pop("return", NoneType))
    parameters: list[Any] = [*hints.values(), None, None]
    taken, second = parameters[:2]
    messages = get_args(taken) if isinstance(taken, UnionType) else (taken,)
    found: list[tuple[type[Message], str | None]] = []
    for message in messages:
        problem = None
        if not (isinstance(message, type) and issubclass(message, Message)):
            problem = f"{where}: its first parameter is no message"
            message = Message
        elif second is not Peer:
            problem = f"{where}: its second parameter is no Peer"
        elif message not in expected:
            problem = f"{where}: {role} never receives {message.__name__}"
        elif answer is not (answer_of(message) or NoneType):
            should = getattr(answer_of(message), "__name__", "None")
            problem = f"{where}: answers {getattr(answer, '__name__', answer)}, not {should}"
        found.append((message, problem))
    return found


def _answered(hint: Any) -> Any:
    """What a handler with this return annotation answers: `X`, and of `SoonOrLater[X]` also `X`."""
    if isinstance(hint, UnionType) or get_origin(hint) is Union:
        later = [get_args(a)[-1] for a in get_args(hint) if get_origin(a) is Coroutine]
        soon = [a for a in get_args(hint) if get_origin(a) is not Coroutine]
        if [NoneType if a is None else a for a in later] == soon:
            return soon[0]
    return hint
