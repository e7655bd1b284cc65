"""How the engine is, and what of that is news."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Reason, Refused
from common.messages import (
    CommandResponse,
    ConnectorEntry,
    FaultNotification,
    HealthCheckResponse,
    Message,
    Outcome,
    RecoveryNotification,
    StatusUpdate,
)
from common.states import EngineStatus, read_status
from common.units import Watts
from monitor.health import (
    OTHER_ERROR,
    UNREACHABLE,
    UNREACHABLE_AFTER,
    Condition,
    Health,
    knocked_out,
    news,
    read,
    unreachable,
)


def entry(
    number: int = 1, status: str = "available", session_id: str | None = None
) -> ConnectorEntry:
    return ConnectorEntry(connector_id=number, status=status, session_id=session_id)


def well(*entries: ConnectorEntry, status: str = "available") -> HealthCheckResponse:
    return HealthCheckResponse(
        status=Outcome.SUCCESS,
        engine_status=status,
        connectors=entries,
        max_charging_rate_kw=Watts(22_000),
        time_scale=60,
    )


def broken(*entries: ConnectorEntry, fault_type: str | None = None) -> HealthCheckResponse:
    return HealthCheckResponse(
        status=Outcome.FAILURE,
        error=Reason.CHARGE_POINT_FAULTED,
        engine_status="faulted",
        fault_type=fault_type,
        connectors=entries,
    )


def shown(*entries: ConnectorEntry) -> Condition:
    return read(well(*entries), Condition())


def brief(messages: list[Message]) -> list[str]:
    """What each message says, in a word."""
    found = []
    for message in messages:
        match message:
            case FaultNotification():
                found.append(f"fault {message.fault_type}")
            case RecoveryNotification():
                found.append("recovery")
            case StatusUpdate():
                found.append(f"{message.connector_id} {message.status}")
            case _:
                raise AssertionError(f"unexpected {message}")
    return found


# What an answer says


def test_a_well_engine_is_shown_as_it_says() -> None:
    """Status, connectors, power and time scale are the answer's."""
    condition = shown(entry(1, "charging", "s"), entry(2))
    assert condition.heard
    assert condition.fault_type is None
    assert [e.status for e in condition.connectors] == ["charging", "available"]
    assert condition.shape == (Watts(22_000), 60, (1, 2))


@pytest.mark.parametrize(
    ("answer", "fault_type"),
    [
        (broken(fault_type="InternalError"), "InternalError"),
        (broken(), OTHER_ERROR),
        (HealthCheckResponse(status=Outcome.FAILURE), OTHER_ERROR),
        (HealthCheckResponse(status=Outcome.SUCCESS, engine_status="Faulted"), OTHER_ERROR),
        (HealthCheckResponse(status=Outcome.SUCCESS, fault_type="GroundFailure"), "GroundFailure"),
        (well(entry()), None),
        (well(entry(1, "faulted"), entry(2)), None),
    ],
)
def test_a_fault_is_said_in_one_of_three_ways(
    answer: HealthCheckResponse, fault_type: str | None
) -> None:
    """KO, the word `faulted`, or a fault type; one broken connector of two is no fault yet."""
    assert read(answer, Condition()).fault_type == fault_type


def test_an_engine_that_lists_no_connectors_has_one() -> None:
    """An engine written to the seed's document says only its own status and session."""
    answer = HealthCheckResponse(status=Outcome.SUCCESS, is_charging=True, session_id="s")
    assert read(answer, Condition()).connectors == (entry(1, "charging", "s"),)


def test_a_bare_ko_does_not_lose_the_connectors() -> None:
    """What is known of power and connectors stays, so that nothing is registered anew."""
    before = shown(entry(1, "charging", "s"), entry(2))
    after = read(broken(), before)
    assert after.shape == before.shape
    assert {e.status for e in after.connectors} == {EngineStatus.FAULTED}


