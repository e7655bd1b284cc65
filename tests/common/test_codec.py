"""The codec: every message by every way, and every way in which bytes can be none."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.codec import (
    Decoder,
    _from_wire,
    _to_wire,
    decoder,
    encode,
    first_decoder,
    is_json,
    read_message_id,
)
from common.errors import BadMessage, Reason
from common.framing import ETX, STX
from common.gateway_messages import OcppEvent
from common.messages import (
    AvailableCpsRequest,
    ChargeRequest,
    ChargingData,
    ErrorResponse,
    HeartbeatRequest,
    ManualCommand,
    Message,
    RegisterRequest,
    Role,
    StatusUpdate,
)
from common.protocol import POINTS, UP, Topic, all_messages, sent, ways, wire_name
from common.units import Money, WattHours, Watts
from tests.common.strategies import (
    Flaw,
    any_message,
    as_json,
    fields_of,
    filled,
    flaws,
    legal_ways,
    messages,
    missing,
    sample,
)

CENTRAL, MONITOR, ENGINE, DRIVER, ADMIN, ANYONE, GATEWAY = Role
Way = tuple[Role, Role, Topic | None]

FROM_DRIVER = decoder(DRIVER, CENTRAL)

CHARGE = filled(ChargeRequest)


def outcome(by: Decoder, data: bytes) -> Message | BadMessage:
    """The message that these bytes are, or why they are none."""
    try:
        return by.decode(data)
    except BadMessage as bad:
        return bad


def refused(by: Decoder, data: bytes) -> BadMessage:
    """Why these bytes were not taken."""
    bad = outcome(by, data)
    assert isinstance(bad, BadMessage), f"taken: {bad}"
    return bad


def with_field(name: str, digits: str, document: dict[str, Any] = CHARGE) -> bytes:
    """The document with a field set to JSON that Python could not write."""
    rest = {key: value for key, value in document.items() if key != name}
    return as_json(rest)[:-1] + f',"{name}":{digits}}}'.encode()


# ---- Every message ----------------------------------------------------------------------------


@settings(max_examples=30)
@given(data=st.data())
@pytest.mark.parametrize("message", all_messages())
def test_every_message_comes_back_from_the_wire(
    message: type[Message], data: st.DataObject
) -> None:
    """By every way it may travel it is decoded as what it was; raw STX and ETX never occur."""
    original = data.draw(messages(message))
    wire = encode(original)
    assert STX not in wire
    assert ETX not in wire
    for way in legal_ways(message):
        assert decoder(*way).decode(wire) == original


@pytest.mark.parametrize("message", all_messages())
def test_every_message_is_refused_on_every_other_way(message: type[Message]) -> None:
    """A legal message from the wrong side is `unsupported_message`, and says which one it is."""
    wire = as_json(filled(message))
    for way in ways():
        if message in sent(*way):
            continue
        by = decoder(*way)
        if wire_name(message) in {wire_name(m) for m in sent(*way)}:
            # The same name means something else here, as the heartbeats of monitor and driver do.
            other = outcome(by, wire)
            assert type(other) is not message
            assert not isinstance(other, BadMessage) or other.reason == "invalid_message"
            continue
        bad = refused(by, wire)
        assert bad.reason == "unsupported_message"
        assert bad.message_id == "A-1"
        assert repr(wire_name(message)) in bad.text


def test_a_heartbeat_means_what_its_sender_is() -> None:
    """A driver's needs no `cp_id`; a monitor's without one is invalid."""
    wire = b'{"type":"heartbeat_request","message_id":"m"}'
    assert decoder(DRIVER, CENTRAL).decode(wire).message_id == "m"
    assert refused(decoder(MONITOR, CENTRAL), wire).text == "Object missing required field `cp_id`"
    heartbeat = sample(HeartbeatRequest)
    assert decoder(MONITOR, CENTRAL).decode(encode(heartbeat)) == heartbeat


@pytest.mark.parametrize("message", all_messages())
def test_a_link_begins_with_an_introduction_or_nothing(message: type[Message]) -> None:
    """Before a peer has said who it is, anything but what says it is unsupported."""
    wire = as_json(filled(message))
    if message in first_decoder().messages:
        assert first_decoder().decode(wire) == sample(message)
    elif wire_name(message) in map(wire_name, first_decoder().messages):
        # What a gateway says by Kafka is somebody else's message on a link, or none.
        assert not isinstance(outcome(first_decoder(), wire), message)
    else:
        assert refused(first_decoder(), wire).reason == "unsupported_message"


ON_EVERY_WAY = [(m, way) for m in all_messages() for way in legal_ways(m)]


def _way_id(value: object) -> str:
    return value.__name__ if isinstance(value, type) else "-".join(map(str, value))  # type: ignore[call-overload]


@pytest.mark.parametrize(("message", "way"), ON_EVERY_WAY, ids=_way_id)
def test_a_missing_field_is_named(message: type[Message], way: Way) -> None:
    """Each required field, also of the parts of a message: `invalid_message` says which."""
    for flaw in missing(message):
        bad = _refused_for(flaw, way)
        field = flaw.what
        where = "" if flaw.path == "$" else f" - at `{flaw.path}`"
        assert bad.text == f"Object missing required field `{field}`{where}"
        assert bad.message_id == (None if field == "message_id" else "A-1")


@pytest.mark.parametrize(("message", "way"), ON_EVERY_WAY, ids=_way_id)
def test_a_field_that_breaks_its_rule_is_named(message: type[Message], way: Way) -> None:
    """Each field, with each wrong type and beyond each bound: `invalid_message` names its path."""
    for flaw in flaws(message):
        bad = _refused_for(flaw, way)
        assert bad.text.endswith(f" - at `{flaw.path}`"), f"{flaw}: {bad.text}"
        if flaw.path != "$.message_id":
            assert bad.message_id == "A-1", str(flaw)


def _refused_for(flaw: Flaw, way: Way) -> BadMessage:
    bad = outcome(decoder(*way), as_json(flaw.document))
    assert isinstance(bad, BadMessage), f"taken: {flaw}"
    assert bad.reason == "invalid_message", f"{flaw}: {bad}"
    return bad


@pytest.mark.parametrize("message", all_messages())
def test_a_field_that_is_not_required_may_be_absent(message: type[Message]) -> None:
    """Absent it has its default; null is the same where absent means none."""
    document = filled(message)
    for field in fields_of(message):
        if field.required or field.name == "message_id":
            continue
        by = decoder(*legal_ways(message)[0])
        name = field.encode_name
        without = {key: value for key, value in document.items() if key != name}
        found = getattr(by.decode(as_json(without)), field.name)
        made = field.default_factory
        assert found == (field.default if made is msgspec.NODEFAULT else made())
        if found is None:
            assert by.decode(as_json(without | {name: None})) == by.decode(as_json(without))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(data=st.data(), name=st.text(max_size=8), value=json_values)
def test_unknown_fields_are_skipped(data: st.DataObject, name: str, value: object) -> None:
    """Whatever they hold: newer programs may say more."""
    message = data.draw(st.sampled_from(all_messages()))
    document = filled(message)
    if name not in document:
        by = decoder(*legal_ways(message)[0])
        assert by.decode(as_json({name: value} | document | {name: value})) == sample(message)


@given(data=st.data())
def test_white_space_order_and_escapes_do_not_matter(data: st.DataObject) -> None:
    """Any JSON text of a message is that message."""
    way = data.draw(st.sampled_from(ways()))
    message = data.draw(any_message(*way))
    fields = list(json.loads(encode(message)).items())
    shuffled = dict(data.draw(st.permutations(fields)))
    text = json.dumps(
        shuffled, indent=data.draw(st.sampled_from([None, 1, "\t"])), ensure_ascii=True
    )
    again = decoder(*way).decode(f" {text}\n".encode())
    # Python's own floats carry these digits unharmed: they have at most 15.
    assert again == message


# ---- Numbers ----------------------------------------------------------------------------------


def test_amounts_are_numbers_with_all_their_decimals() -> None:
    """No text, no exponent, no binary float on the wire."""
    data = ChargingData(
        message_id="m",
        cp_id="A",
        session_id="s",
        energy_consumed_kwh=WattHours(7_500),
        total_cost=Money(263),
        charging_rate=Watts(11_000),
    )
    wire = encode(data)
    assert b'"energy_consumed_kwh":7.500' in wire
    assert b'"total_cost":2.63' in wire
    assert b'"charging_rate":11.000' in wire


@pytest.mark.parametrize(
    ("digits", "watt_hours"),
    [
        ("7.5", 7_500),
        ("7", 7_000),
        ("75e-1", 7_500),
        ("0.75E+1", 7_500),
        ("-0", 0),
        ("-0.0", 0),
        ("0.0005", 1),
        ("0.00049999999999999999999999999999", 0),
        ("7." + "4" * 1_000, 7_444),
        ("1e-999999999999", 0),
        ("100000", 100_000_000),
    ],
)
def test_a_number_is_read_digit_by_digit(digits: str, watt_hours: int) -> None:
    """However it is written, without a float between."""
    request = FROM_DRIVER.decode(with_field("target_kwh", digits))
    assert isinstance(request, ChargeRequest)
    assert request.target_kwh == watt_hours
    assert type(request.target_kwh) is WattHours


@pytest.mark.parametrize(
    "digits",
    [
        *("1e400", "1e9999999", "1e99999999999999999999", "-1e9999999", "100000.0001"),
        *("9" * 5_000, "-" + "9" * 5_000, "9" * 400 + ".5", "1" + "0" * 60_000),
    ],
    ids=lambda digits: digits[:12],
)
def test_a_number_beyond_measure_is_invalid(digits: str) -> None:
    """Its size costs nobody more than the look at it."""
    bad = refused(FROM_DRIVER, with_field("target_kwh", digits))
    assert bad.reason == "invalid_message"
    assert bad.text.endswith(" - at `$.target_kwh`")
    assert bad.message_id == "A-1"


@pytest.mark.parametrize(
    "digits", ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "1e", "0x1"]
)
@pytest.mark.parametrize("field", ["target_kwh", "unknown"])
def test_what_only_looks_like_a_number_is_no_json(digits: str, field: str) -> None:
    """Not in a field that is read, and not in one that is skipped."""
    assert refused(FROM_DRIVER, with_field(field, digits)).reason == "bad_frame"


def test_huge_numbers_in_skipped_fields_are_skipped() -> None:
    """What is not looked into breaks no rule."""
    for digits in ("1e9999999", "9" * 5_000):
        assert FROM_DRIVER.decode(with_field("unknown", digits)) == sample(ChargeRequest)


# ---- What is no message -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b" ", b"hello", b"{", b"}", b'{"type":"charge_request",', b"{}{}", b"{} x"),
        *(b"{'type':1}", b'{"type":"charge_request" "x":1}', b'{"a":1,}', b"[1,]", b"nul"),
        *(b'{"type":"charge_request","x":"\n"}', b'{"type":"charge_request","x":"\\q"}'),
        *(b'{"type":"charge_request","x":"\\u12"}', b'{"type":"charge_request","x":"open}'),
        b"\xef\xbb\xbf{}",  # a byte order mark is no JSON
    ],
)
def test_what_is_no_json_is_a_bad_frame(data: bytes) -> None:
    """It counts as a fault of the link."""
    bad = refused(FROM_DRIVER, data)
    assert (bad.reason, bad.text, bad.message_id) == (
        Reason.BAD_FRAME,
        "the data is not JSON",
        None,
    )
    assert not is_json(data)


@pytest.mark.parametrize("field", ["message_id", "cp_id", "unknown"])
@pytest.mark.parametrize(
    "text", [b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
)
def test_what_is_not_utf8_is_a_bad_frame(field: str, text: bytes) -> None:
    """In a field that is read as in one that is skipped, in a key as in a value."""
    for wire in (
        with_field(field, '"?"').replace(b"?", text),
        as_json(CHARGE)[:-1] + b',"' + text + b'":1}',
    ):
        bad = refused(FROM_DRIVER, wire)
        assert (bad.reason, bad.text) == (Reason.BAD_FRAME, "the data is not UTF-8")
        assert not is_json(wire)


def test_any_character_goes_through_unharmed() -> None:
    """Escaped or not; only NUL is refused where text is stored."""
    place = 'Café \x02\x03\x7f "充电" \\ \U0001f50c \u2028'
    wire = as_json(filled(RegisterRequest) | {"location": place})
    for data in (wire, json.dumps(json.loads(wire)).encode()):
        request = decoder(MONITOR, CENTRAL).decode(data)
        assert isinstance(request, RegisterRequest)
        assert request.location == place
        assert decoder(MONITOR, CENTRAL).decode(encode(request)) == request


@pytest.mark.parametrize(
    "escape", [r"\ud800", r"\udc00", r"\ud800\ud800", r"\udc00\ud800", r"\ud800x"]
)
@pytest.mark.parametrize("field", ["type", "message_id", "cp_id", "unknown"])
def test_half_a_surrogate_pair_is_no_text(field: str, escape: str) -> None:
    """It is JSON, so the link lives; and no text, so no message."""
    wire = with_field(field, f'"{escape}"')
    assert is_json(wire)
    assert refused(FROM_DRIVER, wire).reason == "invalid_message"


def test_a_whole_surrogate_pair_is_a_character() -> None:
    """As JSON writes what is beyond the first 65,536 characters."""
    wire = with_field("message_id", r'"\ud83d\udd0c"')
    assert FROM_DRIVER.decode(wire).message_id == "\U0001f50c"


@pytest.mark.parametrize(
    "data",
    [b"[]", b"42", b'"type"', b"null", b"true", b"1.5", b"{}", b'{"type":5}', b'{"type":null}'],
)
def test_json_without_a_usable_type_is_invalid(data: bytes) -> None:
    """The frame was good, so it is no fault of the link."""
    assert refused(FROM_DRIVER, data).reason == "invalid_message"
    assert is_json(data)


@pytest.mark.parametrize("data", [b"9" * 5_000, b"[" + b"9" * 5_000 + b"]", b"-" + b"9" * 5_000])
def test_a_long_number_that_is_no_object_is_invalid(data: bytes) -> None:
    """Python refuses to make an integer of it; nobody needs one."""
    assert refused(FROM_DRIVER, data).reason == "invalid_message"


@pytest.mark.parametrize("way", ways())
def test_a_type_is_asked_for_on_every_way(way: Way) -> None:
    """Also where only one message may come."""
    bad = refused(decoder(*way), b'{"message_id":"m"}')
    assert (bad.reason, bad.message_id) == (Reason.INVALID_MESSAGE, "m")
    assert bad.text == "Object missing required field `type`"


def test_points_are_read_only_with_their_type() -> None:
    """A row without `type` on `ev.points` is no message, complete as it may be."""
    (message,) = sent(CENTRAL, ANYONE, POINTS)
    row = {key: value for key, value in filled(message).items() if key != "type"}
    assert refused(decoder(CENTRAL, ANYONE, POINTS), as_json(row)).text.endswith("`type`")


@pytest.mark.parametrize(
    "name", ["", "x", "Charge_Request", "charge_request ", "error response", "x" * 60_000, "\x00"]
)
def test_an_unknown_type_is_unsupported(name: str) -> None:
    """Named in the refusal as far as it is short, with the offender's id."""
    bad = refused(FROM_DRIVER, as_json(CHARGE | {"type": name}))
    assert (bad.reason, bad.message_id) == (Reason.UNSUPPORTED_MESSAGE, "A-1")
    assert repr(name[:64]) in bad.text
    assert len(bad.text) < 200


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 60_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 30_000 + b"]" * 30_000,
        with_field("unknown", "[" * 30_000 + "]" * 30_000),
        with_field("target_kwh", "[" * 30_000 + "]" * 30_000),
        with_field("message_id", '{"a":' * 9_000 + "1" + "}" * 9_000),
    ],
    ids=["open", "objects", "lists", "in a skipped field", "in an amount", "in the id"],
)
def test_json_too_deep_to_be_read_is_refused(data: bytes) -> None:
    """It is somebody's fault and nobody's end."""
    assert refused(FROM_DRIVER, data).reason in {"bad_frame", "invalid_message"}


