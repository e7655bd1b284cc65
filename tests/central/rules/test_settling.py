"""Settled, and to be settled."""

from msgspec.structs import replace

from central.rules.settling import settled_of, unsettled_of
from tests.central.rules.examples import AUTHORISED


def test_an_engine_may_forget_what_is_settled_and_nothing_else() -> None:
    """Only held sessions are named, and only those that are settled."""
    assert settled_of(["a", "b", "c"], {"b", "z"}.__contains__) == ("b",)


def test_unsettled_sessions_are_named_oldest_first_a_hundred_at_most() -> None:
    """The rest follow once these are settled."""
    many = [replace(AUTHORISED, session_id=f"s-{n}", requested_ms=1000 - n) for n in range(150)]
    named = unsettled_of(many, lambda _: False)
    assert len(named) == 100
    assert named[0] == "s-149"


def test_a_session_whose_start_is_on_its_way_is_not_asked_about() -> None:
    """Its engine would be made to refuse it."""
    settled = replace(AUTHORISED, session_id="done", settled=True)
    sessions = [AUTHORISED, settled, replace(AUTHORISED, session_id="new")]
    assert unsettled_of(sessions, {"new"}.__contains__) == ("s-1",)