@pytest.mark.parametrize(
    ("error", "is_ko"),
    [
        (Reason.CHARGE_POINT_FAULTED, True),
        (None, True),
        (Reason.INVALID_MESSAGE, False),
        (Reason.INTERNAL, False),
    ],
)
def test_only_a_broken_engine_is_knocked_out(error: Reason | None, is_ko: bool) -> None:
    """Any other refusal of a health check says nothing about the engine's health."""
    answer = HealthCheckResponse(status=Outcome.FAILURE, error=error)
    refused = Refused(error or Reason.INTERNAL, answer=answer)
    assert (knocked_out(refused) is answer) is is_ko
    other = CommandResponse(status=Outcome.FAILURE)
    assert knocked_out(Refused(Reason.CHARGE_POINT_FAULTED, answer=other)) is None
    assert knocked_out(Refused(Reason.CHARGE_POINT_FAULTED)) is None


@pytest.mark.parametrize(
    ("words", "stopped"),
    [
        (["stopped"], True),
        (["Unavailable"], True),
        (["stopped", "faulted"], True),
        (["available"], False),
        (["charging", "faulted"], False),
        (["preparing"], False),
        (["faulted"], None),
        (["finishing"], None),
        (["whatever"], None),
    ],
)
def test_the_words_that_say_whether_the_point_is_stopped(
    words: list[str], stopped: bool | None
) -> None:
    """`stopped` says yes; a word of service says no; the others hide it."""
    entries = [entry(number, word) for number, word in enumerate(words, 1)]
    assert shown(*entries).stopped is stopped


def test_running_sessions_are_those_that_charge_or_wait_for_the_plug() -> None:
    """A session that has ended is still named by its connector, and does not run."""
    condition = shown(
        entry(1, "charging", "a"),
        entry(2, "preparing", "b"),
        entry(3, "finishing", "c"),
        entry(4, "available", "d"),
        entry(5, "charging"),
    )
    assert condition.running == {"a", "b"}


# What is news


def test_the_first_answer_tells_every_connector() -> None:
    """Central may have been registered without knowing any."""
    health = Health("CP")
    assert brief(health.answered(well(entry(1), entry(2)))) == ["1 available", "2 available"]


def test_the_same_answer_again_is_no_news() -> None:
    """A health check each second makes no message a second."""
    health = Health("CP")
    health.answered(well(entry(1, "charging", "s")))
    assert health.answered(well(entry(1, "charging", "s"))) == []


def test_a_connector_is_told_when_its_status_or_its_session_changes() -> None:
    """And only that connector, with its session."""
    health = Health("CP")
    health.answered(well(entry(1), entry(2)))
    assert health.answered(well(entry(1), entry(2, "charging", "s"))) == [
        StatusUpdate(cp_id="CP", connector_id=2, status="charging", session_id="s")
    ]
    told = health.answered(well(entry(1), entry(2, "charging", "t")))
    assert told == [StatusUpdate(cp_id="CP", connector_id=2, status="charging", session_id="t")]


def test_ko_is_told_before_its_connectors() -> None:
    """So that central hears the type of the fault first."""
    health = Health("CP")
    health.answered(well(entry(1)))
    told = health.answered(broken(entry(1, "faulted"), fault_type="InternalError"))
    assert brief(told) == ["fault InternalError", "1 faulted"]


def test_a_fault_outlasts_a_connector_that_sounds_well() -> None:
    """Central believes the latest message, so the fault is said again after such an update."""
    health = Health("CP")
    health.answered(broken(entry(1, "faulted"), entry(2, "charging", "s")))
    told = health.answered(broken(entry(1, "faulted"), entry(2, "finishing", "s")))
    assert brief(told) == ["2 finishing", f"fault {OTHER_ERROR}"]


def test_a_recovery_tells_every_connector_anew() -> None:
    """It clears the faults of all, one of which may still be broken."""
    health = Health("CP")
    health.answered(broken(entry(1, "faulted"), entry(2, "faulted")))
    told = health.answered(well(entry(1), entry(2, "faulted")))
    assert brief(told) == ["recovery", "1 available", "2 faulted"]


def test_another_fault_is_told() -> None:
    """An engine that was unreachable and comes back broken has another fault."""
    health = Health("CP")
    assert brief(silent_for(health, UNREACHABLE_AFTER)) == [f"fault {UNREACHABLE}"]
    told = health.answered(broken(entry(1, "faulted"), fault_type="InternalError"))
    assert brief(told) == ["fault InternalError", "1 faulted"]


