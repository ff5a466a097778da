"""What ccxt 4.5.90 makes of answers of exchanges, and what is made of that: tests/messages/ccxt_exchanges.json."""

import json
from decimal import Decimal
from typing import Any

import pytest

from ringbuf.record.salvage import salvage
from ringbuf.strategies.adapters.ccxt import read
from tests.checkout import TESTS
from tests.unit.strategies.ccxt_messages import CREATED_MS, adapted, filled, order, told, trade

CASES: list[dict[str, Any]] = json.loads((TESTS / "messages" / "ccxt_exchanges.json").read_text())
HEDGED = {"posMode": "hedge_mode", "price": "100", "baseVolume": "4"}  # Bitget
LINEAR = "BTC/USDT:USDT"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_message_of_an_exchange_says(case: dict[str, Any]) -> None:
    found = read(case["message"])
    assert found == case["updates"]
    assert not any(salvage(each)[1] for each in found if isinstance(each, dict))
    assert case["source"].startswith("https://")


@pytest.mark.parametrize(
    ("opens", "closes", "side"),
    [
        ({**HEDGED, "side": "buy", "tradeSide": "open"}, {**HEDGED, "side": "buy", "tradeSide": "close"}, "long"),
        ({**HEDGED, "side": "sell", "tradeSide": "open"}, {**HEDGED, "side": "sell", "tradeSide": "close"}, "short"),
        ({"side": 1, "vol": 4, "positionMode": 1}, {"side": 4, "vol": 4, "positionMode": 1}, "long"),  # MEXC
        ({"side": 3, "vol": 4, "positionMode": 1}, {"side": 2, "vol": 4, "positionMode": 1}, "short"),
    ],
)
def test_a_fill_that_closes_a_position_of_hedge_mode_closes_it(
    opens: dict[str, Any], closes: dict[str, Any], side: str
) -> None:
    adapter, inventory = adapted()
    words = {1: "buy", 2: "sell"}  # what ccxt makes of MEXC's numbers
    for number, info in enumerate((opens, closes)):
        told_side = words.get(info["side"], str(info["side"]))
        adapter.trades(trade(id=f"t{number}", order=f"o{number}", symbol=LINEAR, side=told_side, info=info))
        held = inventory.position("venue", "A1", LINEAR, side).quantity
        assert abs(held) == (0 if number else 4)
    assert not adapter.refused


def test_one_way_mode_of_mexc_has_one_position() -> None:
    adapter, inventory = adapted()
    adapter.trades(trade(symbol=LINEAR, side="3", info={"side": 3, "vol": 4, "positionMode": 2}))
    assert inventory.position("venue", "A1", LINEAR).quantity == -4


@pytest.mark.parametrize(
    ("status", "info"),
    [
        ("stp", {"finish_as": "stp"}),  # Gate
        ("position_closed", {"finish_as": "position_closed"}),
        ("POSTONLY CANCELED", {}),  # Bitfinex
        ("IOC CANCELED was: PARTIALLY FILLED", {}),
        ("scheduledCancel", {}),  # Hyperliquid
        ("5", {"state": 5, "vol": 10, "positionMode": 1}),  # MEXC
    ],
)
def test_an_order_that_ended_in_any_way_is_open_no_more(status: str, info: dict[str, Any]) -> None:
    adapter, inventory = adapted()
    adapter.orders([order(filled=4.0, remaining=6.0), order(status=status, filled=4.0, remaining=6.0, info=info)])
    (state,) = inventory.orders()
    assert state.is_over
    assert (state.executed, state.leaves) == (Decimal(4), Decimal(0))


def test_how_an_order_ended_is_filled_if_nothing_is_left() -> None:
    ended = {"status": "auto_deleveraged", "filled": 10.0, "remaining": 0.0, "info": {"finish_as": "auto_deleveraged"}}
    assert (told(**ended)["order_status"], told(**ended).get("text")) == ("filled", None)


def test_what_settles_a_session_is_no_fill() -> None:
    adapter, inventory = adapted()
    adapter.trades([trade(symbol=LINEAR), trade(id="t2", symbol=LINEAR, info={"execType": "SessionSettlePnL"})])
    assert inventory.position("venue", "A1", LINEAR).quantity == 4


def test_what_is_paid_to_bitget_is_paid_of_either_account() -> None:
    """https://www.bitget.com/api-doc/contract/websocket/private/Order-Channel, and of the unified account
    https://www.bitget.com/api-doc/uta/trade/Get-Order-Details
    """
    classic, unified = [{"feeCoin": "USDT", "fee": "-0.1"}], [{"feeCoin": "USDT", "fee": "0.1"}]
    for info, cost in (({"feeDetail": classic}, 0.1), ({"category": "SPOT", "feeDetail": unified}, -0.1)):
        assert told(fee={"cost": cost, "currency": "USDT"}, info=info)["text"] == "fee 0.1 USDT"


