"""What meters measured: every acknowledged value is stored, and each once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from central import metrics
from central.gateways import unsaved as unsaved_module
from central.gateways.samples import Samples, changes_of
from central.gateways.unsaved import Unsaved
from central.rules.records import StoredSample
from central.store import AddSample, Store
from common.connection import Connection
from common.errors import StoreUnavailable
from common.gateway_messages import MeterReport, Sample
from tests.central.gateways.desk import Desk, desk

CURRENT = Sample(at_ms=1_000, value="16.0", measurand="Current.Import", unit="A", phase="L1")
REGISTER = Sample(at_ms=1_000, value="12345")
REPORT = MeterReport(
    message_id="m", cp_id="CP", connector_id=1, transaction_id=7, samples=(REGISTER, CURRENT)
)


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as made:
        yield made


async def stored(store: Store, cp_id: str = "CP") -> list[StoredSample]:
    """All that is stored of a charge point, page by page, the latest first."""
    found: list[StoredSample] = []
    after: str | None = None
    while True:
        page, after = await store.samples(cp_id, after=after, limit=3)
        found += page
        if after is None:
            return found


async def test_a_report_is_stored_before_it_is_done(one: Desk) -> None:
    """Whatever follows, an acknowledged value is not lost."""
    await one.boot("CP")
    await one.handled(*one.say(REPORT))
    found = await stored(one.central.store)
    assert {each.sample for each in found} == {REGISTER, CURRENT}
    assert {(each.connector_id, each.transaction_id) for each in found} == {(1, 7)}


async def test_a_report_that_comes_again_stores_nothing_twice(one: Desk) -> None:
    """Whether a record was read again, or a charge point has repeated it in another message."""
    await one.boot("CP")
    await one.handled(*one.say(REPORT, REPORT))
    await one.handled(*one.say(replace(REPORT, message_id="again")))
    assert len(await stored(one.central.store)) == 2


async def test_values_without_a_transaction_are_kept(one: Desk) -> None:
    """Clock-aligned ones come between charges too, of the whole point."""
    await one.boot("CP")
    between = replace(REPORT, connector_id=0, transaction_id=None)
    await one.handled(*one.say(between))
    found = await stored(one.central.store)
    assert {(each.connector_id, each.transaction_id) for each in found} == {(0, None)}


CHANGES = {
    "connector": (replace(REPORT, connector_id=2), 4),
    "transaction": (replace(REPORT, transaction_id=8), 4),
    "no transaction": (replace(REPORT, transaction_id=None), 4),
    "point": (replace(REPORT, cp_id="OTHER"), 2),
    **{
        name: (replace(REPORT, samples=(replace(REGISTER, **{name: value}),)), 3)
        for name, value in {
            "at_ms": 1_001,
            "value": "12346",
            "measurand": "Energy.Reactive.Import.Register",
            "unit": "kWh",
            "context": "Transaction.End",
            "location": "Inlet",
            "phase": "L1",
            "format": "SignedData",
        }.items()
    },
}


@pytest.mark.parametrize("what", CHANGES)
async def test_a_value_that_differs_in_anything_is_another_one(one: Desk, what: str) -> None:
    """Nothing that a meter said is taken for a repeat of something else."""
    other, there = CHANGES[what]
    for report in (REPORT, other):
        one.central.samples.add(report)
    await one.central.unsaved.flush(one.central.store)
    assert len(await stored(one.central.store)) == there


async def test_pages_are_the_latest_values_first_and_leave_none_out(one: Desk) -> None:
    """By the charge point's own times; of one transaction alone where that is asked for."""
    times = [*range(1, 20), 5, 5]
    for number, at_ms in enumerate(times):
        sample = Sample(at_ms=at_ms, value=str(number))
        one.central.samples.add_all("CP", 1, number % 2, [sample])
    await one.central.unsaved.flush(one.central.store)
    found = await stored(one.central.store)
    assert [each.sample.at_ms for each in found] == sorted(times, reverse=True)
    assert {each.sample.value for each in found} == {*map(str, range(len(times)))}
    page, following = await one.central.store.samples("CP", transaction_id=1, limit=200)
    assert {each.transaction_id for each in page} == {1}
    assert (len(page), following) == (len(times) // 2, None)


@pytest.mark.parametrize("cursor", ["", "7", "1/x", "1/-3", "1/99999999999999999999", "x/1"])
async def test_a_cursor_of_another_list_is_refused(one: Desk, cursor: str) -> None:
    """And says so; it is not a first page."""
    with pytest.raises(ValueError, match="no cursor of this list"):
        await one.central.store.samples("CP", after=cursor, limit=3)


@given(st.lists(st.sampled_from("abcdef"), max_size=6), st.integers(0, 5))
def test_no_two_values_have_one_digest_by_where_their_words_end(words: list[str], at: int) -> None:
    """What stands in one field does not run on into the next."""
    word = "".join(words)
    first = Sample(at_ms=1, value="1", unit=word[:at], format=word[at:])
    other = Sample(at_ms=1, value="1", unit=word[: at + 1], format=word[at + 1 :])
    one, two = (change.sample.digest for change in changes_of("CP", 1, None, [first, other]))
    assert (one == two) == (first == other)
    assert one >= 0


# ---- The flush --------------------------------------------------------------------------------


async def test_what_was_not_stored_is_stored_with_the_next_flush(
    one: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a part of it was stored before the database went, storing it again is harmless."""
    monkeypatch.setattr(unsaved_module, "AT_ONCE", 2)
    unsaved = Unsaved()
    samples = Samples(unsaved)
    for number in range(5):
        samples.add_all("CP", 1, None, [Sample(at_ms=number, value="1")])
    one.parts.outage.after, one.parts.outage.writes_to_fail = 1, 1
    with pytest.raises(StoreUnavailable):
        await unsaved.flush(one.central.store)
    assert len(unsaved) == 5
    samples.add_all("CP", 1, None, [Sample(at_ms=9, value="1")])
    await unsaved.flush(one.central.store)
    assert len(unsaved) == 0
    assert [each.sample.at_ms for each in await stored(one.central.store)] == [9, 4, 3, 2, 1, 0]
    assert samples.taken == 6


async def test_a_newer_change_is_not_undone_by_one_that_could_not_be_stored(one: Desk) -> None:
    """Under one key the last one counts, also if it came while the flush failed."""
    unsaved = Unsaved()
    (older, newer) = (
        AddSample(each.sample)
        for each in changes_of("CP", 1, None, [REGISTER, replace(REGISTER, value="2")])
    )
    unsaved.put("key", older)

    async def fails(*_: object) -> None:
        unsaved.put("key", newer)
        raise StoreUnavailable("the disk is full")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(one.central.store, "write", fails)
        with pytest.raises(StoreUnavailable):
            await unsaved.flush(one.central.store)
    await unsaved.flush(one.central.store)
    assert [each.sample.value for each in await stored(one.central.store)] == ["2"]


async def test_what_gateways_hold_and_charge_points_sent_is_told_in_numbers(one: Desk) -> None:
    """Repeats count as sent; what is stored waits for nothing any more."""
    await one.boot("CP")
    await one.boot("OTHER", Connection("gw-2", 4, 1))
    await one.handled(*one.say(REPORT, REPORT))
    central = one.central
    numbers = {
        sample.metric.name: sample.value
        for sample in metrics.ocpp_samples(central.connections, central.samples, central.unsaved)
    }
    assert numbers == {
        "ev_ocpp_points": 2,
        "ev_ocpp_gateways": 2,
        "ev_ocpp_samples_total": 4,
        "ev_ocpp_unsaved_changes": 0,
    }
