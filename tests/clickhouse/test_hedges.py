"""What `hedges` says of maker orders and of what was hedged for them."""

import random
from decimal import Decimal
from fractions import Fraction
from itertools import count
from typing import Any

import pytest

from ringbuf import Observer
from ringbuf.strategies import Recorder
from ringbuf.strategies.hedger import Hedge, HedgeOrder, Hedger
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import OrderPages
from tests.clickhouse.databases import ON_SERVER, Database
from tests.clickhouse.test_views import record

BEGIN_NS = 1_782_907_200_000_000_000
EVER = "since = '', until = ''"
ALL: dict[str, Any] = {"strategy": "s", "account": "A", "origin": "live"}
MAKER: dict[str, Any] = {
    **ALL,
    "exchange": "deribit",
    "symbol": "BTC-PERPETUAL",
    "order_id": "m",
    "client_order_id": "c",
}
HEDGE: dict[str, Any] = {**ALL, "exchange": "binance", "symbol": "BTCUSDT"}


def maker_fill(at: int, quantity: float, price: float, trade_id: str, **fields: Any) -> dict[str, Any]:
    fill = {"exec_type": "fill", "side": "buy", "last_quantity": quantity, "last_price": price, "trade_id": trade_id}
    return {**MAKER, **fill, "captured_ns": BEGIN_NS + at, **fields}


def request(at: int, name: str, quantity: float, **fields: Any) -> dict[str, Any]:
    asked = {"exec_type": "pending_new", "order_status": "pending_new", "side": "sell", "quantity": quantity}
    ours = {"client_order_id": name, "link_id": "c", "hedge_ratio": 0.5}
    return {**HEDGE, **asked, **ours, "captured_ns": BEGIN_NS + at, **fields}


def hedge_fill(at: int, name: str, quantity: float, price: float, **fields: Any) -> dict[str, Any]:
    fill = {
        "exec_type": "fill",
        "side": "sell",
        "last_quantity": quantity,
        "last_price": price,
        "trade_id": f"T-{name}-{at}",
    }
    ids = {"client_order_id": name, "order_id": f"O-{name}"}
    return {**HEDGE, **fill, **ids, "captured_ns": BEGIN_NS + at, **fields}


def ask(views: Database, columns: str, period: str = EVER) -> list[tuple[Any, ...]]:
    return views.rows(f"SELECT {columns} FROM {views.name()}.hedges({period}) ORDER BY exchange, order_id")


def test_a_maker_order_has_its_hedges_what_is_left_what_it_cost_and_how_long_it_took(views: Database) -> None:
    record(
        views,
        maker_fill(1_000, 1.0, 100.0, "t1"),
        request(1_200, "h1", 0.5, arrival_price=101.0),
        hedge_fill(2_000, "h1", 0.25, 100.0),
        hedge_fill(2_500, "h1", 0.25, 99.0),
        maker_fill(5_000, 0.3, 110.0, "t2"),
        request(5_100, "h2", 0.1),
        hedge_fill(5_700, "h2", 0.05, 90.0),
    )
    columns = (
        "exchange, account, symbol, strategy, client_order_id, order_id, side, quantity, price, hedge_exchange,"
        " hedge_account, hedge_symbol, hedge_ratio, hedge_orders, hedged_quantity, working_quantity"
    )
    (row,) = ask(views, columns)
    names = ("deribit", "A", "BTC-PERPETUAL", "s", "c", "m", "buy")
    assert row[:8] == (*names, Decimal("1.3"))
    assert abs(row[8] - 133 / 1.3) < 1e-9
    assert row[9:] == ("binance", "A", "BTCUSDT", Decimal("0.5"), 2, Decimal("-0.55"), Decimal("-0.05"))
    ((left, value, price, slippage, request_ns, fill_ns),) = ask(
        views, "residual_quantity, residual_value, hedge_price, slippage, request_delay_ns, fill_delay_ns"
    )
    assert left == Decimal("-0.1")  # owed -0.65, hedged -0.55
    assert abs(price - (25 + 24.75 + 4.5) / 0.55) < 1e-9
    assert abs(value - -0.1 * price) < 1e-9
    assert abs(slippage - (101 * 0.5 - 49.75 + 133 / 1.3 * 0.05 - 4.5)) < 1e-9
    assert (request_ns, fill_ns) == (200, 1_000)


def test_a_maker_whose_hedges_were_all_rejected_is_owed_all_of_it(views: Database) -> None:
    over = {"exec_type": "rejected", "order_status": "rejected", "text": "no margin"}
    record(views, maker_fill(1, 1.0, 100.0, "t1"), request(2, "h1", 0.5), request(3, "h1", 0.5, **over))
    columns = (
        "hedge_orders, hedged_quantity, working_quantity, residual_quantity, residual_value, slippage, fill_delay_ns"
    )
    assert ask(views, columns) == [(1, Decimal(0), Decimal(0), Decimal("-0.5"), -50.0, 0.0, None)]


def test_the_order_of_a_name_that_was_captured_last_before_its_hedge_is_the_maker(views: Database) -> None:
    yesterday = maker_fill(0, 1.0, 100.0, "t0", order_id="m0")
    tomorrow = maker_fill(9, 1.0, 100.0, "t2", order_id="m2")
    record(views, yesterday, maker_fill(5, 2.0, 100.0, "t1", side="sell"), tomorrow)
    record(views, request(6, "h1", 1.0, side="buy", link_id="m"), request(7, "h2", 1.0, side="buy", strategy="other"))
    columns = "order_id, quantity, hedge_orders, residual_quantity, working_quantity"
    assert ask(views, columns) == [("m", 2, 1, 1, 1)]


