"""Amounts: integers inside, exact decimals outside, rounded half up once."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.units import Money, Price, Quantity, WattHours, Watts, cost

KINDS: list[type[Quantity]] = [WattHours, Watts, Price, Money]

digits = st.decimals(0, 1_000, allow_nan=False, places=None)


@pytest.mark.parametrize(
    ("kind", "text", "smallest_units"),
    [
        (WattHours, "7.5", 7_500),
        (WattHours, "0", 0),
        (WattHours, "100000", 100_000_000),
        (Watts, "11", 11_000),
        (Price, "0.35", 3_500),
        (Price, "1000", 10_000_000),
        (Money, "2.63", 263),
    ],
)
def test_an_amount_is_an_integer_of_its_smallest_unit(
    kind: type[Quantity], text: str, smallest_units: int
) -> None:
    """kWh become Wh, kW become W, prices 1/10,000 of the unit and cost cents."""
    amount = kind.from_number(Decimal(text))
    assert type(amount) is kind
    assert amount == smallest_units


@pytest.mark.parametrize(
    ("text", "watt_hours"),
    [
        ("0.0004", 0),
        ("0.0005", 1),
        ("0.0015", 2),
        ("0.0025", 3),
        ("1.2344999", 1_234),
        ("99999.9995", 100_000_000),
        ("0.00049999999999999999999999999999999999999", 0),
        ("0.00050000000000000000000000000000000000001", 1),
        ("7499.4994999999999999999999999999999999", 7_499_499),
        ("1e-99999999999999999", 0),
        ("0e99999999999999999", 0),
        ("-0.0", 0),
    ],
)
def test_surplus_decimals_are_rounded_half_up_once(text: str, watt_hours: int) -> None:
    """A half goes up, whatever stands before it, and is not rounded to a half before."""
    assert WattHours.from_number(Decimal(text)) == watt_hours


@given(kind=st.sampled_from(KINDS), number=digits)
def test_rounding_is_exact_for_every_number(kind: type[Quantity], number: Decimal) -> None:
    """The amount is the nearest one, and of two the higher, by exact arithmetic."""
    exact = Fraction(number) * 10**kind.decimals
    assert kind.from_number(number) == (exact + Fraction(1, 2)) // 1


@given(kind=st.sampled_from(KINDS), data=st.data())
def test_an_amount_comes_back_from_its_text(kind: type[Quantity], data: st.DataObject) -> None:
    """What `str` writes is read as the same amount, with all its decimals written."""
    amount = kind(data.draw(st.integers(0, kind.maximum * 10**kind.decimals)))
    assert kind.parse(str(amount)) == kind.from_number(Decimal(str(amount))) == amount
    assert len(str(amount).partition(".")[2]) == kind.decimals


def test_an_amount_shows_its_kind_to_programmers() -> None:
    """`repr` names the kind and the integer; `str` is for people and the wire."""
    assert repr(WattHours(7_500)) == "WattHours(7500)"
    assert str(WattHours(7_500)) == "7.500"
    assert str(Money(5)) == "0.05"


@pytest.mark.parametrize("kind", KINDS)
def test_the_bounds_are_included_and_nothing_beyond(kind: type[Quantity]) -> None:
    """0 and the maximum are amounts; the next number below and above is refused."""
    step = Decimal(1).scaleb(-20)
    assert kind.from_number(0) == 0
    assert kind.from_number(kind.maximum) == kind.maximum * 10**kind.decimals
    with pytest.raises(ValueError, match=r"^Expected `number` >= 0$"):
        kind.from_number(-step)
    with localcontext(prec=100), pytest.raises(ValueError, match=f"<= {kind.maximum}$"):
        kind.from_number(kind.maximum + step)


@pytest.mark.parametrize("value", [True, False, None, "1", 1.5, []])
def test_what_is_no_number_is_no_amount(value: Any) -> None:
    """Only integers and decimals are numbers: no text, no boolean, no binary float."""
    with pytest.raises(ValueError, match=r"^Expected `number`, got "):
        WattHours.from_number(value)


@pytest.mark.parametrize("text", ["", "x", "1,5", "NaN", "Infinity", "-Infinity", "0x10"])
def test_a_text_that_is_no_number_names_the_unit(text: str) -> None:
    """A person who mistypes is told what was expected and what was read."""
    with pytest.raises(ValueError, match=r"^Expected a number of kWh, got ") as refused:
        WattHours.parse(text)
    assert repr(text) in str(refused.value)


def test_a_text_out_of_bounds_is_refused() -> None:
    """A person's amount has the wire's bounds."""
    with pytest.raises(ValueError, match=">= 0"):
        Price.parse("-0.35")
    with pytest.raises(ValueError, match="<= 1000"):
        Price.parse("1000.1")


@pytest.mark.parametrize(
    ("price", "energy", "total"),
    [
        ("0.35", "7.5", "2.63"),  # 2.625: the half goes up
        ("0.35", "7.499", "2.62"),
        ("0.35", "0.014", "0.00"),
        ("0.35", "0.015", "0.01"),
        ("0.3333", "3", "1.00"),
        ("0.0001", "50", "0.01"),
        ("0.0001", "49.999", "0.00"),
        ("0", "100000", "0.00"),
        ("0.35", "0", "0.00"),
        ("1000", "100000", "100000000.00"),
    ],
)
def test_cost_is_energy_times_price_rounded_half_up_once(
    price: str, energy: str, total: str
) -> None:
    """The bill is right to the cent."""
    assert str(cost(WattHours.parse(energy), Price.parse(price))) == total


@given(
    energy=st.integers(0, WattHours.maximum * 1_000).map(WattHours),
    price=st.integers(0, Price.maximum * 10_000).map(Price),
)
def test_cost_agrees_with_decimal_arithmetic(energy: WattHours, price: Price) -> None:
    """The integers give what exact decimals give, and always an amount that a message can say."""
    with localcontext(prec=100):
        exact = Decimal(str(energy)) * Decimal(str(price))
        expected = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert str(cost(energy, price)) == str(expected)
    assert Money.parse(str(cost(energy, price))) == cost(energy, price)


@given(st.sampled_from(KINDS), st.from_regex(r"(0|[1-9][0-9]{0,6})\.[0-9]{1,9}", fullmatch=True))
def test_digits_are_read_as_the_number_that_they_are(kind: type[Quantity], text: str) -> None:
    """The quick way, for what nearly all amounts look like, and the exact one agree."""
    try:
        expected = kind.from_number(Decimal(text))
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error)):
            kind.from_digits(text)
    else:
        found = kind.from_digits(text)
        assert (found, type(found)) == (expected, kind)


@pytest.mark.parametrize("text", ["1e3", "1.5e1", "-0.0", "0.5E-1", "1E+2"])
def test_digits_with_an_exponent_or_a_sign_are_read_exactly(text: str) -> None:
    """They are rare, and JSON allows them."""
    assert WattHours.from_digits(text) == WattHours.from_number(Decimal(text))
