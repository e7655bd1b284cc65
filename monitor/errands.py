"""What the monitor asks of the engine by itself, one thing at a time.

It makes the engine agree with central about being stopped, lets it forget what is settled, asks it
about what is not, has it send again what found no room here, and looks at it out of turn after a
command. What fails is not tried again here:
central's next answer brings it up again.
"""

from collections.abc import Awaitable, Callable, Iterable

import structlog

from common.dispatch import Peer, PeerLink, handler
from common.errors import LinkLost, NoAnswer, Refused
from common.messages import (
    CommandResponse,
    RecollectCommand,
    SettleSessionsCommand,
    StopCpCommand,
)
from monitor.point import Point
from monitor.records import Records

log = structlog.get_logger()

Check = Callable[[PeerLink], Awaitable[None]]


class Errands:
    """Goes to the engine whenever there may be something to ask of it."""

    def __init__(self, point: Point, records: Records, check: Check) -> None:
        self._point = point
        self._records = records
        self._check = check

    async def run(self) -> None:
        """Go on errands until cancelled."""
        while True:
            await self._point.errand.wait()
            self._point.errand.clear()
            engine = self._point.engine
            if engine is None:
                continue  # it is set again once there is one
            for errand in (self._agree, self._settle, self._collect, self._look):
                try:
                    await errand(engine)
                except LinkLost:
                    break  # what is left is done once there is a link again
                except (Refused, NoAnswer) as error:
                    log.warning("the engine did not do what it was asked", why=str(error))

    async def _agree(self, engine: PeerLink) -> None:
        """Make the engine agree with central about being stopped."""
        stopping = self._point.stopping
        command = stopping.next_command(self._point.condition)
        if command is None:
            return
        await engine.ask(command)
        stopped = isinstance(command, StopCpCommand)
        stopping.confirmed(stopped=stopped)
        self._point.look = True
        text = "stopped" if stopped else "resumed"
        log.info(f"the engine is {text}, as central wants", cp_id=self._point.cp_id)

    async def _settle(self, engine: PeerLink) -> None:
        """Let the engine forget what is settled, and ask it about what is not."""
        point = self._point
        for report in point.settling.waiting(point.condition):
            point.tell_central(report)
        while command := point.settling.next_command(point.condition):
            answer = await engine.ask(command)
            if isinstance(command, SettleSessionsCommand):
                log.debug("settled", sessions=len(command.session_ids))
                point.look = True
            self._never_seen(answer.never_seen or ())

    async def _collect(self, engine: PeerLink) -> None:
        """Have the tickets sent again that were too many at once."""
        since = self._records.again_since()
        if since is None:
            return
        log.info("tickets are asked for again", since=since)
        await engine.ask(RecollectCommand(cp_id=self._point.cp_id, since=since))

    async def _look(self, engine: PeerLink) -> None:
        """Look at the engine out of turn, if that was asked for."""
        if self._point.look:
            self._point.look = False
            await self._check(engine)

    def _never_seen(self, session_ids: Iterable[str]) -> None:
        for report in self._point.settling.never_seen(session_ids):
            log.info("the engine has never seen a session", session_id=report.session_id)
            self._point.tell_central(report)

    @handler
    def late_answer(self, answer: CommandResponse, peer: Peer) -> None:
        """It may still name sessions never seen; what else it did, a look at the engine shows."""
        log.info("late answer from the engine", status=answer.status, error=answer.error)
        self._never_seen(answer.never_seen or ())
        self._point.look_soon()
