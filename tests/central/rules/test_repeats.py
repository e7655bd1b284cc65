"""When a request is the same one again."""

from hypothesis import given
from hypothesis import strategies as st

from central.rules.repeats import digest, request_key
from common.messages import ChargeRequest, Role
from common.units import WattHours


def request(**fields: object) -> ChargeRequest:
    """A charge request with these fields changed."""
    plain: dict[str, object] = {"message_id": "m", "cp_id": "CP-1", "driver_id": "D-1"}
    return ChargeRequest(**(plain | fields))  # type: ignore[arg-type]


@given(timestamp=st.integers(0, 2**39), trace_id=st.none() | st.just("t"))
def test_time_and_trace_are_no_content(timestamp: int, trace_id: str | None) -> None:
    """A repeat written later is still the same request."""
    assert digest(request(timestamp=timestamp, trace_id=trace_id)) == digest(request())


def test_any_other_field_is_content() -> None:
    """The same id with another point, driver, connector or energy is another request."""
    others = [
        request(cp_id="CP-2"),
        request(driver_id="D-2"),
        request(connector_id=1),
        request(target_kwh=WattHours(1)),
    ]
    assert len({digest(r) for r in [request(), *others]}) == 5


def test_a_key_is_role_sender_and_id() -> None:
    """Two drivers may use the same message id."""
    mine = request_key(Role.DRIVER, "D-1", request())
    assert mine != request_key(Role.DRIVER, "D-2", request())
    assert mine == request_key(Role.DRIVER, "D-1", request(timestamp=5))
