"""One side of a link without its socket: faults are counted, answers find who waits for them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.codec import decoder, encode
from common.errors import BadMessage, FrameTooLong, LinkLost, Reason, Refused
from common.exchange import MAX_FAULTS, Exchange, stamped, to_frame
from common.framing import MAX_DATA, frame, lrc
from common.messages import (
    ChargeRequest,
    ChargeRequestResponse,
    ChargingData,
    ClientHeartbeatRequest,
    CommandResponse,
    ErrorResponse,
    HealthCheckRequest,
    HealthCheckResponse,
    Message,
    Outcome,
    RegisterRequest,
    ReportSessionsCommand,
    Response,
    Role,
    StopCpCommand,
)
from common.units import WattHours
from tests.common.strategies import any_message, sample

CENTRAL, MONITOR, ENGINE, DRIVER, ADMIN, ANYONE, GATEWAY = Role

GOOD = encode(sample(ClientHeartbeatRequest))
BAD_LRC = frame(GOOD)[:-1] + bytes([lrc(GOOD) ^ 0x55])
NO_JSON = frame(b"hello")
NO_UTF8 = frame(b'{"type":"\xff"}')
UNSUPPORTED = frame(b'{"type":"x","message_id":"m-7"}')
INVALID = frame(b'{"type":"charge_request","message_id":"m-8"}')


class FakeClock:
    """Stands still."""

    def wall(self) -> float:
        return 1_700_000_000.9

    def monotonic(self) -> float:
        return 0.0


class FakeWaiter:
    """A future without a loop."""

    def __init__(self) -> None:
        self.answer: Response | None = None
        self.error: BaseException | None = None

    def done(self) -> bool:
        return self.answer is not None or self.error is not None

    def set_result(self, answer: Response, /) -> None:
        assert not self.done()
        self.answer = answer

    def set_exception(self, error: BaseException, /) -> None:
        assert not self.done()
        self.error = error


def central() -> Exchange:
    """Central's side of a driver's link."""
    return Exchange(decoder(DRIVER, CENTRAL))


def monitor() -> Exchange:
    """A monitor's side of its engine's link."""
    return Exchange(decoder(ENGINE, MONITOR))


def reasons(exchange: Exchange, data: bytes) -> list[str]:
    """What comes out of these bytes: reasons of refusals, and names of messages."""
    return [
        str(item.reason) if isinstance(item, BadMessage) else type(item).__name__
        for item in exchange.receive(data)
    ]


# ---- Receiving --------------------------------------------------------------------------------


@given(data=st.data())
def test_messages_come_out_in_order_wherever_they_are_cut(data: st.DataObject) -> None:
    """Frames are taken apart and decoded as what the peer may say."""
    messages = data.draw(st.lists(any_message(DRIVER, CENTRAL), max_size=3))
    stream = b"".join(to_frame(message) for message in messages)
    middle = data.draw(st.integers(0, len(stream)))
    exchange = central()
    found = [item for part in (stream[:middle], stream[middle:]) for item in exchange.receive(part)]
    assert found == messages
    assert exchange.faults == 0


@pytest.mark.parametrize(
    ("data", "reason", "message_id"),
    [
        (BAD_LRC, "bad_frame", "A-1"),
        (frame(b'{"message_id":"\xff"}')[:-1] + b"\x00", "bad_frame", None),
        (NO_JSON, "bad_frame", None),
        (NO_UTF8, "bad_frame", None),
        (b"junk", "bad_frame", None),
        (UNSUPPORTED, "unsupported_message", "m-7"),
        (INVALID, "invalid_message", "m-8"),
        (frame(b"[]"), "invalid_message", None),
        (b"\x02" + b"x" * (MAX_DATA + 1), "too_large", None),
    ],
    ids=["LRC", "LRC and UTF-8", "JSON", "UTF-8", "junk", "type", "field", "list", "size"],
)
def test_each_fault_is_one_refusal_with_the_offenders_id(
    data: bytes, reason: str, message_id: str | None
) -> None:
    """Where the id could be read, also from a frame whose LRC is wrong."""
    (bad,) = central().receive(data)
    assert isinstance(bad, BadMessage)
    assert (bad.reason, bad.message_id) == (reason, message_id)


@pytest.mark.parametrize("fault", [BAD_LRC, NO_JSON, NO_UTF8], ids=["LRC", "JSON", "UTF-8"])
def test_the_fifth_fault_in_a_row_ends_the_link(fault: bytes) -> None:
    """It is still told; after it nothing more comes, in the same bytes or in later ones."""
    assert MAX_FAULTS == 5
    exchange = central()
    assert reasons(exchange, fault * 4) == ["bad_frame"] * 4
    assert not exchange.ended
    assert reasons(exchange, fault + frame(GOOD) + fault) == ["bad_frame"]
    assert exchange.ended
    assert exchange.faults == 5
    assert reasons(exchange, frame(GOOD)) == []


def test_faults_of_all_kinds_are_counted_together() -> None:
    """Junk, wrong LRC, no UTF-8, no JSON, a frame in a frame: five."""
    exchange = central()
    stream = b"junk" + BAD_LRC + NO_UTF8 + NO_JSON + b"\x02cut" + frame(GOOD)
    assert reasons(exchange, stream) == ["bad_frame"] * 5
    assert exchange.ended


@pytest.mark.parametrize(
    "good",
    [frame(GOOD), UNSUPPORTED, INVALID, frame(b"{}")],
    ids=["good", "unsupported", "invalid", "no type"],
)
def test_a_good_frame_resets_the_count(good: bytes) -> None:
    """Also one whose message may not come: the frame was good."""
    exchange = central()
    for _ in range(5):
        reasons(exchange, BAD_LRC * 4)
        reasons(exchange, good)
    assert not exchange.ended
    assert exchange.faults == 20


def test_messages_that_are_refused_are_no_faults() -> None:
    """Any number of them leaves the link open."""
    exchange = central()
    assert len(reasons(exchange, (UNSUPPORTED + INVALID) * 10)) == 20
    assert (exchange.ended, exchange.faults) == (False, 0)


def test_a_frame_that_is_too_large_ends_the_link_at_once() -> None:
    """What follows is not read."""
    exchange = central()
    data = b"\x02" + b"x" * (MAX_DATA + 1) + frame(GOOD)
    assert reasons(exchange, frame(GOOD) + data) == ["ClientHeartbeatRequest", "too_large"]
    assert (exchange.ended, exchange.faults) == (True, 1)
    assert reasons(exchange, frame(GOOD)) == []


def test_the_decoder_may_be_replaced_between_two_messages() -> None:
    """The peer says who it is, and what follows in the same bytes is read as that role's."""
    exchange = central()
    exchange.decoder = decoder(MONITOR, CENTRAL)
    found = []
    for item in exchange.receive(to_frame(sample(RegisterRequest)) + frame(GOOD)):
        found.append(item)
        exchange.decoder = decoder(DRIVER, CENTRAL)
    assert found == [sample(RegisterRequest), sample(ClientHeartbeatRequest)]