# Silence


def silent_for(health: Health, seconds: float) -> list[Message]:
    told: list[Message] = []
    for _ in range(round(seconds / 0.25)):
        told += health.passed(0.25)
    return told


def test_silence_is_a_fault_after_a_while_and_once() -> None:
    """Not before its time, and not again while it lasts."""
    health = Health("CP")
    health.answered(well(entry(1, "charging", "s")))
    assert silent_for(health, UNREACHABLE_AFTER - 0.25) == []
    assert brief(silent_for(health, 0.25)) == [f"fault {UNREACHABLE}", "1 faulted"]
    assert silent_for(health, 10) == []


def test_nothing_is_known_of_a_silent_engine() -> None:
    """Its connectors name no session and nothing is said to be held; power and number stay."""
    before = shown(entry(1, "charging", "s"), entry(2))
    after = unreachable(before)
    assert after.shape == before.shape
    assert after.running == frozenset()
    assert {e.session_id for e in after.connectors} == {None}
    assert after.held_sessions is None
    assert after.stopped is None


def test_an_answer_ends_the_silence() -> None:
    """Silence counts from the last answer."""
    health = Health("CP")
    for _ in range(20):
        health.answered(well(entry(1)))
        assert silent_for(health, UNREACHABLE_AFTER - 0.25) == []
    assert health.condition.fault_type is None


def test_an_engine_that_never_answered_is_unreachable_too() -> None:
    """A monitor started alone knows how the engine is after a moment."""
    health = Health("CP")
    assert not health.condition.decided
    assert brief(silent_for(health, UNREACHABLE_AFTER)) == [f"fault {UNREACHABLE}"]
    assert health.condition.decided
    assert not health.condition.heard


def test_our_own_standstill_is_no_silence_of_the_engine() -> None:
    """One look after a long pause adds little: the engine's answers wait unread."""
    health = Health("CP")
    health.answered(well(entry(1)))
    assert health.passed(60.0) == []
    assert brief(silent_for(health, UNREACHABLE_AFTER)) != []


def test_the_engine_recovers_from_silence() -> None:
    """Its next answer says so."""
    health = Health("CP")
    health.answered(well(entry(1, "charging", "s")))
    silent_for(health, UNREACHABLE_AFTER)
    told = health.answered(well(entry(1, "charging", "s")))
    assert brief(told) == ["recovery", "1 charging"]


# Whatever comes

words = st.sampled_from([*EngineStatus, "whatever"])
entries = st.builds(
    lambda status, session_id: entry(1, status, session_id),
    words,
    st.sampled_from([None, "s", "t"]),
)
answers = st.one_of(
    st.builds(well, entries, status=words),
    st.builds(broken, entries, fault_type=st.sampled_from([None, "InternalError"])),
    st.builds(broken),
)


class Believer:
    """Central, as far as it believes the latest message."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.connector: ConnectorEntry | None = None

    def told(self, message: Message) -> None:
        match message:
            case FaultNotification():
                self.fault = message.fault_type
            case RecoveryNotification():
                self.fault = None
            case StatusUpdate():
                self.connector = entry(1, message.status, message.session_id)
                if read_status(message.status) not in (None, EngineStatus.FAULTED):
                    self.fault = None


@given(st.lists(st.one_of(answers, st.just(None)), max_size=12))
def test_who_believes_the_news_knows_the_condition(
    heard: list[HealthCheckResponse | None],
) -> None:
    """After any answers and silences central's picture is ours, from the news alone."""
    health, central = Health("CP"), Believer()
    for answer in heard:
        told = silent_for(health, UNREACHABLE_AFTER) if answer is None else health.answered(answer)
        for message in told:
            central.told(message)
        assert central.fault == health.condition.fault_type
        if health.condition.connectors:
            assert central.connector == health.condition.connectors[0]


@given(answers, answers)
def test_no_change_is_no_news(first: HealthCheckResponse, second: HealthCheckResponse) -> None:
    """Between two equal conditions there is nothing to tell."""
    before = read(first, Condition())
    after = read(second, before)
    assert (list(news("CP", before, after)) == []) == (
        (before.connectors, before.fault_type) == (after.connectors, after.fault_type)
    )
