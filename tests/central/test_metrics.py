"""What central says of itself in numbers, and what it lacks to serve."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from central import metrics
from central.counts import SessionCounts
from central.lease import TTL, Candidate, Lease
from central.rules.billing import closed
from central.store.database import opened
from central.store.lease import Leader
from common.messages import FaultNotification
from common.metrics.histogram import Histogram
from common.metrics.metric import Sample
from common.states import EndReason, SessionState
from common.units import Price
from tests.central.parts import MovedClock, eventually, serving
from tests.central.rules.examples import AUTHORISED, completion

_S = SessionState
NOW = 3000


def values(samples: Iterable[Sample]) -> dict[tuple[str, ...], float]:
    """Each number that is not 0, under its name and labels."""
    numbers: dict[tuple[str, ...], float] = {}
    for sample in samples:
        assert not isinstance(sample.value, Histogram)
        if sample.value:
            numbers[sample.metric.name, *sample.labels] = sample.value
    return numbers


# ---- What became of sessions ------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(EndReason)))
)
def test_the_counters_are_the_sums_of_the_tickets(
    charges: list[tuple[int, int, EndReason]],
) -> None:
    """To the Wh and to the cent: no float is on the way."""
    counts = SessionCounts()
    tickets = []
    for wh, price, reason in charges:
        before = replace(AUTHORISED, price=Price(price))
        after, ticket = closed(before, completion(wh, reason), None, NOW)
        counts.changed(before, after)
        tickets += [ticket] if ticket else []
    assert counts.tickets == len(tickets)
    assert counts.energy == sum(int(ticket.energy) for ticket in tickets)
    assert counts.cents[AUTHORISED.currency] == sum(int(ticket.cost) for ticket in tickets)
    assert counts.ended.total() == len(charges)


def test_a_change_that_ends_nothing_counts_nothing() -> None:
    """Nor does a repeat of an end."""
    counts = SessionCounts()
    charging = replace(AUTHORISED, state=_S.CHARGING)
    after, _ = closed(charging, completion(1000, EndReason.UNPLUGGED), None, NOW)
    for before, then in ((AUTHORISED, charging), (charging, after), (after, after)):
        counts.changed(before, then)
    assert counts.ended == {(_S.COMPLETED, EndReason.UNPLUGGED): 1}
    assert counts.tickets == 1


def test_a_start_that_its_engine_refused_has_a_reason_too() -> None:
    """So that the sum over reasons is the sum of all."""
    counts = SessionCounts()
    counts.changed(AUTHORISED, replace(AUTHORISED, state=_S.FAILED))
    shown = values(metrics.session_samples(counts, "EUR"))
    assert shown == {("ev_sessions_ended_total", "failed", "refused"): 1}


# ---- What there is now ------------------------------------------------------------------------


async def test_points_and_sessions_are_counted_by_how_they_are(tmp_path: Path) -> None:
    """One that is offline, one faulted, one that waits for its first reading."""
    async with serving(tmp_path) as parts:
        network = parts.central.network
        link = await parts.monitor("A")
        await parts.monitor("B")
        gone = await parts.monitor("C")
        gone.close()
        link.tell(FaultNotification(cp_id="A", fault_type="InternalError"))
        await parts.charge("D", "B")
        await eventually(lambda: network.points["A"].fault and not network.points["C"].link)
        assert values(metrics.network_samples(network)) == {
            ("ev_charge_points", "Faulted"): 1,
            ("ev_charge_points", "Offline"): 1,
            ("ev_charge_points", "Preparing"): 1,
            ("ev_sessions", "authorised"): 1,
        }
        shown = values(metrics.session_samples(parts.central.changes.counts, "EUR"))
        assert shown == {("ev_sessions_started_total",): 1}


async def test_a_ticket_that_is_awaited_does_not_become_young_by_a_restart(tmp_path: Path) -> None:
    """Its age is counted from what is stored."""
    async with serving(tmp_path) as parts:
        await parts.monitor("A")
        session = await parts.charge("D", "A")
        (live,) = parts.central.network.sessions.values()
        finishing = replace(
            live.session, state=_S.FINISHING, finishing_at=int(parts.clock.wall()) - 100
        )
        await parts.central.changes.apply(live, lambda _: finishing)
        assert session.session_id == finishing.session_id
    async with serving(tmp_path) as parts:
        parts.clock.now += 50
        shown = values(metrics.network_samples(parts.central.network))
        assert shown["ev_tickets_unsettled_oldest_seconds",] == 150
        assert shown["ev_sessions", "finishing"] == 1


async def test_without_its_database_or_its_lead_central_does_not_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which; and the numbers say the same."""
    async with serving(tmp_path) as parts:
        store = parts.central.store
        lease = Lease(store, parts.clock, parts.clock.monotonic())
        assert metrics.missing(store, lease) == ""
        monkeypatch.setattr(store._writer, "trouble", "disk full")
        assert metrics.missing(store, lease) == "the database takes no writes: disk full"
        assert ("ev_database_up",) not in values(metrics.store_samples(store))
        assert values(metrics.store_samples(store))["ev_leader",] == 1
        monkeypatch.setattr(store._writer, "trouble", None)
        parts.clock.now += TTL
        assert metrics.missing(store, lease) == "its lease was not renewed in time"


def test_a_standby_does_not_lead(tmp_path: Path) -> None:
    """Its numbers say so, and of which epoch the leader is."""
    candidate = Candidate(opened(f"sqlite:///{tmp_path / 'central.db'}"), "here:1", MovedClock())
    assert ("ev_leader",) not in values(metrics.standby_samples(candidate))
    candidate.leader = Leader("there:1", 7, 0.0, 0.0)
    assert values(metrics.standby_samples(candidate))["ev_epoch",] == 7
