"""The uplink: the newest monitor wins, and what it is told it is told after its answers."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.errors import LinkLost, Reason, Refused
from common.messages import ChargeRequest, ChargeRequestResponse, ErrorResponse, Message, Outcome
from engine import uplink as uplink_module
from engine.session import reading_of
from engine.uplink import MAX_AT_LENGTH, PAGE, Uplink
from tests.engine.fakes import CP, FakeClock, a_session
from tests.engine.played import SOON

READING = reading_of(a_session(), CP)
REQUEST = ChargeRequest(cp_id=CP, driver_id="D-1")


class FakeLink:
    """A link that notes what is done with it."""

    def __init__(self) -> None:
        self.patience: float | None = None
        self.address: str | None = None
        self.told: list[Message] = []
        self.closed_with: ErrorResponse | None = None
        self.closed = 0
        self.lost = False

    async def ask(self, request: Any, *, within: float | None = None) -> Any:
        return ChargeRequestResponse(status=Outcome.SUCCESS, session_id="s1")

    def tell(self, message: Message) -> None:
        if self.lost:
            raise LinkLost("monitor")
        self.told.append(message)

    def close(self, why: ErrorResponse | None = None) -> None:
        self.closed_with = why
        self.closed += 1


def test_the_newest_monitor_wins() -> None:
    """The older is told so and closed; its end then changes nothing."""
    uplink, old, new = Uplink(CP, FakeClock()), FakeLink(), FakeLink()
    uplink.adopt(old)
    uplink.adopt(old)
    assert old.closed_with is None
    uplink.adopt(new)
    assert old.closed_with is not None
    assert old.closed_with.error is Reason.REPLACED
    uplink.gone(old)
    assert uplink.link is new
    uplink.gone(new)
    assert uplink.link is None


def test_silence_counts_from_the_last_byte_of_the_monitor() -> None:
    """Bytes of other links do not break it, nor does the link's end."""
    clock = FakeClock()
    uplink, monitor, stranger = Uplink(CP, clock), FakeLink(), FakeLink()
    clock.pass_(10)
    assert uplink.silence == 10
    uplink.adopt(monitor)
    assert uplink.silence == 0
    clock.pass_(2)
    uplink.heard(monitor)
    clock.pass_(3)
    uplink.heard(stranger)
    assert uplink.silence == 3
    uplink.gone(monitor)
    clock.pass_(1)
    assert uplink.silence == 4


async def test_what_is_told_goes_out_after_the_answer_in_work() -> None:
    """In order, with the next turn of the loop."""
    uplink, monitor = Uplink(CP, FakeClock()), FakeLink()
    uplink.adopt(monitor)
    second = reading_of(a_session(sequence=11), CP)
    uplink.tell(READING)
    uplink.tell(second)
    assert monitor.told == []
    await asyncio.sleep(0)
    assert monitor.told == [READING, second]


async def test_what_nobody_hears_is_dropped() -> None:
    """Without a monitor, or when it goes at that moment; the journal has it."""
    uplink, monitor = Uplink(CP, FakeClock()), FakeLink()
    uplink.tell(READING)
    await asyncio.sleep(0)
    uplink.adopt(monitor)
    monitor.lost = True
    uplink.tell(READING)
    await asyncio.sleep(0)
    monitor.lost = False
    await asyncio.sleep(0)
    assert monitor.told == []


async def test_what_is_told_at_length_comes_a_page_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All of it, in order, after what was told before; other things may come between."""
    monkeypatch.setattr(uplink_module, "PAGE_EVERY", 0.01)
    uplink, monitor = Uplink(CP, FakeClock()), FakeLink()
    uplink.adopt(monitor)
    readings = [reading_of(a_session(str(n)), CP) for n in range(5 * PAGE)]
    uplink.tell_at_length(iter(readings[: 3 * PAGE]))
    uplink.tell_at_length(readings[3 * PAGE :])
    uplink.tell(READING)
    lengths = set()
    async with asyncio.timeout(SOON):
        while len(monitor.told) < len(readings) + 1:
            lengths.add(len(monitor.told))
            await asyncio.sleep(0)
    assert monitor.told == [READING, *readings]
    assert {1 + PAGE * n for n in range(5)} <= lengths


async def test_what_is_told_at_length_ends_with_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next monitor asks for itself; and so much may be asked for at a time."""
    monkeypatch.setattr(uplink_module, "PAGE_EVERY", 0.01)
    uplink, monitor = Uplink(CP, FakeClock()), FakeLink()
    uplink.adopt(monitor)
    for _ in range(MAX_AT_LENGTH):
        uplink.tell_at_length(iter([READING]))
    with pytest.raises(Refused, match="overloaded"):
        uplink.tell_at_length(iter([READING]))
    uplink.gone(monitor)
    await asyncio.sleep(0.05)
    other = FakeLink()
    uplink.adopt(other)
    uplink.tell_at_length(iter([READING]))
    async with asyncio.timeout(SOON):
        while not other.told:  # noqa: ASYNC110 -- nothing else says so
            await asyncio.sleep(0.005)
    assert (monitor.told, other.told) == ([], [READING])


async def test_a_question_needs_a_monitor() -> None:
    """With one it is asked; without one that is said at once."""
    uplink = Uplink(CP, FakeClock())
    with pytest.raises(LinkLost, match="link to the monitor is lost: none is connected"):
        await uplink.ask(REQUEST)
    uplink.adopt(FakeLink())
    answer = await uplink.ask(REQUEST)
    assert answer.session_id == "s1"


def test_an_engine_that_stops_loses_no_monitor() -> None:
    """That its links end then is no event."""
    uplink, monitor = Uplink(CP, FakeClock()), FakeLink()
    uplink.adopt(monitor)
    uplink.release()
    with capture_logs() as logs:
        uplink.gone(monitor)
    assert logs == []
