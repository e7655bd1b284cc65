"""Errors: what each says, and that every reason says what to do about it."""

import pytest

from common.errors import (
    NOT_ANSWERS,
    PASSING,
    BadMessage,
    CannotStart,
    ChargingError,
    FrameTooLong,
    LinkLost,
    NoAnswer,
    Reason,
    Refused,
    StoreUnavailable,
)
from common.messages import CommandResponse, Outcome
from common.reference.source import meanings

SENTENCES = [
    (Refused(Reason.DRIVER_BUSY), "driver_busy"),
    (Refused(Reason.DRIVER_BUSY, "D-1 is charging"), "driver_busy: D-1 is charging"),
    (BadMessage(Reason.BAD_FRAME, "the LRC does not match"), "bad_frame: the LRC does not match"),
    (NoAnswer("charge_request", 10.0), "no answer to charge_request within 10 s"),
    (NoAnswer("heartbeat_request", 0.25), "no answer to heartbeat_request within 0.25 s"),
    (LinkLost("CENTRAL"), "link to CENTRAL is lost"),
    (LinkLost("CENTRAL", "closed by the peer"), "link to CENTRAL is lost: closed by the peer"),
    (FrameTooLong(70_000, 65_536), "a frame of 70000 bytes; 65536 at most"),
    (StoreUnavailable("disk full"), "the database does not answer: disk full"),
    (CannotStart("cannot listen on 127.0.0.1:1: in use"), "cannot listen on 127.0.0.1:1: in use"),
]


@pytest.mark.parametrize(("error", "sentence"), SENTENCES, ids=lambda value: str(value)[:40])
def test_an_error_is_one_sentence(error: ChargingError, sentence: str) -> None:
    """What a person reads when it is shown."""
    assert str(error) == sentence


def test_every_error_has_its_sentence_here() -> None:
    """The table above names every error of the tree, and all are `ChargingError`s."""
    here = {e for e in ChargingError.__subclasses__() if e.__module__ == ChargingError.__module__}
    assert {type(error) for error, _ in SENTENCES} == here


def test_errors_carry_data() -> None:
    """Programs read fields; nobody takes a sentence apart."""
    answer = CommandResponse(status=Outcome.FAILURE)
    refused = Refused(Reason.ENGINE_REFUSED, "no", answer)
    assert (refused.reason, refused.text, refused.answer) == ("engine_refused", "no", answer)
    bad = BadMessage(Reason.INVALID_MESSAGE, "why", "m-1")
    assert (bad.reason, bad.text, bad.message_id) == ("invalid_message", "why", "m-1")
    late = NoAnswer("charge_request", 10.0)
    assert (late.request, late.seconds) == ("charge_request", 10.0)
    lost = LinkLost("CENTRAL", "gone")
    assert (lost.peer, lost.why) == ("CENTRAL", "gone")
    long = FrameTooLong(2, 1)
    assert (long.size, long.limit) == (2, 1)
    assert StoreUnavailable("full").why == "full"


def test_the_reasons_are_those_of_the_protocol() -> None:
    """The words that other programs read."""
    assert set(Reason) == {
        "unknown_charge_point",
        *("charge_point_busy", "charge_point_offline"),
        *("charge_point_faulted", "charge_point_stopped"),
        *("unknown_session", "not_your_session", "driver_busy"),
        *("not_authenticated", "not_allowed"),
        *("invalid_message", "unsupported_message", "bad_frame", "too_large"),
        *("engine_refused", "timed_out"),
        *("replaced", "standby", "overloaded", "internal"),
    }


def test_every_reason_says_what_it_means_and_whether_to_try_again() -> None:
    """Each has a docstring of at least two sentences: the meaning, and what to do."""
    said = meanings(Reason)
    assert said.keys() == Reason.__members__.keys()
    for meaning in said.values():
        assert len(meaning.replace(";", ".").rstrip(".").split(". ")) >= 2, meaning


def test_these_reasons_travel_as_error_response() -> None:
    """A request that a rule refuses gets its own answer; these are no rule's."""
    assert {
        *("bad_frame", "too_large", "invalid_message", "unsupported_message"),
        *("not_authenticated", "standby", "overloaded", "internal", "replaced"),
    } == NOT_ANSWERS


def test_only_these_refusals_are_not_remembered() -> None:
    """They decide nothing, so the same request may be repeated."""
    assert {"overloaded", "internal", "standby"} == PASSING