@pytest.mark.parametrize("value", ["5", "null", "[]", '""', '"' + "x" * 65 + '"', r'"\u0000"'])
def test_an_unusable_message_id_is_not_repeated(value: str) -> None:
    """The refusal then carries an id of its own, so that it is itself a message."""
    for data in (with_field("message_id", value), with_field("message_id", value, {"type": "x"})):
        bad = refused(FROM_DRIVER, data)
        assert bad.message_id is None


def test_an_id_can_be_read_from_what_could_not_be_taken() -> None:
    """As from a frame whose LRC was wrong; None where nothing can be read."""
    assert read_message_id(b'{"message_id":"m","x":[1]}') == "m"
    assert read_message_id(b'{"message_id":5}') is None
    assert read_message_id(b'{"message_id":"m"') is None
    assert read_message_id(b"") is None
    assert read_message_id(b"[" * 60_000) is None
    assert read_message_id(b'{"message_id":"\xff"}') is None


# ---- `id` for `cp_id` -------------------------------------------------------------------------

WITH_CP_ID = [
    (m, way)
    for m, way in ON_EVERY_WAY
    if any(f.name == "cp_id" and f.required for f in fields_of(m))
]


@pytest.mark.parametrize(("message", "way"), WITH_CP_ID, ids=_way_id)
def test_id_is_read_for_cp_id(message: type[Message], way: Way) -> None:
    """In every message that needs a `cp_id`, for programs that say `id`."""
    document = filled(message)
    seed = {"id": document.pop("cp_id"), **document}
    assert decoder(*way).decode(as_json(seed)) == sample(message)


