"""Looks at the network as an operator does, and says how long each fault was felt.

A charge point has recovered when central shows it as neither Offline nor Faulted; central, when it
answers and shows every point that has no fault of its own; Kafka and the database, when central's
health says so; drivers, when central answers. Faults of others go on meanwhile: a recovery may be
longer than it would be alone.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from chaos.plan import APP, BROKER, CENTRAL, DATABASE, DRIVERS, Fault, Kind
from chaos.wire import Caller, Lost, Message

LOOK_EVERY = 0.3
"""Seconds between two looks."""

RECOVERS_WITHIN = 90.0
"""Seconds after which a target that is not well is a violation."""

AWAY = ("Offline", "Faulted")


class Watch:
    """What an operator sees now, and the recoveries that are awaited.

    Attributes:
        longest: The longest recovery in seconds, by kind of fault.
        late: Faults that were not recovered from in time, in sentences.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self.longest: dict[Kind, float] = {}
        self.late: list[str] = []
        self._caller = Caller(addresses)
        self._statuses: dict[str, str] = {}
        self._health: Message = {}
        self._under_fault: dict[str, int] = {}
        self._waiting: dict[Fault, float] = {}

    @property
    def statuses(self) -> dict[str, str]:
        """Each point's word; nothing while central cannot be asked."""
        return self._statuses

    def begun(self, fault: Fault) -> None:
        """A fault has been injected."""
        self._under_fault[fault.target] = self._under_fault.get(fault.target, 0) + 1

    def ended(self, fault: Fault) -> None:
        """A fault has been undone: the target is to recover."""
        self._under_fault[fault.target] -= 1
        self._waiting[fault] = asyncio.get_running_loop().time()

    @property
    def waits(self) -> bool:
        """Whether anything is still to recover."""
        return bool(self._waiting)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._look()
            now = asyncio.get_running_loop().time()
            for fault, since in list(self._waiting.items()):
                if self._is_well(fault):
                    del self._waiting[fault]
                    self.longest[fault.kind] = max(self.longest.get(fault.kind, 0.0), now - since)
                elif now - since > RECOVERS_WITHIN:
                    del self._waiting[fault]
                    self.late.append(f"not recovered within {RECOVERS_WITHIN:g} s: {fault}")
            await asyncio.sleep(LOOK_EVERY)

    def close(self) -> None:
        """Hang up."""
        self._caller.close()

    async def _look(self) -> None:
        try:
            self._statuses = await self._rows()
            self._health = await self._caller.ask("health_request", str(uuid4()))
        except Lost:
            self._statuses, self._health = {}, {}

    async def _rows(self) -> dict[str, str]:
        found: dict[str, str] = {}
        page: dict[str, Any] = {"limit": 200}
        while True:
            answer = await self._caller.ask("points_request", str(uuid4()), **page)
            found |= {row["cp_id"]: row["status"] for row in answer.get("points", [])}
            if not answer.get("next"):
                return found
            page["after"] = answer["next"]

    def _is_well(self, fault: Fault) -> bool:
        if fault.target == BROKER:
            return self._health.get("kafka") == "ok"
        if fault.target == DATABASE:
            return self._health.get("database") == "ok"
        if fault.target.startswith((DRIVERS, APP)):
            return bool(self._statuses)
        if fault.target.startswith(CENTRAL):
            return bool(self._statuses) and all(map(self._is_back, self._statuses))
        return self._statuses.get(fault.target, "Offline") not in AWAY

    def _is_back(self, cp_id: str) -> bool:
        own = self._under_fault.get(cp_id) or any(f.target == cp_id for f in self._waiting)
        return bool(own) or self._statuses[cp_id] not in AWAY
