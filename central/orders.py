"""What an operator's order does at one charge point."""

import asyncio
from dataclasses import dataclass

import structlog
from msgspec.structs import replace

from central.answers import Asked
from central.board import Board
from central.charging import Charging
from central.network import LivePoint, Network
from central.rules.records import Point
from central.sessions import SessionChanges
from central.stopping import NotDelivered, Stopping
from central.store import SavePoint, SaveStopIntent
from common.errors import LinkLost, NoAnswer, Reason, Refused
from common.messages import (
    ChargeRequest,
    ManualCommand,
    ManualCommandName,
    RecollectCommand,
    ResumeCpCommand,
    Role,
    Severity,
    StopCpCommand,
)
from common.states import OPEN_STATES, EndReason
from common.units import Price

log = structlog.get_logger()

EVERY_POINT = "*"


@dataclass(frozen=True, slots=True)
class Order:
    """A command that is being carried out.

    Attributes:
        until: By the loop's clock: when its answer is given, whatever points have not answered.
    """

    command: ManualCommand
    asked: Asked
    until: float

    @property
    def left(self) -> float:
        """Seconds for which a point may still be waited for."""
        return max(0.0, self.until - asyncio.get_running_loop().time())

    @property
    def trace_id(self) -> str:
        return self.command.trace_id or self.command.message_id


