"""The panel: the list, what stands around it, and what its keys do."""

import time
from collections.abc import Sequence
from itertools import cycle
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.widgets import Footer, Input, RichLog, Static

from admin import words
from admin.app import Settings
from admin.commands import EVERY_POINT, named
from admin.panel import columns, summary
from admin.panel.board import Board, Order
from admin.panel.dialogs import AskPrice, Confirm, Confirmed, Details, Help
from admin.panel.feed import Feed
from admin.panel.orders import carry_out
from admin.panel.point_list import PointList
from common import logs
from common.errors import CannotStart, ChargingError
from common.messages import (
    EventLogged,
    ManualCommand,
    ManualCommandName,
    PointRow,
    SessionsRequest,
    Severity,
)
from common.states import Status
from common.units import Price

DRAW_EVERY = 0.1
"""Seconds between two pictures, where something has changed."""

LAST_SESSIONS = 10
"""Sessions in the details of a point."""

SEVERITY = {Severity.INFO: "", Severity.WARNING: "yellow", Severity.ALARM: "bold red"}

HELP = """\
up down pageup pagedown home end   select a charge point
enter       its details, with its last sessions
s  r        stop, resume the selected one
S  R        stop, resume all that are shown (asks first)
A  U        stop, resume all there are (asks first)
e           end the charge at the selected one
p           set its price for later charges
/           search in ids, places and drivers; escape shows all again
f           show one status only; again for the next, then all
o           sort by id, by status, by power
t           light or dark
q           quit

A charge point that cannot be reached is stopped or resumed as soon as it is back.
"""


