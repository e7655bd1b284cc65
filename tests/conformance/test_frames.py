"""Frames: any cut, any LRC byte, and for each fault the answer of the protocol's section 2."""

from __future__ import annotations

import itertools
import json

import pytest

from .peer import ETX, MAX_DATA, STX, Link, Message, frame, lrc, message, pack
from .roles import Driver, Network

GOOD = b'{"type":"available_cps_request","message_id":"m","driver_id":"D","limit":1}'
BAD_LRC = STX.to_bytes() + GOOD + bytes([ETX, lrc(GOOD) ^ 0x55])


@pytest.fixture
def driver(network: Network) -> Driver:
    """A driver's link that central knows as one."""
    driver = network.driver()
    assert_alive(driver)
    return driver


@pytest.fixture
def clock(network: Network) -> Driver:
    """Another link: when it is answered, central has read what was sent elsewhere before."""
    clock = network.driver()
    assert_alive(clock)
    return clock


def question() -> Message:
    return message("available_cps_request", driver_id="D-any", limit=1)


def ask_anything(link: Link) -> Message:
    return link.answer_to(link.post(question()))


def assert_alive(link: Link) -> None:
    assert ask_anything(link)["status"] == "success"


def errors_before_answer(link: Link) -> list[str]:
    """Ask something, and return the errors that came up to its answer."""
    before = link.drain(link.post(question()))[:-1]
    assert {m["type"] for m in before} <= {"error_response"}, before
    return [m["error"] for m in before]


def with_lrc(wanted: int) -> Message:
    """A question whose frame ends with this LRC byte, thanks to an unknown field."""
    content = question()
    for one, two in itertools.product(range(0x20, 0x7F), repeat=2):
        content["filling"] = chr(one) + chr(two)
        if pack(content)[-1] == wanted:
            return content
    raise AssertionError("no filling does it")


def padded(size: int) -> Message:
    """A question whose data is exactly `size` bytes, filled with an unknown field."""
    content = {**question(), "filling": ""}
    content["filling"] = "x" * (size - len(pack(content)) + 3)
    return content


# Cuts


def test_a_frame_cut_at_every_byte_is_answered(driver: Driver, clock: Driver) -> None:
    """Wherever a frame is cut in two, and however long the rest waits, it is one message."""
    content = message("available_cps_request", driver_id="D", limit=1, filling="ñ 充")
    data = pack(content)
    for cut in range(1, len(data)):
        driver.write(data[:cut])
        assert_alive(clock)
        driver.write(data[cut:])
        assert driver.answer_to(content["message_id"])["status"] == "success"
    assert driver.inbox == []


def test_a_frame_byte_by_byte_is_answered(driver: Driver, clock: Driver) -> None:
    """A frame that arrives one byte at a time is one message."""
    content = question()
    for byte in pack(content):
        driver.write(bytes([byte]))
        assert_alive(clock)
    assert driver.answer_to(content["message_id"])["status"] == "success"


def test_several_frames_in_one_write_are_all_answered(driver: Driver) -> None:
    """Twenty frames in one write, and the twenty-first cut: one answer each."""
    contents = [question() for _ in range(21)]
    data = b"".join(map(pack, contents))
    driver.write(data[:-5])
    for content in contents[:-1]:
        assert driver.answer_to(content["message_id"])["type"] == "available_cps_response"
    driver.write(data[-5:])
    assert driver.answer_to(contents[-1]["message_id"])["status"] == "success"
    assert driver.inbox == []


@pytest.mark.parametrize("end", [STX, ETX])
def test_an_lrc_that_looks_like_a_delimiter_is_read_by_position(
    driver: Driver, clock: Driver, end: int
) -> None:
    """Frames whose LRC is 0x02 or 0x03 are good ones, together or cut before that byte."""
    contents = [with_lrc(end) for _ in range(3)]
    driver.write(b"".join(map(pack, contents)))
    for content in contents:
        assert driver.answer_to(content["message_id"])["status"] == "success"
    late = with_lrc(end)
    driver.write(pack(late)[:-1])
    assert_alive(clock)
    driver.write(pack(late)[-1:])
    assert driver.answer_to(late["message_id"])["status"] == "success"
    assert driver.inbox == []


