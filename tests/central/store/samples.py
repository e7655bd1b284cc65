"""Records to store: one of each kind, and every one that there can be."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from central.rules.records import (
    Command,
    ConnectorWord,
    LastConnection,
    OutboxEntry,
    Point,
    RememberedAnswer,
    RequestKey,
    Session,
    StopIntent,
    StoredSample,
    Ticket,
)
from common.errors import Reason
from common.gateway_messages import CommandState, IdTagRow, Sample
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
    ocpp_version=st.none() | _texts,
    vendor=st.none() | _texts,
    model=st.none() | _texts,
    serial_number=st.none() | _texts,
    firmware_version=st.none() | _texts,
)
gateway_connections: SearchStrategy[LastConnection] = st.builds(
    LastConnection,
    cp_id=_names,
    node=_names,
    partition=st.integers(0, 63),
    epoch=_counts,
    open=st.booleans(),
    ocpp_version=_texts,
)
connector_words: SearchStrategy[ConnectorWord] = st.builds(
    ConnectorWord,
    cp_id=_names,
    connector_id=st.integers(0, 100),
    status=st.none() | _texts,
    fault=st.none() | _texts,
)
stored_samples: SearchStrategy[StoredSample] = st.builds(
    StoredSample,
    cp_id=_names,
    digest=st.integers(0, 2**63 - 1),
    connector_id=st.integers(0, 100),
    transaction_id=st.none() | st.integers(-(2**53), 2**53 - 1),
    sample=st.builds(
        Sample,
        at_ms=_counts,
        value=_texts,
        measurand=_texts,
        unit=_texts,
        context=_texts,
        location=_texts,
        phase=st.none() | _texts,
        format=_texts,
    ),
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
    id_tag=st.none() | _texts,
    transaction_id=st.none() | st.integers(-(2**53), 2**53 - 1),
    start_key=st.none() | _texts,
    meter_start_wh=st.none() | st.integers(-(2**53), 2**53 - 1),
    request=keys,
    digest=_names,
    trace_id=_names,
)
id_tags: SearchStrategy[IdTagRow] = st.builds(
    IdTagRow,
    id_tag=_names,
    driver_id=st.none() | _names,
    parent_id_tag=st.none() | _texts,
    expires_at=st.none() | _times,
    blocked=st.booleans(),
    max_concurrent=st.integers(1, 1000),
    note=st.none() | _texts,
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
_payloads: SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.text(max_size=8),
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    max_size=3,
)
commands: SearchStrategy[Command] = st.builds(
    Command,
    command_id=_names,
    cp_id=_names,
    action=_names,
    payload=_payloads,
    message=st.binary(max_size=50),
    state=st.sampled_from(CommandState),
    by=_names,
    at_ms=_counts,
    changed_ms=_counts,
    expires_ms=_counts,
    connection=st.none() | _names,
    reason=st.none() | _names,
    entry_id=st.none() | _names,
    answer=st.none() | _payloads,
    error_code=st.none() | _names,
    error_description=st.none() | _names,
)
