"""Trades of ccxt as updates: fees, times, kinds of trades."""

from decimal import Decimal
from typing import Any

import pytest

from ringbuf.record.execution import Flag
from ringbuf.record.salvage import salvage
from tests.unit.strategies.ccxt_messages import CREATED_MS, adapted, filled, order, told, trade

CREATED_NS = CREATED_MS * 1_000_000


def test_the_latest_time_of_an_order_counts_to_the_ns() -> None:
    assert told()["exchange_ns"] == CREATED_NS
    assert told(lastTradeTimestamp=CREATED_MS + 7)["exchange_ns"] == CREATED_NS + 7_000_000
    later = told(lastTradeTimestamp=CREATED_MS + 7, lastUpdateTimestamp=CREATED_MS + 9)
    assert later["exchange_ns"] == CREATED_NS + 9_000_000


@pytest.mark.parametrize(
    ("given", "ns"),
    [
        (1_700_000_000_123, 1_700_000_000_123_000_000),
        ("1700000000123", 1_700_000_000_123_000_000),
        (1_700_000_000_123.0, 1_700_000_000_123_000_000),
        (Decimal("1700000000123.456"), 1_700_000_000_123_456_000),
        (1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (5, 5_000_000),  # a simulated clock
        (0, None),
        (None, None),
    ],
)
def test_times_are_ms_and_exact(given: Any, ns: int | None) -> None:
    assert filled(timestamp=given, datetime=None).get("exchange_ns") == ns


@pytest.mark.parametrize("given", [1_700_000_000, "1700000000", 1_700_000_000_000_000])
def test_a_time_that_can_be_no_ms_is_taken_as_what_it_can_be_and_flagged(given: Any) -> None:
    stored, flags = salvage(filled(timestamp=given))
    assert (stored["exchange_ns"], flags) == (1_700_000_000_000_000_000, Flag.TIME_RESCALED)


def test_without_a_number_the_text_tells_the_time() -> None:
    stored, flags = salvage(filled(timestamp=None, datetime="2023-11-14T22:13:20.123Z"))
    assert (stored["exchange_ns"], flags) == (1_700_000_000_123_000_000, Flag(0))
    assert filled(timestamp="soon")["text"] == "unreadable: timestamp soon"


def test_numbers_keep_every_digit() -> None:
    assert told(id=9_007_199_254_740_993)["order_id"] == "9007199254740993"
    assert told(amount="12345678901234567.890123456789")["quantity"] == "12345678901234567.890123456789"
    assert filled(amount=Decimal("0.000000000000000001"))["last_quantity"] == "0.000000000000000001"
    assert filled(amount=1e-8)["last_quantity"] == "0.00000001"
    assert told(id=1e18)["text"].startswith("unreadable: id")


@pytest.mark.parametrize(
    ("values", "commissions"),
    [
        ({"fee": {"cost": 0.1, "currency": "USDT"}}, ["0.1", "USDT", None, None]),
        ({"fee": {"cost": "0.10", "currency": "USDT"}}, ["0.1", "USDT", None, None]),
        ({"fee": None, "fees": [{"cost": "0.1", "currency": "USDT"}]}, ["0.1", "USDT", None, None]),
        ({"fee": {"cost": 0.1, "currency": "USDT"}, "fees": []}, ["0.1", "USDT", None, None]),
        (
            {"fee": {"cost": None}, "fees": [{"cost": "0", "currency": "GT"}, {"cost": 2, "currency": "X"}]},
            ["2", "X", None, None],
        ),
        (
            {"fee": None, "fees": [{"cost": "0.1", "currency": "A"}, {"cost": 0.2, "currency": "B"}]},
            ["0.1", "A", "0.2", "B"],
        ),
        (
            {"fee": None, "fees": [{"cost": "0.1", "currency": "A"}, {"cost": 0.2, "currency": "A"}]},
            ["0.3", "A", None, None],
        ),
        ({"fee": {"cost": -0.1, "currency": "USDT"}}, ["-0.1", "USDT", None, None]),
        ({"fee": {"cost": 0, "currency": "USDT"}}, ["0", "USDT", None, None]),
        ({"fee": {"cost": 0.1, "currency": None}}, ["0.1", None, None, None]),
        ({"fee": 0.1}, ["0.1", None, None, None]),
        ({"fee": None}, [None, None, None, None]),
        ({"fee": {}}, [None, None, None, None]),
        ({"fee": {"rate": 0.001}}, [None, None, None, None]),
    ],
)  # fmt: skip
def test_fees_are_found_wherever_they_are(values: dict[str, Any], commissions: list[str | None]) -> None:
    update = filled(**values)
    names = ("commission", "commission_currency", "other_commission", "other_commission_currency")
    assert [update.get(each) for each in names] == commissions
    assert "text" not in update


def test_a_third_fee_is_in_the_text() -> None:
    fees = [{"cost": each, "currency": f"C{each}"} for each in (1, 2, 3)]
    update = filled(fee=None, fees=fees)
    assert (update["commission_currency"], update["other_commission_currency"]) == ("C1", "C2")
    assert update["text"] == "fee 3 C3"


def test_the_fee_of_an_order_is_no_fills() -> None:
    update = told(fee={"cost": "0.5", "currency": "USDC"}, status="closed", filled=10.0, remaining=0.0)
    assert "commission" not in update
    assert update["text"] == "fee 0.5 USDC"


def test_funding_among_bybits_executions_is_no_fill() -> None:
    info = {"execType": "Funding", "execFee": "0.05", "execQty": "4", "execPrice": "100", "seq": 7}
    adapter, inventory = adapted()
    adapter.trades([trade(info=info, order="f1", fee={"cost": 0.05, "currency": "USDT"}), trade(id="t2")])
    (sums,) = inventory.sums().values()
    assert inventory.position("venue", "A1", "BTC/USDT").quantity == 4
    assert len(inventory.orders()) == 1
    assert sums.fills == 1
    update = filled(info=info)
    assert (update["exec_type"], update["trade_type"], update["commission"]) == ("funding", "funding", "0.1")


@pytest.mark.parametrize(
    ("info", "word"),
    [
        ({"execType": "AdlTrade"}, "adl"),
        ({"execType": "BustTrade"}, "liquidation"),
        ({"execType": "BlockTrade"}, "block"),
        ({"execType": "Trade"}, None),
        ({"execType": "T"}, None),  # OKX: taker
        ({"trade_type": "FILL"}, None),
        ({"liquidation": True}, "liquidation"),
    ],
)
def test_a_trade_of_another_kind_says_so(info: dict[str, Any], word: str | None) -> None:
    update = filled(info=info)
    assert (update["exec_type"], update.get("trade_type")) == ("fill", word)


@pytest.mark.parametrize(
    ("info", "side"),
    [
        ({"positionSide": "LONG"}, "LONG"),
        ({"posSide": "short"}, "short"),
        ({"positionIdx": 2}, "short"),
        ({"direction": "buy", "offset": "open"}, "long"),  # HTX
        ({"direction": "sell", "offset": "close"}, "long"),
        ({"direction": "sell", "offset": "open"}, "short"),
        ({"direction": "buy", "offset": "close"}, "short"),
        ({"direction": "buy", "offset": "both"}, "both"),
        ({}, None),
    ],
)
def test_in_hedge_mode_the_side_of_the_position_is_told(info: dict[str, Any], side: str | None) -> None:
    assert filled(info=info).get("position_side") == told(info=info).get("position_side") == side


def test_a_trade_without_any_id_is_a_fill() -> None:
    adapter, inventory = adapted()
    adapter.trades([trade(id=None, order=None), trade(id=None, order="o2")])
    assert inventory.position("venue", "A1", "BTC/USDT").quantity == 8
    assert not adapter.refused


def test_a_sell_may_have_its_sign_in_the_amount() -> None:
    update = filled(amount=-4.0, side=None)
    assert (update["side"], update["last_quantity"]) == ("sell", "4")
    assert filled(amount=-4.0)["text"] == "contradiction: buy of amount -4"


def test_an_odd_kind_of_trade_does_not_cost_the_fill() -> None:
    assert filled(info={"trade_type": ["FILL"]})["last_quantity"] == "4"


def test_a_quantity_that_ccxt_leaves_out_is_in_the_raw_message() -> None:
    assert filled(amount=None, info={"size": 700, "price": "9401.5"})["last_quantity"] == "700"  # inverse, Kraken
    assert "last_quantity" not in filled(amount=None)


@pytest.mark.parametrize("symbol", ["BTC/USD", None])
def test_what_comes_with_a_trade_of_krakens_stream_and_is_none_is_no_fill(symbol: str | None) -> None:
    """ccxt reads each report of a message as a trade if the first one is; a report that follows tells no symbol.

    https://docs.kraken.com/api/docs/websocket-v2/executions
    """
    adapter, inventory = adapted()
    adapter.trades(trade(order="o1", symbol="BTC/USD", amount=2.0, info={"exec_type": "trade"}))
    info = {"exec_type": "filled", "order_id": "o1", "order_status": "filled", "cum_qty": 2.0}
    none = dict.fromkeys(("id", "amount", "price", "side", "takerOrMaker"))
    adapter.trades(trade(order="o1", symbol=symbol, **none, info=info))
    (order,) = inventory.orders()
    assert (order.executed, order.status.name) == (Decimal(2), "FILLED")
    assert not adapter.refused


def test_a_trade_of_bingxs_stream_is_the_fill_and_not_its_order() -> None:
    info = {"x": "TRADE", "X": "PARTIALLY_FILLED", "q": 10, "p": 62.29, "l": 0.0802, "L": 62.308, "t": 38259147}
    update = filled(amount=10.0, price=62.29, info=info)
    assert (update["last_quantity"], update["last_price"]) == ("0.0802", "62.308")


def test_a_trade_of_alpacas_stream_is_the_order_with_all_that_was_filled() -> None:
    """https://docs.alpaca.markets/docs/websocket-streaming"""
    adapter, inventory = adapted()
    for quantity, status in (("4", "partially_filled"), ("10", "filled")):
        info = {"id": "o1", "qty": "10", "filled_qty": quantity, "filled_avg_price": "100", "status": status}
        adapter.trades(trade(id=None, order="o1", amount=float(quantity), info=info))
    (state,) = inventory.orders()
    assert (state.executed, state.awaited, state.status.name) == (Decimal(10), Decimal(10), "FILLED")
    assert inventory.position("venue", "A1", "BTC/USDT").quantity == 0  # fetch_my_trades tells the fills
    for number, traded in enumerate((4.0, 6.0)):
        adapter.trades(trade(id=f"t{number}", order="o1", amount=traded))
    assert inventory.position("venue", "A1", "BTC/USDT").quantity == 10


def test_a_trade_that_tells_neither_amount_nor_order_is_refused() -> None:
    adapter, _ = adapted()
    adapter.trades([trade(amount=None, order=None), 7])
    assert adapter.refusals.total() == 2


def test_allocations_of_binance_are_told_apart_and_count_once() -> None:
    """Their trade id is -1: https://developers.binance.com/docs/binance-spot-api-docs/faqs/sor_faq"""
    adapter, inventory = adapted()
    fills = [trade(id="-1", order="o1", amount=2.0, info={"tradeId": -1, "allocId": number}) for number in range(2)]
    adapter.orders(order(filled=4.0, remaining=6.0, trades=fills))
    adapter.trades([trade(id="-1", order="o1", amount=2.0, info={"t": -1, "a": number}) for number in range(2)])
    assert inventory.position("venue", "A1", "BTC/USDT").quantity == 4
    assert not adapter.refused
