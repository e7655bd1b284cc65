"""What stands above the panel for a while: a question, a price, the details of a point, help."""

from dataclasses import dataclass
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from admin import tables, words
from admin.moments import shown
from common.messages import OperatorSessionRow, PointRow
from common.units import Price


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The answer to a question that was not no."""

    reason: str | None


class Confirm(ModalScreen[Confirmed | None]):
    """Asks whether something is meant, and why; None is no."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "No")]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._question, classes="title")
            yield Input(placeholder="reason, for the audit log", max_length=1000)
            yield Static("enter: do it    escape: do nothing", classes="hint")

    def on_input_submitted(self, submitted: Input.Submitted) -> None:
        """Enter is yes."""
        self.dismiss(Confirmed(submitted.value.strip() or None))


class AskPrice(ModalScreen[Price | None]):
    """Asks for a price; None where none is to be set."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]

    def __init__(self, row: PointRow) -> None:
        super().__init__()
        self._row = row

    def compose(self) -> ComposeResult:
        now = words.price(self._row.price_per_kwh, self._row.currency)
        with Vertical(classes="dialog"):
            yield Static(f"Price of a kWh at {self._row.cp_id}, now {now}", classes="title")
            yield Input(placeholder="0.35")
            yield Static("enter: set it for later charges    escape: do nothing", classes="hint")

    def on_input_submitted(self, submitted: Input.Submitted) -> None:
        """A price is set; what is none is said."""
        try:
            price = Price.parse(submitted.value.strip())
        except ValueError as error:
            self.query_one(".hint", Static).update(Text(str(error), style="red"))
            return
        self.dismiss(price)


class Details(ModalScreen[None]):
    """A point with its connectors and its last sessions, kept up to date while it is open."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss(None)", "Close")]

    def __init__(self, row: PointRow) -> None:
        super().__init__()
        self.cp_id = row.cp_id
        self._row = row
        self._sessions: tuple[OperatorSessionRow, ...] | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="wide dialog"):
            yield Static(id="details")

    def on_mount(self) -> None:
        """Show what is known."""
        self._draw()

    def show(self, row: PointRow) -> None:
        """The point is like this now."""
        if row is not self._row:
            self._row = row
            self._draw()

    def show_sessions(self, sessions: tuple[OperatorSessionRow, ...]) -> None:
        """Its last sessions."""
        self._sessions = sessions
        self._draw()

    def _draw(self) -> None:
        for static in self.query("#details").results(Static):  # none, until it is on the screen
            static.update(details(self._row, self._sessions))


def details(row: PointRow, sessions: tuple[OperatorSessionRow, ...] | None) -> RenderableType:
    """All that is known of a point."""
    device = words.device(row)
    # One that speaks OCPP does not say how much it can supply.
    most = f"\n{device}" if device else f"  up to {row.max_charging_rate_kw} kW"
    head = Text.assemble(
        (row.cp_id, "bold"),
        f"  {row.location}\n",
        (words.status(row), words.COLOURS[row.status]),
        f"  {words.price(row.price_per_kwh, row.currency)} per kWh{most}"
        f"\nlast heard of {shown(row.last_seen)}\n",
    )
    parts: list[RenderableType] = [head]
    for connector in row.connectors:
        line = Text(f"connector {connector.connector_id}  ")
        line.append(words.WORDS[connector.status], style=words.COLOURS[connector.status])
        if connector.session_id is not None:
            cost = words.money(connector.total_cost, row.currency) if connector.total_cost else ""
            line.append(
                f"  {connector.driver_id}  {connector.charging_rate} kW"
                f"  {connector.energy_consumed_kwh} kWh  {cost}\n"
                f"  since {shown(connector.started_at)}, session {connector.session_id}"
            )
        parts.append(line)
    if sessions is None:
        parts.append(Text("\nits sessions are being asked for …", style="dim"))
    elif not sessions:
        parts.append(Text("\nno sessions yet", style="dim"))
    else:
        parts += [Text("\nlast sessions", style="bold"), tables.sessions_in_short(sessions)]
    return Group(*parts)


class Help(ModalScreen[None]):
    """The keys."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="wide dialog"):
            yield Static(self._text, markup=False)

    def on_key(self, key: events.Key) -> None:
        """Any key closes it."""
        key.stop()
        self.dismiss(None)
