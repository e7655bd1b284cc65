"""The one monitor that watches this engine: the newest wins.

A link becomes the monitor's with its first message that names our charge point, so that neither a
port scan nor a monitor of another point can displace ours.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import structlog

from common.clock import Clock
from common.dispatch import PeerLink
from common.errors import LinkLost, Reason, Refused
from common.messages import Answer, ErrorResponse, Message, Request

MONITOR = "the monitor"

PAGE = 50
"""Messages that are told at a time of what is told at length: a part of what may wait unsent."""

PAGE_EVERY = 0.1
"""Seconds between two pages: 500 tickets a second, which leaves a monitor time for its checks."""

MAX_AT_LENGTH = 4
"""How much may be told at length at a time; more is refused as `overloaded`."""


class Uplink:
    """The link to the monitor.

    Attributes:
        link: The link, while there is one.
    """

    def __init__(self, cp_id: str, clock: Clock) -> None:
        self.link: PeerLink | None = None
        self._log = structlog.get_logger().bind(cp_id=cp_id)
        self._clock = clock
        self._heard_at = clock.monotonic()
        self._to_tell: list[Message] = []
        self._at_length: deque[Iterator[Message]] = deque()

    @property
    def heard_at(self) -> float:
        """When the last byte came from the monitor, by the monotonic clock."""
        return self._heard_at

    @property
    def silence(self) -> float:
        """Real seconds since the last byte from the monitor."""
        return self._clock.monotonic() - self._heard_at

    def adopt(self, link: PeerLink) -> None:
        """This link has said that it is our monitor's: it takes the place of any other."""
        if link is self.link:
            return
        old, self.link = self.link, link
        self.heard(link)
        self._log.info("monitor linked")
        if old is not None:
            self._log.warning("another monitor has taken over")
            text = "another monitor of this charge point has taken over"
            old.close(ErrorResponse(error=Reason.REPLACED, message=text))

    def heard(self, link: PeerLink) -> None:
        """Bytes have come over this link."""
        if link is self.link:
            self._heard_at = self._clock.monotonic()

    def gone(self, link: PeerLink, why: str = "") -> None:
        """This link is gone."""
        if link is self.link:
            self.link = None
            self._log.warning("monitor lost", why=why)

    def hang_up(self) -> None:
        """Close the link, if there is one: the monitor dials anew."""
        if self.link is not None:
            self.link.close()

    def release(self) -> None:
        """The engine stops: from now on it makes no difference who is linked."""
        self.link = None
        self._at_length.clear()

    def tell(self, message: Message) -> None:
        """Tell the monitor, if there is one, once the answer in work has been given.

        What nobody hears is not lost: the journal has it, and central asks for it.
        """
        if not self._to_tell:
            asyncio.get_running_loop().call_soon(self._flush)
        self._to_tell.append(message)

    def tell_at_length(self, messages: Iterable[Message]) -> None:
        """Tell the monitor more than a link takes at once, a page at a time.

        It begins after the answer in work, and what was told before. A link that is lost ends it.
        """
        if len(self._at_length) >= MAX_AT_LENGTH:
            raise Refused(Reason.OVERLOADED, "too much is being told already")
        self._at_length.append(iter(messages))
        if len(self._at_length) == 1:
            asyncio.get_running_loop().call_later(PAGE_EVERY, self._tell_page)

    def _tell_page(self) -> None:
        if self.link is None:
            self._at_length.clear()
        if not self._at_length:
            return
        page = list(islice(self._at_length[0], PAGE))
        for message in page:
            self.tell(message)
        if len(page) < PAGE:
            self._at_length.popleft()
        if self._at_length:
            asyncio.get_running_loop().call_later(PAGE_EVERY, self._tell_page)

    async def ask(self, request: Request[Answer]) -> Answer:
        """Ask the monitor.

        Raises:
            LinkLost: There is none, or it went.
            Refused: It said no.
            NoAnswer: It did not answer in time.
        """
        if self.link is None:
            raise LinkLost(MONITOR, "none is connected")
        return await self.link.ask(request)

    def _flush(self) -> None:
        messages, self._to_tell = self._to_tell, []
        for message in messages:
            if self.link is None:
                return
            try:
                self.link.tell(message)
            except LinkLost as lost:
                self._log.debug("not told", why=str(lost))
