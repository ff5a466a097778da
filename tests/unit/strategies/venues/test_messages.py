"""What each venue's message says: tests/messages/venues, one file for each venue."""

import json
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any, Final

import pytest

from ringbuf.errors import RecordError
from ringbuf.record.enumerations import Flag
from ringbuf.record.salvage import salvage
from ringbuf.strategies.adapters import binance, bybit, deribit, hyperliquid, okx
from ringbuf.strategies.adapters.adapter import Update
from ringbuf.strategies.adapters.stream import StreamAdapter
from ringbuf.strategies.inventory import Inventory
from tests.checkout import TESTS

READ: Final[dict[str, Callable[[object], Any]]] = {
    "binance": binance.updates,
    "bybit": bybit.updates,
    "okx": okx.updates,
    "deribit": deribit.updates,
    "hyperliquid": hyperliquid.updates,
}
ADAPTERS: Final[dict[str, type[StreamAdapter]]] = {
    "binance": binance.BinanceAdapter,
    "bybit": bybit.BybitAdapter,
    "okx": okx.OkxAdapter,
    "deribit": deribit.DeribitAdapter,
    "hyperliquid": hyperliquid.HyperliquidAdapter,
}


def cases() -> list[Any]:
    return [
        pytest.param(venue, case, id=f"{venue}: {case['name']}")
        for venue in READ
        for case in json.loads((TESTS / "messages" / "venues" / f"{venue}.json").read_text())
    ]


def plain(update: Update) -> Update:
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in update.items()}


@pytest.mark.parametrize(("venue", "case"), cases())
def test_a_message_of_a_venue_says(venue: str, case: dict[str, Any]) -> None:
    assert [plain(each) for each in READ[venue](case["message"])] == case["updates"]
    assert case["source"].startswith(("https://", "nautechsystems/"))


@pytest.mark.parametrize(("venue", "case"), cases())
def test_nothing_that_a_message_says_is_flagged_or_refused(venue: str, case: dict[str, Any]) -> None:
    inventory = Inventory()
    adapter = ADAPTERS[venue](inventory, exchange=venue, account="A1", strategy="mm")
    answers = adapter.receive(case["message"])
    assert len(answers) == len(case["updates"])
    assert not adapter.refused
    for update in READ[venue](case["message"]):
        cut = Flag.TEXT_SHORTENED if "unreadable:" in update.get("text", "") else 0
        assert salvage(update)[1] & ~cut == 0


@pytest.mark.parametrize("venue", READ)
@pytest.mark.parametrize("message", ["{torn", "[]", 7, None, b"\xff", '"text"'])
def test_what_is_no_message_is_refused_and_listed(venue: str, message: Any) -> None:
    with pytest.raises(RecordError):
        READ[venue](message)
    adapter = ADAPTERS[venue](Inventory(), exchange=venue, account="A1", strategy="mm")
    assert adapter.receive(message) == []
    assert len(adapter.refused) == (0 if message == "[]" else 1)


@pytest.mark.parametrize("venue", READ)
def test_rows_that_are_none_are_refused(venue: str) -> None:
    messages = {
        "binance": {"e": "ACCOUNT_UPDATE", "a": {"m": "FUNDING_FEE", "B": 7}},
        "bybit": {"topic": "order", "data": {"orderId": "7"}},
        "okx": {"arg": {"channel": "orders"}, "data": [7]},
        "deribit": {"params": {"channel": "user.trades.any.any.raw", "data": "7"}},
        "hyperliquid": {"channel": "orderUpdates", "data": 7},
    }
    with pytest.raises(RecordError, match="no list of objects"):
        READ[venue](messages[venue])


@pytest.mark.parametrize("venue", READ)
def test_a_message_with_nothing_in_it_is_refused_and_not_lost(venue: str) -> None:
    messages: dict[str, list[Any]] = {
        "binance": [{"e": "executionReport"}, {"e": "ORDER_TRADE_UPDATE"}, {"e": "TRADE_LITE"}],
        "bybit": [{"topic": "order", "data": [{}]}, {"topic": "execution", "data": [{}]}],
        "okx": [{"arg": {"channel": "orders"}, "data": [{}]}, {"arg": {"channel": "fills"}, "data": [{}]}],
        "deribit": [{"params": {"channel": f"user.{each}.any", "data": [{}]}} for each in ("orders", "trades")],
        "hyperliquid": [
            {"channel": "orderUpdates", "data": [{}]},
            {"channel": "userFills", "data": {"fills": [{}]}},
            {"channel": "userFundings", "data": {"fundings": [{}]}},
        ],
    }
    adapter = ADAPTERS[venue](Inventory(), exchange=venue, account="A1", strategy="mm")
    assert adapter.receive(messages[venue]) == []
    assert len(adapter.refused) == len(messages[venue])


