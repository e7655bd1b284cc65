"""The one-shot commands: each does one thing, shows it, and says by its exit code how it went.

With `--json` stdout holds one JSON document and nothing else; what is for people goes to stderr.
"""

import click
import msgspec

from common.errors import Refused
from common.messages import Outcome
from common.states import EndReason, SessionState
from common.units import Money, Price, WattHours
from driver import view
from driver.app import App
from driver.charge import Charge
from driver.lists import available, history
from driver.requests import asks_for

SUCCESS = 0
FAILURE = 1


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a charge ended: the fields of its row in the history."""

    status: Outcome
    session_id: str
    cp_id: str
    connector_id: int
    state: SessionState
    started_at: int | None = None
    ended_at: int | None = None
    energy_consumed_kwh: WattHours
    price_per_kwh: Price | None = None
    total_cost: Money
    currency: str | None = None
    reason: EndReason | None = None
    estimated: bool | None = None
    revision: int | None = None


def receipt(charge: Charge) -> Receipt:
    """The end of a charge, for programs."""
    ticket = charge.ticket
    return Receipt(
        status=Outcome.SUCCESS if ticket else Outcome.FAILURE,
        session_id=charge.session_id,
        cp_id=charge.cp_id,
        connector_id=charge.connector_id,
        state=charge.state,
        started_at=ticket.started_at if ticket else None,
        ended_at=ticket.ended_at if ticket else None,
        energy_consumed_kwh=charge.energy,
        price_per_kwh=ticket.price if ticket else charge.price,
        total_cost=charge.cost,
        currency=(ticket.currency if ticket else None) or charge.currency,
        reason=charge.reason,
        estimated=ticket.estimated if ticket else None,
        revision=ticket.revision if ticket else None,
    )


async def charge(app: App, cp_id: str, connector: int | None, target: WattHours | None) -> int:
    """Charge here, and watch it to the ticket."""
    unfinished = app.charging.unfinished()
    if unfinished is not None and not asks_for(unfinished, cp_id, connector, target):
        await app.charging.show_left()
    try:
        ended = await app.charging.charge(cp_id, connector, target)
    except Refused as refused:
        return _refused(app, f"no charge at {cp_id}", refused)
    app.print_json(receipt(ended))
    return SUCCESS if ended.ticket else FAILURE


async def stop(app: App) -> int:
    """Stop the running charge."""
    try:
        session = await app.charging.running()
        if session is None:
            click.echo(f"ev-driver: no charge of {app.settings.driver_id} is running", err=True)
            return FAILURE
        answer = await app.charging.stop(session)
    except Refused as refused:
        return _refused(app, "not stopped", refused)
    app.screen.say(f"stopped the charge at {session.cp_id} (session {session.session_id})")
    app.print_json(answer)
    return SUCCESS


async def show_available(app: App) -> int:
    """Show where a charge can start now."""
    try:
        answer = await available(app.client, app.settings.driver_id)
    except Refused as refused:
        return _refused(app, "no list", refused)
    if not app.settings.as_json:
        app.screen.show(view.points(answer.charging_points))
    app.print_json(answer)
    return SUCCESS


async def show_history(app: App) -> int:
    """Show what was charged, and what is being charged."""
    try:
        answer = await history(app.client, app.settings.driver_id)
    except Refused as refused:
        return _refused(app, "no history", refused)
    if not app.settings.as_json:
        app.screen.show(view.history(answer.sessions))
    app.print_json(answer)
    return SUCCESS


def _refused(app: App, what: str, refused: Refused) -> int:
    if refused.answer is not None:
        app.print_json(refused.answer)
    click.echo(f"ev-driver: {what}: {view.refusal(refused.reason, refused.text)}", err=True)
    return FAILURE