# ---- Asking -----------------------------------------------------------------------------------


def asked(exchange: Exchange, request: Message) -> FakeWaiter:
    """Somebody who waits for the answer to this request."""
    waiter = FakeWaiter()
    exchange.expect(request, waiter)
    return waiter


HEALTH = HealthCheckRequest(message_id="m-1", cp_id="A")
WELL = HealthCheckResponse(message_id="m-1", status=Outcome.SUCCESS)


def test_an_answer_goes_to_who_waits_for_it() -> None:
    """Matched by `message_id`, in any order."""
    exchange = monitor()
    first = asked(exchange, HEALTH)
    second = asked(exchange, StopCpCommand(message_id="m-2", cp_id="A"))
    done = CommandResponse(message_id="m-2", status=Outcome.SUCCESS)
    assert exchange.settle(done)
    assert (first.done(), second.answer) == (False, done)
    assert exchange.settle(WELL)
    assert first.answer == WELL


def test_an_answer_that_nobody_waits_for_is_left_to_its_handler() -> None:
    """Late, repeated, or never asked for."""
    exchange = monitor()
    assert not exchange.settle(WELL)
    waiter = asked(exchange, HEALTH)
    assert exchange.settle(WELL)
    assert not exchange.settle(WELL)
    asked(exchange, HEALTH)
    exchange.forget("m-1")
    assert not exchange.settle(WELL)
    exchange.forget("m-1")
    assert waiter.answer == WELL


def test_an_answer_of_another_type_is_no_answer() -> None:
    """The id alone is not enough; who waits goes on waiting."""
    exchange = monitor()
    waiter = asked(exchange, HEALTH)
    assert not exchange.settle(CommandResponse(message_id="m-1", status=Outcome.SUCCESS))
    assert not waiter.done()
    assert exchange.settle(WELL)


def test_what_is_no_answer_settles_nothing() -> None:
    """A request or a reading that happens to have the same id."""
    exchange = monitor()
    waiter = asked(exchange, HEALTH)
    energy = WattHours(1)
    reading = ChargingData(message_id="m-1", cp_id="A", session_id="s", energy_consumed_kwh=energy)
    assert not exchange.settle(reading)
    assert not exchange.settle(ChargeRequest(message_id="m-1", cp_id="A", driver_id="D"))
    assert not waiter.done()