class Panel(App[None]):
    """The operator's live panel."""

    CSS_PATH = "panel.tcss"
    TITLE = "EV charging"
    ENABLE_COMMAND_PALETTE = False

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "order('stop_cp')", "Stop"),
        Binding("r", "order('resume_cp')", "Resume"),
        Binding("S", "order_shown('stop_cp')", "Stop shown", show=False),
        Binding("R", "order_shown('resume_cp')", "Resume shown", show=False),
        Binding("A", "order_all('stop_cp')", "Stop all", show=False),
        Binding("U", "order_all('resume_cp')", "Resume all", show=False),
        Binding("e", "order('stop_charging')", "End charge", show=False),
        Binding("p", "price", "Price"),
        Binding("slash", "search", "Search"),
        Binding("escape", "show_all", "Show all", show=False),
        Binding("f", "filter", "Filter"),
        Binding("o", "sort", "Sort"),
        Binding("t", "theme", "Theme", show=False),
        Binding("question_mark", "help", "Help"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.board = Board()
        self.feed = Feed(settings, self.board)
        self._drawn = -1
        self._next_statuses = cycle([*Status, None])
        self._next_orders = cycle([*list(Order)[1:], Order.ID])

    def compose(self) -> ComposeResult:
        yield Static(id="top")
        yield Static(id="counts")
        yield Static(id="heading")
        yield PointList(id="points")
        yield Static(id="filters")
        yield Input(placeholder="search in ids, places and drivers", id="search")
        yield RichLog(id="events", max_lines=500, wrap=True, auto_scroll=True)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to follow central, and to draw."""
        self.query_one("#events").can_focus = False
        self.query_one("#search").display = False
        self.query_one(PointList).focus()
        self.run_worker(self.feed.run(), exit_on_error=True)
        self.run_worker(self.feed.ask_health(), exit_on_error=True)
        self.set_interval(DRAW_EVERY, self.draw)
        self.draw()

    # -- Drawing --

    def on_resize(self) -> None:
        """Draw it as wide as it is now."""
        self._drawn = -1

    def draw(self) -> None:
        """Draw what has changed since the last picture."""
        if self._drawn == self.board.changes:
            return
        self._drawn = self.board.changes
        board, client = self.board, self.feed.client
        try:
            points = self.screen_stack[0].query_one(PointList)
        except NoMatches:  # the program ends
            return
        lines = board.lines()
        points.show(lines, stale=board.stale)
        trouble = client.trouble if board.stale else ""
        self._put("top", summary.top(client.where, trouble, self.feed.health))
        self._put("counts", summary.counts(board))
        self._put("heading", Text(columns.heading(points.size.width - 1)))
        shown = sum(line.connector is None for line in lines)
        self._put("filters", summary.filters(board, shown))
        self._log_events()
        if isinstance(self.screen, Details) and (row := board.points.get(self.screen.cp_id)):
            self.screen.show(row)

    def _put(self, name: str, text: Text) -> None:
        self.screen_stack[0].query_one(f"#{name}", Static).update(text)

    def _log_events(self) -> None:
        log = self.screen_stack[0].query_one("#events", RichLog)
        for event in self.board.take_new_events():
            log.write(_event(event))

    # -- Keys: what is shown --

    def action_search(self) -> None:
        """Search as it is typed."""
        search = self.query_one("#search", Input)
        search.display = True
        search.focus()

    def on_input_changed(self, changed: Input.Changed) -> None:
        """Show what has been typed so far."""
        if changed.input.id == "search":
            self.board.look_for(changed.value)

    def on_input_submitted(self, submitted: Input.Submitted) -> None:
        """Keep what was found, and go back to the list."""
        if submitted.input.id == "search":
            submitted.input.display = False
            self.query_one(PointList).focus()

    def action_show_all(self) -> None:
        """Show every point again."""
        search = self.query_one("#search", Input)
        search.value, search.display = "", False
        self.board.look_for("")
        self.board.show_only(None)
        self._next_statuses = cycle([*Status, None])
        self.query_one(PointList).focus()

    def action_filter(self) -> None:
        """Show the next status alone."""
        self.board.show_only(next(self._next_statuses))

    def action_sort(self) -> None:
        """Sort by the next thing."""
        self.board.sort_by(next(self._next_orders))

    def action_theme(self) -> None:
        """Light to dark, and back."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Help(HELP))

    # -- Keys: details --

    def on_point_list_opened(self, opened: PointList.Opened) -> None:
        """Show the details of a point."""
        row = self.board.points.get(opened.cp_id)
        if row is not None:
            details = Details(row)
            self.push_screen(details)
            self.run_worker(self._fetch_sessions(details))

    async def _fetch_sessions(self, details: Details) -> None:
        request = SessionsRequest(cp_id=details.cp_id, limit=LAST_SESSIONS)
        try:
            answer = await self.feed.client.ask(request)
        except ChargingError as error:
            self.notify(str(error), title="no sessions", severity="error", markup=False)
        else:
            details.show_sessions(answer.sessions)

    # -- Keys: orders --

    def action_order(self, name: str) -> None:
        """Order something at the selected point."""
        row = self.query_one(PointList).selected
        if row is not None:
            self._order(named(ManualCommandName(name)), [row.cp_id])

    def action_order_shown(self, name: str) -> None:
        """Order something at every point that is shown, once that is confirmed."""
        if not self.board.is_filtered:
            self.action_order_all(name)
            return
        cp_ids = [row.cp_id for row in self.board.shown()]
        if cp_ids:
            self._confirm(name, f"the {len(cp_ids)} charge points that are shown", cp_ids)

    def action_order_all(self, name: str) -> None:
        """Order something everywhere, once that is confirmed."""
        what = f"ALL {len(self.board.points)} charge points"
        self._confirm(name, what, [EVERY_POINT])

    def _confirm(self, name: str, what: str, cp_ids: Sequence[str]) -> None:
        verb = "Stop" if name == ManualCommandName.STOP_CP else "Resume"

        def confirmed(answer: Confirmed | None) -> None:
            if answer is not None:
                command = named(ManualCommandName(name), reason=answer.reason)
                self._order(command, cp_ids)

        self.push_screen(Confirm(f"{verb} {what}?"), confirmed)

    def action_price(self) -> None:
        """Ask for the selected point's price, and set it."""
        row = self.query_one(PointList).selected
        if row is not None:
            self._ask_price(row)

    def _ask_price(self, row: PointRow) -> None:
        def given(price: Price | None) -> None:
            if price is not None:
                command = named(ManualCommandName.SET_PRICE, price_per_kwh=price)
                self._order(command, [row.cp_id])

        self.push_screen(AskPrice(row), given)

    def _order(self, command: ManualCommand, cp_ids: Sequence[str]) -> None:
        if self.board.stale:
            self.notify("CENTRAL cannot be reached", severity="error")
            return
        self.run_worker(self._carry_out(command, cp_ids))

    async def _carry_out(self, command: ManualCommand, cp_ids: Sequence[str]) -> None:
        said, went_well = await carry_out(self.feed.client, command, cp_ids)
        self.notify(said, severity="information" if went_well else "error", markup=False)


def _event(event: EventLogged) -> Text:
    at = time.strftime("%H:%M:%S", time.localtime(event.timestamp))
    line = Text.assemble((f"{at} ", "dim"), (words.printable(event.text), SEVERITY[event.severity]))
    about = "  ".join(filter(None, (event.cp_id, event.driver_id)))
    return line.append(f"  {about}", style="dim") if about else line


def run(settings: Settings) -> None:
    """Show the panel until it is quit.

    Raises:
        SystemExit: With 1 and a sentence, where it cannot begin.
    """
    # What it would log is on the screen; lines on stderr would only tear that.
    logs.configure("ev-admin", form="json", level="critical")
    try:
        panel = Panel(settings)
    except CannotStart as error:
        raise SystemExit(f"ev-admin: {error}") from None
    panel.run()
    raise SystemExit(panel.return_code or 0)
