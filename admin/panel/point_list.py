"""The list of charge points. Only the lines on the screen are made, however many there are."""

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from admin.panel.board import Line
from admin.panel.columns import text
from common.messages import PointRow
from common.states import PANEL_COLOURS

COLOURS = tuple(dict.fromkeys(PANEL_COLOURS.values()))


class PointList(ScrollView, can_focus=True):
    """Lines, one of which is selected."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"point-list--{colour}" for colour in COLOURS),
        "point-list--stale",
        "point-list--selected",
    }

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "move(-1000000)", "First", show=False),
        Binding("end", "move(1000000)", "Last", show=False),
        Binding("enter", "open", "Details"),
    ]

    class Opened(Message):
        """Somebody wants to know more of this point."""

        def __init__(self, cp_id: str) -> None:
            super().__init__()
            self.cp_id = cp_id

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Line] = []
        self._stale = True
        self._selected = 0

    @property
    def selected(self) -> PointRow | None:
        """The point that is selected, or whose connector is."""
        if not self._lines:
            return None
        return self._lines[self._selected].point

    def show(self, lines: list[Line], *, stale: bool) -> None:
        """Show these; the selection stays with its point for as long as that is shown."""
        before = self._key(self._selected)
        self._lines, self._stale = lines, stale
        if before is not None and self._key(self._selected) != before:
            keys = (number for number in range(len(lines)) if self._key(number) == before)
            self._selected = next(keys, min(self._selected, max(0, len(lines) - 1)))
        self.virtual_size = Size(self.scrollable_content_region.width, len(lines))
        self.refresh()

    def _key(self, number: int) -> tuple[str, int] | None:
        if not 0 <= number < len(self._lines):
            return None
        line = self._lines[number]
        return line.point.cp_id, line.connector.connector_id if line.connector else 0

    # -- Moving --

    def action_move(self, by: int) -> None:
        """Select the line so many further down."""
        self._select(self._selected + by)

    def action_page(self, by: int) -> None:
        """Select a line a screen further down."""
        self._select(self._selected + by * max(1, self.scrollable_content_region.height - 1))

    def action_open(self) -> None:
        """Ask for more of the selected point."""
        if (point := self.selected) is not None:
            self.post_message(self.Opened(point.cp_id))

    def on_click(self, click: events.Click) -> None:
        """Select what was clicked at; a second click opens it."""
        number = int(click.y + self.scroll_offset.y)
        if 0 <= number < len(self._lines):
            again = number == self._selected
            self._select(number)
            if again:
                self.action_open()

    def _select(self, number: int) -> None:
        self._selected = max(0, min(number, len(self._lines) - 1))
        self.scroll_to_region(
            Region(0, self._selected, self.scrollable_content_region.width, 1), animate=False
        )
        self.refresh()

    # -- Drawing --

    def on_resize(self) -> None:
        """Lines are as wide as the screen."""
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._lines))

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        number, width = y + self.scroll_offset.y, self.size.width
        if number >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        line = self._lines[number]
        segments = [Segment(text(line, width - 1) + " ", self._style(line, number))]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _style(self, line: Line, number: int) -> Style:
        status = line.connector.status if line.connector else line.point.status
        name = "stale" if self._stale else PANEL_COLOURS[status]
        style = self.rich_style + self.get_component_rich_style(f"point-list--{name}", partial=True)
        if number == self._selected and self.has_focus:
            style += self.get_component_rich_style("point-list--selected", partial=True)
        return style