def test_cp_id_wins_over_id() -> None:
    """Where both are there `id` is an unknown field like any other."""
    request = FROM_DRIVER.decode(as_json(CHARGE | {"id": 5}))
    assert isinstance(request, ChargeRequest)
    assert request.cp_id == "A-1"


def test_an_id_that_is_no_cp_id_is_named_as_one() -> None:
    """The rule that it breaks is that of `cp_id`."""
    document = {key: value for key, value in CHARGE.items() if key != "cp_id"}
    bad = refused(FROM_DRIVER, as_json(document | {"id": "two words"}))
    assert bad.text.endswith(" - at `$.cp_id`")
    assert bad.message_id == "A-1"
    del document["driver_id"]
    bad = refused(FROM_DRIVER, as_json(document | {"id": "A"}))
    assert bad.text == "Object missing required field `driver_id`"


# ---- Anything ---------------------------------------------------------------------------------


def check(by: Decoder, data: bytes) -> None:
    """Decoding gives a message of the way, or a refusal that can itself be sent."""
    found = outcome(by, data)
    if isinstance(found, BadMessage):
        assert found.reason in {"bad_frame", "invalid_message", "unsupported_message"}
        assert (found.reason is Reason.BAD_FRAME) == (not is_json(data))
        message_id, text = found.message_id or "new", found.text[:1000]
        told = ErrorResponse(message_id=message_id, error=found.reason, message=text)
        assert FROM_DRIVER.decode(encode(told)) == told
    else:
        assert type(found) in by.messages
        assert found.message_id


