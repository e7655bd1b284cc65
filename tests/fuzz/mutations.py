"""Bytes that were good, and what becomes of them: cut, flipped, put in, taken out, doubled."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

Edit = tuple[str, float, bytes]
"""What is done, where (as a part of the length), and with which bytes."""

edits: SearchStrategy[Edit] = st.tuples(
    st.sampled_from(["flip", "insert", "delete", "cut", "behead", "double", "swap"]),
    st.floats(0, 1, exclude_max=True),
    st.binary(min_size=1, max_size=8) | st.sampled_from([b"\x02", b"\x03", b"\n", b"\0", b'"']),
)


def edited(data: bytes, edit: Edit) -> bytes:
    """The bytes after one edit."""
    what, where, given = edit
    at = int(where * len(data))
    end = min(len(data), at + len(given))
    match what:
        case "flip":
            flipped = bytes(a ^ (b or 1) for a, b in zip(data[at:end], given, strict=False))
            return data[:at] + flipped + data[end:]
        case "insert":
            return data[:at] + given + data[at:]
        case "delete":
            return data[:at] + data[end:]
        case "cut":
            return data[:at]
        case "behead":
            return data[at:]
        case "double":
            return data[:end] + data[at:]
        case "swap":
            return data[at:] + data[:at]
    raise AssertionError(what)
