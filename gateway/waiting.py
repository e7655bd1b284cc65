"""A charge point's call while it waits for its answer."""

from typing import Protocol

from gateway.link import Link
from gateway.ocppj import Call
from gateway.version import Upward

ANSWER_WITHIN = 10.0
"""Seconds that central has to answer; then the charge point is told of an error, and asks again."""


class Uplink(Protocol):
    """Who answers it."""

    def stored(self, waiting: "Waiting") -> None: ...


class Waiting:
    """A call that waits for its answer; to the publisher, who waits for its record.

    Attributes:
        until: Until when, by the loop's clock, where central is to answer.
    """

    __slots__ = ("_uplink", "began", "call", "link", "row", "until")

    def __init__(
        self, uplink: Uplink, link: Link, call: Call, row: Upward | None, began: float
    ) -> None:
        self._uplink = uplink
        self.link = link
        self.call = call
        self.row = row
        self.began = began
        self.until = began + ANSWER_WITHIN

    def done(self) -> bool:
        return False

    def set_result(self, result: None, /) -> None:
        """Kafka has it for good."""
        self._uplink.stored(self)

    def set_exception(self, error: BaseException, /) -> None:
        """The publisher was closed: whoever waited has gone, too."""

    def exception(self) -> None:
        return None