@pytest.mark.parametrize(("word", "status"), [("Filled", "filled"), ("done", "canceled")])
def test_an_order_that_the_exchange_calls_filled_was_not_canceled_since_it_tells_no_quantity(
    word: str, status: str
) -> None:
    """BingX: https://bingx-api.github.io/docs/"""
    update = told(status="closed", filled=0.0, remaining=10.0, info={"status": word, "executedQty": "0.00"})
    assert (update["order_status"], update["text"]) == (status, "contradiction: closed, filled 0 of 10")


@pytest.mark.parametrize(
    "info",
    [
        {"newSize": "10", "accBaseVolume": "10", "baseVolume": "4", "tradeId": "t2"},  # Bitget
        {"e": "orderFill", "q": "10", "z": "10", "l": "4", "X": "Filled"},  # Backpack
    ],
)
def test_the_last_fill_of_an_order_is_not_all_that_was_filled(info: dict[str, Any]) -> None:
    update = told(status="closed", filled=4.0, remaining=6.0, info=info)
    assert (update["order_status"], update["cumulative_quantity"], update["leaves_quantity"]) == ("filled", "10", "0")
    part = told(filled=4.0, remaining=6.0, info={key: {"10": "7"}.get(text, text) for key, text in info.items()})
    assert (part["cumulative_quantity"], part["leaves_quantity"]) == ("7", "3")
    assert not {"text"} & (update.keys() | part.keys())


def test_trades_of_poloniexs_stream_are_what_was_traded_and_not_the_total_of_their_order() -> None:
    """ccxt adds up these totals: https://api-docs.poloniex.com/spot/websocket/private-channels"""
    adapter, inventory = adapted()
    made = {"eventType": "place", "tradeQty": "0", "tradeTime": 0, "createTime": CREATED_MS}
    told_trades, paid = [], [{"cost": 0.1, "currency": "USDT"}]
    for number, (quantity, total) in enumerate([("4", 4.0), ("6", 10.0)]):
        info = made | {"eventType": "trade", "tradeQty": quantity, "tradeTime": CREATED_MS + number + 1}
        told_trades.append(trade(id=f"t{number}", order="o1", amount=total, info=info, fee=paid[0], fees=paid))
    adapter.trades(told_trades)
    adapter.orders(order(id="o1", status="closed", filled=14.0, remaining=-4.0, trades=told_trades, info=made))
    assert inventory.position("venue", "A1", "BTC/USDT").quantity == 10
    (state,) = inventory.orders()
    assert (state.status.name, state.executed, state.leaves) == ("FILLED", Decimal(10), Decimal(0))
    fill = filled(amount=10.0, info=told_trades[1]["info"])
    assert (fill["last_quantity"], fill["exchange_ns"]) == ("6", (CREATED_MS + 2) * 1_000_000)
    without = {"cost": 0.2, "currency": None}
    assert "contradiction" not in told(fee=without, fees=[*paid, *paid])["text"]


def test_what_an_order_of_poloniexs_stream_was_filled_for_is_not_what_was_filled() -> None:
    made = {"eventType": "canceled", "tradeQty": "0", "tradeTime": 0, "filledQuantity": "4", "filledAmount": "400"}
    update = told(status="canceled", filled=400.0, remaining=None, info=made)
    assert (update["cumulative_quantity"], update.get("text")) == ("4", None)


@pytest.mark.parametrize(("is_live", "status"), [(True, "partially_filled"), (False, "filled")])
def test_an_order_of_gemini_goes_on_after_a_fill_of_a_part(is_live: bool, status: str) -> None:
    done = 4.0 if is_live else 10.0
    info = {"type": "fill", "is_live": is_live, "executed_amount": str(done), "remaining_amount": str(10 - done)}
    update = told(status="closed", filled=done, remaining=10.0 - done, info=info)
    assert (update["order_status"], update.get("text")) == (status, None)


def test_a_canceled_order_of_coinbases_stream_does_not_tell_what_was_ordered() -> None:
    info = {"cumulative_quantity": "4", "leaves_quantity": "0"}
    update = told(status="canceled", amount=4.0, filled=4.0, remaining=0.0, info=info)
    assert not {"quantity", "text"} & update.keys()
    assert (update["order_status"], update["cumulative_quantity"]) == ("canceled", "4")
    assert told(status="closed", amount=4.0, filled=4.0, remaining=0.0, info=info)["quantity"] == "4"


