"""Orders and trades of ccxt as updates."""

from decimal import Decimal
from typing import Any

import pytest

from ringbuf.record.salvage import salvage
from ringbuf.ring.observer import Observer
from ringbuf.strategies import Recorder
from ringbuf.strategies.adapters import ccxt
from ringbuf.strategies.adapters.adapter import Refused
from ringbuf.strategies.adapters.ccxt import read, read_order, read_trade
from ringbuf.strategies.orders import OrderPages
from tests.unit.strategies.ccxt_messages import CREATED_MS, SAVED, Saved, adapted, filled, order, told, trade

CREATED_NS = CREATED_MS * 1_000_000
QUANTITIES = ("quantity", "cumulative_quantity", "leaves_quantity", "quantity_unit", "order_status", "text")


def quantities(**values: Any) -> list[Any]:
    update = told(**values)
    return [update.get(each) for each in QUANTITIES]


@pytest.mark.parametrize("saved", SAVED, ids=lambda saved: saved.name)
def test_every_saved_answer_passes_and_says_what_the_exchange_said(saved: Saved) -> None:
    parsed = saved.parsed
    (update,) = (read_trade if saved.is_trade else read_order)(parsed)
    assert isinstance(update, dict)
    assert read(parsed) == [update]
    _, flags = salvage(update)
    assert not flags
    times = [parsed.get(each) or 0 for each in ("timestamp", "lastTradeTimestamp", "lastUpdateTimestamp")]
    assert update.get("exchange_ns", 0) == max(times) * 1_000_000
    assert update["symbol"] == parsed["symbol"]
    assert update.get("side") == parsed["side"]
    if saved.is_trade:
        assert (update["trade_id"], update["order_id"]) == (parsed["id"], parsed["order"])
        assert Decimal(update["last_price"]) == parsed["price"]
        assert Decimal(update["last_quantity"]) == parsed["amount"]
        paid = {each["currency"]: Decimal(str(each["cost"])) for each in parsed["fees"] if Decimal(str(each["cost"]))}
        assert {update.get("commission_currency"): Decimal(update["commission"])} == paid
    else:
        assert update["order_id"] == parsed["id"]
        assert update.get("client_order_id") == (parsed["clientOrderId"] or None)
        if update.get("quantity_unit") != "quote":
            assert Decimal(update["quantity"]) == parsed["amount"]
            assert Decimal(update.get("cumulative_quantity", 0)) == (parsed["filled"] or 0)


def test_every_saved_answer_is_recorded_with_no_flag() -> None:
    with Recorder.open("saved") as recorder:
        pages = OrderPages(recorder)
        for saved in SAVED:
            adapter, _ = adapted(pages)
            (adapter.trades if saved.is_trade else adapter.orders)([saved.parsed])
            assert not adapter.refused
        with Observer.open("saved") as observer:
            records = observer.read(0).records
    assert len(records) == len(SAVED)
    assert not records["flags"].any()
    symbols = [each.tobytes().rstrip(b"\0").decode() for each in records["symbol"]]
    assert symbols == [saved.parsed["symbol"] for saved in SAVED]


def test_gates_market_buy_says_what_it_spent_and_its_trades_what_it_got() -> None:
    adapter, inventory = adapted()
    for saved in SAVED:
        if saved.exchange == "gate" and saved.parsed["symbol"] == "LTC/USDT":
            (adapter.trades if saved.is_trade else adapter.orders)([saved.parsed])
    (state,) = inventory.orders()
    assert state.executed == Decimal("0.0735")
    assert state.open == 0
    (update,) = read_order(next(each.parsed for each in SAVED if each.parsed["id"] == "497245022561"))
    assert isinstance(update, dict)
    assert (update["quantity"], update["quantity_unit"]) == ("5", "quote")
    assert "cumulative_quantity" not in update  # ccxt divided money by a rounded price


