"""A charge from its request to its ticket, as one driver lives it.

The request is remembered before it is sent, and until its end has been shown: whoever asks for
the same charge again, after a crash or after leaving, sees that very charge and not a second one.

What happens meanwhile comes by Kafka. The history is asked too: once at the beginning, which makes
up for what was told before anybody listened, and then whenever nothing comes by Kafka.
"""

import asyncio
from contextlib import suppress

import structlog
from msgspec import structs

from common.clock import Clock
from common.errors import PASSING, ChargingError, Refused
from common.messages import ChargeRequest, StopChargingResponse
from common.units import WattHours
from driver import view
from driver.charge import Charge, from_row
from driver.client import Client, NotAnswered
from driver.lists import find_open, find_session
from driver.lookout import LiveData, Lookout
from driver.requests import asks_for, begun, held_by, held_of, new_charge, new_stop
from driver.screen import Screen
from driver.state import Held, StateFolder
from driver.terminal import Keyboard
from driver.watch import Watch

log = structlog.get_logger()

DRAW_EVERY = 0.25
"""Seconds between two pictures, where nothing has moved but the connection may have."""


class Left(Exception):
    """The driver has left; what was begun goes on."""


class Charging:
    """One driver's charges, one after the other."""

    def __init__(
        self,
        driver_id: str,
        client: Client,
        watch: Watch,
        live: LiveData,
        folder: StateFolder,
        screen: Screen,
        keyboard: Keyboard | None,
        clock: Clock,
    ) -> None:
        self._lookout = Lookout(driver_id, client, watch, live, screen, clock)
        self._driver_id = driver_id
        self._client = client
        self._watch = watch
        self._live = live
        self._folder = folder
        self._screen = screen
        self._keyboard = keyboard
        self._clock = clock

    # -- Asking --

    def unfinished(self) -> ChargeRequest | None:
        """The request whose end has not been shown: left, or cut short by a crash."""
        return self._folder.remembered.request

    async def charge(
        self, cp_id: str, connector_id: int | None = None, target: WattHours | None = None
    ) -> Charge:
        """Ask for a charge, watch it to its end and show that.

        Raises:
            Refused: It did not begin.
            NotAnswered: It is not known whether it began; asking for the same again tells.
            Left: It goes on.
        """
        before = self._folder.remembered
        request = before.request
        if request is not None and asks_for(request, cp_id, connector_id, target):
            before = structs.replace(before, request=None)
            asked_at = view.moment(request.timestamp)
            self._screen.say(f"repeating the request of {asked_at}, whose end was not seen here")
        else:
            request = new_charge(
                self._driver_id, cp_id, connector_id, target, int(self._clock.wall())
            )
        self._live.start()
        self._folder.remember(request=request, session=before.session)
        try:
            answer = await self._client.ask(request)
        except Refused as refused:
            # Another charge, which may be why, is still to be shown. A refusal that decides nothing
            # leaves it open: the request may be on its way by Kafka, and begin a charge yet.
            if refused.reason not in PASSING:
                self._folder.remember(request=before.request, session=before.session)
            raise
        except asyncio.CancelledError:
            self._screen.say(
                "left before CENTRAL answered; asking for the same charge repeats this request"
            )
            raise
        held = held_by(request, answer)
        log.info(
            "charge begins",
            cp_id=held.cp_id,
            session_id=held.session_id,
            trace_id=held.trace_id,
        )
        self._folder.remember(request=request, session=held)
        return await self.see_through(begun(held))

    async def stop(self, session: Held) -> StopChargingResponse:
        """Ask central to end this session.

        Raises:
            Refused: It cannot be stopped.
            NotAnswered: It is not known whether it was.
        """
        request = self._folder.pending_stop()
        if request is None or request.session_id != session.session_id:
            request = new_stop(self._driver_id, session, int(self._clock.wall()))
        self._folder.remember_stop(request)
        try:
            answer = await self._client.ask(request)
        except Refused as refused:
            if refused.reason not in PASSING:
                self._folder.forget_stop()
            raise
        self._folder.forget_stop()
        return answer

    async def running(self) -> Held | None:
        """The session that runs now: as central says, or as remembered where that cannot say."""
        remembered = self._folder.remembered.session
        await self._client.settled()
        if self._client.link is None and remembered is not None:
            return remembered
        row = await find_open(self._client, self._driver_id)
        if row is None:
            return None
        if remembered is not None and remembered.session_id == row.session_id:
            return remembered
        return held_of(row)

    def forget(self) -> None:
        """The end of the last charge has been shown: the next request is a new one."""
        self._folder.remember(request=None, session=None)

    # -- Watching --

    async def look_back(self) -> Charge | None:
        """The charge that was left, or that runs; None if there is none."""
        held = self._folder.remembered.session
        row = await find_session(self._client, self._driver_id, held.session_id) if held else None
        row = row or await find_open(self._client, self._driver_id)
        return from_row(row, held.target_kwh if held else None) if row else None

    async def show_left(self) -> None:
        """Show what became of the charge that was left, as far as that can be known now."""
        try:
            charge = await self.look_back()
        except ChargingError as error:
            log.info("cannot look back", why=str(error))
            return
        if charge is not None and charge.over:
            self._screen.say("the charge that was left has ended")
            self._show_end(charge)
        elif charge is not None:
            self._screen.say(f"your charge at {charge.cp_id} still runs", "yellow")

    async def see_through(self, charge: Charge) -> Charge:
        """Watch a charge until it is over, and show how it ended.

        Raises:
            Left: It goes on.
        """
        self._live.start()
        self._watch.follow(charge)
        try:
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(self._lookout.run())
                stays = await self._stay()
                looking.cancel()
            if not stays:
                raise Left
        except (asyncio.CancelledError, Left):
            self._screen.say(
                f"the charge at {charge.cp_id} goes on: asking for the same shows it again,"
                f" and stop ends it"
            )
            raise
        self._show_end(self._now())
        return self._now()

    async def _stay(self) -> bool:
        """Show the charge until it is over; False if the driver leaves before."""
        while not self._now().over:
            await self._until_over_or_interrupted()
            if not self._now().over and not await self._wants_it_stopped():
                return False
        return True

    def _now(self) -> Charge:
        assert self._watch.charge is not None
        return self._watch.charge

    async def _draw(self) -> None:
        """Show the charge until it is over."""
        hint = "Ctrl-C: stop the charge, or leave it" if self._keyboard else ""
        while not self._now().over:
            self._screen.draw(self._now(), self._client.trouble, hint)
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAW_EVERY):
                    await self._watch.moved()

    async def _until_over_or_interrupted(self) -> None:
        with self._screen.drawing():
            if self._keyboard is None:
                await self._draw()
                return
            drawing = asyncio.ensure_future(self._draw())
            interrupted = asyncio.ensure_future(self._keyboard.interrupted())
            try:
                await asyncio.wait((drawing, interrupted), return_when=asyncio.FIRST_COMPLETED)
                if drawing.done():
                    drawing.result()
            finally:
                drawing.cancel()
                interrupted.cancel()

    async def _wants_it_stopped(self) -> bool:
        """Ask at the terminal, and stop the charge if so; False if the driver leaves."""
        assert self._keyboard is not None
        over = asyncio.ensure_future(self._draw())
        typed = asyncio.ensure_future(self._keyboard.line("Stop the charge? [y/N] "))
        try:
            await asyncio.wait((over, typed), return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                over.result()
                return True
            if (typed.result() or "").casefold() not in ("y", "yes"):
                return False
        finally:
            over.cancel()
            typed.cancel()
        charge = self._now()
        try:
            await self.stop(self._folder.remembered.session or held_of(charge))
        except Refused as refused:
            self._screen.say(f"not stopped: {view.refusal(refused.reason, refused.text)}")
        except NotAnswered as error:
            self._screen.say(f"not stopped yet: {error}")
        return True

    def _show_end(self, charge: Charge) -> None:
        log.info(
            "charge ended",
            cp_id=charge.cp_id,
            session_id=charge.session_id,
            state=charge.state,
            energy_kwh=str(charge.energy),
            cost=str(charge.cost),
            reason=charge.reason,
        )
        if charge.ticket is not None:
            self._screen.show(view.ticket(charge))
        else:
            why = f": {view.end(charge.reason)} ({charge.reason})" if charge.reason else ""
            self._screen.say(f"the charge at {charge.cp_id} ended without energy{why}", "red")
        self.forget()
