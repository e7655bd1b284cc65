"""What stands above the list: whether central is there, how it is, and how many points are how."""

from rich.text import Text

from admin import words
from admin.panel.board import URGENCY, Board
from common.messages import HealthResponse

OK = "ok"


def top(where: str, trouble: str, health: HealthResponse | None) -> Text:
    """Central, Kafka and database; in red what is wrong."""
    if trouble:
        return Text(trouble, style="bold red")
    line = Text.assemble(("CENTRAL ", "bold"), where)
    if health is not None:
        for name, said in (("Kafka", health.kafka), ("database", health.database)):
            line.append("  ")
            line.append(f"{name} {said}", style="green" if said == OK else "bold red")
        if health.lag:
            line.append(f"  {health.lag} records behind", style="yellow")
    return line


def counts(board: Board) -> Text:
    """How many points there are, how many have each status, and what flows."""
    found = board.counts()
    total = sum(found.values())
    points = f"{total} point{'' if total == 1 else 's'}"
    line = Text.assemble((f"{points}  {board.power()} kW", "bold"))
    for status in URGENCY:
        if found[status]:
            line.append("  ")
            # It wraps between two of them, not within one.
            word = f"{found[status]} {words.WORDS[status]}".replace(" ", "\N{NO-BREAK SPACE}")
            line.append(word, style=words.COLOURS[status])
    return line


def filters(board: Board, shown: int) -> Text:
    """What of the points is shown, where that is not all, and in which order."""
    parts = []
    if board.search:
        parts.append(f"with “{board.search}”")
    if board.only is not None:
        parts.append(f"only {words.WORDS[board.only]}")
    text = f"showing {shown} of {len(board.points)} {' and '.join(parts)}" if parts else ""
    ordered = f"by {board.order}"
    return Text("  ".join(filter(None, (text, ordered))), style="italic")
