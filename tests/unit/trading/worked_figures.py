"""Positions whose profit others worked out: tests/histories/positions*.json."""

import json
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ringbuf.strategies.inventory import Contract, Profit
from ringbuf.trading.contract_table import contract_of
from tests.checkout import ROOT

Case = dict[str, Any]
EXCHANGE = "sim"
_RENAMED = {"price": "last_price", "quantity": "last_quantity"}


def cases() -> dict[str, Case]:
    """All of them by their names."""
    files = ("positions.json", "positions_of_venues.json")
    found = [json.loads((ROOT / "tests" / "histories" / name).read_text())["cases"] for name in files]
    return {each["id"]: each for some in found for each in some}


def contract(case: Case) -> Contract:
    return contract_of({name: value for name, value in case["instrument"].items() if name != "symbol"})


def key(case: Case) -> tuple[str, str]:
    return EXCHANGE, case["instrument"]["symbol"]


def records(case: Case) -> Iterator[dict[str, Any]]:
    """Its fills as records."""
    for fill in case["fills"]:
        told = {_RENAMED.get(name, name): value for name, value in fill.items()}
        told["exchange_ns"] = int(told["exchange_ns"])
        yield {"exec_type": "fill", "exchange": EXCHANGE, "account": "A", "symbol": case["instrument"]["symbol"]} | told


def check(case: Case, profits: dict[str, Profit]) -> None:
    """What the case says is right, exactly.

    Args:
        profits: by position side, empty where there is none.
    """
    expected = case["expected"]
    positions = {each["position_side"] or "": each for each in expected["positions"]}
    assert profits.keys() == positions.keys()
    for side, wanted in positions.items():
        profit = profits[side]
        assert profit.quantity == Decimal(wanted["quantity"])
        assert profit.average_entry == (None if wanted["average_entry"] is None else Fraction(wanted["average_entry"]))
        assert profit.realised == Fraction(wanted["realised_profit"])
        assert (profit.currency, profit.unpriced, profit.late) == (wanted["profit_currency"], 0, 0)
        for each in wanted["unrealised"]:
            assert profit.unrealised(Decimal(each["mark"])) == Fraction(each["profit"])
        if "quantity_after_base_fees" in wanted:
            assert profit.wallet[profit.contract.base] == Fraction(wanted["quantity_after_base_fees"])
    for name in ("commissions", "funding"):
        assert _summed(getattr(each, name) for each in profits.values()) == _fractions(expected[name])
    if "wallet" in expected:
        assert _summed(each.wallet for each in profits.values()) == _fractions(expected["wallet"])


def _fractions(sums: dict[str, str]) -> dict[str, Fraction]:
    return {currency: Fraction(amount) for currency, amount in sums.items()}


def _summed(parts: Any) -> dict[str, Fraction]:
    found: dict[str, Fraction] = {}
    for part in parts:
        for currency, amount in part.items():
            found[currency] = found.get(currency, Fraction(0)) + Fraction(amount)
    return found
