"""A charge as its driver sees it: whatever the order, the same messages lead to the same end."""

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from common.messages import ChargeCompletion, ChargingData, ChargingStatusUpdate, SessionRow
from common.states import EndReason, SessionState
from common.units import Money, WattHours, Watts, cost
from driver.charge import Charge, Event, from_row, seen, told
from tests.driver.central import PRICE, row

BEGUN = Charge("S-1", "CP-1", target=WattHours(4_000))


def status(
    state: SessionState,
    *,
    epoch: int | None = 3,
    reason: EndReason | None = None,
    progress: int = 0,
    session_id: str = "S-1",
) -> ChargingStatusUpdate:
    return ChargingStatusUpdate(
        session_id=session_id,
        cp_id="CP-1",
        status=state,
        reason=reason,
        progress=progress,
        epoch=epoch,
    )


def reading(
    sequence: int | None, wh: int, *, epoch: int | None = 3, session_id: str = "S-1"
) -> ChargingData:
    return ChargingData(
        cp_id="CP-1",
        session_id=session_id,
        sequence=sequence,
        energy_consumed_kwh=WattHours(wh),
        total_cost=cost(WattHours(wh), PRICE),
        charging_rate=Watts(7_000 + (sequence or 0)),
        epoch=epoch,
    )


def ticket(wh: int, *, revision: int = 1, epoch: int | None = 3) -> ChargeCompletion:
    return ChargeCompletion(
        cp_id="CP-1",
        session_id="S-1",
        energy_consumed_kwh=WattHours(wh),
        total_cost=cost(WattHours(wh), PRICE),
        reason=EndReason.TARGET_REACHED,
        started_at=1_700_000_000,
        ended_at=1_700_000_060,
        price_per_kwh=PRICE,
        currency="EUR",
        estimated=False,
        revision=revision,
        epoch=epoch,
    )


def after(*events: Event, charge: Charge = BEGUN) -> Charge:
    return reduce(seen, events, charge)


# A whole charge as central tells it: the readings of an engine only grow.
readings = st.lists(st.integers(0, 4_000), max_size=8).map(
    lambda energies: [reading(n, wh) for n, wh in enumerate(sorted(energies), 1)]
)
updates = st.lists(
    st.sampled_from([SessionState.AUTHORISED, SessionState.CHARGING, SessionState.FINISHING]).map(
        status
    ),
    max_size=3,
)
ends: st.SearchStrategy[list[Event]] = st.sampled_from(
    [
        [],
        [status(SessionState.COMPLETED, reason=EndReason.TARGET_REACHED), ticket(4_000)],
        [status(SessionState.COMPLETED), ticket(3_900), ticket(4_000, revision=2)],
        [status(SessionState.FAILED, reason=EndReason.NOT_PLUGGED_IN)],
        [status(SessionState.FAILED, reason=EndReason.LOST), ticket(4_000)],
    ]
)


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    return [*draw(readings), *draw(updates), *draw(ends)]


@st.composite
def retold(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """A story, and the same with any order and any repeats."""
    story = draw(stories())
    repeats = draw(st.lists(st.sampled_from(story), max_size=6)) if story else []
    return story, draw(st.permutations(story + repeats))


@given(retold())
def test_any_order_and_any_repeats_lead_to_the_same_charge(
    told_twice: tuple[list[Event], list[Event]],
) -> None:
    """What central tells may come late, twice and in any order."""
    story, again = told_twice
    assert after(*story) == after(*again)


@given(retold(), st.integers(0, 2))
def test_what_a_former_leader_tells_changes_nothing(
    told_twice: tuple[list[Event], list[Event]], lower: int
) -> None:
    """Once a message of a higher epoch has come, those of lower ones are dropped."""
    story, again = told_twice
    charge = after(status(SessionState.CHARGING), *story)
    stale = [replace(event, epoch=lower) for event in again]
    assert charge == after(*stale, charge=charge)


@given(retold())
def test_another_sessions_messages_change_nothing(
    told_twice: tuple[list[Event], list[Event]],
) -> None:
    """A charge is moved by messages about its own session alone."""
    foreign = [replace(event, session_id="S-2") for event in told_twice[1]]
    assert after(*foreign) == BEGUN


@given(retold())
def test_a_lost_ticket_is_made_up_for_by_the_history(
    told_twice: tuple[list[Event], list[Event]],
) -> None:
    """However much was lost, the history's last row leads to the ticket."""
    _, some = told_twice
    last = row(state=SessionState.COMPLETED, energy="4.000", reason=EndReason.TARGET_REACHED)
    ended = told(after(*some), last)
    assert ended.over
    assert (WattHours(4_000), Money(140)) == (ended.energy, ended.cost)
    assert ended == after(*some, charge=ended)


def test_a_charge_from_request_to_ticket() -> None:
    """The state, the figures and the progress as they are told, one after the other."""
    charge = after(status(SessionState.CHARGING))
    assert (charge.state, charge.progress, charge.over) == (SessionState.CHARGING, 0, False)
    charge = after(reading(1, 1_000), charge=charge)
    assert (charge.energy, charge.power, charge.cost, charge.progress) == (1_000, 7_001, 35, 25)
    charge = after(ticket(4_000), charge=charge)
    assert (charge.state, charge.progress, charge.over) == (SessionState.COMPLETED, 100, True)
    assert (charge.energy, charge.power, charge.cost) == (4_000, 0, 140)
    assert charge.ticket is not None
    assert (
        charge.ticket.revision,
        charge.ticket.currency,
        charge.ticket.reason,
    ) == (1, "EUR", EndReason.TARGET_REACHED)


def test_a_reading_without_a_sequence_counts_if_its_energy_is_higher() -> None:
    """As a program written to the first protocol sends them."""
    charge = after(reading(None, 500), reading(None, 400), reading(None, 700))
    assert charge.energy == 700


def test_a_corrected_ticket_replaces_the_first_and_not_the_other_way_round() -> None:
    """The highest revision is the ticket."""
    charge = after(ticket(3_000, revision=2), ticket(4_000))
    assert (charge.energy, charge.cost) == (3_000, 105)


def test_without_a_target_the_progress_is_that_of_a_usual_charge() -> None:
    """50 kWh are 100 percent where no energy was asked for."""
    assert after(reading(1, 25_000), charge=Charge("S-1", "CP-1")).progress == 50


def test_progress_is_never_told_backwards() -> None:
    """The higher of what central says and what the energy says."""
    charge = after(status(SessionState.CHARGING, progress=60), reading(1, 1_000))
    assert charge.progress == 60


def test_a_failed_charge_is_over_without_a_ticket() -> None:
    """It ended before energy flowed, and says why."""
    charge = after(status(SessionState.FAILED, reason=EndReason.NOT_PLUGGED_IN))
    assert charge.over
    assert charge.ticket is None
    assert charge.reason is EndReason.NOT_PLUGGED_IN


def test_completed_without_its_ticket_is_not_over() -> None:
    """The ticket is still to be shown."""
    assert not after(status(SessionState.COMPLETED)).over


def test_a_row_of_the_history_alone_makes_a_charge() -> None:
    """A driver that has just been started knows no more."""
    running: SessionRow = row(energy="1.500")
    charge = from_row(running)
    assert (charge.state, charge.energy, charge.power) == (SessionState.CHARGING, 1_500, None)
    assert charge.currency == "EUR"
    assert from_row(row(state=SessionState.COMPLETED)).over
