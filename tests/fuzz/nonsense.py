"""Messages that are wrong in every way a field can be wrong, as the data of frames and records."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from common.messages import Message
from common.protocol import Topic, all_messages, sent, wire_name
from tests.common.strategies import as_json, filled
from tests.fuzz.mutations import edited, edits

Way = tuple[Any, Any, Topic | None]
"""Sender, receiver, and topic or TCP."""

VALUES = [
    *(b"null", b"true", b"0", b"-0", b"-1", b"1.5", b"1E+2", b'""', b'"A-1"', b"[]", b"{}"),
    *(b"NaN", b"Infinity", b"-Infinity", b"00", b"0x1", b"'a'", b"undefined", b""),
    *(b"1e400", b"-1e400", b"1e-400", b"1e999999999999", b"1e-999999999999", b"1" * 400),
    *(b"9" * 5_000, b"0." + b"1" * 5_000, b"-" + b"9" * 5_000 + b"." + b"9" * 5_000),
    *(str(2**53).encode(), str(2**63).encode(), str(2**64).encode(), str(-(2**63) - 1).encode()),
    *(rb'"\ud800"', rb'"\udfff\ud800"', rb'"\ud83d\ude00"', b'"\xed\xa0\x80"', b'"\xff\xfe"'),
    *(rb'"\u0000"', rb'"a\u0000b"', rb'"\x"', b'"\x00"', b'"\x7f"', '"\u202e\u2028"'.encode()),
    *(
        b'"' + b"x" * 60_000 + b'"',
        b'"' + "é".encode() * 30_000 + b'"',
        rb'"' + rb"\n" * 200 + b'"',
    ),
    *(b"[" * 500 + b"]" * 500, b"[" * 30_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    *(b"[" + b"1," * 5_000 + b"1]", b'[{"connector_id":1}]', b'["", "", ""]', b"[null]"),
]
"""JSON, or what might be taken for it, in a field's place."""

values = st.sampled_from(VALUES) | st.binary(max_size=20) | st.integers().map(as_json)


def documents(way: Way) -> SearchStrategy[bytes]:
    """The data of one message that may travel this way, and of what looks like one."""
    names = sorted(sent(*way), key=lambda m: m.__name__)
    others = sorted(set(all_messages()) - set(names), key=lambda m: m.__name__)
    return st.one_of(
        _documents(names),
        _documents(names).flatmap(lambda data: edits.map(lambda edit: edited(data, edit))),
        _documents(others),
        st.sampled_from(VALUES),
        st.binary(max_size=50),
    )


@st.composite
def _documents(draw: st.DrawFn, names: list[type[Message]]) -> bytes:
    message = draw(st.sampled_from(names))
    fields = [(name.encode(), as_json(value)) for name, value in filled(message).items()]
    known = [name for name, _ in fields]
    assert wire_name(message)
    for what in draw(st.lists(st.sampled_from(["value", "drop", "twice", "new"]), max_size=3)):
        place = draw(st.integers(0, max(0, len(fields) - 1)))
        if what == "new" or not fields:
            fields.insert(place, (draw(st.sampled_from([*known, b"id", b"x"])), draw(values)))
        elif what == "value":
            fields[place] = fields[place][0], draw(values)
        elif what == "drop":
            del fields[place]
        else:
            fields.append(fields[place])
    return b"{%b}" % b",".join(b'"%b":%b' % field for field in fields)