@ON_SERVER
def test_a_period_is_that_of_the_makers_first_capture(views: Database) -> None:
    record(views, maker_fill(10, 1.0, 100.0, "t1"), request(20, "h1", 0.5), hedge_fill(30, "h1", 0.5, 99.0))
    for since, until, found in ((10, 11, 1), (11, 40, 0), (0, 10, 0)):
        period = f"since = '{BEGIN_NS + since}', until = '{BEGIN_NS + until}'"
        assert len(ask(views, "order_id", period)) == found
    record(views, maker_fill(10, 1.0, 100.0, "t1", origin="simulated"))
    assert ask(views, "quantity, hedged_quantity") == [(1, Decimal("-0.5"))]


@ON_SERVER
def test_fills_of_long_before_they_were_captured_have_their_prices(views: Database) -> None:
    """As those of an import, of a look-back after days, and of a venue whose clock is in another time zone."""
    day_before = {"exchange_ns": BEGIN_NS - 86_400 * 10**9}
    record(
        views,
        maker_fill(10, 1.0, 100.0, "t1", **day_before),
        maker_fill(15, 1.0, 102.0, "t2"),
        request(20, "h1", 1.0),
        hedge_fill(30, "h1", 1.0, 99.0, **day_before),
    )
    for since in ("", BEGIN_NS, BEGIN_NS + 10):
        found = ask(views, "price, hedge_price, slippage", f"since = '{since}', until = ''")
        assert found == [(101.0, 99.0, 2.0)]


def test_what_is_left_is_not_known_of_a_ratio_that_no_decimal_is(views: Database) -> None:
    third = "0." + "3" * 38
    record(views, maker_fill(10, 1.0, 100.0, "t1"), request(20, "h1", 0.25, hedge_ratio=1 / 3, exact=f"R={third}"))
    ((ratio, residual, working),) = ask(views, "toString(hedge_ratio), residual_quantity, working_quantity")
    assert (ratio, residual, working) == (third, None, Decimal("-0.25"))


def random_hedges(draw: random.Random, pages: OrderPages, orders: list[HedgeOrder]) -> None:
    """Fills, copies and busts of four makers, and what becomes of their hedge orders."""
    trades: list[dict[str, Any]] = []
    for number in range(120):
        maker = draw.choice("abcd")
        fill = {"exec_type": "fill", "side": "buy" if maker in "ab" else "sell", "trade_id": f"t{number}"}
        names = {**MAKER, "order_id": f"m-{maker}", "client_order_id": maker, "last_price": "100"}
        trades.append({**names, **fill, "last_quantity": f"{draw.randrange(1, 50)}.{draw.randrange(10**15):015}"})
        pages.apply(trades[-1])
        if draw.random() < 0.2:
            pages.apply(draw.choice(trades))
        if draw.random() < 0.1:
            taken = draw.choice(trades)
            pages.apply(
                {name: value for name, value in taken.items() if name != "side"} | {"exec_type": "trade_cancel"}
            )
        order = draw.choice(orders)
        ids = {"client_order_id": order.client_order_id, "order_id": f"O-{order.client_order_id}", "side": order.side}
        names = {**HEDGE, "symbol": order.symbol, **ids, "last_price": "99.5"}
        pages.apply({**names, "exec_type": "fill", "trade_id": f"T{number}", "last_quantity": order.quantity / 4})
        if draw.random() < 0.1:
            pages.apply({**names, "exec_type": "canceled", "order_status": "canceled"})


@pytest.mark.parametrize(("seed", "ratio"), [(0, "0.25"), (1, "-1.234567890123456789")])
def test_a_strategy_and_the_database_know_the_same_of_its_hedges_to_the_last_digit(
    views: Database, seed: int, ratio: str
) -> None:
    terms: dict[str, Any] = {"exchange": "binance", "account": "A", "step": Decimal("0.1"), "ratio": Decimal(ratio)}
    hedges = {name: Hedge(symbol=symbol, **terms) for name, symbol in zip("abcd", "XXYY", strict=True)}
    with Recorder.open("s") as recorder:
        pages = OrderPages(recorder, Inventory(hedges=lambda order: hedges.get(order.client_order_id)))
        orders: list[HedgeOrder] = []
        numbers = count(1)
        hedger = Hedger(pages, orders.append, strategy="s", client_order_id=lambda _: f"h{next(numbers)}")
        random_hedges(random.Random(seed), pages, orders)
        views.insert(Observer.open("s").read(0).records)
    found = views.rows(
        "SELECT hedge_symbol, sum(hedged_quantity), sum(working_quantity), sum(residual_quantity), sum(hedge_orders)"
        f" FROM {views.name()}.hedges({EVER}) GROUP BY hedge_symbol ORDER BY hedge_symbol"
    )
    balances = {key.symbol: each for key, each in hedger.balances().items()}
    assert [(symbol, filled, working) for symbol, filled, working, *_ in found] == [
        (symbol, each.filled, each.working) for symbol, each in sorted(balances.items())
    ]
    for symbol, _, working, residual, _ in found:
        assert Fraction(residual) == balances[symbol].balance + Fraction(working)
    assert sum(row[-1] for row in found) == len(orders)
