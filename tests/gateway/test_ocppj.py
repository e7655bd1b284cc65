"""OCPP-J frames: what comes is a frame, or an error that says what the peer is to be told."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from gateway.ocppj import (
    MAX_DESCRIPTION,
    MAX_ID,
    NO_ID,
    BadFrame,
    Call,
    CallError,
    CallErrorCode,
    CallFailed,
    CallResult,
    Frame,
    FrameFault,
    call_error,
    decode,
    encode,
)

ID = "19223201-1234-4234-8234-123456789012"

Faults = FrameFault


def parts(frame: Frame) -> list[Any]:
    """A frame as the list that it is."""
    return list(json.loads(encode(frame)))


def bad(data: bytes) -> BadFrame:
    """Why these bytes are no frame."""
    with pytest.raises(BadFrame) as caught:
        decode(data)
    return caught.value


# ---- Good frames ------------------------------------------------------------------------------


def test_a_call_is_its_id_its_action_and_its_payload() -> None:
    """The payload is left as it came, for the decoder of its action."""
    frame = decode(b'[2,"%b","Authorize",{ "idTag" : "A" }]' % ID.encode())
    assert isinstance(frame, Call)
    assert (frame.id, frame.action, bytes(frame.payload)) == (ID, "Authorize", b'{ "idTag" : "A" }')


def test_a_result_is_its_id_and_its_payload() -> None:
    """Blanks between the elements change nothing."""
    frame = decode(b' [ 3 , "a" , {} ] ')
    assert isinstance(frame, CallResult)
    assert (frame.id, bytes(frame.payload)) == ("a", b"{}")


def test_an_error_is_its_id_its_code_and_what_is_said_of_it() -> None:
    """With details of any kind."""
    frame = decode(b'[4,"a","SecurityError","no",{"x":[1]}]')
    assert isinstance(frame, CallError)
    assert (frame.id, frame.code, frame.description) == ("a", CallErrorCode.SECURITY_ERROR, "no")
    assert bytes(frame.details) == b'{"x":[1]}'


@pytest.mark.parametrize(
    "data", [b'[4,"a","GenericError"]', b'[4,"a","GenericError",""]', b'[4,"a","Oops","",null,1]']
)
def test_an_error_that_says_little_is_an_error(data: bytes) -> None:
    """The call that it answers has failed, whatever else is missing or unheard of."""
    frame = decode(data)
    assert isinstance(frame, CallError)
    assert frame.code is CallErrorCode.GENERIC_ERROR


def test_a_call_without_a_payload_is_left_to_who_decodes_payloads() -> None:
    """Some charge points may say it so; it is not the same as null, which all may say."""
    frame = decode(b'[2,"a","Heartbeat"]')
    assert isinstance(frame, Call)
    assert bytes(frame.payload) == b""
    frame = decode(b'[2,"a","Heartbeat", null ]')
    assert isinstance(frame, Call)
    assert bytes(frame.payload) == b"null"


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        *((code.value, code) for code in CallErrorCode),
        *((code.value.lower(), code) for code in CallErrorCode),
        ("FormatViolation", CallErrorCode.FORMATION_VIOLATION),
        ("RpcFrameworkError", CallErrorCode.FORMATION_VIOLATION),
        ("OccurrenceConstraintViolation", CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION),
        ("MessageTypeNotSupported", CallErrorCode.PROTOCOL_ERROR),
        ("SomethingElse", CallErrorCode.GENERIC_ERROR),
        ("", CallErrorCode.GENERIC_ERROR),
    ],
)
def test_every_spelling_of_a_code_is_read(spelling: str, code: CallErrorCode) -> None:
    """Those of OCPP 2, those without its misspellings, and those of nobody."""
    frame = decode(json.dumps([4, "a", spelling, "", {}]).encode())
    assert isinstance(frame, CallError)
    assert frame.code is code


def test_the_ten_codes_are_written_as_1_6_spells_them() -> None:
    """With its misspellings."""
    assert [code.value for code in CallErrorCode] == [
        "NotImplemented",
        "NotSupported",
        "InternalError",
        "ProtocolError",
        "SecurityError",
        "FormationViolation",
        "PropertyConstraintViolation",
        "OccurenceConstraintViolation",
        "TypeConstraintViolation",
        "GenericError",
    ]


ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MAX_ID)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
payloads = st.dictionaries(words, words | st.integers() | st.none(), max_size=3).map(
    lambda payload: Raw(msgspec.json.encode(payload))
)
frames = st.one_of(
    st.builds(Call, ids, words, payloads),
    st.builds(CallResult, ids, payloads),
    st.builds(CallError, ids, st.sampled_from(CallErrorCode), words, payloads),
)


@given(frames)
def test_a_frame_that_is_written_is_read_again(frame: Frame) -> None:
    """All that is in it, whatever texts it holds."""
    read = decode(encode(frame))
    assert type(read) is type(frame)
    assert encode(read) == encode(frame)


# ---- Bad frames -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "fault", "answered"),
    [
        (b"", Faults.NOT_JSON, NO_ID),
        (b"hello", Faults.NOT_JSON, NO_ID),
        (b'[2,"a","Heartbeat",{}', Faults.NOT_JSON, NO_ID),
        (b'[2,"a","Heartbeat",{}]]', Faults.NOT_JSON, NO_ID),
        (b'[2,"a","Heartbeat",NaN]', Faults.NOT_JSON, NO_ID),
        (b'\xef\xbb\xbf[2,"a","Heartbeat",{}]', Faults.NOT_JSON, NO_ID),
        (b'[2,"\xff","Heartbeat",{}]', Faults.NOT_JSON, NO_ID),
        (rb'[2,"\ud800","Heartbeat",{}]', Faults.NOT_JSON, NO_ID),
        (b'[2,"a","Heartbeat",' + b"[" * 60_000, Faults.NOT_JSON, NO_ID),
        (b'[2,"a","Heartbeat",' + b"[" * 30_000 + b"]" * 30_000 + b"]", Faults.NOT_JSON, NO_ID),
        (b"{}", Faults.NOT_AN_ARRAY, NO_ID),
        (b"null", Faults.NOT_AN_ARRAY, NO_ID),
        (b'"[2]"', Faults.NOT_AN_ARRAY, NO_ID),
        (b"[]", Faults.NO_MESSAGE_TYPE, NO_ID),
        (b'["2","a","Heartbeat",{}]', Faults.NO_MESSAGE_TYPE, "a"),
        (b'[true,"a","Heartbeat",{}]', Faults.NO_MESSAGE_TYPE, "a"),
        (b'[2.0,"a","Heartbeat",{}]', Faults.NO_MESSAGE_TYPE, "a"),
        (b"[null]", Faults.NO_MESSAGE_TYPE, NO_ID),
        (b"[2]", Faults.BAD_LENGTH, NO_ID),
        (b'[2,"a"]', Faults.BAD_LENGTH, "a"),
        (b'[2,"a","Heartbeat",{},{}]', Faults.BAD_LENGTH, "a"),
        (b'[2,7,"Heartbeat",{}]', Faults.BAD_ID, NO_ID),
        (b'[2,null,"Heartbeat",{}]', Faults.BAD_ID, NO_ID),
        (b'[2,"","Heartbeat",{}]', Faults.BAD_ID, ""),
        (b'[2,"%b","Heartbeat",{}]' % (b"x" * 37), Faults.BAD_ID, "x" * 37),
        (b'[2,"a",7,{}]', Faults.BAD_ACTION, "a"),
        (b'[2,"a",null,{}]', Faults.BAD_ACTION, "a"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_call_is_answered_with_formation_violation(
    data: bytes, fault: FrameFault, answered: str
) -> None:
    """By its own id where that can be read."""
    found = bad(data)
    assert found.fault is fault
    assert found.answer is not None
    kind, message_id, code, description, details = parts(found.answer)
    assert (kind, message_id, code, details) == (4, answered, "FormationViolation", {})
    assert description


@pytest.mark.parametrize(
    ("data", "fault", "message_id"),
    [
        (b'[1,"a"]', Faults.UNKNOWN_MESSAGE_TYPE, None),
        (b'[5,"a","Heartbeat",{}]', Faults.UNKNOWN_MESSAGE_TYPE, None),
        (b"[-2]", Faults.UNKNOWN_MESSAGE_TYPE, None),
        (b"[123456789012345678901234567890]", Faults.UNKNOWN_MESSAGE_TYPE, None),
        (b"[3]", Faults.BAD_ANSWER, None),
        (b'[3,"a"]', Faults.BAD_ANSWER, "a"),
        (b'[3,"a",{},{}]', Faults.BAD_ANSWER, "a"),
        (b"[3,7,{}]", Faults.BAD_ANSWER, None),
        (b'[4,"a"]', Faults.BAD_ANSWER, "a"),
        (b'[4,"a",7,"",{}]', Faults.BAD_ANSWER, "a"),
        (b'[4,"a","GenericError",7]', Faults.BAD_ANSWER, "a"),
    ],
)
def test_an_unknown_message_type_and_a_bad_answer_are_not_answered(
    data: bytes, fault: FrameFault, message_id: str | None
) -> None:
    """They are ignored and counted; which call of ours a bad answer is for can be told."""
    found = bad(data)
    assert (found.fault, found.message_id, found.answer) == (fault, message_id, None)


def test_the_longest_id_is_a_good_one() -> None:
    """Characters count, not bytes."""
    frame = decode(json.dumps([2, "é" * MAX_ID, "Heartbeat", {}], ensure_ascii=False).encode())
    assert frame.id == "é" * MAX_ID


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda part: (
        st.lists(part, max_size=5) | st.dictionaries(st.text(max_size=3), part, max_size=3)
    ),
    max_leaves=10,
)
almost = st.tuples(
    st.sampled_from([2, 3, 4]) | documents,
    ids | documents,
    st.sampled_from(["Heartbeat", *CallErrorCode]) | documents,
    documents,
    documents,
).flatmap(lambda given: st.integers(0, 5).map(lambda length: list(given[:length])))


@settings(max_examples=500)
@given(
    st.one_of(
        st.binary(max_size=80),
        documents.map(lambda value: json.dumps(value).encode()),
        almost.map(lambda value: json.dumps(value).encode()),
        almost.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")),
    )
)
@example(b"[" + b"9" * 5_000 + b"]")
@example(b'[2,"a","b",1e999999999]')
def test_any_bytes_are_a_frame_or_a_bad_one(data: bytes) -> None:
    """Nothing else is raised; what is answered is itself a frame, with the id that was read."""
    try:
        frame = decode(data)
    except BadFrame:
        found = bad(data)
    else:
        assert frame.id == json.loads(data)[1]
        return
    assert str(found).startswith(found.fault)
    if found.answer is not None:
        assert found.answer.id == (NO_ID if found.message_id is None else found.message_id)
        assert parts(found.answer)[:3] == [4, found.answer.id, "FormationViolation"]
        assert decode(encode(found.answer)).id == found.answer.id


# ---- CALLERRORs -------------------------------------------------------------------------------


def test_a_call_that_fails_is_answered_with_why() -> None:
    """With its id, the code and the sentence; details are an empty object."""
    failed = CallFailed(CallErrorCode.NOT_SUPPORTED, "not here")
    assert parts(failed.answer("a")) == [4, "a", "NotSupported", "not here", {}]
    assert str(failed) == "NotSupported: not here"
    assert str(CallFailed(CallErrorCode.INTERNAL_ERROR)) == "InternalError"


@pytest.mark.parametrize(("length", "cut"), [(0, False), (255, False), (256, True), (60_000, True)])
def test_a_description_is_cut_to_what_fits(length: int, cut: bool) -> None:
    """And the cut is seen."""
    said = call_error("a", CallErrorCode.GENERIC_ERROR, "é" * length).description
    assert said == ("é" * (MAX_DESCRIPTION - 1) + "…" if cut else "é" * length)
