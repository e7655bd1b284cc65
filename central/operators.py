"""What operators order and watch."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from msgspec.structs import replace

from central.answers import Answers, Asked
from central.board import Board
from central.charging import Charging
from central.network import LivePoint, Network
from central.rules.rows import bare, fitting
from central.sessions import SessionChanges
from central.stopping import NotDelivered, Stopping
from central.store import SavePoint, SaveStopIntent
from common.dispatch import Peer, handler
from common.errors import LinkLost, NoAnswer, Reason, Refused, StoreUnavailable
from common.link import Link
from common.messages import (
    ChargeRequest,
    CommandResponse,
    CommandResult,
    ManualCommand,
    ManualCommandName,
    ManualCommandResponse,
    Outcome,
    PointRow,
    PointsRequest,
    PointsResponse,
    ResumeCpCommand,
    Role,
    Severity,
    StopCpCommand,
    WatchRequest,
)
from common.states import EndReason
from common.units import MAX_ROWS

EVERY_POINT = "*"

AT_ONCE = 500
"""Points that a command to all tells at the same time."""

Order = Callable[[LivePoint, ManualCommand, Asked], Awaitable[bool]]
"""Does a command at one point; whether it took effect there now. Raises `Refused`."""


class Operators:
    """Handles what operators' consoles ask."""

    def __init__(
        self,
        network: Network,
        answers: Answers,
        changes: SessionChanges,
        charging: Charging,
        stopping: Stopping,
        board: Board,
    ) -> None:
        self._network = network
        self._answers = answers
        self._changes = changes
        self._charging = charging
        self._stopping = stopping
        self._board = board
        self._orders: dict[ManualCommandName, Order] = {
            ManualCommandName.STOP_CP: self._stop_point,
            ManualCommandName.RESUME_CP: self._resume_point,
            ManualCommandName.START_CHARGING: self._start_charging,
            ManualCommandName.STOP_CHARGING: self._stop_charging,
        }

    # -- Watching --

    @handler
    def points(self, request: PointsRequest, peer: Peer) -> PointsResponse:
        """A page of rows."""
        page, more = fitting(self._rows(request), request.limit)
        following = page[-1].cp_id if page else request.after or ""
        return PointsResponse(
            status=Outcome.SUCCESS, points=tuple(page), next=following if more else None
        )

    def _rows(self, request: PointsRequest) -> Iterator[PointRow]:
        wanted = (request.search or "").casefold()
        for cp_id in self._network.ids_after(request.after):
            live = self._network.points[cp_id]
            if wanted in f"{cp_id}\n{live.point.location}".casefold():
                yield bare(self._network.row(live))

    @handler
    def watch(self, request: WatchRequest, peer: Peer) -> CommandResponse:
        """Begin to tell this link what there is and what changes, after the answer."""
        link = peer.link
        assert isinstance(link, Link)
        asyncio.get_running_loop().call_soon(self._begin_watch, link)
        return CommandResponse(status=Outcome.SUCCESS)

    def _begin_watch(self, link: Link) -> None:
        if not link.is_closing:
            self._board.watch(link)

    # -- Ordering --

    @handler
    async def command(self, command: ManualCommand, peer: Peer) -> ManualCommandResponse:
        """Do what an operator orders; the same order gets the same answer."""
        sender = peer.id or "admin"

        async def work(asked: Asked) -> ManualCommandResponse:
            answer = await self._do(command, asked)
            await self._changes.write(asked.remember(answer))
            return answer

        return await self._answers.once(Role.ADMIN, sender, command, work)

    async def _do(self, command: ManualCommand, asked: Asked) -> ManualCommandResponse:
        order = self._orders[command.command]
        if command.cp_id != EVERY_POINT:
            result = await self._at(command.cp_id, order, command, asked)
            return _answer([result], [result])
        if command.command is ManualCommandName.START_CHARGING:
            return _refused(Reason.INVALID_MESSAGE, "a charge is started at one point")
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(cp_id: str) -> CommandResult:
            async with gate:
                return await self._at(cp_id, order, command, asked)

        results = await asyncio.gather(*map(one, list(self._network.points)))
        failures = [r for r in results if r.status is Outcome.FAILURE]
        return _answer(results, failures[:MAX_ROWS])

    async def _at(
        self, cp_id: str, order: Order, command: ManualCommand, asked: Asked
    ) -> CommandResult:
        """What became of the order at one point."""
        try:
            live = self._network.points.get(cp_id)
            if live is None:
                raise Refused(Reason.UNKNOWN_CHARGE_POINT, f"no charge point {cp_id}")
            applied = await order(live, command, asked)
        except Refused as no:
            return CommandResult(
                cp_id=cp_id, status=Outcome.FAILURE, applied=False, error=no.reason
            )
        except StoreUnavailable:
            return CommandResult(
                cp_id=cp_id, status=Outcome.FAILURE, applied=False, error=Reason.INTERNAL
            )
        return CommandResult(cp_id=cp_id, status=Outcome.SUCCESS, applied=applied)

    async def _stop_point(self, live: LivePoint, command: ManualCommand, asked: Asked) -> bool:
        await self._set_stopped(live, stopped=True)
        cp_id = live.point.cp_id
        text = f"stopped by {asked.key.sender}" + (f": {command.reason}" if command.reason else "")
        self._board.event(text, Severity.WARNING, cp_id=cp_id)
        return await self._tell(
            live,
            StopCpCommand(cp_id=cp_id, reason=command.reason or "", epoch=self._network.epoch),
        )

    async def _resume_point(self, live: LivePoint, command: ManualCommand, asked: Asked) -> bool:
        await self._set_stopped(live, stopped=False)
        cp_id = live.point.cp_id
        self._board.event(f"resumed by {asked.key.sender}", cp_id=cp_id)
        return await self._tell(live, ResumeCpCommand(cp_id=cp_id, epoch=self._network.epoch))

    async def _set_stopped(self, live: LivePoint, *, stopped: bool) -> None:
        async with self._network.writing(live.point.cp_id):
            changed = replace(live.point, stopped=stopped)
            await self._changes.write(SavePoint(changed))
            live.point = changed
        self._board.changed(live.point.cp_id)

    async def _tell(self, live: LivePoint, command: StopCpCommand | ResumeCpCommand) -> bool:
        """Tell the point; False if it cannot be reached: then its next report makes it agree."""
        if live.link is None:
            return False
        try:
            await live.link.ask(command)
        except (NoAnswer, LinkLost):
            return False
        except Refused as no:
            if no.answer is None or no.reason is Reason.TIMED_OUT:
                return False
            raise Refused(Reason.ENGINE_REFUSED, no.text) from None
        return True

    async def _start_charging(self, live: LivePoint, command: ManualCommand, asked: Asked) -> bool:
        if command.driver_id is None:
            raise Refused(Reason.INVALID_MESSAGE, "Object missing required field `driver_id`")
        request = ChargeRequest(
            message_id=asked.key.message_id,
            trace_id=command.trace_id,
            cp_id=live.point.cp_id,
            connector_id=command.connector_id,
            driver_id=command.driver_id,
        )
        answer = await self._charging.start(Role.CENTRAL, asked.key.sender, request)
        if answer.error is not None:
            raise Refused(answer.error, answer.message)
        return True

    async def _stop_charging(self, live: LivePoint, command: ManualCommand, asked: Asked) -> bool:
        sessions = [
            s.session
            for number, s in live.serving.items()
            if command.connector_id in (None, number) and s.session.holds_connector
        ]
        if not sessions:
            if command.cp_id == EVERY_POINT:
                return True
            raise Refused(Reason.UNKNOWN_SESSION, f"no session at {live.point.cp_id}")
        for session in sessions:
            try:
                await self._stopping.stop(session, EndReason.OPERATOR_REQUEST, command.trace_id)
            except NotDelivered as no:
                await self._changes.write(SaveStopIntent(no.intent))
                return False
        return True


def _answer(all_results: list[CommandResult], shown: list[CommandResult]) -> ManualCommandResponse:
    failures = [r for r in all_results if r.status is Outcome.FAILURE]
    return ManualCommandResponse(
        status=Outcome.FAILURE if failures else Outcome.SUCCESS,
        error=failures[0].error if failures else None,
        succeeded=len(all_results) - len(failures),
        failed=len(failures),
        results=tuple(shown),
    )


def _refused(reason: Reason, text: str) -> ManualCommandResponse:
    return ManualCommandResponse(status=Outcome.FAILURE, error=reason, message=text, failed=1)
