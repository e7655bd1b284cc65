"""From where too many wrong credentials came, none is looked at for a minute."""

import pytest

from common.admittance import ADDRESSES, FAILURES_WITHIN, MAX_FAILURES, Failures


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failures(clock: Clock) -> Failures:
    return Failures(clock)


def fail(failures: Failures, address: str, times: int) -> None:
    for _ in range(times):
        failures.failed(address)


def test_an_address_is_blocked_at_its_tenth_failure(failures: Failures) -> None:
    fail(failures, "192.0.2.1", MAX_FAILURES - 1)
    assert not failures.blocked("192.0.2.1")
    failures.failed("192.0.2.1")
    assert failures.blocked("192.0.2.1")


def test_another_address_is_not_blocked(failures: Failures) -> None:
    fail(failures, "192.0.2.1", MAX_FAILURES)
    assert not failures.blocked("192.0.2.2")


def test_a_block_ends_a_minute_after_the_last_failure(failures: Failures, clock: Clock) -> None:
    fail(failures, "192.0.2.1", MAX_FAILURES)
    clock.now += FAILURES_WITHIN
    assert failures.blocked("192.0.2.1")
    clock.now += 0.1
    assert not failures.blocked("192.0.2.1")


def test_failures_far_apart_block_nobody(failures: Failures, clock: Clock) -> None:
    """Ten in more than a minute are a person's."""
    for _ in range(3 * MAX_FAILURES):
        failures.failed("192.0.2.1")
        clock.now += FAILURES_WITHIN / (MAX_FAILURES - 2)
        assert not failures.blocked("192.0.2.1")


def test_what_has_no_address_is_not_blocked(failures: Failures) -> None:
    """A socket pair of a test has none."""
    for _ in range(2 * MAX_FAILURES):
        failures.failed(None)
    assert not failures.blocked(None)


def test_a_bounded_number_of_addresses_is_remembered(failures: Failures) -> None:
    """The one that failed longest ago is forgotten first."""
    fail(failures, "first", MAX_FAILURES)
    fail(failures, "second", MAX_FAILURES)
    failures.failed("first")
    for number in range(ADDRESSES - 1):
        failures.failed(f"address-{number}")
    assert failures.blocked("first")
    assert not failures.blocked("second")