class Orders:
    """Carries out orders, each at one point."""

    def __init__(
        self,
        network: Network,
        changes: SessionChanges,
        charging: Charging,
        stopping: Stopping,
        board: Board,
    ) -> None:
        self._network = network
        self._changes = changes
        self._charging = charging
        self._stopping = stopping
        self._board = board
        self._works = {
            ManualCommandName.STOP_CP: self._stop_point,
            ManualCommandName.RESUME_CP: self._resume_point,
            ManualCommandName.START_CHARGING: self._start_charging,
            ManualCommandName.STOP_CHARGING: self._stop_charging,
            ManualCommandName.SET_PRICE: self._set_price,
            ManualCommandName.RECOLLECT: self._recollect,
        }

    def check(self, command: ManualCommand) -> None:
        """Refuse an order that lacks something, before it is tried anywhere.

        Raises:
            Refused: `invalid_message`, naming the field.
        """
        name, every = command.command, command.cp_id == EVERY_POINT
        if name is ManualCommandName.START_CHARGING and every:
            raise Refused(Reason.INVALID_MESSAGE, "a charge is started at one point - at `$.cp_id`")
        if name is ManualCommandName.START_CHARGING and command.driver_id is None:
            raise Refused(Reason.INVALID_MESSAGE, "Object missing required field `driver_id`")
        if name is ManualCommandName.SET_PRICE and command.price_per_kwh is None:
            raise Refused(Reason.INVALID_MESSAGE, "Object missing required field `price_per_kwh`")
        if name is ManualCommandName.RECOLLECT and command.since is None:
            raise Refused(Reason.INVALID_MESSAGE, "Object missing required field `since`")

    async def do(self, live: LivePoint, order: Order) -> bool:
        """Carry out a checked order here; whether it took effect there now.

        What is not applied is stored, and takes effect as soon as the point can be reached.

        Raises:
            Refused: It did not, and will not.
            StoreUnavailable: It could not be stored.
        """
        return await self._works[order.command.command](live, order)

    async def _stop_point(self, live: LivePoint, order: Order) -> bool:
        reason = order.command.reason or ""
        await self._save(live, stopped=True)
        cp_id = live.point.cp_id
        text = f"stopped by {order.asked.key.sender}" + (f": {reason}" if reason else "")
        self._board.event(text, Severity.WARNING, cp_id=cp_id)
        if live.point.ocpp_version is not None:  # an engine does that by itself
            await self._stop_transactions(live, order)
        told = StopCpCommand(
            trace_id=order.trace_id, cp_id=cp_id, reason=reason, epoch=self._network.epoch
        )
        return await self._tell(live, told, order)

    async def _stop_transactions(self, live: LivePoint, order: Order) -> None:
        """End what goes on at an OCPP charge point; what it does not do now is asked again."""
        sessions = [each.session for each in self._network.of_point(live.point.cp_id)]
        running = [session for session in sessions if session.state in OPEN_STATES]
        done = await asyncio.gather(
            *(
                self._stopping.stop(
                    session, EndReason.CP_STOPPED, order.trace_id, within=order.left
                )
                for session in running
            ),
            return_exceptions=True,
        )
        for session, error in zip(running, done, strict=True):
            if isinstance(error, NotDelivered):
                await self._changes.write(SaveStopIntent(error.intent))
            elif isinstance(error, Refused):
                log.info("stop refused", session_id=session.session_id, why=str(error))
            elif isinstance(error, BaseException):
                raise error

    async def _resume_point(self, live: LivePoint, order: Order) -> bool:
        await self._save(live, stopped=False)
        cp_id = live.point.cp_id
        self._board.event(f"resumed by {order.asked.key.sender}", cp_id=cp_id)
        told = ResumeCpCommand(trace_id=order.trace_id, cp_id=cp_id, epoch=self._network.epoch)
        return await self._tell(live, told, order)

    async def _set_price(self, live: LivePoint, order: Order) -> bool:
        """For sessions that begin from now on; the point itself is told with each start."""
        price = order.command.price_per_kwh
        assert price is not None  # checked
        before = live.point.price
        await self._save(live, price=price)
        text = f"price set by {order.asked.key.sender}: {before} to {price}"
        self._board.event(f"{text} {self._network.currency}/kWh", cp_id=live.point.cp_id)
        return True

    async def _recollect(self, live: LivePoint, order: Order) -> bool:
        """Let the engine send its tickets again; those that are known change nothing.

        Raises:
            Refused: `charge_point_offline`, `timed_out`: it is not stored, and may be repeated.
        """
        since = order.command.since
        assert since is not None  # checked
        cp_id = live.point.cp_id
        if live.link is None:
            raise Refused(Reason.CHARGE_POINT_OFFLINE, f"{cp_id} is not connected")
        told = RecollectCommand(
            trace_id=order.trace_id, cp_id=cp_id, since=since, epoch=self._network.epoch
        )
        try:
            await live.link.ask(told, within=order.left)
        except (NoAnswer, LinkLost) as error:
            raise Refused(Reason.TIMED_OUT, str(error)) from None
        except Refused as no:
            raise Refused(Reason.ENGINE_REFUSED, no.text or str(no.reason)) from None
        self._board.event(f"tickets recollected by {order.asked.key.sender}", cp_id=cp_id)
        return True

    async def _save(
        self, live: LivePoint, *, stopped: bool | None = None, price: Price | None = None
    ) -> None:
        async with self._network.writing(live.point.cp_id):
            changed: Point = live.point
            if stopped is not None:
                changed = replace(changed, stopped=stopped)
            if price is not None:
                changed = replace(changed, price=price)
            await self._changes.write(SavePoint(changed))
            # What came meanwhile (it was last seen) is kept.
            live.point = replace(live.point, stopped=changed.stopped, price=changed.price)
        self._board.changed(live.point.cp_id)

    async def _tell(
        self, live: LivePoint, told: StopCpCommand | ResumeCpCommand, order: Order
    ) -> bool:
        """Tell the point; False if it cannot be reached: then its next report makes it agree."""
        if live.link is None or not order.left:
            return False
        try:
            await live.link.ask(told, within=order.left)
        except (NoAnswer, LinkLost):
            return False
        except Refused as no:
            if no.answer is None or no.reason is Reason.TIMED_OUT:
                return False
            raise Refused(Reason.ENGINE_REFUSED, no.text) from None
        return True

    async def _start_charging(self, live: LivePoint, order: Order) -> bool:
        command, key = order.command, order.asked.key
        assert command.driver_id is not None  # checked
        request = ChargeRequest(
            message_id=key.message_id,
            trace_id=command.trace_id,
            cp_id=live.point.cp_id,
            connector_id=command.connector_id,
            driver_id=command.driver_id,
        )
        answer = await self._charging.start(Role.CENTRAL, key.sender, request)
        if answer.error is not None:
            raise Refused(answer.error, answer.message)
        return True

    async def _stop_charging(self, live: LivePoint, order: Order) -> bool:
        command = order.command
        sessions = [
            each.session
            for number, each in live.serving.items()
            if command.connector_id in (None, number) and each.session.holds_connector
        ]
        if not sessions and command.cp_id != EVERY_POINT:
            raise Refused(Reason.UNKNOWN_SESSION, f"no session at {live.point.cp_id}")
        applied = True
        for session in sessions:
            try:
                await self._stopping.stop(
                    session, EndReason.OPERATOR_REQUEST, order.trace_id, within=order.left
                )
            except NotDelivered as no:
                await self._changes.write(SaveStopIntent(no.intent))
                applied = False
        return applied
