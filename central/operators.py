"""What operators order: one command, at one charge point or at all.

Every command is in the audit log: stored before anything is done, and again with its answer, so
that no effect is without its entry, also where central dies or its database fails in between. The
entry of a command that was not finished counts neither successes nor failures.
"""

import asyncio
from collections import Counter

import structlog
from msgspec.structs import replace

from central.answers import Answers, Asked
from central.auditing import Auditing
from central.network import Network
from central.orders import EVERY_POINT, Order, Orders
from central.sessions import SessionChanges
from central.store import Conflict, SaveAudit
from common.dispatch import Peer, handler
from common.errors import Reason, Refused, StoreUnavailable
from common.messages import (
    CommandResult,
    ManualCommand,
    ManualCommandName,
    ManualCommandResponse,
    Outcome,
    Role,
)
from common.units import MAX_ROWS

log = structlog.get_logger()

POINTS_WITHIN = 5.0
"""Seconds for which the points that a command goes to are waited for, all together."""

NOBODY = "admin"
"""Whose command it is where the console does not say."""


class Operators:
    """Handles what operators' consoles order.

    Attributes:
        ordered: Commands that were carried out, or failed at some point, so far.
    """

    def __init__(
        self,
        network: Network,
        answers: Answers,
        changes: SessionChanges,
        orders: Orders,
        auditing: Auditing,
    ) -> None:
        self._network = network
        self._answers = answers
        self._changes = changes
        self._orders = orders
        self._auditing = auditing
        self.ordered: Counter[tuple[ManualCommandName, Outcome]] = Counter()

    @handler
    async def command(self, command: ManualCommand, peer: Peer) -> ManualCommandResponse:
        """Do what an operator orders; the same order gets the same answer."""

        async def work(asked: Asked) -> ManualCommandResponse:
            entry = self._auditing.entry(
                asked.key.sender, command.command, command.cp_id, command.reason
            )
            await self._changes.write(SaveAudit(entry))
            answer = await self._do(command, asked)
            self.ordered[command.command, answer.status] += 1
            entry = replace(entry, succeeded=answer.succeeded, failed=answer.failed)
            await self._changes.write(SaveAudit(entry), asked.remember(answer))
            return answer

        return await self._answers.once(Role.ADMIN, peer.id or NOBODY, command, work)

    async def _do(self, command: ManualCommand, asked: Asked) -> ManualCommandResponse:
        """Carry the command out wherever it goes to."""
        try:
            self._orders.check(command)
        except Refused as no:
            return ManualCommandResponse(
                status=Outcome.FAILURE, error=no.reason, message=no.text, failed=1
            )
        until = asyncio.get_running_loop().time() + POINTS_WITHIN
        order = Order(command, asked, until)
        if command.cp_id != EVERY_POINT:
            result, text = await self._at(command.cp_id, order)
            return replace(_answer([result], [result]), message=text)
        done = await asyncio.gather(*(self._at(cp_id, order) for cp_id in self._network.points))
        results = [result for result, _ in done]
        failures = [result for result in results if result.status is Outcome.FAILURE]
        return _answer(results, failures[:MAX_ROWS])

    async def _at(self, cp_id: str, order: Order) -> tuple[CommandResult, str]:
        """What became of the order at one point, and in words why it failed."""
        try:
            live = self._network.points.get(cp_id)
            if live is None:
                raise Refused(Reason.UNKNOWN_CHARGE_POINT, f"no charge point {cp_id}")
            applied = await self._orders.do(live, order)
        except Refused as no:
            reason, text = no.reason, no.text
        except (StoreUnavailable, Conflict) as error:
            log.warning("order not stored", cp_id=cp_id, why=str(error))
            reason, text = Reason.INTERNAL, "nothing was stored; try again"
        else:
            return CommandResult(cp_id=cp_id, status=Outcome.SUCCESS, applied=applied), ""
        failure = CommandResult(cp_id=cp_id, status=Outcome.FAILURE, applied=False, error=reason)
        return failure, text


def _answer(all_results: list[CommandResult], shown: list[CommandResult]) -> ManualCommandResponse:
    failures = [r for r in all_results if r.status is Outcome.FAILURE]
    return ManualCommandResponse(
        status=Outcome.FAILURE if failures else Outcome.SUCCESS,
        error=failures[0].error if failures else None,
        succeeded=len(all_results) - len(failures),
        failed=len(failures),
        results=tuple(shown),
    )