def test_what_waits_for_a_price_says_so() -> None:
    by_id = {saved.parsed["id"]: saved.parsed for saved in SAVED}
    types = {}
    for name in ("OXCZ7B-EMVZQ-MTJTQJ", "OIIQBL-6PV3A-7M2AJJ", "OF7S76-H2IMS-N2ML4U"):
        (update,) = read_order(by_id[name])
        assert isinstance(update, dict)
        types[update["order_type"]] = update.get("price"), update["stop_price"]
    assert types == {
        "take_profit": (None, "120"),
        "stop_limit": ("54", "55"),
        "trailing_stop": (None, "0.7579"),
    }
    assert "stop_price" not in told(stopLossPrice=90.0, takeProfitPrice=120.0)  # attached: orders of their own
    assert told(triggerPrice=90.0)["order_type"] == "stop_limit"
    assert told(triggerPrice=90.0, type="trigger")["order_type"] == "stop_limit"  # OKX
    assert told(triggerPrice=90.0, type="trigger", price=None)["order_type"] == "stop"
    assert told(type="tp", takeProfitPrice=120.0, price=None, info={"type": "tp"})["stop_price"] == "120"  # HTX
    assert told(type="market", price=None, triggerPrice=90.0)["order_type"] == "stop"


@pytest.mark.parametrize(
    ("status", "filled", "word"),
    [
        ("open", 0.0, "new"),
        ("open", 4.0, "partially_filled"),
        ("closed", 10.0, "filled"),
        ("canceled", 4.0, "canceled"),
        ("canceling", 4.0, "pending_cancel"),
        ("expired", 0.0, "expired"),
        ("rejected", None, "rejected"),
        ("failed", None, "rejected"),
        ("PARTIALLY_FILLED_CANCELED", 4.0, "canceled"),
        (None, 10.0, "filled"),
        (None, 4.0, None),
        (None, None, None),
    ],
)
def test_a_status_is_one_of_ours(status: str | None, filled: float | None, word: str | None) -> None:
    remaining = None if filled is None else 10.0 - filled
    update = told(status=status, filled=filled, remaining=remaining)
    assert (update.get("order_status"), update.get("text")) == (word, None)


def test_closed_with_something_left_was_canceled_and_is_noted() -> None:
    said = "contradiction: closed, filled 0 of 10"
    assert quantities(status="closed", filled=0.0, remaining=10.0) == ["10", "0", "0", "base", "canceled", said]
    assert told(status="closed", filled=4.0)["text"] == "contradiction: closed, filled 4 of 10"
    assert told(status="closed", filled=None, remaining=None)["order_status"] == "filled"
    for values in ({"amount": None}, {"type": "market", "amount": 100, "info": {"tgtCcy": "quote_ccy"}}):
        update = told(status="closed", filled=0, remaining=None, **values)
        assert (update["order_status"], update["text"]) == ("canceled", "contradiction: closed, filled 0")