@pytest.mark.parametrize(
    ("status", "info"),
    [
        ("closed", {"orderStatus": "PartiallyFilledCanceled"}),  # Bybit
        ("open", {"state": "PARTIALLY_CANCELED", "quantity_executed": "4"}),  # Foxbit
        ("rejected", {"status": "canceled-margin-not-allowed"}),  # Lighter
        ("rejected", {"status": "FILLED_REJECTED"}),  # One Trading
        ("open", {"state": "PARTIALLY_CANCELED", "accountType": "SPOT"}),  # Poloniex
        ("closed", {"status": 5, "cumulativeQuantity": "4"}),  # MEXC
    ],
)
def test_an_order_of_which_the_rest_was_canceled_is_canceled(status: str, info: dict[str, Any]) -> None:
    update = told(status=status, filled=4.0, remaining=6.0, info=info)
    assert (update["order_status"], update["leaves_quantity"], update.get("text")) == ("canceled", "0", None)


@pytest.mark.parametrize(
    ("status", "info"),
    [
        ("failed", {"status": "expired"}),  # HitBTC: https://api.hitbtc.com/
        ("rejected", {"order_status": "expired"}),  # Derive: https://docs.derive.xyz/reference/private-get_order
        ("canceled", {"status": "Expired"}),  # Backpack
    ],
)
def test_an_order_that_expired_was_neither_rejected_nor_canceled(status: str, info: dict[str, Any]) -> None:
    assert told(status=status, filled=4.0, remaining=6.0, info=info)["order_status"] == "expired"
    assert told(status="failed", info={"status": "failed"})["order_status"] == "rejected"


def test_what_was_ordered_at_lbank_is_not_its_last_fill() -> None:
    info = {"orderUpdate": {"amount": "3", "orderAmt": "10", "accAmt": "7", "remainAmt": "3", "orderPrice": "100"}}
    update = told(amount=3.0, filled=7.0, remaining=3.0, info=info)
    assert (update["quantity"], update["leaves_quantity"], update.get("text")) == ("10", "3", None)


def test_an_order_of_xt_has_the_type_of_an_order_and_not_that_of_its_market() -> None:
    """https://doc.xt.com/"""
    update = told(type="spot", info={"tp": "LIMIT", "oq": "10", "eq": "0"})
    assert (update["order_type"], update.get("text")) == ("limit", None)


def test_the_limit_of_an_order_of_toobit_is_not_the_price_of_its_last_fill() -> None:
    info = {"e": "executionReport", "p": "100", "L": "99", "z": "4", "q": "10"}
    assert told(price=99.0, filled=4.0, remaining=6.0, info=info)["price"] == "100"
    assert told(price=None, average=100.0, info=info | {"L": "0", "z": "0"}).keys() & {"price", "average_price"} == {
        "price"
    }


def test_an_order_of_weex_of_which_a_part_was_filled_goes_on() -> None:
    update = told(status="closed", filled=4.0, remaining=6.0, info={"status": "partial_fill"})
    assert (update["order_status"], update["leaves_quantity"]) == ("partially_filled", "6")


def test_a_cancel_that_gemini_refuses_leaves_the_order() -> None:
    """https://docs.gemini.com/websocket-api/"""
    adapter, inventory = adapted()
    adapter.orders(order(id="o1"))
    adapter.orders(order(id="o1", status="rejected", info={"type": "cancel_rejected", "reason": "OrderNotFound"}))
    (state,) = inventory.orders()
    assert (state.status.name, state.open) == ("NEW", Decimal(10))


@pytest.mark.parametrize(("filled", "status"), [(0.0, "NEW"), (4.0, "PARTIALLY_FILLED")])
def test_an_order_of_gates_contracts_that_is_updated_goes_on(filled: float, status: str) -> None:
    adapter, inventory = adapted()
    info = {"finish_as": "_update", "status": "open", "size": 10, "left": 10 - filled}
    adapter.orders(order(symbol=LINEAR, status="_update", filled=filled, remaining=10.0 - filled, info=info))
    (state,) = inventory.orders()
    assert (state.status.name, state.open) == (status, Decimal(10))


def test_contracts_that_ccxt_multiplied_are_in_the_base_currency() -> None:
    info = {"origQty": "100", "executedQty": "40"}
    assert told(symbol=LINEAR, amount=0.01, filled=0.004, remaining=0.006, info=info)["quantity_unit"] == "base"
    assert told(symbol=LINEAR, amount=100.0, filled=40.0, remaining=60.0, info=info)["quantity_unit"] == "contracts"
    inverse = told(symbol="BTC/USD:BTC", amount=1000.0, filled=400.0, remaining=600.0, info=info)
    assert "quantity_unit" not in inverse