@pytest.mark.parametrize("end", [STX, ETX])
def test_a_wrong_lrc_that_looks_like_a_delimiter_is_one_fault(driver: Driver, end: int) -> None:
    """A wrong LRC of 0x02 or 0x03 is not taken for the start or end of a frame."""
    data = pack(question())[1:-2]
    assert lrc(data) != end
    driver.write(bytes([STX]) + data + bytes([ETX, end]))
    assert errors_before_answer(driver) == ["bad_frame"]


def test_what_comes_out_does_not_depend_on_the_cuts(network: Network, clock: Driver) -> None:
    """A stream of good frames, faults and nonsense gets the same answers in any pieces."""
    strange = message("no_such_request"), message("charge_request"), question(), question()
    stream = b"".join(
        [
            *(pack(strange[2]), b"junk", pack(strange[0]), BAD_LRC, BAD_LRC, pack(strange[1])),
            *(bytes([STX]) + GOOD[:9], pack(strange[3]), frame(b"{"), b"\x03\x03", BAD_LRC),
        ]
    )
    outcomes = []
    for size in (len(stream), 1, 2, 7, 61):
        driver = network.driver()
        assert_alive(driver)
        for start in range(0, len(stream), size):
            driver.write(stream[start : start + size])
            assert_alive(clock)
        last = question()
        found = driver.drain(driver.post(last))
        ids = {content["message_id"] for content in strange}
        known = [m["message_id"] if m["message_id"] in ids else "" for m in found[:-1]]
        kinds = [m.get("error", m["type"]) for m in found[:-1]]
        outcomes.append(sorted(zip(kinds, known, strict=True)))
    assert [kind for kind, _ in outcomes[0]].count("bad_frame") == 7
    assert all(outcome == outcomes[0] for outcome in outcomes)


# Faults