@pytest.mark.parametrize("venue", ["binance", "hyperliquid"])
def test_an_answer_may_be_a_list_in_text(venue: str) -> None:
    found = json.loads((TESTS / "messages" / "venues" / f"{venue}.json").read_text())
    texts = [each["message"] for each in found if each["name"].startswith(("the answer", "a row"))]
    inventory = Inventory()
    adapter = ADAPTERS[venue](inventory, exchange=venue, account="A1", strategy="mm")
    assert len(adapter.receive(f"[{','.join(texts)}]")) >= len(texts) > 1
    assert not adapter.refused
    assert adapter.receive("[torn") == []
    assert len(adapter.refused) == 1


def test_a_hyperliquid_fill_in_userevents_is_a_liquidation_if_the_account_is_its_address() -> None:
    liquidated = {"liquidatedUser": "0xaB", "markPx": "1", "method": "market"}
    row = {"coin": "BTC", "px": "1", "sz": "1", "side": "A", "time": 1781528065899, "oid": 7, "liquidation": liquidated}
    for account, kind in (("0xAb", "liquidation"), ("0xcd", "regular"), ("A1", None)):
        assert hyperliquid.fill(row, account).get("trade_type") == kind


def test_payments_that_a_hyperliquid_history_sums_up_are_listed_since_they_would_count_twice() -> None:
    row = {"time": 1781528065899, "coin": "BTC", "usdc": "-0.5", "szi": "1", "fundingRate": "0", "nSamples": 24}
    inventory = Inventory()
    adapter = ADAPTERS["hyperliquid"](inventory, exchange="hyperliquid", account="A1", strategy="mm")
    adapter.receive({"channel": "userFundings", "data": {"isSnapshot": True, "fundings": [row, row | {"nSamples": 1}]}})
    assert [each.kind for each in adapter.refused] == ["funding summed up"]
    assert len(inventory.positions()) == 1


@pytest.mark.parametrize(("op", "status"), [("order", "REJECTED"), ("cancel-order", "NEW"), ("amend-order", "NEW")])
def test_an_okx_request_that_is_refused_needs_the_symbol(op: str, status: str) -> None:
    row = {"clOrdId": "a1", "ordId": "", "tag": "", "sCode": "51008", "sMsg": "insufficient balance"}
    answer = {"id": "1512", "op": op, "code": "1", "msg": "", "data": [row, {"clOrdId": "a2", "sCode": "0"}]}
    inventory = Inventory()
    adapter = okx.OkxAdapter(inventory, exchange="okx", account="A1", strategy="mm")
    bound = {"exchange": "okx", "account": "A1", "symbol": "BTC-USDT", "side": "buy", "quantity": "1"}
    asked = {"exec_type": "pending_new", "order_status": "pending_new", "client_order_id": "a1"}
    inventory.apply(bound | asked)
    if op != "order":
        inventory.apply(bound | {"exec_type": "new", "order_status": "new", "order_id": "7", "client_order_id": "a1"})
    assert adapter.receive(answer) == []
    assert [each.kind for each in adapter.refused] == ["give it with the message: symbol=…"]
    assert len(adapter.receive(answer, symbol="BTC-USDT")) == 1
    (order,) = inventory.orders()
    assert (order.status.name, order.open) == (status, Decimal(status == "NEW"))


def test_an_okx_answer_that_does_not_tell_the_request_tells_new_orders_by_their_tag() -> None:
    """https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-multiple-orders and post-cancel-order."""
    refused = {"clOrdId": "a1", "ordId": "", "sCode": "51008", "sMsg": "insufficient balance"}
    taken = {"clOrdId": "a2", "ordId": "8", "tag": "", "sCode": "0", "sMsg": ""}
    (update,) = READ["okx"]({"code": "2", "msg": "", "data": [taken, refused | {"tag": ""}]})
    assert (update["exec_type"], update["order_status"], update["client_order_id"]) == ("rejected", "rejected", "a1")
    (update,) = READ["okx"]({"code": "1", "msg": "", "data": [refused]})
    assert (update["exec_type"], update.get("order_status")) == ("cancel_rejected", None)


def test_a_bybit_order_of_which_the_rest_is_refused_was_filled_in_part_and_canceled() -> None:
    row = {"symbol": "BTCUSDT", "orderId": "7", "orderStatus": "Rejected", "rejectReason": "EC_NoEnoughQtyToFill"}
    assert bybit.order(row | {"cumExecQty": "0.2"})["order_status"] == "canceled"
    assert bybit.order(row | {"cumExecQty": "0"})["order_status"] == "rejected"


