"""Inferred fills hold the place of the real ones, and give way to them in any order, with any copies and losses."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ringbuf.strategies.inventory import Inventory, Position

NAMED = {"exchange": "x", "account": "a", "symbol": "s", "order_id": "o1", "side": "buy"}
SIZES = st.sampled_from([Decimal(each) for each in ("0.1", "0.25", "1", "3")])


def fill(number: int, quantity: Decimal) -> dict[str, Any]:
    return NAMED | {
        "exec_type": "fill", "trade_id": f"t{number}", "last_quantity": quantity, "last_price": 100 + number,
        "commission": 1, "commission_currency": "USD",
    }  # fmt: skip


def inferred(total: Decimal, known: Decimal) -> dict[str, Any]:
    """What brings the order from what is known to its total."""
    return NAMED | {
        "exec_type": "fill", "trade_type": "inferred", "origin": "reconciliation", "trade_id": f"inferred-{total}",
        "cumulative_quantity": total, "last_quantity": total - known,
    }  # fmt: skip


def applied(records: list[dict[str, Any]]) -> Inventory:
    inventory = Inventory(lookback=None)
    for each in records:
        inventory.apply(each)
    return inventory


@settings(max_examples=400)
@given(st.data(), st.lists(SIZES, min_size=1, max_size=5))
def test_an_order_has_what_its_fills_or_its_total_say_whichever_is_more(
    data: st.DataObject, sizes: list[Decimal]
) -> None:
    fills = [fill(number, each) for number, each in enumerate(sizes)]
    known = [each for each in fills if data.draw(st.booleans())]
    totals, first_known = [], sum((each["last_quantity"] for each in known), Decimal(0))
    for place in range(len(sizes)):
        total = sum(sizes[: place + 1], Decimal(0))
        if total > first_known and data.draw(st.booleans()):
            totals.append(total)
    late = [each for each in fills if each not in known and data.draw(st.booleans())]
    records = [*known, *late, *(inferred(total, first_known) for total in totals)]
    copies = data.draw(st.lists(st.sampled_from(records), max_size=3)) if records else []
    told = sum((each["last_quantity"] for each in (*known, *late)), Decimal(0))
    found = applied(data.draw(st.permutations([*records, *copies])))
    right = max([told, *totals])
    assert found.position("x", "a", "s") == Position(right)
    everything = applied(data.draw(st.permutations([*records, *fills])))
    assert everything.position("x", "a", "s") == Position(sum(sizes, Decimal(0)))
    (sums,) = everything.sums().values()
    assert (sums.fills, sums.unpriced, sums.commissions) == (len(sizes), 0, {"USD": Decimal(len(sizes))})


def test_a_fill_that_was_taken_back_is_not_inferred_again() -> None:
    records = [inferred(Decimal(3), Decimal(0)), fill(1, Decimal(1)), fill(2, Decimal(2))]
    bust = NAMED | {"exec_type": "trade_cancel", "trade_id": "t2"}
    assert applied([*records, bust]).position("x", "a", "s").quantity == 1
    assert applied([bust, *reversed(records)]).position("x", "a", "s").quantity == 1


def test_one_that_tells_no_total_or_no_order_counts_as_any_fill() -> None:
    without = inferred(Decimal(3), Decimal(0)) | {"cumulative_quantity": None}
    loose = inferred(Decimal(2), Decimal(0)) | {"order_id": "", "trade_id": "external"}
    assert applied([without, loose, fill(1, Decimal(1))]).position("x", "a", "s").quantity == 6


def test_it_has_the_price_that_it_was_given_or_none() -> None:
    priced = inferred(Decimal(3), Decimal(0)) | {"last_price": 101}
    (sums,) = applied([priced, fill(0, Decimal(1))]).sums().values()
    assert (sums.bought_quantity, sums.bought_quote, sums.unpriced) == (Decimal(3), Decimal(302), 0)
    (sums,) = applied([inferred(Decimal(3), Decimal(0)), fill(0, Decimal(1))]).sums().values()
    assert (sums.bought_quantity, sums.bought_quote, sums.unpriced) == (Decimal(3), Decimal(100), 1)


def test_an_order_that_was_asked_for_and_then_named_keeps_what_was_inferred_of_it() -> None:
    asked = NAMED | {"order_id": "", "client_order_id": "c1", "exec_type": "pending_new", "order_status": "pending_new"}
    early = inferred(Decimal(2), Decimal(0)) | {"order_id": "", "client_order_id": "c1"}
    named = fill(1, Decimal(1)) | {"client_order_id": "c1"}
    assert applied([asked, early, named]).position("x", "a", "s").quantity == 2
    assert applied([asked, early, named, fill(2, Decimal(1))]).sums().popitem()[1].fills == 2
