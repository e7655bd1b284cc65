"""What became of one history, and of many."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b


@dataclass(slots=True)
class Outcome:
    """What became of one history.

    Attributes:
        seconds: How long it was.
        faults: By kind.
        corrected: Tickets that were estimated first.
        energy: Wh in all tickets.
        wrong: What must not be, and was.
        digest: Of all of it.
        chronicle: For people, where one was asked for.
    """

    seed: int
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    charges: int = 0
    tickets: int = 0
    corrected: int = 0
    energy: int = 0
    wrong: list[str] = field(default_factory=list)
    digest: str = ""
    chronicle: str = ""


@dataclass(slots=True)
class Totals:
    """The sums of many histories.

    Attributes:
        failed: Those in which something was wrong.
    """

    histories: int = 0
    seconds: float = 0.0
    charges: int = 0
    tickets: int = 0
    corrected: int = 0
    energy: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)
    _digest: "blake2b" = field(default_factory=lambda: blake2b(digest_size=16))

    def add(self, outcome: Outcome) -> None:
        """One more."""
        self.histories += 1
        self.seconds += outcome.seconds
        self.charges += outcome.charges
        self.tickets += outcome.tickets
        self.corrected += outcome.corrected
        self.energy += outcome.energy
        self.faults += outcome.faults
        self._digest.update(outcome.digest.encode())
        if outcome.wrong:
            self.failed.append(outcome)

    def lines(self) -> Iterator[str]:
        """What they came to."""
        yield f"{self.histories} histories, {self.seconds / 3600:.1f} simulated hours"
        yield f"{self.faults.total()} faults: " + ", ".join(
            f"{name} {count}" for name, count in sorted(self.faults.items())
        )
        yield (
            f"{self.charges} charges, {self.tickets} tickets, {self.energy / 1000:.3f} kWh;"
            f" {self.corrected} tickets were estimated first"
        )
        yield f"{len(self.failed)} histories in which something was wrong"
        yield f"digest {self._digest.hexdigest()}"
