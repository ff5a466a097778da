"""Profit of a position: figures that others worked out, and each rule on its own."""

import itertools
import random
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.strategies.inventory import Contract, ContractKind, Inventory, Profit
from ringbuf.trading.contract_table import COLUMNS, KINDS, read_contracts
from ringbuf.trading.profit import DECIMALS, State, decimal_of, read_state, traded
from tests.checkout import ROOT
from tests.unit.trading import worked_figures
from tests.unit.trading.worked_figures import Case

CASES = worked_figures.cases()
KEY = ("sim", "BTC")
BEGIN_NS = 1_790_000_000_000_000_000


def applied(case: Case, records: Any, **more: Any) -> dict[str, Profit]:
    """What an inventory knows after these records, by position side."""
    contract = worked_figures.contract({**case, "instrument": case["instrument"] | more})
    inventory = Inventory(instruments={worked_figures.key(case): contract})
    for each in records:
        inventory.apply(each)
    return {instrument.position_side: profit for instrument, profit in inventory.profits().items()}


@pytest.mark.parametrize("name", CASES)
def test_worked_figures_come_out_to_the_last_digit(name: str) -> None:
    worked_figures.check(CASES[name], applied(CASES[name], worked_figures.records(CASES[name])))


@pytest.mark.parametrize("name", CASES)
def test_worked_figures_come_out_in_any_order_of_arrival_and_with_copies(name: str) -> None:
    records = list(worked_figures.records(CASES[name]))
    for some in itertools.islice(itertools.permutations(records), 1, 24):
        worked_figures.check(CASES[name], applied(CASES[name], [*some, *some[:2]]))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "venue_rounded" in case])
def test_the_figure_that_a_venue_rounds_stands_beside_the_exact_one(name: str) -> None:
    case = CASES[name]
    (rounded,) = case["venue_rounded"]
    step = case["instrument"].get("value_step", "0.00000001")
    profits = applied(case, worked_figures.records(case), value_step=step)
    worked_figures.check(case, profits)
    assert profits[""].venue_realised == Fraction(rounded["venue"])
    assert abs(Fraction(rounded["venue"]) - profits[""].realised) <= Fraction(rounded["allowed"])


def test_the_contract_of_the_document_rounds_as_bitmex_does() -> None:
    (line,) = re.findall(r"^ +(bitmex,XBTUSD,.*)$", (ROOT / "docs" / "TOOL.md").read_text(), re.MULTILINE)
    ((_, contract),) = read_contracts([",".join(COLUMNS), line], "the document").items()
    inventory = Inventory(instruments={KEY: contract})
    for each in worked_figures.records(CASES["bitmex_inverse_rounded_by_lots"]):
        inventory.apply(each | {"symbol": "BTC"})
    assert inventory.profit("sim", "A", "BTC").venue_realised == Fraction("-0.00015275")


def fill(side: str, quantity: str, price: str | None, number: int, **fields: Any) -> dict[str, Any]:
    trade = {"exec_type": "fill", "side": side, "last_quantity": quantity, "last_price": price}
    ids = {"order_id": "o", "trade_id": f"t{number}", "exchange_ns": BEGIN_NS + number}
    return {"exchange": "sim", "account": "A", "symbol": "BTC"} | trade | ids | fields


def profit(*records: dict[str, Any], kind: str = "linear", **options: Any) -> Profit:
    inventory = Inventory(instruments={KEY: Contract(KINDS[kind], base="BTC", quote="USD")}, **options)
    for each in records:
        inventory.apply(each)
    return inventory.profit("sim", "A", "BTC")


def test_all_digits_of_what_is_held_have_a_value_at_a_mark() -> None:
    held = "123456789012.123456789012345678"
    assert profit(fill("buy", held, "1", 1)).unrealised(Decimal(3)) == 2 * Fraction(held)


def test_fills_of_one_nanosecond_count_in_the_venues_own_order_else_as_they_arrived() -> None:
    buy = fill("buy", "1", "100", 1)
    sells = [fill("sell", "1", price, number) for number, price in ((2, "110"), (3, "130"))]
    later = [each | {"exchange_ns": BEGIN_NS + 5} for each in sells]
    again = fill("buy", "1", "90", 4, exchange_ns=BEGIN_NS + 5)
    assert profit(buy, *later, again).realised == 10 + 40
    assert profit(buy, later[1], later[0], again).realised == 30 + 20
    numbered = [later[0] | {"exchange_seq": 7}, later[1] | {"exchange_seq": 6}, again | {"exchange_seq": 8}]
    for some in itertools.permutations(numbered):
        assert profit(buy, *some).realised == 30 + 20


def test_a_fill_without_a_venue_time_counts_when_it_was_recorded() -> None:
    fills = [fill("buy", "1", "100", 1), fill("sell", "1", "110", 3), fill("sell", "1", "120", 4)]
    untimed = fill("buy", "1", "50", 2, exchange_ns=0, captured_ns=BEGIN_NS + 2)
    for some in itertools.permutations([*fills, untimed]):
        assert profit(*some).realised == 35 + 45
    assert profit(*fills, untimed | {"captured_ns": 0}).realised == 10 + 70  # now


def test_a_live_copy_of_a_fill_tells_its_time_and_place_whichever_comes_first() -> None:
    fills = [fill("buy", "1", "100", 1), fill("sell", "1", "110", 2), fill("sell", "1", "120", 3)]
    copy = fills[2] | {"origin": "lookback", "exchange_ns": BEGIN_NS, "exchange_seq": 1}
    assert profit(*fills).state == profit(copy, *fills).state == profit(*fills, copy).state