def test_nothing_remaining_of_an_order_that_works_is_left_out_and_noted() -> None:
    untriggered = {"status": "open", "filled": 0.0, "remaining": 0.0, "triggerPrice": 90.0}
    said = "contradiction: amount 10, filled 0, remaining 0"
    assert quantities(**untriggered) == ["10", "0", None, "base", "new", said]
    adapter, inventory = adapted()
    adapter.orders(order(**untriggered))
    assert inventory.position("venue", "A1", "BTC/USDT").open_buy == 10
    assert "leaves_quantity" not in told(status="open", amount=None, filled=0.0, remaining=0.0)
    assert told(filled=None, remaining=0.0)["text"] == "contradiction: open, remaining 0 of 10"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"filled": 11.0}, "filled 11 > amount 10"),
        ({"filled": 3.0, "remaining": 5.0}, "amount 10, filled 3, remaining 5"),
        ({"filled": 10.0, "remaining": 0.0}, "open, filled 10 of 10"),
        ({"status": "canceled", "filled": 10.0, "remaining": 0.0}, "canceled, filled 10 of 10"),
        ({"status": "rejected", "filled": 3.0, "remaining": 5.0}, "amount 10, filled 3, remaining 5"),
        ({"amount": -10.0}, "amount -10"),
        ({"filled": 4.0, "remaining": 6.0, "average": 101.0, "price": 100.0}, "average 101.0, limit 100.0"),
        ({"filled": 4.0, "remaining": 6.0, "average": 99.0, "side": "sell"}, "average 99.0, limit 100.0"),
        ({"filled": 1.0, "remaining": 9.0, "trades": [trade()]}, "filled 1, its trades 4"),
        (
            {"fee": {"cost": 1, "currency": "USDT"}, "fees": [{"cost": 2, "currency": "USDT"}]},
            "fee 1 USDT is not in fees",
        ),
    ],
)
def test_what_cannot_all_be_right_is_kept_and_noted(values: dict[str, Any], said: str) -> None:
    update = read_order(order(**values))[0]
    assert isinstance(update, dict)
    assert update["text"].startswith(f"contradiction: {said}")


@pytest.mark.parametrize(
    "values",
    [
        {"filled": 4.0, "remaining": 6.0},
        {"amount": 0.3, "filled": 0.1, "remaining": 0.19999999999999998},  # a difference of floats
        {"status": "canceled", "filled": 4.0, "remaining": 0.0},
        {"status": "canceled", "filled": 4.0, "remaining": 6.0},
        {"status": "closed", "filled": 10.0, "remaining": 0.0, "cost": 7e9},  # of a leverage, or a limit price
        {"filled": 4.0, "remaining": 6.0, "trades": [trade()]},
        {"filled": 4.0, "remaining": 6.0, "average": 99.0},
        {"filled": 4.0, "remaining": 6.0, "average": 101.0, "side": "sell"},
        {"fee": {"cost": "0.10", "currency": "USDT"}, "fees": [{"cost": 0.1, "currency": "USDT"}], "text": None},
    ],
)
def test_what_can_be_right_is_not_noted(values: dict[str, Any]) -> None:
    update = read_order(order(**values))[0]
    assert isinstance(update, dict)
    assert "contradiction" not in update.get("text", "")


def test_nothing_comes_from_the_cost() -> None:
    told_with = [
        told(status="closed", filled=10.0, remaining=0.0, cost=cost, info={"q": "10"}) for cost in (None, 1, 7e9)
    ]
    assert told_with[0] == told_with[1] == told_with[2]
    assert [filled(cost=cost) for cost in (None, 1, 7e9)] == [filled()] * 3
    assert "average_price" not in told(average=85.64, info={"filled": "0.07", "value": "5.9948"})  # ccxt divided
    assert told(average=85.64, info={"avg": "85.640"})["average_price"] == "85.64"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # The amount is money as told: by the ratio, or by the exchange's own word.
        ({"amount": 100, "filled": 0.0016, "remaining": 99.9984, "average": 62000}, ["100", "0.0016", None, "quote"]),
        ({"amount": 100, "filled": 0, "info": {"tgtCcy": "quote_ccy", "sz": "100"}}, ["100", "0", None, "quote"]),
        ({"amount": 100, "filled": 0, "info": {"marketUnit": "quoteCoin", "qty": "100"}}, ["100", "0", None, "quote"]),
        ({"amount": 100, "filled": 0, "info": {"size_in_quote": True, "size": 100}}, ["100", "0", None, "quote"]),
        ({"amount": 100, "filled": 0.0016, "cost": 100}, ["100", "0.0016", None, "quote"]),
        ({"amount": 100, "filled": 0, "cost": 100.0, "status": "open", "side": "BUY"}, ["100", "0", None, "quote"]),
        ({"amount": 100, "filled": 0, "info": {"marketUnit": "", "cumExecQty": "0"}}, ["100", "0", None, "quote"]),
        # ccxt reckoned it, from quantities of two units.
        (
            {"amount": 1.5016, "filled": 0.0016, "average": 62000, "info": {"qty": "100", "cumExecQty": "0.0016"}},
            ["100", "0.0016", None, "quote"],
        ),
        (
            {"amount": 1.5016, "filled": 0.0016, "average": 62000, "info": {"volume": "100", "cum": "0.0016"}},
            [None, "0.0016", None, None],
        ),
        # It is in the base currency.
        ({"amount": 2, "filled": 2, "remaining": 0, "average": 62000}, ["2", "2", "0", "base"]),
        ({"amount": 2, "filled": 2, "info": {"cumExecQty": "2", "marketUnit": "baseCoin"}}, ["2", "2", None, "base"]),
        # Nobody can tell yet.
        ({"amount": 2, "filled": 0, "remaining": 2, "status": "open"}, ["2", "0", "2", None]),
        ({"amount": 2, "filled": None, "status": None, "info": {"ts": 1700000000000}}, ["2", None, None, None]),
    ],
)  # fmt: skip
def test_a_market_buy_may_be_told_in_money(values: dict[str, Any], expected: list[Any]) -> None:
    usual = {"type": "market", "price": None, "status": "closed", "remaining": None}
    assert quantities(**(usual | values))[:4] == expected


