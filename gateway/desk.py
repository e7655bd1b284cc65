"""What the links of a node share: each call, answer, opening and end comes by here."""

import asyncio
from collections.abc import Callable

import structlog
from msgspec import Raw

from common.clock import Clock
from common.connection import Connection
from gateway.commands import Commands
from gateway.connections import Connections
from gateway.counts import Counts
from gateway.ending import Ending
from gateway.link import FrameTap, Link
from gateway.ocppj import BadFrame, Call, CallResult
from gateway.pings import Pings
from gateway.registry import Registry
from gateway.uplink import Uplink
from gateway.v16.types import format_time

log = structlog.get_logger()

_EMPTY = Raw(b"{}")


class NodeDesk:
    """Implements `Desk` with the parts of a node.

    Attributes:
        frames: Who looks at frames; nobody if None.
        called, answered: Called with each call, and each answer, of a charge point.
        on_opened, on_gone: Called with each link that has opened, or has ended.
    """

    def __init__(
        self,
        connections: Connections,
        uplink: Uplink,
        commands: Commands,
        pings: Pings,
        registry: Registry,
        clock: Clock,
        counts: Counts,
        frames: FrameTap | None = None,
    ) -> None:
        self.frames = frames
        self.called = uplink.called
        self.answered = commands.answered
        self.on_opened: Callable[[Link], None] = lambda link: None
        self.on_gone: Callable[[Link], None] = lambda link: None
        self._connections = connections
        self._uplink = uplink
        self._commands = commands
        self._pings = pings
        self._registry = registry
        self._wall = clock.wall
        self._counts = counts
        self._millisecond = 0
        self._time = _EMPTY
        self._releasing: set[asyncio.Task[None]] = set()

    def heartbeat(self, call: Call) -> CallResult | None:
        """The answer to a heartbeat as it mostly is; None to any other call."""
        if call.action != "Heartbeat" or call.payload != _EMPTY:
            return None
        self._counts.heartbeats += 1
        now = int(self._wall() * 1000)
        if now != self._millisecond:
            self._millisecond = now
            self._time = Raw(b'{"currentTime":"%b"}' % format_time(now).encode())
        return CallResult(call.id, self._time)

    def opened(self, link: Link) -> None:
        """A link has opened."""
        log.info("connected", cp_id=link.cp_id, epoch=link.connection.epoch)
        self.on_opened(link)
        if self._connections.add(link):
            self._uplink.link_up(link)
            self._pings.add(link)

    def is_bad(self, link: Link, bad: BadFrame) -> None:
        """A charge point has sent what is no frame; it was answered if it wants an answer."""
        self._counts.bad_frames[bad.fault] += 1
        log.info("bad frame", cp_id=link.cp_id, why=str(bad))
        if bad.answer is None:
            self._commands.is_bad(link, bad.message_id)

    def gone(self, link: Link, ending: Ending) -> None:
        """A link has ended."""
        log.info("disconnected", cp_id=link.cp_id, epoch=link.connection.epoch, why=ending)
        self._counts.ended[ending] += 1
        self.on_gone(link)
        self._connections.remove(link)
        self._commands.gone(link)
        self._uplink.link_down(link, ending)
        # Not for one that was replaced: the registry knows of its successor already. It would
        # do no harm, because nothing is released but what is the newest.
        if ending is not Ending.REPLACED:
            self.release(link.cp_id, link.connection.epoch)

    def moved(self, cp_id: str, epoch: int) -> None:
        """A charge point has a newer connection elsewhere."""
        self._connections.moved(cp_id, epoch)

    def announce(self, partition: int) -> None:
        """All links are found by this partition from now on."""
        for link in self._connections:
            here = Connection(link.connection.node, partition, link.connection.epoch)
            if here != link.connection:
                link.moved_to(here)
                self._uplink.link_up(link)

    def release(self, cp_id: str, epoch: int) -> None:
        """Let go of a connection, in the background."""
        task = asyncio.ensure_future(self._registry.release(cp_id, epoch))
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    async def released(self) -> None:
        """Return when the registry knows of every end."""
        while self._releasing:
            await asyncio.wait(self._releasing)
