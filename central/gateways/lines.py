"""The commands of OCPP charge points as they are now, each charge point's in a line of its own.

What changes goes to the database first, then it is shown here, then it is sent, and who waits for
a command's end is woken.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable

import structlog

from central.board import Board
from central.rules.ocpp_commands import OPEN, CommandEvent, audited, moved, sentence
from central.rules.records import Command
from central.store import Change, SaveAudit, SaveCommand, Store
from common.clock import Clock
from common.codec import decoder
from common.connection import HEADER, Connection
from common.epochs import HEADER as EPOCH
from common.errors import Refused
from common.gateway_messages import CommandState
from common.logs import Wiretap
from common.messages import Severity
from common.protocol import CENTRAL, DOWN, GATEWAY
from common.stream import Publisher

log = structlog.get_logger()

UNKNOWN_FOR = 24 * 3_600_000
"""Milliseconds for which what a charge point reports may still settle an unknown command."""


class Line:
    """The commands of one charge point of which something is still to come, in their order.

    Attributes:
        lock: Held while one of them is being changed, so that changes follow one another.
        last_ms: The highest time of an order; the next one's is higher.
    """

    def __init__(self, cp_id: str) -> None:
        self.cp_id = cp_id
        self.lock = asyncio.Lock()
        self.commands: dict[str, Command] = {}
        self.last_ms = 0

    @property
    def open(self) -> list[Command]:
        """Those whose answer is awaited."""
        return [command for command in self.commands.values() if command.state in OPEN]


class Lines:
    """All lines, and the only place where commands are stored and sent.

    Attributes:
        settled: Commands that have come to an end so far, by their state then.
    """

    def __init__(self, store: Store, publisher: Publisher, clock: Clock, board: Board) -> None:
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._board = board
        self._lines: dict[str, Line] = {}
        self._busy: dict[str, Line] = {}
        self._of: dict[str, Line] = {}
        self._ends: dict[str, asyncio.Future[Command]] = {}
        self._wire = Wiretap()
        self._decoder = decoder(CENTRAL, GATEWAY, DOWN)
        self.settled: Counter[CommandState] = Counter()

    def restore(self, commands: Iterable[Command]) -> None:
        """Take up what was stored before this start."""
        for command in commands:
            self._show(self.line(command.cp_id), command)

    def line(self, cp_id: str) -> Line:
        """The charge point's line, which is made where there is none."""
        return self._lines.setdefault(cp_id, Line(cp_id))

    def busy(self, cp_id: str) -> Line | None:
        """The charge point's line, if something is still to come of a command in it."""
        return self._busy.get(cp_id)

    def all_busy(self) -> list[Line]:
        """The lines with a command of which something is still to come."""
        return list(self._busy.values())

    @property
    def waiting(self) -> int:
        """Commands whose answer is awaited. May be asked from any thread."""
        return len(self._ends)

    async def find(self, command_id: str) -> Command | None:
        """The command with this id as it is now, while it is kept.

        Raises:
            StoreUnavailable: The database cannot be read now.
        """
        line = self._of.get(command_id)
        return line.commands[command_id] if line else await self._store.command(command_id)

    async def ended(self, command: Command, within: float) -> Command:
        """The command once it is over, or as it is after so many seconds. Cancelling is safe."""
        end = self._ends.get(command.command_id)
        if end is not None:
            try:
                async with asyncio.timeout(within):
                    return await asyncio.shield(end)
            except TimeoutError:
                pass
        line = self._of.get(command.command_id)
        return line.commands[command.command_id] if line else command

    async def commit(
        self, line: Line, changed: Iterable[Command], connection: Connection | None = None
    ) -> None:
        """Store these, show them, and send by `connection` those that are `sent` now.

        Raises:
            StoreUnavailable: Nothing was stored, and nothing was sent.

        The line's lock must be held.
        """
        changes: list[Change] = []
        for command in changed:
            changes.append(SaveCommand(command))
            entry = audited(command)
            if entry is not None:
                changes.append(SaveAudit(entry))
        await self._store.write(*changes)
        for command in changed:
            self._show(line, command)
            if command.state not in OPEN:
                self._end(command)
            elif connection is not None and command.state is CommandState.SENT:
                self._send(line, command, connection)

    def drop_unknown(self, line: Line, now_ms: int) -> None:
        """Forget what stayed unknown for too long to be explained by anything."""
        for each in list(line.commands.values()):
            if each.state not in OPEN and now_ms - each.changed_ms > UNKNOWN_FOR:
                self._drop(line, each)

    def _send(self, line: Line, command: Command, connection: Connection) -> None:
        headers: dict[str, str | bytes | None] = {
            HEADER: connection.header(),
            EPOCH: str(self._store.epoch),
        }
        try:
            self._publisher.publish(
                DOWN, command.cp_id, command.message, headers, partition=connection.partition
            )
        except Refused as no:  # it waits for the patrol's next look
            log.warning("command not sent", command_id=command.command_id, why=str(no))
            waiting = moved(command, CommandEvent.NOT_SENT, int(self._clock.wall() * 1000))
            if waiting.state is CommandState.QUEUED:  # else its deadline ends it
                self._show(line, waiting)
            return
        if self._wire.on:
            message = self._decoder.decode(command.message)
            self._wire.seen("sent", message, f"{command.cp_id} by {DOWN}, {connection.node}")

    def _show(self, line: Line, command: Command) -> None:
        line.last_ms = max(line.last_ms, command.at_ms)
        if command.state not in (*OPEN, CommandState.UNKNOWN):
            self._drop(line, command)
            return
        line.commands[command.command_id] = command
        self._of[command.command_id] = line
        self._busy[line.cp_id] = line
        if command.state in OPEN and command.command_id not in self._ends:
            self._ends[command.command_id] = asyncio.get_running_loop().create_future()

    def _drop(self, line: Line, command: Command) -> None:
        line.commands.pop(command.command_id, None)
        self._of.pop(command.command_id, None)
        if not line.commands:
            self._busy.pop(line.cp_id, None)

    def _end(self, command: Command) -> None:
        """It is over, as far as is known: say so, and wake who waits for that."""
        self.settled[command.state] += 1
        fine = command.state in (CommandState.ACCEPTED, CommandState.SUPERSEDED)
        severity = Severity.INFO if fine else Severity.WARNING
        self._board.event(sentence(command), severity, cp_id=command.cp_id)
        end = self._ends.pop(command.command_id, None)
        if end is not None and not end.done():
            end.set_result(command)
