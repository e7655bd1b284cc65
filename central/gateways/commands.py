"""Commands to OCPP charge points: stored, then sent, until what became of each is known.

Theory of operation. A command is committed as `sent` before it is sent, so a central that dies
between the two has at worst stored as sent what never went: it is not sent twice, and its deadline
ends it. What each event makes of a command is `rules.ocpp_commands`' to say.

Nothing is looked for: a command goes the moment it is stored, or its charge point connects, and
whoever waits for its end is woken by the answer. The patrol sees to what only time decides, and to
what the database or Kafka did not take.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog
from msgspec.structs import replace

from central.auditing import CENTRAL_ITSELF, Auditing
from central.gateways.lines import Line, Lines
from central.gateways.link import GatewayLink
from central.network import PointLink
from central.rules.ocpp_calls import DownMessage, call_of
from central.rules.ocpp_commands import (
    CommandEvent,
    answered,
    by_connection,
    explains_start,
    explains_stop,
    moved,
    replaces,
)
from central.rules.records import Command
from central.store import ForgetCommands, Store
from common.clock import Clock, ordered_id
from common.codec import encode
from common.connection import Connection
from common.errors import Reason, Refused, StoreUnavailable
from common.exchange import stamped
from common.gateway_messages import CommandState
from common.messages import CommandResponse

log = structlog.get_logger()

MOST_OPEN = 100
"""Commands of one charge point that may wait for their answers; a further one is `overloaded`."""

KEPT_FOR = 30 * 24 * 3_600_000
"""Milliseconds for which a command that is over is kept."""

LOOK_EVERY = 1.0
"""Seconds between two looks at what only time decides."""

FORGET_EVERY = 60
"""Looks between two clearings of old commands."""


class Commands:
    """Orders and sends the commands of all OCPP charge points.

    Args:
        connection_of: The connection that a charge point has now; None without one.

    Attributes:
        agreeing: What is being done because a connection came or went.
    """

    def __init__(
        self,
        lines: Lines,
        store: Store,
        clock: Clock,
        auditing: Auditing,
        connection_of: Callable[[str], Connection | None],
    ) -> None:
        self.lines = lines
        self._store = store
        self._clock = clock
        self._auditing = auditing
        self._connection_of = connection_of
        self.agreeing: set[asyncio.Task[None]] = set()
        self._looks = 0

    # -- Orders --

    async def order(
        self,
        message: DownMessage,
        *,
        lasts: float,
        by: str = CENTRAL_ITSELF,
        reason: str | None = None,
        join: bool = False,
    ) -> Command:
        """Store a command, and send it if its charge point is connected; returns it as it is then.

        Args:
            message: What the gateway is to be sent; its `message_id`, 36 characters at most, is
                the command's id, and one that was ordered before is not ordered again.
            lasts: Seconds until its deadline.
            by: The operator who ordered it: then it is in the audit log.
            join: Where central already awaits the answer to the same call, let that one do.

        Raises:
            Refused: `overloaded`: too many commands of this charge point are open;
                `invalid_message`: the id was used for another call.
            StoreUnavailable: Nothing was stored, and nothing was sent.

        Not to be cancelled: what was handed to the database is committed all the same.
        """
        line = self.lines.line(message.cp_id)
        async with line.lock:
            known = await self._known(line, message, join=join)
            if known is not None:
                return known
            if len(line.open) >= MOST_OPEN:
                text = f"{MOST_OPEN} commands of {message.cp_id} wait for their answers"
                raise Refused(Reason.OVERLOADED, text)
            command = self._new(line, message, lasts, by, reason)
            replaced = [
                moved(each, CommandEvent.REPLACED, command.at_ms)
                for each in line.open
                if replaces(command, each)
            ]
            gone = {each.command_id for each in replaced}
            connection = self._connection_of(message.cp_id)
            before = [each for each in line.open if each.command_id not in gone]
            changed = _by(connection, before, command.at_ms)
            command = by_connection(command, _text(connection), command.at_ms)
            await self.lines.commit(line, [*replaced, *changed, command], connection)
            return line.commands.get(command.command_id, command)

    async def _known(self, line: Line, message: DownMessage, *, join: bool) -> Command | None:
        """The command that this order is a repeat of, or may be joined to."""
        action, payload = call_of(message)
        if message.message_id:
            known = await self.lines.find(message.message_id)
            if known is not None and (known.cp_id, known.action, known.payload) != (
                message.cp_id,
                action,
                payload,
            ):
                text = "this message_id was used for another command"
                raise Refused(Reason.INVALID_MESSAGE, text)
            return known
        same = (action, payload, CENTRAL_ITSELF)
        return next((c for c in line.open if join and (c.action, c.payload, c.by) == same), None)

    def _new(
        self, line: Line, message: DownMessage, lasts: float, by: str, reason: str | None
    ) -> Command:
        now = self._clock.wall()
        now_ms = max(int(now * 1000), line.last_ms + 1)
        command_id = message.message_id or ordered_id(now)
        action, payload = call_of(message)
        entry_id = None
        if by != CENTRAL_ITSELF:
            entry_id = self._auditing.entry(by, action, message.cp_id, reason).entry_id
        return Command(
            command_id=command_id,
            cp_id=message.cp_id,
            action=action,
            payload=dict(payload),
            message=encode(stamped(replace(message, message_id=command_id), self._clock)),
            state=CommandState.QUEUED,
            by=by,
            at_ms=now_ms,
            changed_ms=now_ms,
            expires_ms=now_ms + int(lasts * 1000),
            reason=reason,
            entry_id=entry_id,
        )

    async def withdraw(self, command: Command) -> Command:
        """Let a command that was not sent yet not be sent any more; as it is then.

        Raises:
            StoreUnavailable: It may still be sent, until its deadline.
        """
        line = self.lines.line(command.cp_id)
        async with line.lock:
            now = await self.lines.find(command.command_id) or command
            if now.state is CommandState.QUEUED:
                now = moved(now, CommandEvent.EXPIRED, self._now_ms())
                await self.lines.commit(line, [now])
            return now

    def now(self) -> float:
        """Unix seconds, by which deadlines are kept."""
        return self._clock.wall()

    # -- Connections --

    def link(self, cp_id: str, connection: Connection) -> PointLink:
        """What asks the charge point by this connection."""
        return GatewayLink(cp_id, connection, self)

    def connected(self, cp_id: str) -> None:
        """The charge point has a connection, the first or a newer one."""
        self._agree_soon(cp_id)

    def disconnected(self, cp_id: str, epoch: int) -> None:
        """The connection with this epoch is there no more."""
        self._agree_soon(cp_id)

    def _agree_soon(self, cp_id: str) -> None:
        line = self.lines.busy(cp_id)
        if line is not None:
            task = asyncio.ensure_future(self._agree_logged(line))
            self.agreeing.add(task)
            task.add_done_callback(self.agreeing.discard)

    async def _agree_logged(self, line: Line) -> None:
        try:
            await self._agree(line)
        except (StoreUnavailable, Refused) as error:  # the next look tries again
            log.warning("commands not looked after", cp_id=line.cp_id, why=str(error))

    async def _agree(self, line: Line) -> None:
        """Make the commands agree with the connection that there is now, and with the time."""
        async with line.lock:
            connection = self._connection_of(line.cp_id)
            changed = _by(connection, line.open, self._now_ms())
            if changed:
                await self.lines.commit(line, changed, connection)

    # -- What becomes of them --

    async def answered(self, response: CommandResponse, connection: Connection) -> None:
        """Take up what a gateway says about a command; said twice it changes nothing.

        Raises:
            StoreUnavailable: Nothing was stored; to be called again.
        """
        command = await self.lines.find(response.message_id)
        if command is None:
            log.info("answer to an unknown command", message_id=response.message_id)
            return
        line = self.lines.line(command.cp_id)
        async with line.lock:
            before = await self.lines.find(response.message_id) or command
            now, now_ms = self._connection_of(command.cp_id), self._now_ms()
            after = answered(before, response, connection.header().decode(), now_ms)
            if now != connection:  # it may go by another one at once
                after = by_connection(after, _text(now), now_ms)
            if after is not before:
                await self.lines.commit(line, [after], now)

    async def started(self, cp_id: str, connector_id: int, id_tag: str) -> None:
        """A transaction began: a remote start that nothing was heard of is known to be done.

        Raises:
            StoreUnavailable: Nothing was stored.
        """
        await self._explain(cp_id, lambda each: explains_start(each, connector_id, id_tag))

    async def stopped(self, cp_id: str, transaction_id: int) -> None:
        """A transaction ended: a remote stop that nothing was heard of is known to be done.

        Raises:
            StoreUnavailable: Nothing was stored.
        """
        await self._explain(cp_id, lambda each: explains_stop(each, transaction_id))

    async def _explain(self, cp_id: str, explains: Callable[[Command], bool]) -> None:
        line = self.lines.busy(cp_id)
        if line is None:
            return
        async with line.lock:
            for each in line.commands.values():
                if explains(each):
                    done = moved(each, CommandEvent.ACCEPTED, self._now_ms())
                    await self.lines.commit(line, [done])
                    return

    # -- Patrol --

    async def run(self) -> None:
        """Do what time decides, for ever. What the database does not take is looked at again."""
        while True:
            try:
                await self.look()
            except (StoreUnavailable, Refused) as error:
                log.warning("commands not looked after", why=str(error))
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """End what is due, send what still waits, forget what is old."""
        now_ms = self._now_ms()
        for line in self.lines.all_busy():
            await self._agree(line)
            self.lines.drop_unknown(line, now_ms)
        if self._looks % FORGET_EVERY == 0:
            await self._store.write(ForgetCommands(now_ms - KEPT_FOR))
        self._looks += 1

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)


def _by(connection: Connection | None, commands: Iterable[Command], now_ms: int) -> list[Command]:
    """Those of these commands that change with this connection, as they are then."""
    here = _text(connection)
    pairs = ((each, by_connection(each, here, now_ms)) for each in commands)
    return [after for before, after in pairs if after is not before]


def _text(connection: Connection | None) -> str | None:
    return connection.header().decode() if connection else None
