"""Who may command an engine."""

import pytest

from common.admittance import MAX_FAILURES
from common.clock import SystemClock
from common.dispatch import Peer
from common.errors import Reason, Refused
from common.messages import AuthRequest, Outcome, Role
from engine.gate import Gate

KEY = "k" * 43


def gate(key: str | None = KEY) -> Gate:
    return Gate("ALC-1", key, SystemClock())


def asks(
    credential: str | None = KEY, cp_id: str = "ALC-1", role: Role = Role.MONITOR
) -> AuthRequest:
    return AuthRequest(role=role, cp_id=cp_id, credential=credential)


def test_the_key_opens() -> None:
    """From then on commands are taken; before, they are refused."""
    locked, peer = gate(), Peer(role=Role.MONITOR)
    with pytest.raises(Refused) as refused:
        locked.check(peer)
    assert refused.value.reason is Reason.NOT_AUTHENTICATED
    answer = locked.answer(asks(), peer, "192.0.2.1")
    assert answer is not None
    assert answer.status is Outcome.SUCCESS
    locked.check(peer)


@pytest.mark.parametrize("wrong", [None, "", "x" * 43, KEY[:-1], KEY + "k", "ключ"])
def test_nothing_else_opens(wrong: str | None) -> None:
    locked, peer = gate(), Peer(role=Role.MONITOR)
    answer = locked.answer(asks(wrong), peer, "192.0.2.1")
    assert answer is not None
    assert (answer.status, answer.error) == (Outcome.FAILURE, Reason.NOT_AUTHENTICATED)
    with pytest.raises(Refused):
        locked.check(peer)


@pytest.mark.parametrize("key", [KEY, None])
def test_another_points_monitor_and_another_role_have_no_business_here(key: str | None) -> None:
    """With the right key, too."""
    for request in (asks(cp_id="ALC-2"), asks(role=Role.ADMIN)):
        with pytest.raises(Refused) as refused:
            gate(key).answer(request, Peer(role=Role.MONITOR), None)
        assert refused.value.reason is Reason.NOT_ALLOWED


def test_without_a_key_everybody_is_let_in() -> None:
    """On one machine the programs trust each other."""
    trusting, peer = gate(None), Peer(role=Role.MONITOR)
    assert not trusting.is_locked
    trusting.check(peer)
    answer = trusting.answer(asks(None), peer, None)
    assert answer is not None
    assert answer.status is Outcome.SUCCESS


def test_who_guesses_is_not_answered_any_more() -> None:
    """From its address; the monitor at another one is let in."""
    locked = gate()
    for _ in range(MAX_FAILURES):
        assert locked.answer(asks("guess"), Peer(role=Role.MONITOR), "192.0.2.1") is not None
    assert locked.answer(asks(), Peer(role=Role.MONITOR), "192.0.2.1") is None
    assert locked.answer(asks(), Peer(role=Role.MONITOR), "192.0.2.2") is not None
