"""What came of a run: a table for people, a document for programs, and whether all is well."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from chaos.conservation import Report as Audit
from chaos.plan import Fault, Kind


@dataclass(frozen=True, slots=True)
class Report:
    """One run.

    Attributes:
        faults: Those that were injected, in their order.
        deaths: How often each kind of program was killed.
        charges: How many sessions drivers were told have begun.
        refusals: Requests that were refused for good, by reason.
        longest: The longest recovery in seconds, by kind of fault.
        audit: What the audit from outside found.
        wrong: Everything that must not be; nothing if all is well.
    """

    seed: int
    points: int
    seconds: float
    faults: tuple[Fault, ...]
    deaths: dict[str, int]
    charges: int
    refusals: dict[str, int]
    longest: dict[Kind, float]
    audit: Audit
    wrong: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "seed": self.seed,
            "points": self.points,
            "seconds": round(self.seconds, 1),
            "faults": self._by_kind(),
            "deaths": self.deaths,
            "charges": self.charges,
            "refusals": self.refusals,
            "sessions": self.audit.sessions,
            "tickets": self.audit.tickets,
            "metered_wh": self.audit.metered_wh,
            "billed_wh": self.audit.billed_wh,
            "cost_cents": self.audit.cost_cents,
            "longest_recovery_s": {k: round(s, 1) for k, s in self.longest.items()},
            "wrong": list(self.wrong),
        }

    def _by_kind(self) -> dict[str, int]:
        return dict(Counter(fault.kind.value for fault in self.faults))

    def __str__(self) -> str:
        rows = [f"{'fault':<40} {'times':>5}  {'longest recovery':>16}"]
        for kind, times in sorted(self._by_kind().items()):
            longest = self.longest.get(Kind(kind))
            rows.append(f"{kind:<40} {times:>5}  {f'{longest:.1f} s' if longest else '-':>16}")
        deaths = ", ".join(f"{name} {count}" for name, count in self.deaths.items())
        refusals = ", ".join(f"{why} {count}" for why, count in self.refusals.items())
        return "\n".join(
            [
                *rows,
                "",
                f"seed {self.seed}, {self.points} charge points, {self.seconds:.0f} s",
                f"{len(self.faults)} faults; killed: {deaths}",
                f"{self.charges} charges acknowledged; refused: {refusals or 'none'}",
                str(self.audit),
                "",
                *(self.wrong or ("all is well: nothing was lost, nothing was billed twice",)),
            ]
        )
