"""Drivers who charge all the time, and remember what they were promised.

A driver repeats a request, with the same id, until it is answered, as the app does; now and then
also one that was answered, and the answer must be the same. What central acknowledged must be in
its books at the end: `Promises` has it.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from chaos.wire import Caller, Lost, Message

NOT_NOW = frozenset({"overloaded", "internal"})
"""Refusals that decide nothing: the same request is to be repeated."""

AGAIN_AFTER = 0.5
"""Seconds between two tries, and between two looks at a charge."""


@dataclass(slots=True)
class Promises:
    """What central told the drivers.

    Attributes:
        sessions: Each session that it said has begun, by the request's id.
        refused: Requests that it refused for good, by reason.
        tickets: Energy in Wh and cost in cents of each ticket that a driver was shown.
        broken: What contradicts itself, in sentences.
    """

    sessions: dict[str, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    tickets: dict[str, tuple[int, int]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


class Driver:
    """One driver, who has a charge point of their own and now and then tries another's.

    Args:
        addresses: Where the centrals are, of which one leads.
    """

    def __init__(
        self,
        driver_id: str,
        home: str,
        others: list[str],
        seed: str,
        promises: Promises,
        addresses: Sequence[str],
    ) -> None:
        self._driver_id = driver_id
        self._home = home
        self._others = others
        self._random = Random(seed)
        self._promises = promises
        self._caller = Caller(addresses)
        self.stopping = False

    async def run(self) -> None:
        """Charge, one charge after the other, until told to stop; see the last to its end."""
        while not self.stopping:
            session = await self._begin()
            if session is not None:
                await self._charge(*session)
            await asyncio.sleep(self._random.uniform(0.0, 1.0))
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._caller.close()

    async def _begin(self) -> tuple[str, str] | None:
        """Ask for a charge; its session and charge point, or None where it was refused."""
        random = self._random
        cp_id = self._home if random.random() < 0.9 else random.choice(self._others)
        fields: dict[str, Any] = {"cp_id": cp_id, "driver_id": self._driver_id}
        if random.random() < 0.3:
            fields["target_kwh"] = random.randint(1, 20) / 10
        message_id = str(UUID(int=random.getrandbits(128), version=4))
        answer = await self._ask("charge_request", message_id, **fields)
        if random.random() < 0.2:
            again = await self._ask("charge_request", message_id, **fields)
            self._must_be_same(answer, again)
        if answer.get("status") != "success":
            self._promises.refused[str(answer.get("error"))] += 1
            return None
        self._promises.sessions[message_id] = answer["session_id"]
        return answer["session_id"], cp_id

    def _must_be_same(self, answer: Message, again: Message) -> None:
        for name in ("status", "session_id", "error"):
            if answer.get(name) != again.get(name):
                self._promises.broken.append(
                    f"request {answer['message_id']} was answered with {name} {answer.get(name)},"
                    f" and then with {again.get(name)}"
                )

    async def _charge(self, session_id: str, cp_id: str) -> None:
        """Let it run for a while, stop it, and see it to its end."""
        await asyncio.sleep(self._random.uniform(0.5, 8.0))
        fields = {"cp_id": cp_id, "session_id": session_id, "driver_id": self._driver_id}
        message_id = str(UUID(int=self._random.getrandbits(128), version=4))
        await self._ask("stop_charging_request", message_id, **fields)
        while (row := await self._row(session_id)) is not None:
            if row["state"] == "completed":
                shown = (round(row["energy_consumed_kwh"] * 1000), round(row["total_cost"] * 100))
                self._promises.tickets[session_id] = shown
                return
            if row["state"] == "failed":
                return
            await asyncio.sleep(AGAIN_AFTER)
        self._promises.broken.append(f"session {session_id} is not in its driver's history")

    async def _row(self, session_id: str) -> Message | None:
        """The session in this driver's history."""
        message_id = str(UUID(int=self._random.getrandbits(128), version=4))
        answer = await self._ask(
            "charging_history_request", message_id, driver_id=self._driver_id, limit=5
        )
        rows: list[Message] = answer.get("sessions", [])
        return next((row for row in rows if row["session_id"] == session_id), None)

    async def _ask(self, kind: str, message_id: str, **fields: Any) -> Message:
        """Ask until there is an answer that decides something."""
        while True:
            try:
                answer = await self._caller.ask(kind, message_id, **fields)
            except Lost:
                pass
            else:
                if answer.get("error") not in NOT_NOW:
                    return answer
            await asyncio.sleep(AGAIN_AFTER)
