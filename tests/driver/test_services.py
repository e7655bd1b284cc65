"""The file of services, by table."""

import pytest

from driver.services import Span, chosen, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CP-1", [(1, 1, "CP-1")]),
        ("CP-1\nCP-2\n", [(1, 1, "CP-1"), (2, 2, "CP-2")]),
        ("# all of them\n\n  CP-1  \n\t\nCP-1 # again\n", [(1, 3, "CP-1"), (2, 5, "CP-1")]),
        ("CP-1\r\n\r\nA.b_c-9\r\n", [(1, 1, "CP-1"), (2, 3, "A.b_c-9")]),
        ("CP-1#no space needed", [(1, 1, "CP-1")]),
        ("x" * 36, [(1, 1, "x" * 36)]),
        ("# a page break \x0c and a \u2028 end no line\nCP-1", [(1, 2, "CP-1")]),
    ],
)
def test_services_are_read(text: str, expected: list[tuple[int, int, str]]) -> None:
    """One id per line, counted from 1; blank lines and comments are skipped and not counted."""
    assert expected == [(s.number, s.line, s.cp_id) for s in parse(text)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no service in it"),
        ("# nothing but a comment\n\n", "no service in it"),
        ("CP-1\nCP 2\n", "line 2: 'CP 2'"),
        ("CP-1\n\nCP/2\nCP-3\nö\n", "line 3: 'CP/2', line 5: 'ö'"),
        ("x" * 37, "line 1: '" + "x" * 37 + "'"),
        ("y " * 100, "line 1: '" + "y " * 20 + "…'"),
        ("a b\n" * 8, "line 5: 'a b' and 3 more"),
    ],
)
def test_faulty_lines_are_named(text: str, says: str) -> None:
    """One sentence names each faulty line by its number, the first five in full."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # its text is what counts
        parse(text)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1", [1]), ("2-3", [2, 3]), ("1-4", [1, 2, 3, 4]), ("4-4", [4])],
)
def test_a_span_chooses_services(text: str, numbers: list[int]) -> None:
    """FIRST-LAST takes both ends, and one number that service alone; lines do not count."""
    services = parse("A\n# comment\n\nB\nC\nD\n")
    assert numbers == [s.number for s in chosen(services, Span.parse(text))]


def test_without_a_span_all_are_chosen() -> None:
    """No span means every service."""
    services = parse("A\nB\n")
    assert services == chosen(services, None)


@pytest.mark.parametrize("text", ["", "-", "0", "0-2", "3-2", "1-", "-2", "a-b", "1-2-3", "1.5"])
def test_what_is_no_span_is_refused(text: str) -> None:
    """A span is a number from 1, or two in order."""
    with pytest.raises(ValueError, match="service"):
        Span.parse(text)


def test_a_span_ends_within_the_file() -> None:
    """A span beyond the last service is refused, with the number of services."""
    with pytest.raises(ValueError, match="there are 2 services, so there is no 3"):
        chosen(parse("A\nB\n"), Span(2, 3))
