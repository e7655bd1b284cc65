"""A program's handlers made from the table, for tests that are about something else."""

from collections import deque
from collections.abc import Callable
from typing import Any

from common.dispatch import Dispatcher, Peer, handler
from common.link import Link
from common.messages import AuthRequest, Message, Outcome, Role
from common.protocol import answer_of, received

Method = Callable[..., Any]


class Seen:
    """What came in, and by whom.

    Attributes:
        messages: All that was handled, in order.
        peers: Who sent each.
    """

    def __init__(self) -> None:
        self.messages: deque[Message] = deque()
        self.peers: deque[Peer] = deque()


def handlers(role: Role, **instead: Method | None) -> Any:
    """An object with a handler for each message that `role` may receive.

    Each notes what it gets, and answers a request with a success. It is named after its message.

    Args:
        instead: Methods that take the place of the ones so named; None leaves a handler out.
    """
    made: dict[str, Any] = {m.__name__: _noting(m) for m in received(role)} | instead
    names = {name: method for name, method in made.items() if method is not None}
    return type("Complete", (Seen,), names)()


def dispatcher(role: Role, **instead: Method | None) -> tuple[Dispatcher, Seen]:
    """A complete dispatcher, and what it sees."""
    owner = handlers(role, **instead)
    return Dispatcher(role, owner), owner


def typed(method: Method, *, takes: object, returns: object) -> Method:
    """The method as a handler with these annotations."""
    method.__annotations__ = {"message": takes, "peer": Peer, "return": returns}
    return handler(method)


def _noting(message: type[Message]) -> Method:
    answer = answer_of(message)

    def method(self: Seen, message: Message, peer: Peer) -> Message | None:
        self.messages.append(message)
        self.peers.append(peer)
        if isinstance(message, AuthRequest) and isinstance(peer.link, Link):
            peer.link.identify(message.role)  # whoever handles it must
        return answer(status=Outcome.SUCCESS) if answer else None

    method.__name__ = message.__name__
    method.__qualname__ = f"Complete.{message.__name__}"
    return typed(method, takes=message, returns=answer)
