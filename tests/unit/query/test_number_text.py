"""The exact text of a number of an answer."""

import json

import pytest

from ringbuf.errors import SinkError
from ringbuf.query.questions.number_text import FLOAT, NumberTexts, number_text

TOKENS = "1.123456789012345678"


@pytest.mark.parametrize(
    ("number", "kept", "text"),
    [
        ("nan", "", None),
        ("nan", "1", None),
        ("inf", "", "inf"),
        ("-inf", "", "-inf"),
        ("-0", "", "0"),
        ("0", "0.00", "0"),
        ("100", "", "100"),
        ("-0.5", "", "-0.5"),
        ("1e-7", "", "0.0000001"),
        ("1.5e-21", "", "0.0000000000000000000015"),
        ("1e-22", "", "1e-22"),
        ("100000000000000000000", "", "100000000000000000000"),
        ("1e21", "", "1e21"),
        ("1.1234567890123457", TOKENS, TOKENS),
        ("2.5", TOKENS, "2.5"),
        ("7.1", "007.100", "7.1"),
        ("1", "0." + 39 * "9", "0." + 39 * "9"),
    ],
)
def test_a_number_is_told_to_the_last_digit(number: str, kept: str, text: str | None) -> None:
    assert number_text(number, kept) == text


TYPES = {"text": "String", "price": FLOAT, "quantity": FLOAT, "exact": "String", "commission": FLOAT, "paid": "Decimal"}
ODD = '"price":"[9]" ,"commission":"[8]","paid":"7"}]"\\'
ROW = {"text": ODD, "price": "[1e-7,nan]", "exact": "", "commission": "[0.25]", "paid": None}
TOLD = {"text": ODD, "price": "0.0000001", "quantity": None, "exact": "", "commission": "0.25", "paid": None}


def put(**others: str) -> dict[str, str | None]:
    """A row of the database with other values, as it is told."""
    line = json.dumps({**ROW, **others}, separators=(",", ":")).encode()
    found: dict[str, str | None] = json.loads(NumberTexts(TYPES, {"commission": "paid"}).put_into(line))
    return found


def test_numbers_are_put_where_they_belong_whatever_the_texts_around_them_say() -> None:
    assert list(put()) == list(TYPES)
    assert put() == TOLD


def test_what_a_record_keeps_whole_is_told_and_before_it_what_is_summed() -> None:
    kept = f"Q=9.9;P={TOKENS}"
    assert put(exact=kept, price=f"[{float(TOKENS)},9.8]") == {
        **TOLD,
        "exact": kept,
        "price": TOKENS,
        "quantity": "9.8",
    }
    paid = "0.2500000000000000001"
    assert put(paid=paid) == {**TOLD, "commission": paid, "paid": paid}
    assert put(paid=paid, exact="f=0.25000000000000001") == {**put(paid=paid), "exact": "f=0.25000000000000001"}


def test_what_is_no_row_of_the_answer_is_an_error() -> None:
    with pytest.raises(SinkError, match="no row of this answer"):
        NumberTexts({"price": FLOAT}, {}).put_into(b'{"exact":""}')