@given(st.sampled_from(ways()), st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_in_order(way: Way, data: bytes) -> None:
    """Nothing but `BadMessage` ever comes out."""
    check(decoder(*way), data)


@given(st.sampled_from(ways()), json_values)
def test_arbitrary_json_is_refused_in_order(way: Way, value: object) -> None:
    """The same for what is JSON."""
    check(decoder(*way), as_json(value))


@settings(max_examples=1_000)
@given(st.data())
def test_a_damaged_message_is_taken_or_refused_in_order(data: st.DataObject) -> None:
    """Bytes of a good message lost, doubled or replaced."""
    way = data.draw(st.sampled_from(ways()))
    wire = as_json(filled(data.draw(st.sampled_from(sorted(sent(*way), key=str)))))
    begin = data.draw(st.integers(0, len(wire)))
    end = data.draw(st.integers(begin, min(len(wire), begin + 12)))
    instead = data.draw(
        st.binary(max_size=6) | st.sampled_from([b'"', b"{}", b"1e999", b"null", b"\\u"])
    )
    check(decoder(*way), wire[:begin] + instead + wire[end:])


def test_is_json_agrees_with_the_standard_library() -> None:
    """What is JSON and what is not."""
    assert is_json(b' {"a": [1, 2.5e3, "x", true, null]} ')
    assert not is_json(b"{'a': 1}")
    assert not is_json(b"NaN")
    assert not is_json(b"\xff")
    assert not is_json(b"[" * 100_000 + b"]" * 100_000)


# ---- The impossible ---------------------------------------------------------------------------


def test_a_type_that_no_message_has_is_our_bug() -> None:
    """A struct with a field of another type fails when it is first decoded or encoded."""
    with pytest.raises(AssertionError, match="unexpected type"):
        _from_wire(complex, 1)
    with pytest.raises(AssertionError, match="unexpected"):
        _to_wire(complex(1))


def test_a_decoder_takes_only_what_it_was_made_for() -> None:
    """Whatever the table says."""
    by = Decoder([StatusUpdate, ManualCommand])
    assert by.messages == {StatusUpdate, ManualCommand}
    assert by.decode(as_json(filled(StatusUpdate))) == sample(StatusUpdate)
    assert refused(by, as_json(filled(AvailableCpsRequest))).reason == "unsupported_message"


def test_the_documents_of_these_tests_are_exact() -> None:
    """A `Decimal` is written with all its digits, so that bounds are tested at the last one."""
    digits = "0.10000000000000000001"
    assert as_json({"a": Decimal(digits)}) == f'{{"a":{digits}}}'.encode()


def test_a_payload_keeps_its_numbers() -> None:
    """They are OCPP's, not ours: a float stays one, at any depth; one too large is refused."""
    wire = as_json(filled(OcppEvent))
    found = decoder(GATEWAY, CENTRAL, UP).decode(wire)
    assert isinstance(found, OcppEvent)
    assert found.payload == {"limit": 16.5, "periods": [{"start": 0}]}
    assert b'"limit":16.5' in encode(found)
    huge = wire.replace(b"16.5", b"1e999")
    assert huge != wire
    assert refused(decoder(GATEWAY, CENTRAL, UP), huge).reason == "invalid_message"