def test_a_fill_without_a_price_moves_the_quantity_and_earns_nothing() -> None:
    held = profit(fill("buy", "2", "100", 1), fill("sell", "1", None, 2))
    assert (held.average_entry, held.realised, held.unpriced) == (Fraction(100), Fraction(0), 1)
    assert held.quantity == 1
    assert profit(fill("buy", "2", None, 1)).average_entry == 0
    inverse = profit(fill("buy", "2", "0", 1), kind="inverse")
    assert (inverse.average_entry, inverse.unpriced) == (None, 1)


def test_prices_of_zero_and_below_count_but_for_inverse_contracts() -> None:
    assert profit(fill("buy", "2", "0", 1), fill("sell", "2", "-37.5", 2)).realised == -75
    with pytest.raises(RecordError, match="mark of 0"):
        profit(fill("buy", "2", "10", 1), kind="inverse").unrealised(Decimal(0))


def test_funding_counts_once_moves_nothing_and_stands_apart() -> None:
    paid = {"exchange": "sim", "account": "A", "symbol": "BTC", "commission": "0.5", "commission_currency": "USD"}
    event = paid | {"exec_type": "funding", "exchange_ns": BEGIN_NS}
    as_trade = fill("sell", "3", "100", 2, trade_type="funding", commission="0.25", commission_currency="USD")
    found = profit(fill("buy", "2", "100", 1), event, event, as_trade, as_trade | {"origin": "lookback"})
    assert (found.quantity, found.funding, found.commissions) == (Decimal(2), {"USD": Decimal("0.75")}, {})
    assert found.wallet == {"USD": Fraction("-0.75")}
    untold = paid | {"exec_type": "funding"}  # neither an id nor a time
    assert profit(untold, untold).funding == {"USD": 1}


@pytest.mark.parametrize("mark", [Decimal("100.25"), 100.25, "100.25"])
def test_a_mark_is_a_number_or_its_text(mark: Decimal | float | str) -> None:
    held = profit(fill("buy", "2", "100", 1))
    assert held.unrealised(mark) == Fraction(1, 2)
    for none in ("much", float("nan")):
        with pytest.raises(RecordError):
            held.unrealised(none)


def test_an_instrument_that_nobody_specified_counts_as_spot_and_is_listed() -> None:
    inventory = Inventory(instruments={("sim", "ETH"): Contract()})
    inventory.apply(fill("buy", "2", "100", 1))
    inventory.apply(fill("buy", "2", "100", 1, symbol="ETH"))
    found = inventory.profit("sim", "A", "BTC")
    assert (found.contract.kind, found.currency, found.wallet) == (ContractKind.SPOT, "", {})
    assert inventory.unknown_instruments() == {KEY}
    assert inventory.profit("sim", "A", "nothing").quantity == 0


def test_an_inventory_without_instruments_says_what_profit_needs() -> None:
    with pytest.raises(ConfigurationError, match="instruments=") as raised:
        Inventory().profit("sim", "A", "BTC")
    assert str(raised.value) == "the inventory has no instruments; give it some: Inventory(instruments=…)"


def test_a_state_comes_back_from_its_text() -> None:
    state = State(Decimal("-1.50"), Fraction(5, 3), Fraction("-0.1"), 2, Fraction(1, 7), Fraction(-3))
    assert str(state) == "-1.5 5/3 -1/10 2 1/7 -3"
    assert read_state(str(state)) == state
    assert read_state(str(State())) == State()
    for text in ("", "1 2 3", "1 2 3 4 5 a", "x 2 3 4 5 6", "1 1/0 3 4 5 6"):
        with pytest.raises(RecordError, match="no state"):
            read_state(text)


def test_a_figure_is_an_exact_decimal_or_one_rounded_to_60_decimals() -> None:
    assert [decimal_of(Fraction(each)) for each in ("100", "-0.25", "0")] == [
        Decimal(100),
        Decimal("-0.25"),
        Decimal(0),
    ]
    assert decimal_of(Fraction(1, 3)) == Decimal("0." + "3" * DECIMALS)
    assert decimal_of(Fraction(-2, 3)) == Decimal("-0." + "6" * (DECIMALS - 1) + "7")


def test_denominators_stay_small_and_the_error_too_and_it_is_gone_when_nothing_is_held() -> None:
    contract, state = Contract(ContractKind.LINEAR), State()
    held, cost, earned = Fraction(0), Fraction(0), Fraction(0)
    draw = random.Random(1)
    for _ in range(300):
        bought, sold = draw.randrange(5, 50), draw.randrange(1, 5)
        for quantity, price in ((Decimal(bought), Decimal(draw.randrange(1, 1000))), (Decimal(-sold), Decimal(3))):
            if quantity > 0:
                cost += Fraction(quantity * price)
            else:
                closed = cost * sold / held
                cost, earned = cost - closed, earned + sold * 3 - closed
            held += Fraction(quantity)
            state = traded(state, contract, quantity, price)
    assert cost.denominator > 10**DECIMALS >= state.cost.denominator
    assert 0 < abs(state.cost - cost) < Fraction(150, 10**DECIMALS)
    assert state.cash + state.cost - earned == state.cost - cost
    state = traded(state, contract, -state.quantity, Decimal(5))
    assert (state.cost, state.cash) == (Fraction(0), earned + held * 5 - cost)
