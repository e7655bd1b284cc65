"""Records to store: one of each kind, and every one that there can be."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from central.rules.records import (
    OutboxEntry,
    Point,
    RememberedAnswer,
    RequestKey,
    Session,
    StopIntent,
    Ticket,
)
from common.errors import Reason
from common.messages import Role
from common.states import EndReason, SessionState
from common.units import Money, Price, WattHours, Watts

NOW = 1_790_000_000
"""Unix seconds."""


class _StillClock:
    """A clock that stands."""

    def wall(self) -> float:
        return NOW + 0.5

    def monotonic(self) -> float:
        return 0.0


CLOCK = _StillClock()


def point(cp_id: str = "ALC-001") -> Point:
    return Point(cp_id=cp_id, location="Alicante", max_rate=Watts(11_000), price=Price(3_500))


def key(message_id: str = "m-1", sender: str = "D-1") -> RequestKey:
    return RequestKey(role=Role.DRIVER, sender=sender, message_id=message_id)


def session(
    session_id: str = "s-1",
    *,
    cp_id: str = "ALC-001",
    driver_id: str = "D-1",
    requested_ms: int = NOW * 1000,
) -> Session:
    """A session just authorised: it holds its connector and its driver."""
    return Session(
        session_id=session_id,
        cp_id=cp_id,
        connector_id=1,
        driver_id=driver_id,
        state=SessionState.AUTHORISED,
        price=Price(3_500),
        currency="EUR",
        target=None,
        requested_ms=requested_ms,
        started_at=requested_ms // 1000,
        request=key(f"of-{session_id}", driver_id),
        digest="0123456789abcdef",
        trace_id=f"of-{session_id}",
    )


def released(of: Session, state: SessionState = SessionState.FINISHING) -> Session:
    """That session without anything that it held."""
    return replace(of, state=state, holds_connector=False, holds_driver=False)


def over(of: Session) -> Session:
    """That session, billed and settled."""
    return replace(released(of, SessionState.COMPLETED), settled=True, cost=Money(263), revision=1)


def ticket(session_id: str = "s-1") -> Ticket:
    return Ticket(
        session_id=session_id,
        cp_id="ALC-001",
        connector_id=1,
        driver_id="D-1",
        energy=WattHours(7_500),
        price=Price(3_500),
        cost=Money(263),
        currency="EUR",
        reason=EndReason.UNPLUGGED,
        started_at=NOW,
        ended_at=NOW + 60,
        meter_start_wh=100,
        meter_stop_wh=7_600,
        engine_cost=Money(262),
        estimated=False,
        revision=1,
        issued_at=NOW + 61,
    )


def answer(message_id: str = "m-1", *, answered_at: int = NOW) -> RememberedAnswer:
    return RememberedAnswer(
        key=key(message_id),
        digest="0123456789abcdef",
        answer=b'{"status":"success"}',
        answered_at=answered_at,
    )


def intent(session_id: str = "s-1", *, since: int = NOW) -> StopIntent:
    return StopIntent(
        session_id=session_id,
        cp_id="ALC-001",
        connector_id=1,
        reason=EndReason.CANCELLED,
        since=since,
    )


def entry(number: int) -> OutboxEntry:
    return OutboxEntry(number=number, topic="ev.driver.events", key="D-1", value=b"{}")


# ---- Every record that there can be -----------------------------------------------------------

# What units.py lets in: neither NUL nor half a character.
_texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=64)
_names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=64)
_counts = st.integers(0, 2**53 - 1)
_times = st.integers(0, 2**40 - 1)
_energies = st.integers(0, WattHours.maximum * 1_000).map(WattHours)
_rates = st.integers(0, Watts.maximum * 1_000).map(Watts)
_prices = st.integers(0, Price.maximum * 10_000).map(Price)
_amounts = st.integers(0, Money.maximum * 100).map(Money)
_connectors = st.integers(1, 100)

points: SearchStrategy[Point] = st.builds(
    Point,
    cp_id=_names,
    location=_texts,
    max_rate=_rates,
    price=_prices,
    stopped=st.booleans(),
    connectors=_connectors,
    last_seen=_times,
)
keys: SearchStrategy[RequestKey] = st.builds(
    RequestKey, role=st.sampled_from(Role), sender=_names, message_id=_names
)
sessions: SearchStrategy[Session] = st.builds(
    Session,
    session_id=_names,
    cp_id=st.just("ALC-001"),
    connector_id=_connectors,
    driver_id=_names,
    state=st.sampled_from(SessionState),
    price=_prices,
    currency=_names,
    target=st.none() | _energies,
    requested_ms=_times.map(lambda seconds: seconds * 1000),
    started_at=_times,
    ended_at=st.none() | _times,
    finishing_at=st.none() | _times,
    energy=_energies,
    rate=_rates,
    sequence=_counts,
    confirmed=st.booleans(),
    settled=st.booleans(),
    holds_connector=st.booleans(),
    holds_driver=st.booleans(),
    reason=st.none() | st.sampled_from(EndReason),
    refusal=st.none() | st.sampled_from(Reason),
    cost=st.none() | _amounts,
    revision=st.integers(0, 2**31 - 1),
    request=keys,
    digest=_names,
    trace_id=_names,
)
tickets: SearchStrategy[Ticket] = st.builds(
    Ticket,
    session_id=st.just("s-1"),
    cp_id=_names,
    connector_id=_connectors,
    driver_id=_names,
    energy=_energies,
    price=_prices,
    cost=_amounts,
    currency=_names,
    reason=st.none() | st.sampled_from(EndReason),
    started_at=_times,
    ended_at=_times,
    meter_start_wh=st.none() | _counts,
    meter_stop_wh=st.none() | _counts,
    engine_cost=_amounts,
    estimated=st.booleans(),
    revision=st.integers(1, 2**31 - 1),
    issued_at=_times,
)
answers: SearchStrategy[RememberedAnswer] = st.builds(
    RememberedAnswer, key=keys, digest=_names, answer=st.binary(max_size=200), answered_at=_times
)
intents: SearchStrategy[StopIntent] = st.builds(
    StopIntent,
    session_id=_names,
    cp_id=_names,
    connector_id=_connectors,
    reason=st.sampled_from(EndReason),
    since=_times,
)
entries: SearchStrategy[OutboxEntry] = st.builds(
    OutboxEntry,
    number=st.integers(1, 2**53 - 1),
    topic=_names,
    key=_names,
    value=st.binary(max_size=200),
)