def test_money_that_was_spent_leaves_nothing_open() -> None:
    adapter, inventory = adapted()
    values = {"type": "market", "amount": 100, "filled": 0.0016, "remaining": 99.9984, "average": 62000}
    adapter.orders(order(**values, status="closed"))
    adapter.trades(trade(amount=0.0016, price=62000))
    position = inventory.position("venue", "A1", "BTC/USDT")
    assert position.quantity == Decimal("0.0016")
    assert position.open_buy == 0
    assert inventory.orders()[0].status.name == "FILLED"


def test_a_derivative_counts_contracts_and_a_symbol_of_the_venue_tells_nothing() -> None:
    assert told(symbol="BTC/USDT:USDT")["quantity_unit"] == "contracts"
    assert filled(symbol="BTC/USD:BTC-240628-60000-C")["quantity_unit"] == "contracts"
    assert filled()["quantity_unit"] == "base"
    assert "quantity_unit" not in filled(symbol="BTCUSDT")
    assert filled(symbol="BTCUSDT")["symbol"] == "BTCUSDT"


def test_trades_in_an_order_are_its_fills_and_copies_count_once() -> None:
    adapter, inventory = adapted()
    inside = trade(order=None, symbol={"id": "BTCUSDT"}, side=None)  # a whole market, as of HitBTC's stream
    adapter.trades(trade())  # before its order
    adapter.orders([order(filled=4.0, remaining=6.0, trades=[inside, "t0", {"id": "stub", "amount": None}])] * 2)
    adapter.trades([trade(), trade()])
    position = inventory.position("venue", "A1", "BTC/USDT")
    assert position.quantity == 4
    assert position.open_buy == 6
    assert not adapter.refused
    (state,) = inventory.orders()
    assert state.client_order_id == "c1"
    assert state.awaited == 0


def test_a_trade_in_an_order_without_an_id_would_count_twice_and_is_listed() -> None:
    found = read_order(order(filled=4.0, remaining=6.0, trades=[trade(id=None)]))
    assert isinstance(found[1], Refused)
    adapter, inventory = adapted()
    adapter.orders(order(filled=4.0, remaining=6.0, trades=[trade(id=None)]))
    adapter.trades(trade())
    assert inventory.position("venue", "A1", "BTC/USDT").quantity == 4
    assert adapter.refusals.total() == 1


def test_an_order_without_a_client_id_and_one_without_an_order_id_are_orders() -> None:
    assert "client_order_id" not in told(clientOrderId=None)
    assert "order_id" not in told(id=None)
    assert told(clientOrderId="0")["client_order_id"] == "0"


