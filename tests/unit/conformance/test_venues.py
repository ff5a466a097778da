"""The kit's cases, told as venues tell them: their adapters lose nothing, and end right however the messages arrive."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import pytest

from ringbuf.conformance import cases, check, check_case, maker
from ringbuf.conformance.cases import Case
from ringbuf.strategies.adapters.bybit import BybitAdapter
from ringbuf.strategies.adapters.deribit import DeribitAdapter
from ringbuf.strategies.adapters.fix import FixAdapter
from ringbuf.strategies.adapters.hyperliquid import HyperliquidAdapter
from ringbuf.strategies.adapters.okx import OkxAdapter
from tests.unit.strategies.venues.fix_session import STATUSES, encoded

Fields = dict[str, Any]
MILLISECOND = 1_000_000


def renamed(update: Fields, names: dict[str, str]) -> Fields:
    return {short: update[name] for name, short in names.items() if name in update}


def bybit(update: Fields) -> Any:
    """No second fee, no busts, no position side of a fill; a market order expires as it is canceled."""
    if {"other_commission", "position_side"} & update.keys() or update.get("exec_type") == "trade_cancel":
        return None
    row = renamed(update, {"symbol": "symbol", "order_id": "orderId", "client_order_id": "orderLinkId"})
    row |= {"category": "linear", "side": update.get("side", "buy").title()}
    time = str(update["exchange_ns"] // MILLISECOND)
    if "exec_type" in update:
        names = {"trade_id": "execId", "last_price": "execPrice", "last_quantity": "execQty", "commission": "execFee"}
        row |= renamed(update, names | {"commission_currency": "feeCurrency"}) | {"execTime": time}
        kind = {"liquidation": "BustTrade", "funding": "Funding"}.get(update.get("trade_type", ""), "Trade")
        return {"topic": "execution", "data": [row | {"execType": kind}]}
    statuses = {"new": "New", "partially_filled": "PartiallyFilled", "filled": "Filled", "rejected": "Rejected"}
    status = statuses.get(update["order_status"], "Cancelled" if update["order_status"] == "canceled" else None)
    names = {"price": "price", "quantity": "qty", "cumulative_quantity": "cumExecQty", "stop_price": "triggerPrice"}
    row |= renamed(update, names | {"text": "rejectReason"}) | {"orderStatus": status, "updatedTime": time}
    return {"topic": "order", "data": [row | {"orderType": "Limit"}]} if status else None


def okx(update: Fields) -> Any:
    """A fill alone has no fee and no position side; no busts, no funding."""
    if {"commission", "position_side"} & update.keys() or update.get("exec_type") == "trade_cancel":
        return None
    names = {"symbol": "instId", "order_id": "ordId", "client_order_id": "clOrdId", "side": "side"}
    time = str(update["exchange_ns"] // MILLISECOND)
    if "exec_type" in update:
        names |= {"trade_id": "tradeId", "last_price": "fillPx", "last_quantity": "fillSz"}
        row = renamed(update, names) | {"ts": time}
        return None if "trade_type" in update else {"arg": {"channel": "fills"}, "data": [row]}
    if update["order_status"] in ("rejected", "expired"):
        return None
    names |= {"price": "px", "quantity": "sz", "cumulative_quantity": "accFillSz"}
    row = renamed(update, names) | {"uTime": time, "ordType": "limit", "instType": "SWAP"}
    row |= {"state": "live" if update["order_status"] == "new" else update["order_status"]}
    return {"arg": {"channel": "orders"}, "data": [row]}


def deribit(update: Fields) -> Any:
    """No second fee, no busts, no hedge mode, no funding; nothing expires."""
    kind = update.get("exec_type")
    if {"other_commission", "position_side"} & update.keys() or kind in ("trade_cancel", "funding"):
        return None
    names = {"symbol": "instrument_name", "order_id": "order_id", "client_order_id": "label", "side": "direction"}
    time = update["exchange_ns"] // MILLISECOND
    if kind == "fill":
        names |= {"trade_id": "trade_id", "last_price": "price", "last_quantity": "amount", "commission": "fee"}
        row = renamed(update, names | {"commission_currency": "fee_currency"}) | {"timestamp": time}
        row |= {"liquidity": "T"} | ({"liquidation": "T"} if "trade_type" in update else {})
        return {"params": {"channel": "user.trades.any.any.raw", "data": [row]}}
    states = {"new": "open", "partially_filled": "open", "filled": "filled", "canceled": "cancelled"}
    state = (states | {"rejected": "rejected"}).get(update["order_status"])
    names |= {"price": "price", "quantity": "amount", "cumulative_quantity": "filled_amount", "text": "reject_reason"}
    row = renamed(update, names) | {"order_state": state, "last_update_timestamp": time, "order_type": "limit"}
    return {"params": {"channel": "user.orders.any.any.raw", "data": [row]}} if state else None


def hyperliquid(update: Fields) -> Any:
    """What is left; no second fee, no busts, no hedge mode, no id of a payment; nothing expires."""
    if {"other_commission", "position_side"} & update.keys() or update.get("exec_type") == "trade_cancel":
        return None
    time = update["exchange_ns"] // MILLISECOND
    if update.get("exec_type") == "funding":
        row = {"time": time, "coin": update["symbol"], "usdc": str(-Decimal(update["commission"]))}
        return {"channel": "userFundings", "data": {"fundings": [row]}}
    names = {"symbol": "coin", "order_id": "oid", "client_order_id": "cloid"}
    side = {"side": "B" if update["side"] == "buy" else "A"}
    if update.get("exec_type") == "fill":
        names |= {"trade_id": "tid", "last_price": "px", "last_quantity": "sz", "commission": "fee"}
        row = renamed(update, names | {"commission_currency": "feeToken"}) | side | {"time": time}
        return {"channel": "userFills", "data": {"fills": [row]}}
    words = {"new": "open", "partially_filled": "open", "expired": None}
    status = words.get(update["order_status"], update["order_status"])
    left = Decimal(update["quantity"]) - Decimal(update["cumulative_quantity"])
    row = renamed(update, names | {"price": "limitPx", "quantity": "origSz"}) | side | {"sz": str(left)}
    return (
        {"channel": "orderUpdates", "data": [{"order": row, "status": status, "statusTimestamp": time}]}
        if status
        else None
    )


def fix(update: Fields) -> Any:
    """A payment of funding is no execution report, and hedge mode is unknown."""
    if update.get("exec_type") == "funding" or "position_side" in update:
        return None
    time = update["exchange_ns"] // MILLISECOND
    tags: dict[int, Any] = {35: "8", 60: f"20231114-22:13:20.{time % 1000:03}"}
    names = {
        "symbol": 55, "order_id": 37, "client_order_id": 11, "orig_client_order_id": 41, "price": 44, "quantity": 38,
        "cumulative_quantity": 14, "stop_price": 99, "last_price": 31, "last_quantity": 32, "text": 58,
        "commission": 12, "commission_currency": 479,
    }  # fmt: skip
    tags |= {tag: update[name] for name, tag in names.items() if name in update}
    tags |= {54: "1" if update["side"] == "buy" else "2"} if "side" in update else {}
    if "other_commission" in update:
        tags |= {136: 1, 137: update["other_commission"], 138: update["other_commission_currency"]}
    match update.get("exec_type"):
        case "fill":
            tags |= {150: "F", 17: update["trade_id"]}
        case "trade_cancel" | "trade_correct" as change:
            kind = {"trade_cancel": "H", "trade_correct": "G"}[change]
            tags |= {150: kind, 17: f"{change} {update['trade_id']}", 19: update["trade_id"]}
        case "canceled" | "replaced" as change:
            kind = {"canceled": "4", "replaced": "5"}[change]
            tags |= {150: kind, 17: f"{change} {time}", 39: STATUSES[update["order_status"]]}
        case _:
            tags |= {150: "I", 17: f"status {time}", 39: STATUSES[update["order_status"]]}
    return encoded(tags)


TELL: Final[dict[str, tuple[Any, Callable[[Fields], Any], int]]] = {
    "bybit": (BybitAdapter, bybit, 24),
    "okx": (OkxAdapter, okx, 18),
    "deribit": (DeribitAdapter, deribit, 22),
    "hyperliquid": (HyperliquidAdapter, hyperliquid, 24),
    "fix": (FixAdapter, fix, 28),
}


UNTOLD: Final = frozenset({"pending_new", "cancel_rejected", "canceled", "trade_correct", "replaced"})
"""Reports that are not written here in the words of venues; `tests/model/sessions` has them."""
UNTOLD_BY_FIX: Final = frozenset({"pending_new", "cancel_rejected"})
"""A cancel reject has no symbol, so it cannot come before its order."""


def teller(tell: Callable[[Fields], Any]) -> Callable[[Fields], Any]:
    untold = UNTOLD_BY_FIX if tell is fix else UNTOLD
    return lambda update: None if update.get("exec_type") in untold else tell(update)


@pytest.mark.parametrize("venue", TELL)
@pytest.mark.parametrize("case", cases(), ids=lambda each: each.name)
def test_a_case_told_by_a_venue_ends_right(venue: str, case: Case) -> None:
    adapter, tell, _ = TELL[venue]
    found = check_case(maker(adapter), teller(tell), case, runs=3)
    assert found.is_right, (found.wrong, found.check)


@pytest.mark.parametrize("venue", TELL)
def test_most_cases_can_be_told(venue: str) -> None:
    _, tell, count = TELL[venue]
    assert sum(all(teller(tell)(each) is not None for each in case.messages) for case in cases()) == count


def test_a_fill_that_is_told_before_its_position_is_known_leaves_no_difference() -> None:
    fill = {"instId": "BTC-USDT-SWAP", "ordId": "7", "side": "buy", "fillSz": "2", "fillPx": "100", "tradeId": "1"}
    order = {"posSide": "long", "sz": "2", "accFillSz": "2", "state": "filled", "uTime": "1700000000002"}
    told = [
        {"arg": {"channel": "orders"}, "data": [fill | order]},
        {"arg": {"channel": "fills"}, "data": [fill | {"ts": "1700000000001"}]},
    ]
    assert check(maker(OkxAdapter), told, runs=5).is_kept
    assert check(maker(OkxAdapter), told[::-1], runs=5).is_kept
