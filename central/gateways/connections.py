"""Where each OCPP charge point is connected: by which gateway, on which partition, since when.

Theory of operation. Of a charge point's connections the one with the highest epoch counts, and
nothing that comes by an older one moves that. A connection is there from its `link_up`, or from
the first message that comes by it, to its `link_down`; or until its gateway is gone: one that is
silent for `GONE_AFTER` seconds, by our clock and while we keep up with what gateways say. A
gateway that was only held up brings its connections back with their next message.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable

import structlog
from msgspec.structs import replace

from central.board import Board
from central.gateways.commands import Commands
from central.gateways.unsaved import Unsaved
from central.network import LivePoint, Network, PointLink
from central.rules.records import LastConnection
from central.stopping import Stopping
from central.store import SaveConnection
from common.connection import Connection
from common.dispatch import Peer, handler
from common.errors import BadMessage, Reason
from common.gateway_messages import LinkDown, LinkUp, NodeAlive
from common.messages import ErrorResponse, Severity

log = structlog.get_logger()

GONE_AFTER = 15.0
"""Seconds without a word after which a gateway is gone; it says every 3 s that it runs."""

LOOK_EVERY = 1.0
"""Seconds between two looks for gateways that are gone."""


class Connections:
    """Handles what gateways say of connections, and knows those that are there.

    Args:
        is_behind: Whether we do not keep up with what gateways say, or cannot hear them.
    """

    def __init__(
        self,
        network: Network,
        commands: Commands,
        stopping: Stopping,
        board: Board,
        unsaved: Unsaved,
        *,
        is_behind: Callable[[], bool],
    ) -> None:
        self._network = network
        self._commands = commands
        self._stopping = stopping
        self._board = board
        self._unsaved = unsaved
        self._is_behind = is_behind
        self._last: dict[str, LastConnection] = {}
        self._there: dict[str, Connection] = {}
        self._links: dict[str, PointLink] = {}
        self._by_node: defaultdict[str, set[str]] = defaultdict(set)
        self._heard: dict[str, float] = {}
        self._listening_since = network.clock.monotonic()

    def of(self, cp_id: str) -> Connection | None:
        """The charge point's connection; None while there is none."""
        return self._there.get(cp_id)

    def version(self, cp_id: str) -> str:
        """The OCPP version that is spoken over its last connection."""
        last = self._last.get(cp_id)
        return last.ocpp_version if last else "1.6"

    def counts(self) -> dict[str, int]:
        """How many connections each gateway holds. May be asked from any thread."""
        return {node: len(points) for node, points in list(self._by_node.items()) if points}

    def restore(self, stored: Iterable[LastConnection]) -> None:
        """Take up what was stored before this start. They count as there until it is known better:
        a charge point does not connect again because central has started.
        """
        for last in stored:
            self._last[last.cp_id] = last
            if last.open:
                self._enter(last.cp_id, Connection(last.node, last.partition, last.epoch))
                point = self._network.points.get(last.cp_id)
                if point is not None and point.point.ocpp_version is not None:
                    point.link = self._links[last.cp_id]
                    point.offline_since = None

    # -- What gateways say --

    @handler
    def link_up(self, message: LinkUp, peer: Peer) -> None:
        """A charge point has connected: from now on it is reached there.

        Raises:
            BadMessage: It is about another connection than the one it came by.
        """
        connection = _connection(peer)
        if connection != Connection(message.node, message.partition, message.epoch):
            text = f"a link_up of {message.node} with the header {connection.header().decode()}"
            raise BadMessage(Reason.INVALID_MESSAGE, text, message.message_id)
        self._heard[connection.node] = self._network.clock.monotonic()
        last = self._last.get(message.cp_id)
        if last is None or message.epoch > last.epoch or self._is_missed(last, connection):
            self._open(message.cp_id, connection, message.ocpp_version)

    @handler
    def link_down(self, message: LinkDown, peer: Peer) -> None:
        """A connection is closed: its charge point is offline, unless it has a newer one."""
        connection = _connection(peer)
        cp_id, last = message.cp_id, self._last.get(message.cp_id)
        if last is not None and (message.epoch < last.epoch or not last.open):
            return
        if last is None or message.epoch > last.epoch:  # its link_up never came here
            last = _last(cp_id, connection, self.version(cp_id))
        self._save(replace(last, open=False))
        self._leave(cp_id, f"disconnected: {message.message or 'closed'}")

    @handler
    def alive(self, message: NodeAlive, peer: Peer) -> None:
        """A gateway runs."""
        self._heard[message.node] = self._network.clock.monotonic()

    def heard(self, cp_id: str, connection: Connection) -> None:
        """A message has come by this connection, so it is, or was, there."""
        if self._there.get(cp_id) == connection:
            self._heard[connection.node] = self._network.clock.monotonic()
            return
        last = self._last.get(cp_id)
        if last is None or connection.epoch > last.epoch or self._is_missed(last, connection):
            self._open(cp_id, connection, self.version(cp_id))

    def _is_missed(self, last: LastConnection, connection: Connection) -> bool:
        """Whether this is the last connection, which was taken for gone and was not closed."""
        is_it = (last.node, last.epoch) == (connection.node, connection.epoch)
        return is_it and last.open and last.cp_id not in self._there

    # -- Points --

    def attach(self, point: LivePoint) -> None:
        """A point was taken up: if it is connected, it is reached there."""
        cp_id = point.point.cp_id
        link = self._links.get(cp_id)
        if link is None or point.link is link:
            return
        if link.is_closing:  # a monitor had taken its place
            link = self._links[cp_id] = self._commands.link(cp_id, self._there[cp_id])
        old, point.link = point.link, link
        if old is not None:
            self._board.event("a gateway took its place", Severity.WARNING, cp_id=cp_id)
            old.close(ErrorResponse(error=Reason.REPLACED, message="a gateway has this id"))
        point.offline_since = None
        self._board.event(f"connected to {self._there[cp_id].node}", cp_id=cp_id)
        self._board.changed(cp_id)
        self._stopping.begin_delivery(point)

    def _open(self, cp_id: str, connection: Connection, version: str) -> None:
        self._save(_last(cp_id, connection, version))
        self._network.claim(cp_id)  # a monitor that is being registered is the older one
        point = self._network.points.get(cp_id)
        if cp_id in self._there:
            old = self._forget(cp_id)
            if point is not None and point.link is old:
                point.link = None  # for now
        self._enter(cp_id, connection)
        if point is not None:
            self.attach(point)
        self._commands.connected(cp_id)

    def _enter(self, cp_id: str, connection: Connection) -> None:
        self._there[cp_id] = connection
        self._by_node[connection.node].add(cp_id)
        self._links[cp_id] = self._commands.link(cp_id, connection)

    def _forget(self, cp_id: str) -> PointLink:
        connection = self._there.pop(cp_id)
        self._by_node[connection.node].discard(cp_id)
        link = self._links.pop(cp_id)
        link.close()
        return link

    def _leave(self, cp_id: str, why: str | None) -> None:
        """There is no connection any more."""
        if cp_id not in self._there:
            return
        epoch = self._there[cp_id].epoch
        link = self._forget(cp_id)
        point = self._network.points.get(cp_id)
        if point is not None and point.link is link:
            point.link = None
            point.offline_since = self._network.clock.monotonic()
            if why is not None:
                self._board.event(why, Severity.WARNING, cp_id=cp_id)
            self._board.changed(cp_id)
        self._commands.disconnected(cp_id, epoch)

    def _save(self, last: LastConnection) -> None:
        self._last[last.cp_id] = last
        self._unsaved.put((SaveConnection, last.cp_id), SaveConnection(last))

    # -- Gateways that are gone --

    async def run(self) -> None:
        """Look for gateways that are gone, for ever."""
        self._listening_since = self._network.clock.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.look()

    def look(self) -> None:
        """Take the connections of gateways for gone that have been silent for too long."""
        now = self._network.clock.monotonic()
        if self._is_behind():  # then their silence is ours
            self._listening_since = now
            return
        for node, points in list(self._by_node.items()):
            heard = max(self._heard.get(node, self._listening_since), self._listening_since)
            if points and now - heard >= GONE_AFTER:
                self._gone(node)

    def _gone(self, node: str) -> None:
        points = sorted(self._by_node[node])
        text = f"gateway {node} is gone: {len(points)} charge points are offline"
        self._board.event(text, Severity.ALARM)
        for cp_id in points:
            self._leave(cp_id, None)
        del self._by_node[node]


def _last(cp_id: str, connection: Connection, version: str) -> LastConnection:
    return LastConnection(
        cp_id=cp_id,
        node=connection.node,
        partition=connection.partition,
        epoch=connection.epoch,
        ocpp_version=version,
    )


def _connection(peer: Peer) -> Connection:
    assert peer.connection is not None  # the intake lets nothing in without one
    return peer.connection
