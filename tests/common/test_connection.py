"""A record says which connection of a charge point it is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.connection import Connection

connections = st.builds(
    Connection,
    st.from_regex(r"\A[A-Za-z0-9_.-]{1,64}\Z"),
    st.integers(0, 99_999),
    st.integers(0, 9_999_999_999_999_999),
)


@given(connections)
def test_a_connection_is_read_as_it_was_written(connection: Connection) -> None:
    """Whatever its node is called."""
    assert Connection.of(connection.header()) == connection


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"node 1",
        b"node 1 2 3",
        b"node one 2",
        b"node -1 2",
        b"no de 1 2",
        b"node 1 2\n",
        b"\xff 1 2",
        "n\N{LATIN SMALL LETTER O WITH DIAERESIS}de 1 2".encode(),
        b"n" * 65 + b" 1 2",
    ],
)
def test_what_names_no_connection_is_none(header: bytes | None) -> None:
    """Somebody else wrote that record."""
    assert Connection.of(header) is None