@pytest.mark.parametrize("done", [0.0, 4.0])
@pytest.mark.parametrize(("status", "leaves"), [("open", 6), ("canceled", 0)])
def test_an_amount_that_is_only_what_was_filled_is_made_whole(done: float, status: str, leaves: int) -> None:
    """https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels#user-channel"""
    adapter, inventory = adapted()
    info = {"cumulative_quantity": str(done), "leaves_quantity": "6"}
    adapter.orders(order(amount=done, filled=done, remaining=6.0, status=status, info=info))
    (state,) = inventory.orders()
    assert (state.quantity, state.executed) == (Decimal(6 + int(done)), Decimal(int(done)))
    assert state.leaves == leaves
    assert "text" not in told(amount=done, filled=done, remaining=6.0, status=status, info=info)


def test_an_amount_that_was_all_filled_is_not_doubled_by_what_is_called_left() -> None:
    """Kraken's futures tell the whole as quantity, which ccxt takes for what is left.

    https://docs.kraken.com/api/docs/futures-api/trading/edit-order-spring
    """
    info = {"orderEvents": [{"type": "PLACE", "order": {"orderId": "o1", "quantity": 10, "filled": 10}}]}
    update = told(amount=10.0, filled=10.0, remaining=10.0, status=None, info=info)
    assert (update["quantity"], update["order_status"], update["leaves_quantity"]) == ("10", "filled", "0")


def test_of_an_order_that_was_overfilled_nothing_is_left() -> None:
    """ccxt's stream of Kraken's futures adds up what was filled once more with each fill."""
    adapter, inventory = adapted()
    adapter.orders(order(status=None, filled=14.0, remaining=-4.0, info={"qty": 10, "filled": 0}))
    (state,) = inventory.orders()
    assert (state.quantity, state.executed, state.leaves) == (Decimal(10), Decimal(14), Decimal(0))


@pytest.mark.parametrize(
    ("status", "filled"), [("closed", 0.0), ("closed", 4.0), ("canceled", 0.0), ("cancelled", 10.0)]
)
def test_a_full_fill_of_krakens_futures_is_one_whatever_ccxt_knows_of_it(status: str, filled: float) -> None:
    """https://docs.kraken.com/api/docs/futures-api/websocket/open_orders"""
    info = {"order_id": "o1", "is_cancel": True, "reason": "full_fill"}
    update = told(status=status, filled=filled, remaining=10.0 - filled, info=info)
    assert (update["order_status"], update["cumulative_quantity"], update["leaves_quantity"]) == ("filled", "10", "0")
    assert "text" not in update


def test_an_order_of_krakens_stream_tells_its_symbol_once() -> None:
    """https://docs.kraken.com/api/docs/websocket-v2/executions"""
    adapter, inventory = adapted()
    adapter.orders(order(id="o1"))
    adapter.orders(
        order(id="o1", symbol=None, status="canceled", timestamp=None, amount=None, filled=None, remaining=None)
    )
    (state,) = inventory.orders()
    assert (state.key.symbol, state.status.name, state.open) == ("BTC/USDT", "CANCELED", Decimal(0))
    adapter.orders(order(id="o2", symbol=None))
    assert len(adapter.refused) == 1


def test_a_report_of_krakens_stream_that_does_not_tell_what_was_ordered_leaves_it() -> None:
    adapter, inventory = adapted()
    adapter.orders(order(id="o1", info={"order_qty": 10, "exec_type": "new"}))
    info = {"exec_type": "canceled", "order_status": "canceled", "cum_qty": 4}
    adapter.orders(order(id="o1", status="canceled", amount=4.0, filled=None, remaining=None, info=info))
    (state,) = inventory.orders()
    assert (state.status.name, state.quantity, state.executed) == ("CANCELED", Decimal(10), Decimal(4))


def test_what_krakens_stream_says_was_filled_is_in_the_raw_message() -> None:
    """https://docs.kraken.com/api/docs/websocket-v2/executions"""
    update = told(filled=None, remaining=None, info={"order_qty": 10, "cum_qty": 4, "order_status": "partially_filled"})
    assert (update["order_status"], update["cumulative_quantity"]) == ("partially_filled", "4")


def test_a_number_in_a_raw_message_that_is_a_list_is_found() -> None:
    assert "average_price" not in told(average=99.5, filled=4.0, info=[1, "10", "4"])  # Bitfinex
    assert Decimal(told(average=99.5, filled=4.0, info=[1, "10", "99.5"])["average_price"]) == Decimal("99.5")
