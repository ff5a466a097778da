"""What is wrong with an argument is said at the start, and not when it is first needed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.strategies.account import Account, BalanceUpdate, PositionUpdate, Snapshot, Transfer
from ringbuf.strategies.client_order_id import ClientOrderIds
from ringbuf.strategies.hedger import Hedge, Hedger
from ringbuf.strategies.id_format import IdFormat
from ringbuf.strategies.inventory import Contract, ContractKind, Inventory
from ringbuf.strategies.orders import OrderPages
from ringbuf.strategies.reconciliation import VenueQueries, reconcile

AT = 1_790_000_000_000_000_000
HEDGE: dict[str, Any] = {"exchange": "x", "account": "A", "symbol": "H", "step": Decimal(1)}
Made = Callable[..., Any]


def hedger(pages: Any = None, send: Any = print, **given: Any) -> Hedger:
    pages = pages or OrderPages(inventory=Inventory(hedges=lambda order: None))
    return Hedger(pages, send, **{"strategy": "s", "client_order_id": lambda hedge: "h", **given})


def account(pages: Any = None, exchange: Any = "x", **given: Any) -> Account:
    return Account(pages or OrderPages(), exchange, "A", **given)


def ids(venue: Any = "okx", strategy: Any = "s", **given: Any) -> ClientOrderIds:
    return ClientOrderIds(venue, strategy, **{"host": 1, "directory": "/nowhere/at/all", **given})


def asked(**given: Any) -> object:
    return reconcile(OrderPages(), VenueQueries(open_orders=list), **{"exchange": "okx", "account": "A", **given})


@pytest.mark.parametrize(
    ("make", "given", "said"),
    [
        (lambda **given: Hedge(**HEDGE | given), {"side": "buy"}, r"side of a hedge is 'buy'; give one of .*Side\.BUY"),
        (lambda **given: Hedge(**HEDGE | given), {"order_type": "limit"}, "order_type of a hedge is 'limit'"),
        (lambda **given: Hedge(**HEDGE | given), {"step": Decimal("sNaN")}, "step of a hedge"),
        (lambda **given: Hedge(**HEDGE | given), {"symbol": 5}, "names no instrument"),
        (Contract, {"kind": "inverse"}, r"kind of a contract is 'inverse'; give one of .*ContractKind\.INVERSE"),
        (Contract, {"multiplier": 0.01}, r"multiplier is 0\.01; give a number above 0, .* as a Decimal"),
        (Contract, {"multiplier": 7}, "multiplier is 7"),
        (Contract, {"multiplier": None}, "multiplier is None"),
        (Contract, {"tick": Decimal("NaN")}, "tick is NaN"),
        (Contract, {"quote": None}, "quote is None"),
        (Inventory, {"lookback": 60}, "lookback is 60; give timedelta"),
        (Inventory, {"lookback": timedelta(-1)}, "lookback is -1 day"),
        (Inventory, {"hedges": {"M": 1}}, "hedges is .*; give a function"),
        (Inventory, {"instruments": "instruments.csv"}, r"instruments is 'instruments\.csv'"),
        (Inventory, {"instruments": {"BTC": Contract()}}, "name each by exchange and symbol"),
        (Inventory, {"instruments": {("x", "BTC"): ContractKind.SPOT}}, r"contract of \('x', 'BTC'\)"),
        (OrderPages, {"recorder": Inventory()}, "recorder is .*; give Recorder"),
        (OrderPages, {"inventory": {}}, "inventory is {}; give Inventory"),
        (lambda **given: OrderPages().on_delta(**given), {"function": None}, "a handler is None; give a function"),
        (hedger, {"pages": Inventory()}, "pages is .*; give OrderPages"),
        (hedger, {"send": None}, "send is None; give a function"),
        (hedger, {"client_order_id": "h1"}, "client_order_id is 'h1'; give a function"),
        (hedger, {"price": Decimal(5)}, "price is .*; give a function"),
        (hedger, {"strategy": None}, "strategy is None; give str"),
        (account, {"pages": Inventory()}, "pages is .*; give OrderPages"),
        (account, {"exchange": ""}, "say whose account it is"),
        (account, {"ask": 5}, "ask is 5; give a function"),
        (account, {"clock": 5}, "clock is 5; give a function"),
        (account, {"timeout": 2}, "timeout is 2; give timedelta"),
        (account, {"rounding": -1}, "rounding is -1; give a number from 0 on"),
        (ids, {"venue": None}, "venue is None; give str"),
        (ids, {"strategy": 5}, "strategy is 5; give str"),
        (ids, {"host": "1"}, "host is '1'; give int"),
        (ids, {"host": 1.0}, r"host is 1\.0; give int"),
        (ids, {"directory": None}, "directory is None; give str"),
        (IdFormat, {"kind": "integer", "limit": 1 << 53}, "kind of client order ids is 'integer'; give Kind"),
        (IdFormat, {"length": "20"}, "length of client order ids is '20'; give int"),
        (VenueQueries, {"open_orders": []}, r"open_orders is \[\]; give a function"),
        (VenueQueries, {"open_orders": list, "trades": 5}, "trades is 5; give a function"),
        (asked, {"account": ""}, "say whose orders the answers tell"),
        (asked, {"symbols": "BTC-USDT"}, "symbols is the text 'BTC-USDT'; give a list"),
    ],
)
def test_an_argument_that_cannot_be_used_is_refused_at_the_start(make: Made, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make(**given)


def test_no_process_number_is_claimed_for_ids_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        ids(host=1.0, directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Transfer, {"currency": "USDT", "amount": 1, "transfer_id": ""}),
        (Transfer, {"currency": 5, "amount": 1, "transfer_id": "t"}),
        (PositionUpdate, {"symbol": "S", "quantity": 1, "exchange_ns": "soon"}),
        (BalanceUpdate, {"currency": "USDT", "quantity": 1, "exchange_ns": 1.5}),
        (BalanceUpdate, {"currency": None, "quantity": 1}),
        (Snapshot, {"asked_ns": None, "positions": {}}),
        (Snapshot, {"asked_ns": 0, "positions": {5: 1}}),
        (Snapshot, {"asked_ns": 0, "positions": ["S"]}),
        (Snapshot, {"asked_ns": 0, "balances": {"USDT": 1}, "positions": {("S", "long", "7"): 1}}),
        (Snapshot, {"asked_ns": 0, "balances": {("USDT", ""): 1}}),
        (dict, {"currency": "USDT", "quantity": 1}),
        (int, {}),
    ],
)
def test_what_is_no_event_of_an_account_is_refused_and_changes_nothing(kind: Made, given: dict[str, Any]) -> None:
    its = account()
    with pytest.raises(RecordError):
        its.apply(kind(**given))
    assert (its.refused, its.position("S").told, its.balance("USDT").told) == (0, None, None)


@pytest.mark.parametrize("told", [AT // 1_000_000, datetime.fromtimestamp(AT // 10**9, UTC), "2026-09-21T14:13:20Z"])
def test_the_time_of_an_event_is_taken_as_that_of_a_record(told: Any) -> None:
    pages = OrderPages()
    its = account(pages)
    its.apply(Snapshot(its.asking(), positions={}, exchange_ns=AT - 10**9))
    fill = {"exchange": "x", "account": "A", "symbol": "S", "side": "buy", "order_id": "o", "exec_type": "fill"}
    pages.apply(fill | {"trade_id": "t", "last_quantity": 2, "last_price": 1, "exchange_ns": AT})
    assert its.apply(PositionUpdate("S", 2, exchange_ns=told))
    assert not its.position("S").stale
    assert not its.position("S").pending
    assert not its.apply(PositionUpdate("S", 1, exchange_ns=AT - 1))


def test_a_transfer_of_another_currency_may_have_the_same_id() -> None:
    its = account()
    its.apply(Snapshot(its.asking(), balances={"USDT": 100, "BTC": 0}))
    assert its.apply(Transfer("USDT", -50, "conversion-1"))
    assert its.apply(Transfer("BTC", Fraction(1, 2), "conversion-1"))
    assert not its.apply(Transfer("BTC", Fraction(1, 2), "conversion-1"))
    assert (its.balance("USDT").pending, its.balance("BTC").pending) == (Decimal(-50), Decimal("0.5"))
