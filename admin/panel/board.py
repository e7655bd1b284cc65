"""What the panel knows: charge points, what of them is shown in which order, events. No screen."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from admin import words
from common.messages import ConnectorRow, EventLogged, PointRow
from common.states import Status
from common.units import Watts

MOST_EVENTS = 500
"""Events that wait to be drawn; the oldest goes."""


class Order(StrEnum):
    """By what the list is sorted."""

    ID = "id"
    STATUS = "status"
    POWER = "power"


URGENCY: dict[Status, int] = {
    status: place
    for place, status in enumerate(
        (
            Status.FAULTED,
            Status.OFFLINE,
            Status.UNAVAILABLE,
            Status.RESERVED,
            Status.SUSPENDED_EVSE,
            Status.SUSPENDED_EV,
            Status.CHARGING,
            Status.PREPARING,
            Status.FINISHING,
            Status.AVAILABLE,
        )
    )
}
"""What an operator wants to see first."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the list: a point, or one of its connectors where it has several."""

    point: PointRow
    connector: ConnectorRow | None = None


class Board:
    """The charge points as central told them last.

    Attributes:
        stale: Central cannot be reached: what is known is of then.
        search: Part of an id, a place or a driver, in any case; empty for all.
        only: The one status that is shown; None for all.
        order: By what the list is sorted.
        events: Those that nobody has taken yet, oldest first.
        changes: Grows whenever something is to be drawn anew.
    """

    def __init__(self) -> None:
        self.points: dict[str, PointRow] = {}
        self.stale = True
        self.search = ""
        self.only: Status | None = None
        self.order = Order.ID
        self.events: deque[EventLogged] = deque(maxlen=MOST_EVENTS)
        self.changes = 0
        self._told: set[str] | None = None

    # -- What central tells --

    def begin(self) -> None:
        """A new watch begins: every point that there is will be told."""
        self._told = set()

    def take(self, row: PointRow) -> None:
        """A point is like this now."""
        self.points[row.cp_id] = row
        if self._told is not None:
            self._told.add(row.cp_id)
        self.changes += 1

    def ready(self) -> None:
        """Every point has been told: what was not is no more."""
        if self._told is not None:
            for cp_id in self.points.keys() - self._told:
                del self.points[cp_id]
        self._told = None
        self.stale = False
        self.changes += 1

    def lost(self) -> None:
        """Central cannot be reached."""
        if not self.stale:
            self.stale = True
            self.changes += 1

    def happened(self, event: EventLogged) -> None:
        """Something happened."""
        self.events.append(event)
        self.changes += 1

    def take_new_events(self) -> list[EventLogged]:
        """The events since the last time, oldest first."""
        taken = list(self.events)
        self.events.clear()
        return taken

    # -- What is wanted --

    def look_for(self, text: str) -> None:
        """Show only what has this in its id, its place or a driver's id."""
        self.search = text.strip()
        self.changes += 1

    def show_only(self, status: Status | None) -> None:
        """Show only what has this status."""
        self.only = status
        self.changes += 1

    def sort_by(self, order: Order) -> None:
        """Show them in this order."""
        self.order = order
        self.changes += 1

    @property
    def is_filtered(self) -> bool:
        """Whether not everything is shown."""
        return bool(self.search) or self.only is not None

    # -- What is shown --

    def shown(self) -> list[PointRow]:
        """The points that are shown, in order."""
        wanted = self.search.casefold()
        rows = (
            row
            for row in self.points.values()
            if (self.only is None or row.status is self.only) and _has(row, wanted)
        )
        return sorted(rows, key=self._place)

    def lines(self) -> list[Line]:
        """A line for each point that is shown, and below it one for each of several connectors."""
        found: list[Line] = []
        for row in self.shown():
            found.append(Line(row))
            if len(row.connectors) > 1:
                found += [Line(row, connector) for connector in row.connectors]
        return found

    def _place(self, row: PointRow) -> tuple[int, str]:
        if self.order is Order.STATUS:
            return URGENCY[row.status], row.cp_id
        if self.order is Order.POWER:
            return -words.power(row), row.cp_id
        return 0, row.cp_id

    def counts(self) -> Counter[Status]:
        """How many points have each status."""
        return Counter(row.status for row in self.points.values())

    def power(self) -> Watts:
        """What flows at all points together."""
        return Watts(sum(words.power(row) for row in self.points.values()))


def _has(row: PointRow, wanted: str) -> bool:
    if not wanted:
        return True
    drivers: Iterable[str] = (c.driver_id or "" for c in row.connectors)
    return any(wanted in text.casefold() for text in (row.cp_id, row.location, *drivers))
