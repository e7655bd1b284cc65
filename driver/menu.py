"""The interactive app: a menu at the terminal, and the live view while a charge runs."""

from collections.abc import Awaitable, Callable

from common.errors import CannotStart, ChargingError, Refused
from common.units import WattHours
from driver import view
from driver.app import App
from driver.charging import Left
from driver.lists import available, history
from driver.services import is_charge_point_id
from driver.state import Held
from driver.terminal import Keyboard

MENU = "[a]vailable points  [c]harge  [w]atch  [s]top  [h]istory  [q]uit"


class Menu:
    """One driver at a terminal."""

    def __init__(self, app: App, keyboard: Keyboard) -> None:
        self._app = app
        self._keyboard = keyboard
        self._driver_id = app.settings.driver_id
        self._choices: dict[str, Callable[[], Awaitable[None]]] = {
            "a": self._available,
            "c": self._charge,
            "w": self._watch,
            "s": self._stop,
            "h": self._history,
        }

    async def run(self) -> int:
        """Show the menu and do what is chosen, until the driver quits."""
        await self._greet()
        while True:
            self._app.screen.say(f"\n{self._connection()}\n{MENU}", "dim")
            typed = await self._keyboard.line("> ")
            if typed is None or typed.casefold() in ("q", "quit"):
                return 0
            choice = self._choices.get(typed.casefold()[:1])
            if choice is not None:
                await self._try(choice)

    async def _greet(self) -> None:
        self._app.screen.say(f"driver {self._driver_id}", "bold")
        await self._app.client.settled()
        if self._app.client.link is None:
            return
        await self._try(self._resume)

    async def _resume(self) -> None:
        """Show the charge that runs, or the ticket of the one that was left."""
        unfinished = self._app.charging.unfinished()
        if unfinished is not None:
            asked_at = view.moment(unfinished.timestamp)
            question = (
                f"Your request of {asked_at} to charge at {unfinished.cp_id} was cut short."
                " Go on with it? [Y/n] "
            )
            typed = await self._keyboard.line(question)
            if typed is not None and typed.casefold() not in ("n", "no"):
                await self._app.charging.charge(
                    unfinished.cp_id, unfinished.connector_id, unfinished.target_kwh
                )
            return
        charge = await self._app.charging.look_back()
        if charge is not None:
            await self._app.charging.see_through(charge)

    def _connection(self) -> str:
        if self._app.client.link is not None:
            return f"connected to CENTRAL as {self._driver_id}"
        return self._app.client.trouble or "connecting to CENTRAL"

    async def _try(self, choice: Callable[[], Awaitable[None]]) -> None:
        try:
            await choice()
        except Refused as refused:
            self._app.screen.say(view.refusal(refused.reason, refused.text), "red")
        except Left:
            pass  # it said so
        except ChargingError as error:
            self._app.screen.say(str(error), "red")

    # -- What can be chosen --

    async def _available(self) -> None:
        answer = await available(self._app.client, self._driver_id)
        self._app.screen.show(view.points(answer.charging_points))

    async def _charge(self) -> None:
        cp_id = await self._keyboard.line("Charge point: ")
        if not cp_id:
            return
        if not is_charge_point_id(cp_id):
            self._app.screen.say(f"{cp_id!r} is no charge point's id", "red")
            return
        typed = await self._keyboard.line("kWh (empty: until you stop it, or the car is full): ")
        if typed is None:
            return
        try:
            target = WattHours.parse(typed) if typed else None
        except ValueError as error:
            self._app.screen.say(str(error), "red")
            return
        await self._app.charging.charge(cp_id, target=target or None)

    async def _watch(self) -> None:
        charge = await self._app.charging.look_back()
        if charge is None:
            self._app.screen.say("no charge is running")
            return
        await self._app.charging.see_through(charge)

    async def _stop(self) -> None:
        session: Held | None = await self._app.charging.running()
        if session is None:
            self._app.screen.say("no charge is running")
            return
        await self._app.charging.stop(session)
        charge = await self._app.charging.look_back()
        if charge is not None:
            await self._app.charging.see_through(charge)

    async def _history(self) -> None:
        answer = await history(self._app.client, self._driver_id)
        self._app.screen.show(view.history(answer.sessions))


async def interact(app: App) -> int:
    """Be a driver's app until the driver quits."""
    if app.keyboard is None:
        raise CannotStart("without a COMMAND a terminal is needed, one that can be drawn on")
    return await Menu(app, app.keyboard).run()