FAULTS = {
    "wrong LRC": BAD_LRC,
    "junk": b"junk",
    "junk with an ETX in it": b"a\x03b\x03\x03",
    "invalid UTF-8": frame(b'{"type":"available_cps_request","message_id":"\xff\xfe"}'),
    "invalid JSON": frame(b'{"type":"available_cps_request",'),
    "no JSON at all": frame(b"hello"),
    "no data": frame(b""),
    "not a number of JSON": frame(GOOD.replace(b":1}", b":NaN}")),
    "two messages in one frame": frame(GOOD + GOOD),
    "a raw control character in a string": frame(GOOD.replace(b'"D"', b'"D\n"')),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_bad_frame_is_answered_and_the_link_lives(driver: Driver, fault: bytes) -> None:
    """A damaged frame is dropped and answered with one `bad_frame`; what follows is read."""
    driver.write(fault)
    error = driver.take(type="error_response")
    assert error["error"] == "bad_frame"
    assert isinstance(error["message_id"], str)
    assert 1 <= len(error["message_id"]) <= 64
    assert isinstance(error["message"], str)
    assert errors_before_answer(driver) == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_bad_frame_between_good_ones_costs_only_itself(driver: Driver, fault: bytes) -> None:
    """good, bad, good in one write: two answers and one `bad_frame`."""
    first, second = question(), question()
    driver.write(pack(first) + fault + pack(second))
    assert driver.answer_to(first["message_id"])["status"] == "success"
    assert driver.answer_to(second["message_id"])["status"] == "success"
    assert errors_before_answer(driver) == ["bad_frame"]


def test_one_run_of_junk_is_one_fault_at_its_first_byte(driver: Driver, clock: Driver) -> None:
    """The first byte of junk is answered at once, the rest of the run is not, however it comes."""
    driver.write(b"\n")
    assert driver.take(type="error_response")["error"] == "bad_frame"
    for byte in b"more \x03 junk":
        driver.write(bytes([byte]))
        assert_alive(clock)
    assert errors_before_answer(driver) == []


def test_two_runs_of_junk_are_two_faults(driver: Driver) -> None:
    """Junk before and after a good frame is two runs."""
    content = question()
    driver.write(b"one" + pack(content) + b"two")
    assert driver.answer_to(content["message_id"])["status"] == "success"
    assert errors_before_answer(driver) == ["bad_frame", "bad_frame"]


def test_an_stx_inside_data_begins_a_new_frame(driver: Driver) -> None:
    """What was begun before is dropped as one fault; the frame that begins there counts."""
    content = question()
    driver.write(bytes([STX]) + GOOD[:30] + pack(content))
    assert driver.answer_to(content["message_id"])["status"] == "success"
    assert errors_before_answer(driver) == ["bad_frame"]


def test_the_fifth_fault_closes_the_link(driver: Driver) -> None:
    """Five faults of any kind without a good frame between them: five answers, then the end."""
    faults = [
        BAD_LRC,
        FAULTS["invalid UTF-8"],
        FAULTS["invalid JSON"],
        bytes([STX]) + b"cut off" + frame(b"hello"),  # two faults: the cut-off and the rest
    ]
    for fault in faults:
        driver.write(fault)
    driver.wait_closed()
    assert [m["error"] for m in driver.inbox] == ["bad_frame"] * 5


def test_a_good_frame_resets_the_count(driver: Driver) -> None:
    """Four faults, a good frame, four faults, a good frame: still open."""
    for _ in range(3):
        driver.write(BAD_LRC * 4)
        assert errors_before_answer(driver) == ["bad_frame"] * 4
    assert driver.is_open()


def test_messages_that_are_not_understood_do_not_count_as_faults(driver: Driver) -> None:
    """Any number of unsupported and invalid messages leaves the link open."""
    for _ in range(10):
        assert driver.ask("no_such_request")["error"] == "unsupported_message"
        assert driver.ask("charge_request")["error"] == "invalid_message"
    assert_alive(driver)


# Size


def test_data_of_65536_bytes_is_read(driver: Driver) -> None:
    """The largest frame there may be is a message like any other."""
    content = padded(MAX_DATA)
    assert len(pack(content)) == MAX_DATA + 3
    assert driver.answer_to(driver.post(content))["status"] == "success"
    assert_alive(driver)


def test_a_longer_frame_is_too_large_and_closes(driver: Driver) -> None:
    """One byte more is answered with `too_large`, without waiting for its end, and closed."""
    driver.write(bytes([STX]) + b"x" * (MAX_DATA + 1))
    assert driver.take(type="error_response")["error"] == "too_large"
    driver.wait_closed()


def test_a_longer_frame_with_its_end_is_too_large_and_closes(driver: Driver) -> None:
    """A whole message that is one byte too long is not read as one."""
    driver.write(pack(padded(MAX_DATA + 1)))
    assert driver.take(type="error_response")["error"] == "too_large"
    driver.wait_closed()
    assert driver.inbox == []


def test_after_too_large_other_links_live(driver: Driver, clock: Driver) -> None:
    """A peer that sends without end harms nobody else."""
    driver.write(bytes([STX]) + b"x" * (MAX_DATA + 1))
    driver.wait_closed()
    assert_alive(clock)


# JSON that is valid, and strange


@pytest.mark.parametrize(
    "data",
    [b"[]", b"42", b'"type"', b"null", b"{}", b'{"type":5}', b'{"type":null,"message_id":"m"}'],
)
def test_json_without_a_usable_type_is_invalid(driver: Driver, data: bytes) -> None:
    """Valid JSON that names no type is `invalid_message`, and the link lives."""
    driver.write(frame(data))
    assert driver.take(type="error_response")["error"] == "invalid_message"
    assert errors_before_answer(driver) == []


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 60_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 30_000 + b"]" * 30_000,
        GOOD.replace(b":1}", b":1e400}"),
        GOOD.replace(b":1}", b":" + b"9" * 5000 + b"}"),
        GOOD.replace(b'"D"', b'"\\ud800"'),
    ],
    ids=["open", "deep objects", "deep lists", "huge float", "huge int", "lone surrogate"],
)
def test_monstrous_json_is_refused_and_the_link_lives(driver: Driver, data: bytes) -> None:
    """Nesting and numbers beyond measure are somebody's fault, and not central's end."""
    driver.write(frame(data))
    answer = driver.take()
    assert answer["type"] == "error_response", answer
    assert answer["error"] in {"bad_frame", "invalid_message"}
    assert_alive(driver)


def test_escapes_go_through_unharmed(network: Network) -> None:
    """Control characters, quotes and all of Unicode come back as they were sent."""
    place = 'Café \x02\x03\x1f "充电" \\ \U0001f50c \u2028'
    monitor = network.unregistered()
    data = json.dumps(message("register_request", cp_id=monitor.cp_id, location=place))
    monitor.write(frame(data.encode()))
    assert monitor.take(type="register_response")["status"] == "success"
    assert network.admin().rows()[monitor.cp_id]["location"] == place
