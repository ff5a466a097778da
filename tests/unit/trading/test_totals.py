"""Totals of a position: what they keep, and their text."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.errors import RecordError
from ringbuf.record.enumerations import ContractKind
from ringbuf.trading.contract import Contract
from ringbuf.trading.profit import State
from ringbuf.trading.totals import UNTRADED, Totals, Traded, read_totals, realised, terms

AMOUNTS = st.integers(-99, 99).map(lambda number: Decimal(number) / 8)
FILLS = st.lists(
    st.builds(
        Traded,
        AMOUNTS.filter(bool),
        st.none() | st.integers(1, 999).map(lambda number: Decimal(number) / 10),
        st.lists(st.tuples(AMOUNTS, st.sampled_from(("USD", "ž\"'", ""))), max_size=2),
    ),
    max_size=20,
)
CONTRACTS = st.builds(
    Contract,
    st.sampled_from((ContractKind.LINEAR, ContractKind.INVERSE)),
    value_step=st.none() | st.just(Decimal("0.5")),
)


@given(CONTRACTS, FILLS, st.integers(0, 20))
def test_totals_go_on_from_their_text_as_if_they_had_not_stopped(
    contract: Contract, fills: list[Traded], at: int
) -> None:
    whole = UNTRADED.after(contract, fills)
    before = UNTRADED.after(contract, fills[:at])
    assert read_totals(str(before)).after(contract, fills[at:]) == whole
    assert whole.fills == len(fills)
    paid: dict[str, Decimal] = {}
    for fill in fills[at:]:
        for amount, currency in fill.commissions:
            paid[currency] = paid.get(currency, Decimal(0)) + amount
    assert whole.commissions_since(before) == paid


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "{}", '["0 0 0 0 0 0", 1]', '["0 0", 1, {}]', '["0 0 0 0 0 0", 1, {"U": 1}]']
)
def test_a_text_that_is_no_totals_is_told(text: str) -> None:
    with pytest.raises(RecordError, match=r"no (totals|state) of a position"):
        read_totals(text)


def test_terms_are_what_of_a_contract_totals_and_what_they_earned_depend_on() -> None:
    usual = Contract(multiplier=Decimal("10.0"), quote="USD")
    assert (
        terms(usual)
        == terms(Contract(ContractKind.LINEAR, Decimal(10), Decimal("0.5"), settle="USD"))
        == "usual 10 USD"
    )
    assert terms(Contract(ContractKind.INVERSE)) == "inverse 1"
    assert terms(Contract(multiplier=Decimal("10.0"), value_step=Decimal("0.10"))) == "usual 10 0.1"


def test_what_totals_earned_is_a_decimal_of_the_database_with_the_multiplier() -> None:
    third = Totals(State(Decimal(1), Fraction(0), Fraction(-1, 3)))
    assert realised(third, Contract(multiplier=Decimal(10))) == Decimal("-3." + "3" * 52)
    most = Totals(State(Decimal(0), Fraction(0), Fraction(10**24)))
    assert realised(most, Contract(multiplier=Decimal("0.1"))) == 10**23
    assert realised(most, Contract()) is None
