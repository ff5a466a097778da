"""What `hedges` says where maker orders and hedge orders take each other's place."""

import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ringbuf.strategies.inventory import Inventory
from ringbuf.trading.derivation import derive
from tests.clickhouse.databases import ON_SERVER, ON_SERVER_AND_CLUSTER, Database, executions
from tests.clickhouse.test_derivation import of_records
from tests.clickhouse.test_hedges import EVER, HEDGE, MAKER, ask, hedge_fill, maker_fill, request
from tests.clickhouse.test_rules import BASE
from tests.clickhouse.test_unique import WAYS, arrive
from tests.clickhouse.test_views import record
from tests.model.hedge_chains import HedgeChains, hedge_of

SUMS = "quantity, hedge_orders, hedged_quantity, working_quantity, residual_quantity"
REPLACED: dict[str, Any] = {"exec_type": "replaced", "order_status": "new"}


def successor(of: dict[str, Any], at: int, name: str, former: str, **fields: Any) -> dict[str, Any]:
    """A venue's word that an order took the place of another one; it tells no link."""
    ids = {"order_id": f"O-{name}", "client_order_id": name, "orig_client_order_id": former}
    return {**of, **REPLACED, **ids, "captured_ns": request(at, name, 0)["captured_ns"], **fields}


def test_what_takes_the_place_of_a_hedge_order_hedges_and_is_no_other_order(views: Database) -> None:
    record(
        views,
        maker_fill(1_000, 1.0, 100.0, "t1"),
        request(1_200, "h1", 0.5, arrival_price=101.0),
        hedge_fill(2_000, "h1", 0.125, 100.0),
        successor(HEDGE, 3_000, "h2", "h1", side="sell", quantity=0.375, strategy=""),
        successor(HEDGE, 4_000, "h3", "h2", side="sell", quantity=0.375, strategy=""),
        hedge_fill(5_000, "h3", 0.25, 99.0),
    )
    assert ask(views, SUMS) == [(1, 1, Decimal("-0.375"), Decimal("-0.125"), Decimal("-0.125"))]
    ((price, slippage, request_ns, fill_ns),) = ask(views, "hedge_price, slippage, request_delay_ns, fill_delay_ns")
    assert abs(price - (12.5 + 24.75) / 0.375) < 1e-9
    assert abs(slippage - (101 * 0.375 - 12.5 - 24.75)) < 1e-9
    assert (request_ns, fill_ns) == (200, 1_000)


@pytest.mark.parametrize("link_id", ["c", "m", "c2", "O-c2", "c3", "O-c3"])
def test_what_takes_the_place_of_a_maker_order_is_that_order_under_whatever_name(views: Database, link_id: str) -> None:
    record(
        views,
        maker_fill(1_000, 1.0, 100.0, "t1"),
        successor(MAKER, 2_000, "c2", "c", side="buy", quantity=5.0),
        maker_fill(3_000, 0.5, 110.0, "t2", order_id="O-c2", client_order_id="c2"),
        successor(MAKER, 4_000, "c3", "c2", side="buy", quantity=5.0),
        request(5_000, "h1", 0.5, link_id=link_id),
        hedge_fill(6_000, "h1", 0.5, 99.0),
        maker_fill(7_000, 0.5, 120.0, "t3", order_id="O-c3", client_order_id="c3"),
    )
    assert ask(views, SUMS) == [(2, 1, Decimal("-0.5"), 0, Decimal("-0.5"))]
    assert ask(views, "order_id, client_order_id, side, price, request_delay_ns") == [
        ("O-c3", "c3", "buy", 107.5, 2_000)
    ]


@ON_SERVER
def test_a_hedge_order_of_which_the_first_word_was_lost_hedges_under_its_next_name(views: Database) -> None:
    record(
        views,
        maker_fill(1_000, 1.0, 100.0, "t1"),
        request(2_000, "h1", 0.5),
        successor(HEDGE, 3_000, "h2", "h1", side="sell", quantity=0.5),
        hedge_fill(4_000, "h2", 0.5, 99.0),
        request(5_000, "h1", 0.5, exec_type="order_status", order_status="rejected"),  # the venue does not know it
    )
    assert ask(views, SUMS) == [(1, 1, Decimal("-0.5"), 0, 0)]