@pytest.mark.parametrize(
    "odd", [None, 7, "order", [order()], {}, order(id=None, clientOrderId=""), order(id="0", clientOrderId="0")]
)
def test_what_names_no_order_is_refused(odd: Any) -> None:
    adapter, _ = adapted()
    adapter.orders([odd])
    assert adapter.refusals.total() == 1


def test_a_symbol_that_is_missing_may_be_given() -> None:
    adapter, inventory = adapted()
    adapter.orders(order(symbol=None, side=None), symbol="ETH/USDT", side="sell")
    adapter.orders(order(symbol=None))
    assert inventory.position("venue", "A1", "ETH/USDT").open_sell == 10
    assert [each.why for each in adapter.refused] == ["an update names no symbol; give it with the message: symbol=…"]


def test_why_an_order_was_refused_is_in_its_text() -> None:
    rejected = told(status="rejected", amount=None, filled=None, remaining=None, info={"sMsg": "Insufficient balance"})
    assert rejected["text"] == "Insufficient balance"
    assert "text" not in told(info={"rejectReason": "EC_NoError", "message": "what the user wrote"})


def test_a_market_order_has_no_limit_unless_the_exchange_says_it() -> None:
    market = {"type": "market", "status": "closed", "filled": 10.0, "remaining": 0.0}
    assert "price" not in told(**market, price=71.05, average=71.05, info={"avg": "71.05"})
    assert "price" not in told(**market, price=71.05, average=None, info={"amount": "10"})
    assert told(**market, price=211.06, average=215.23, info={"p": 211.06, "a": "215.23"})["price"] == "211.06"


@pytest.mark.parametrize(
    ("values", "field", "word"),
    [
        ({"side": "bid"}, "side", "buy"),
        ({"side": "ASK"}, "side", "sell"),
        ({"timeInForce": "GTT"}, "time_in_force", "gtd"),
        ({"timeInForce": "GOOD_TIL_CANCEL"}, "time_in_force", "gtc"),
        ({"timeInForce": "GTC", "postOnly": True}, "time_in_force", "post_only"),
        ({"reduceOnly": True}, "position_effect", "reduce_only"),
    ],
)
def test_words_that_ccxt_passes_on_are_known(values: dict[str, Any], field: str, word: str) -> None:
    update = told(**values)
    assert (update[field], update.get("text")) == (word, None)


def test_an_answer_that_tells_only_when_its_order_was_made_is_not_older_than_what_it_follows() -> None:
    adapter, inventory = adapted()
    stream = {"timestamp": None, "lastTradeTimestamp": CREATED_MS + 7}  # HTX: the stream tells the trade's time
    adapter.orders(order(**stream, filled=4.0, remaining=6.0))
    adapter.orders(order(status="closed", filled=10.0, remaining=0.0))  # and an answer the order's
    adapter.receive(order())
    (state,) = inventory.orders()
    assert state.status.name == "FILLED"
    assert state.executed == 10


def test_a_time_that_differs_is_that_of_a_change_and_stays() -> None:
    adapter, inventory = adapted()
    adapter.orders([order(timestamp=CREATED_MS + each, price=price) for each, price in ((9, 6.0), (0, 5.0))])
    assert inventory.orders()[0].price == 6


def test_the_times_of_the_latest_orders_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt, "DATED", 2)
    for others, status in ((1, "CANCELED"), (2, "PARTIALLY_FILLED")):
        adapter, inventory = adapted()
        changes = {"lastUpdateTimestamp": CREATED_MS + 7}
        adapter.orders([order(id=each, filled=4.0, **changes) for each in ["o1", *map(str, range(others))]])
        adapter.orders(order(status="canceled", filled=4.0))
        assert next(each.status.name for each in inventory.orders() if each.order_id == "o1") == status
