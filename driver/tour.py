"""The services of a file, one after the other, and what became of each."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum

import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from common.errors import Reason, Refused
from common.units import Money, WattHours
from driver import view
from driver.app import App
from driver.charge import Charge
from driver.client import NotAnswered
from driver.commands import FAILURE, SUCCESS, Receipt, receipt
from driver.requests import asks_for
from driver.services import Service


class Fate(StrEnum):
    """What may become of a service."""

    TICKET = "ticket"
    """It was charged, and there is a ticket."""
    REFUSED = "refused"
    """The charge did not begin."""
    FAILED = "failed"
    """The charge began, and ended before energy flowed."""
    NOT_ANSWERED = "not_answered"
    """Central could not be reached."""


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one service."""

    service: int
    cp_id: str
    outcome: Fate
    error: Reason | None = None
    message: str = ""
    charge: Receipt | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all, and the sums of the tickets."""

    results: list[Result]
    energy_consumed_kwh: WattHours
    total_cost: Money


async def work_through(
    app: App, services: Sequence[Service], target: WattHours | None, pause: float
) -> int:
    """Charge at each of these, `pause` seconds apart, and show what became of them."""
    results: list[Result] = []
    try:
        for service in _unfinished_first(app, services, target):
            if results:
                await asyncio.sleep(pause)
            app.screen.say(f"service {service.number}: {service.cp_id}", "bold")
            results.append(await _serve(app, service, target))
            if results[-1].outcome is Fate.NOT_ANSWERED:
                break
    finally:  # also for a driver that leaves
        done = len(results) == len(services) and results[-1].outcome is not Fate.NOT_ANSWERED
        results.sort(key=lambda result: result.service)
        app.screen.show(table(results))
        app.print_json(report(results))
    return SUCCESS if done else FAILURE


def _unfinished_first(
    app: App, services: Sequence[Service], target: WattHours | None
) -> Sequence[Service]:
    """The services, but first the one whose charge was cut short by a crash, or left."""
    request = app.charging.unfinished()
    if request is None:
        return services
    again = [s for s in services if asks_for(request, s.cp_id, None, target)][:1]
    return again + [s for s in services if s not in again]


async def _serve(app: App, service: Service, target: WattHours | None) -> Result:
    def result(outcome: Fate, *, message: str = "", error: Reason | None = None) -> Result:
        return Result(
            service=service.number,
            cp_id=service.cp_id,
            outcome=outcome,
            error=error,
            message=message,
            charge=receipt(ended) if ended else None,
        )

    ended: Charge | None = None
    try:
        ended = await app.charging.charge(service.cp_id, target=target)
    except Refused as refused:
        text = view.refusal(refused.reason, refused.text)
        app.screen.say(f"no charge at {service.cp_id}: {text}", "yellow")
        return result(Fate.REFUSED, message=text, error=refused.reason)
    except NotAnswered as error:
        app.screen.say(f"{error}; to go on from service {service.number} repeats it", "red")
        return result(Fate.NOT_ANSWERED, message=str(error))
    return result(Fate.TICKET if ended.ticket else Fate.FAILED, message=view.end(ended.reason))


def report(results: list[Result]) -> Report:
    """The results with their sums."""
    charges = [result.charge for result in results if result.charge]
    return Report(
        results=results,
        energy_consumed_kwh=WattHours(sum(charge.energy_consumed_kwh for charge in charges)),
        total_cost=Money(sum(charge.total_cost for charge in charges)),
    )


def table(results: Sequence[Result]) -> Table:
    """The results of the services, and their sums."""
    shown = Table(title="Services", box=box.SIMPLE, title_justify="left", show_footer=True)
    shown.add_column("", justify="right")
    shown.add_column("charge point")
    shown.add_column("result", footer="in all")
    shown.add_column("kWh", justify="right")
    shown.add_column("cost", justify="right")
    shown.add_column("why")
    for result in results:
        charge = result.charge
        shown.add_row(
            str(result.service),
            result.cp_id,
            Text(result.outcome.replace("_", " "), "green" if charge else "yellow"),
            str(charge.energy_consumed_kwh) if charge else "",
            view.money(charge.total_cost, charge.currency) if charge else "",
            result.message,
        )
    charges = [result.charge for result in results if result.charge]
    shown.columns[3].footer = str(report(list(results)).energy_consumed_kwh)
    shown.columns[4].footer = view.sums((c.total_cost, c.currency) for c in charges)
    return shown
