"""Numbers have Terraform's arithmetic: 512-bit binary floats, printed with the fewest digits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.terraform import numbers
from coder_admin.terraform.numbers import (
    NEGATIVE_ZERO,
    Float,
    NumberError,
    add,
    compare,
    divide,
    format_number,
    from_float,
    modulo,
    multiply,
    negate,
    parse_number,
    subtract,
)

decimals = st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**12), max_value=10**12)
whole = st.integers(-(10**30), 10**30)


def text_of(x: Decimal) -> str:
    return format(x, "f")


def exact(x: numbers.Number) -> Fraction:
    if isinstance(x, Float):
        assert x.exponent is not None
        return Fraction(x.mantissa) * Fraction(2) ** x.exponent
    return Fraction(x)


@pytest.mark.parametrize(
    ("computed", "text"),
    [
        (divide(1, 3), "0." + "3" * 154 + "5"),
        (divide(2, 3), "0." + "6" * 153 + "7"),
        (subtract(1, parse_number("0.9")), "0.1" + "0" * 153 + "3"),
        (multiply(divide(1, 3), 3), "1"),
        (parse_number("1e21"), "1" + "0" * 21),
        (parse_number("1e-7"), "0.0000001"),
        (parse_number("1E400"), "1" + "0" * 400),
        (parse_number("-0.50"), "-0.5"),
        (parse_number("+.5"), "0.5"),
        (modulo(-5, 3), "-2"),
        (modulo(parse_number("5.5"), -2), "1.5"),
        (from_float(2.0**64), "18446744073709552000"),
        (from_float(1e23), "100000000000000000000000"),
        (negate(0), "-0"),
        (multiply(0, -1), "-0"),
        (multiply(0, parse_number("-1.5")), "-0"),
        (divide(0, -7), "-0"),
        (add(NEGATIVE_ZERO, 0), "0"),
        (negate(NEGATIVE_ZERO), "0"),
        (numbers.floor(parse_number("-1.1")), "-2"),
        (numbers.ceil(parse_number("-1.1")), "-1"),
        (numbers.truncate(parse_number("-1.9")), "-1"),
    ],
)
def test_results_print_as_terraform_prints_them(computed: numbers.Number, text: str) -> None:
    assert format_number(computed) == text


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "x", "0x1F", "1_000", ".", "e5", "1e", "--1", "١", "1,5", "NaN"]
)
def test_text_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(NumberError):
        parse_number(text)


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "1" * 100_000])
def test_numbers_of_absurd_size_are_refused_at_once(text: str) -> None:
    with pytest.raises(NumberError):
        parse_number(text)


def test_arithmetic_stays_within_bounds_however_often_it_is_repeated() -> None:
    def squared(x: numbers.Number, times: int) -> numbers.Number:
        for _ in range(times):
            x = multiply(x, x)
        return x

    with pytest.raises(NumberError, match="out of range"):
        squared(parse_number("1e5000"), 64)


@given(decimals)
def test_decimals_print_as_they_were_written(x: Decimal) -> None:
    wanted = text_of(x).rstrip("0").rstrip(".")
    shown = format_number(parse_number(text_of(x)))
    assert shown == (wanted if wanted not in ("", "-") else shown)


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_doubles_print_with_the_digits_that_python_finds(x: float) -> None:
    shown = format_number(from_float(x))
    assert float(shown) == x
    digits = shown.replace("-", "").replace(".", "").strip("0")
    assert len(digits) <= len(format(Decimal(repr(x)), "f").replace("-", "").replace(".", "").strip("0"))


@given(decimals, decimals)
def test_sums_and_products_are_within_half_a_unit_of_the_last_place(x: Decimal, y: Decimal) -> None:
    a, b = parse_number(text_of(x)), parse_number(text_of(y))
    for computed, wanted in ((add(a, b), exact(a) + exact(b)), (multiply(a, b), exact(a) * exact(b))):
        assert abs(exact(computed) - wanted) <= abs(wanted) / 2**512


@given(whole, whole.filter(bool))
def test_quotients_of_integers_are_rounded_to_512_bits(a: int, b: int) -> None:
    wanted = Fraction(a, b)
    assert abs(exact(divide(a, b)) - wanted) <= abs(wanted) / 2**512


@given(whole, whole)
def test_integers_compute_exactly(a: int, b: int) -> None:
    assert add(a, b) == a + b
    assert subtract(a, b) == a - b
    assert multiply(a, b) == a * b
    assert compare(a, b) == (a > b) - (a < b)


@given(decimals, decimals)
def test_order_is_that_of_the_exact_values(x: Decimal, y: Decimal) -> None:
    a, b = parse_number(text_of(x)), parse_number(text_of(y))
    assert compare(a, b) == (exact(a) > exact(b)) - (exact(a) < exact(b))
    assert (a == b) == (compare(a, b) == 0)
    if a == b:
        assert hash(a) == hash(b)


@given(st.integers(-1000, 1000), st.integers(-50, 50).filter(bool))
def test_the_remainder_has_the_sign_of_the_dividend(a: int, b: int) -> None:
    rest = modulo(a, b)
    assert isinstance(rest, int)
    assert (a - rest) % b == 0
    assert abs(rest) < abs(b)
    assert rest == 0 or (rest < 0) == (a < 0)


def test_dividing_by_zero_is_infinite_as_in_terraform() -> None:
    assert format_number(divide(1, 0)) == "+Inf"
    assert format_number(divide(-1, 0)) == "-Inf"
    assert format_number(divide(1, NEGATIVE_ZERO)) == "-Inf"
    assert modulo(5, 0) == 5
    infinity = divide(1, 0)
    assert compare(infinity, 10**100) == 1
    assert divide(5, infinity) == 0
    assert add(infinity, 1) == infinity
    assert multiply(infinity, -1) == divide(-1, 0)


@pytest.mark.parametrize(
    "operation",
    [
        lambda infinity: divide(0, 0),
        lambda infinity: divide(infinity, infinity),
        lambda infinity: subtract(infinity, infinity),
        lambda infinity: multiply(infinity, 0),
        lambda infinity: modulo(infinity, 5),
        lambda infinity: modulo(5, infinity),
    ],
)
def test_what_has_no_number_is_refused(operation: Callable[[numbers.Number], numbers.Number]) -> None:
    with pytest.raises(NumberError, match="can't"):
        operation(divide(1, 0))


def test_a_large_double_equals_the_integer_it_stands_for() -> None:
    assert from_float(2.0**64) == 2**64
    assert hash(from_float(2.0**64)) == hash(2**64)
    assert compare(from_float(2.0**64), 2**64) == 0
