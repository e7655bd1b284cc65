"""Twice the charge requests that central can take: what it does with them, and afterwards.

First its capacity is found, with a bounded number under way. Then twice as many are asked for, at a
fixed rate whatever becomes of them, and then half as many as it can take. Nothing may be answered
but a success or `overloaded`.
"""

import asyncio
import time
from collections import Counter

import click

from bench.charges import Charges
from bench.machine import percentile

LINKS = 200
"""Over which the drivers ask: with few, the bound on one link's requests would be all there is."""

POINTS = 12_000
"""So many that no point is asked for again before its last charge is over."""

TIMES = 2.0
"""How much more is asked for than can be done."""

NORMAL_MS = 200.0
"""It is back to normal once 19 of 20 requests succeed within so many milliseconds."""

WINDOW = 0.5
"""Seconds whose requests are looked at together for that."""

WATCHED = 10.0
"""Seconds after the overload in which the return to normal is looked for."""


Asked = tuple[float, float, str]
"""A request: when it was due, how long it took, in seconds, and why it was refused, if it was."""


async def overloaded(charges: Charges, warm_up: float, seconds: float) -> dict[str, float]:
    """The share of its capacity that central serves under overload; seconds back to normal."""
    await charges.full_load(warm_up, 0.0)
    capacity = (await charges.full_load(0.5, seconds))["rate"]
    spoilt = len(charges.wrong)
    before = charges.successes
    flood = asyncio.ensure_future(_asked(charges, capacity * TIMES, seconds))
    await asyncio.sleep(seconds)
    served = (charges.successes - before) / seconds
    ended = time.perf_counter()
    after = await _asked(charges, capacity / 2, WATCHED)
    asked = await flood
    accepted = sorted(took for _, took, why in asked if not why)
    amiss = Counter(why for _, _, why in (*asked, *after) if why not in ("", "overloaded"))
    if amiss:
        click.echo(f"answered under overload: {dict(amiss)}", err=True)
    share = served / capacity * 100 if capacity else 0.0
    return {
        "capacity": capacity,
        "served": share,
        "refused": sum(bool(why) for _, _, why in asked) / max(1, len(asked)) * 100,
        "p99_ms": percentile(accepted, 99) * 1000 if accepted else 0.0,
        "normal_s": _normal_after(ended, after),
        "wrong": float(spoilt + amiss.total() + (not capacity)),
    }


def _normal_after(ended: float, asked: list[Asked]) -> float:
    """Seconds from the end of the overload to the end of the last window that was not normal."""
    late: Counter[int] = Counter()
    all_: Counter[int] = Counter()
    for due, took, why in asked:
        window = int((due - ended) / WINDOW)
        all_[window] += 1
        late[window] += bool(why) or took * 1000 > NORMAL_MS
    return max(((w + 1) * WINDOW for w in all_ if late[w] * 20 > all_[w]), default=0.0)


async def _asked(charges: Charges, per_second: float, seconds: float) -> list[Asked]:
    """Ask at this rate, whatever becomes of it."""
    found: list[Asked] = []

    async def one(due: float) -> None:
        why = await charges.charge()
        found.append((due, time.perf_counter() - due, why))

    begin = time.perf_counter()
    asked = []
    for number in range(int(per_second * seconds)):
        due = begin + number / per_second
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        elif number % 100 == 0:
            await asyncio.sleep(0)  # behind time, but what has been answered is to be heard
        asked.append(asyncio.ensure_future(one(due)))
    await asyncio.gather(*asked)
    return found