def test_a_failure_is_raised_where_the_answer_is_awaited() -> None:
    """With its reason, its words and the answer itself."""
    exchange = monitor()
    waiter = asked(exchange, HEALTH)
    failed = HealthCheckResponse(
        message_id="m-1",
        status=Outcome.FAILURE,
        error=Reason.CHARGE_POINT_FAULTED,
        message="KO",
        fault_type="GroundFailure",
    )
    assert exchange.settle(failed)
    assert isinstance(waiter.error, Refused)
    assert (waiter.error.reason, waiter.error.text) == ("charge_point_faulted", "KO")
    assert waiter.error.answer == failed


def test_a_failure_without_a_reason_is_internal() -> None:
    """`error` is optional on input."""
    exchange = monitor()
    waiter = asked(exchange, HEALTH)
    exchange.settle(HealthCheckResponse(message_id="m-1", status=Outcome.FAILURE))
    assert isinstance(waiter.error, Refused)
    assert waiter.error.reason == "internal"


def test_an_error_response_fails_the_request_with_its_id() -> None:
    """Of whatever type the request is; with no such request it goes to its handler."""
    exchange = monitor()
    waiter = asked(exchange, HEALTH)
    error = ErrorResponse(message_id="m-1", error=Reason.OVERLOADED, message="later")
    assert exchange.settle(error)
    assert isinstance(waiter.error, Refused)
    assert (waiter.error.reason, waiter.error.text) == ("overloaded", "later")
    assert not exchange.settle(error)


def test_two_requests_cannot_wait_with_one_id() -> None:
    """One of them would never get its answer."""
    exchange = monitor()
    asked(exchange, HEALTH)
    with pytest.raises(ValueError, match="m-1 waits already"):
        asked(exchange, HEALTH)


def test_an_answer_to_who_gave_up_is_late() -> None:
    """A cancelled wait is done; its answer goes to the handler."""
    exchange = monitor()
    waiter = asked(exchange, HEALTH)
    waiter.set_exception(TimeoutError())
    assert not exchange.settle(WELL)


def test_when_the_link_goes_everybody_who_waits_is_told() -> None:
    """Once; who has an answer or gave up keeps what he has."""
    exchange = monitor()
    waiting = asked(exchange, HEALTH)
    given_up = asked(exchange, StopCpCommand(message_id="m-2", cp_id="A"))
    given_up.set_exception(TimeoutError())
    lost = LinkLost("engine")
    exchange.fail(lost)
    assert waiting.error is lost
    assert isinstance(given_up.error, TimeoutError)
    exchange.fail(lost)
    assert not exchange.settle(WELL)


# ---- Envelopes --------------------------------------------------------------------------------


def test_a_message_that_leaves_gets_id_and_time() -> None:
    """A fresh UUID and whole Unix seconds, but only what it lacks."""
    first = stamped(HealthCheckRequest(cp_id="A"), FakeClock())
    second = stamped(HealthCheckRequest(cp_id="A"), FakeClock())
    assert first.timestamp == 1_700_000_000
    assert len(first.message_id) == 36
    assert first.message_id != second.message_id
    assert first.trace_id is None
    assert stamped(first, FakeClock()) == first
    own: dict[str, Any] = {"message_id": "m", "timestamp": 5, "trace_id": "t"}
    assert stamped(HealthCheckRequest(cp_id="A", **own), FakeClock()) == HealthCheckRequest(
        cp_id="A", **own
    )


@pytest.mark.parametrize(
    ("request_trace", "answer_trace", "expected"),
    [(None, None, "m-1"), ("t-1", None, "t-1"), ("t-1", "t-2", "t-2"), (None, "t-2", "t-2")],
)
def test_an_answer_carries_its_requests_id_and_trace(
    request_trace: str | None, answer_trace: str | None, expected: str
) -> None:
    """The trace is that of the request that began it all, or that request's own id."""
    request = ChargeRequest(message_id="m-1", trace_id=request_trace, cp_id="A", driver_id="D")
    answer = ChargeRequestResponse(status=Outcome.SUCCESS, trace_id=answer_trace)
    found = stamped(answer, FakeClock(), answering=request)
    assert (found.message_id, found.trace_id) == ("m-1", expected)


def test_a_message_that_fits_no_frame_is_our_fault() -> None:
    """Told before a byte is written."""
    assert to_frame(HEALTH) == frame(encode(HEALTH))
    many = ReportSessionsCommand(message_id="m", cp_id="A", session_ids=("\x01" * 64,) * 200)
    with pytest.raises(FrameTooLong):
        to_frame(many)