@ON_SERVER
def test_an_order_under_the_client_id_of_a_hedge_order_hedges_unless_it_was_requested_itself(views: Database) -> None:
    over = {"exec_type": "canceled", "order_status": "canceled"}
    record(
        views,
        maker_fill(1_000, 1.0, 100.0, "t1"),
        request(2_000, "h1", 0.5),
        hedge_fill(3_000, "h1", 0.125, 99.0),
        hedge_fill(4_000, "h1", 0.0, 99.0, **over),
        hedge_fill(5_000, "h1", 0.25, 99.0, order_id="O-2"),
    )
    assert ask(views, SUMS) == [(1, 1, Decimal("-0.375"), 0, Decimal("-0.125"))]
    record(
        views,
        request(6_000, "h2", 0.5),
        hedge_fill(7_000, "h2", 0.25, 99.0),
        request(8_000, "h2", 0.5, link_id="", market_ns=7),
        hedge_fill(9_000, "h2", 0.5, 99.0, order_id="O-3"),
    )
    assert ask(views, SUMS) == [(1, 2, Decimal("-0.625"), Decimal("-0.25"), Decimal("0.125"))]


@ON_SERVER
def test_a_period_is_that_of_the_order_with_which_the_maker_began(views: Database) -> None:
    record(
        views,
        maker_fill(1_000, 1.0, 100.0, "t1"),
        successor(MAKER, 2_000, "c2", "c", side="buy", quantity=5.0),
        maker_fill(3_000, 0.5, 110.0, "t2", order_id="O-c2", client_order_id="c2"),
        request(5_000, "h1", 0.5, link_id="c2"),
        hedge_fill(5_500, "h1", 0.25, 99.0),
        successor(HEDGE, 6_000, "h2", "h1", side="sell", quantity=0.25),
        hedge_fill(7_000, "h2", 0.25, 99.0),
    )
    begin_ns = maker_fill(0, 1.0, 1.0, "")["captured_ns"]
    whole = [(Decimal("1.5"), 1, Decimal("-0.5"), 0, Decimal("-0.25"))]
    for since, until, found in ((0, 1_001, whole), (1_000, 9_000, whole), (1_001, 9_000, []), (0, 1_000, [])):
        period = f"since = '{begin_ns + since}', until = '{begin_ns + until}'"
        assert ask(views, SUMS, period) == found


@ON_SERVER_AND_CLUSTER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_a_strategy_and_the_database_know_the_same_of_orders_that_took_each_others_place(
    views: Database, few: int
) -> None:
    histories = [HedgeChains(random.Random(f"view {few} {number}")) for number in range(60)]
    all_records = [each.arrivals(is_recorded_first=number % 2 == 0) for number, each in enumerate(histories)]
    inventories = [Inventory(lookback=None, hedges=lambda order: hedge_of(order.key)) for _ in all_records]
    captured_ns = 10**18
    for number, (records, inventory) in enumerate(zip(all_records, inventories, strict=True)):
        for each in records:
            captured_ns += 1
            each["captured_ns"] = captured_ns
            inventory.apply(executions([{**BASE, **each, "account": str(number)}])[0])
    arrive(views, all_records, few, random.Random(few), portions=3)
    kept = views.rows(
        f"SELECT account, exchange, order_key, chain_key FROM {views.name()}.unique_orders FINAL"
        " WHERE order_key != '' AND NOT is_hard"
    )
    derived = [
        (each["account"], each["exchange"], each["order_key"], each["chain_key"])
        for each in derive(of_records(views)).orders
    ]
    assert sorted(kept) == sorted(derived)
    found = views.rows(
        "SELECT account, hedge_symbol, sum(hedged_quantity), sum(working_quantity), sum(residual_quantity)"
        f" FROM {views.name()}.hedges({EVER}) GROUP BY account, hedge_symbol"
    )
    right = {
        (str(number), key.symbol): each
        for number, inventory in enumerate(inventories)
        for key, each in inventory.hedge_balances().items()
    }
    assert {(account, symbol) for account, symbol, *_ in found} == right.keys()
    for account, symbol, filled, working, residual in found:
        balance = right[account, symbol]
        assert (filled, working) == (balance.filled, balance.working), all_records[int(account)]
        assert Fraction(residual) == balance.balance + Fraction(working), all_records[int(account)]
