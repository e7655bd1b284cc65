"""How a line of the list looks: its columns, as wide as the screen lets them be."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from admin import words
from admin.panel.board import Line
from common.messages import ConnectorRow
from common.states import Status
from common.units import Money, WattHours


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list.

    Attributes:
        least: Cells that it has on 80 columns.
        grows: Its share of what is wider.
        right: Its text stands at the right.
    """

    name: str
    least: int
    grows: int = 0
    right: bool = False


COLUMNS = (
    Column("charge point", 12, 2),
    Column("place", 12, 5),
    Column("status", 14, 2),
    Column("kW", 7, right=True),
    Column("kWh", 7, right=True),
    Column("cost", 6, 1, right=True),
    Column("driver", 8, 3),
    Column("price", 6, 1, right=True),
)
"""72 cells and a space between two of them: 79."""


def widths(width: int) -> list[int]:
    """The cells of each column on a line of this many."""
    spare = max(0, width - sum(c.least for c in COLUMNS) - len(COLUMNS) + 1)
    shares = sum(column.grows for column in COLUMNS)
    return [column.least + spare * column.grows // shares for column in COLUMNS]


def heading(width: int) -> str:
    """The names of the columns."""
    return _laid_out([column.name for column in COLUMNS], width)


def text(line: Line, width: int) -> str:
    """A point or a connector in one line."""
    return _laid_out(cells(line), width)


def cells(line: Line) -> list[str]:
    """The texts of a line, column by column."""
    point, connector = line.point, line.connector
    if connector is not None:
        name, place = f"  └ {connector.connector_id}", ""
        status, price = words.WORDS[connector.status], ""
    else:
        name, place = point.cp_id, point.location
        status, price = words.status(point), _price(str(point.price_per_kwh))
        connector = point.connectors[0] if len(point.connectors) == 1 else None
    if connector is None:
        power = words.power(point)
        return [name, place, status, str(power) if power else "", "", "", "", price]
    return [name, place, status, *_live(connector), price]


def _live(connector: ConnectorRow) -> list[str]:
    """Power, energy, cost and driver of the session that holds a connector."""
    if connector.session_id is None:
        return ["", "", "", ""]
    return [
        str(connector.charging_rate) if connector.status is Status.CHARGING else "",
        str(connector.energy_consumed_kwh or WattHours(0)),
        str(connector.total_cost or Money(0)),
        connector.driver_id or "",
    ]


def _price(digits: str) -> str:
    """With its two decimals, and further ones where it has them."""
    return digits[:-2] + digits[-2:].rstrip("0")


def _laid_out(texts: Sequence[str], width: int) -> str:
    parts = []
    for column, text, cells_ in zip(COLUMNS, texts, widths(width), strict=True):
        missing = cells_ - cell_len(text)
        if missing < 0:
            parts.append(set_cell_size(text, cells_ - 1) + "…")
        else:
            parts.append(" " * missing + text if column.right else text + " " * missing)
    return " ".join(parts)