@pytest.mark.parametrize(
    ("row", "currency"),
    [
        ({"category": "linear", "symbol": "BTCUSDT"}, "USDT"),
        ({"category": "linear", "symbol": "BTCPERP"}, "USDC"),
        ({"category": "linear", "symbol": "BTC-30DEC22"}, "USDC"),
        ({"category": "linear", "symbol": "BTCUSDT-30DEC22"}, "USDT"),
        ({"category": "inverse", "symbol": "BTCUSD"}, "BTC"),
        ({"category": "inverse", "symbol": "ETHUSDH23"}, "ETH"),
        ({"category": "option", "symbol": "BTC-30DEC22-18000-C"}, "USDC"),
        ({"category": "option", "symbol": "BTC-30DEC25-18000-C-USDT"}, "USDT"),
        ({"category": "spot", "symbol": "ETHBTC", "side": "Buy"}, "ETH"),
        ({"category": "spot", "symbol": "ETHBTC", "side": "Sell"}, "BTC"),
        ({"category": "spot", "symbol": "ETHBTC", "side": "Sell", "feeRate": "-0.1", "isMaker": True}, "ETH"),
        ({"category": "spot", "symbol": "WHATEVER", "side": "Buy"}, None),
        ({"category": "linear", "symbol": "BTCUSDT", "feeCurrency": "MNT"}, "MNT"),
    ],
)
def test_the_currency_of_a_bybit_fee_follows_from_the_symbol(row: dict[str, Any], currency: str | None) -> None:
    assert bybit.execution(row | {"execFee": "0.1"}).get("commission_currency") == currency


def test_a_bybit_tax_is_a_charge_where_no_fee_is_told_beside_it() -> None:
    row = {
        "category": "linear",
        "symbol": "BTCUSDT",
        "extraFees": [{"feeCoin": "IDR", "fee": "7"}, "odd", {"fee": "x"}],
    }
    for fee, charges in (("", ("7", "IDR", None)), ("0.1", ("0.1", "USDT", "7"))):
        told = bybit.execution(row | {"execFee": fee})
        assert tuple(told.get(name) for name in ("commission", "commission_currency", "other_commission")) == charges
    assert "commission" not in bybit.execution({**row, "extraFees": [{}]})


def test_charges_and_sums_keep_all_digits_whatever_the_precision_of_decimals_is() -> None:
    digits = "123456789012345.678901234567890123"
    row = {"coin": "BTC", "side": "A", "sz": "0.1", "startPosition": digits, "origSz": digits}
    with localcontext(prec=6):
        order = okx.order({"fillSz": "1", "tradeId": "7", "fillFee": f"-{digits}", "fillFeeCcy": "X"})
        assert order["commission"] == digits
        assert hyperliquid.fill(row)["venue_position"] == "123456789012345.578901234567890123"
        assert hyperliquid.order({"order": row})["cumulative_quantity"] == "123456789012345.578901234567890123"


@pytest.mark.parametrize("zero", ["0", "0.000", "-0.0", "0E-8", 0, 0.0, Decimal("0E-8")])
def test_a_price_of_zero_is_none(zero: Any) -> None:
    assert "price" not in bybit.order({"symbol": "BTCUSDT", "price": zero})


@pytest.mark.parametrize(("given", "kept"), [(Decimal("7"), "7"), (Decimal("1E+30"), f"1{30 * '0'}"), (True, None)])
def test_an_id_is_text_or_a_whole_number(given: Any, kept: str | None) -> None:
    assert bybit.order({"symbol": "BTCUSDT", "orderId": given}).get("order_id") == kept


@pytest.mark.parametrize(
    ("time", "ns"),
    [
        (1789299703470, 1789299703470_000_000),
        ("1789299703470", 1789299703470_000_000),
        (1789299703470123, 1789299703470123_000),
        ("1789299703470123456", 1789299703470123456),
        ("", None),
        ("0", None),
        (0, None),
        (None, None),
    ],
)
def test_a_time_is_in_ns_whatever_its_unit(time: Any, ns: int | None) -> None:
    row = {"instId": "BTC-USDT-SWAP", "ordId": "7", "uTime": time}
    assert okx.order(row).get("exchange_ns") == ns


def test_a_payment_of_funding_for_both_positions_of_hedge_mode_is_of_their_symbol() -> None:
    account = {"m": "FUNDING_FEE", "B": [{"a": "USDT", "wb": "1", "cw": "1", "bc": "-0.5"}]}
    rows = [{"s": "BTCUSDT", "pa": "1", "ps": "LONG"}, {"s": "BTCUSDT", "pa": "-2", "ps": "SHORT"}]
    (update,) = binance.updates({"e": "ACCOUNT_UPDATE", "T": 1_570_000_000_000, "a": account | {"P": rows}})
    assert (update["symbol"], update["commission"], update.get("position_side")) == ("BTCUSDT", "0.5", None)
    several = account | {"P": [rows[0], {**rows[1], "s": "ETHUSDT"}]}
    assert binance.updates({"e": "ACCOUNT_UPDATE", "a": several}) == []
