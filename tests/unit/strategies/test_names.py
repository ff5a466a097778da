"""Names that no record holds whole, and words in any usual spelling, find in a strategy what they name."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from ringbuf.errors import RecordError
from ringbuf.strategies.account import Account, PositionUpdate, Snapshot
from ringbuf.strategies.hedger import Hedge
from ringbuf.strategies.inventory import Contract, ContractKind, Instrument, Inventory
from ringbuf.strategies.orders import OrderPages
from ringbuf.strategies.reconciliation import VenueQueries, reconcile
from tests.unit.strategies.hedge_desk import Desk

BEGIN_NS = 1_790_000_000_000_000_000
VENUE = {"exchange": "coinbaseinternational", "account": "a name of an account that is too long"}
SYMBOL = "a token whose symbol is longer than what a record has room for, as some are"
ORDER = {**VENUE, "symbol": SYMBOL, "strategy": "s", "side": "buy", "order_id": "o" * 80, "client_order_id": "c" * 70}
NEW = ORDER | {"exec_type": "new", "order_status": "new", "quantity": 5}
FILL = ORDER | {"exec_type": "fill", "last_quantity": 2, "last_price": 3, "trade_id": "t1"}
WHERE = (VENUE["exchange"], VENUE["account"], SYMBOL)


def opened(inventory: Inventory | None = None) -> OrderPages:
    pages = OrderPages(inventory=inventory)
    for each in (NEW, FILL):
        pages.apply(each)
    return pages


def test_a_hedge_whose_names_are_too_long_is_sent_once_and_with_its_own_names() -> None:
    exchange, account, symbol = WHERE
    desk = Desk(lambda order: Hedge(exchange=exchange, account=account, symbol=symbol, step=Decimal(1)))
    for number in range(3):
        desk.maker_fill("m", "buy", f"t{number}", "1")
    assert [(each.exchange, each.account, each.symbol, int(each.quantity)) for each in desk.sent] == [(*WHERE, 1)] * 3
    (balance,) = desk.hedger.balances().values()
    assert [int(each) for each in (balance.owed, balance.working, balance.balance)] == [-3, -3, 0]


def test_an_order_and_its_position_are_found_by_names_that_are_too_long() -> None:
    kind = Contract(ContractKind.LINEAR, base="X", quote="USD")
    inventory = Inventory(instruments={(VENUE["exchange"], SYMBOL): kind})
    pages = opened(inventory)
    for ids in ({"order_id": ORDER["order_id"]}, {"client_order_id": ORDER["client_order_id"]}):
        page = pages.page(*WHERE, **ids)
        assert page is not None
        assert page.open == 3
    assert inventory.position(*WHERE).quantity == 2
    assert inventory.profit(*WHERE).contract is kind
    (key,) = inventory.positions()
    assert inventory.position(*key).quantity == 2


def test_an_account_follows_the_fills_of_names_that_are_too_long() -> None:
    pages = OrderPages()
    account = Account(pages, *VENUE.values())
    account.apply(Snapshot(account.asking(), positions={SYMBOL: 0}, exchange_ns=BEGIN_NS))
    for each in (NEW, FILL):
        pages.apply(each | {"exchange_ns": BEGIN_NS + 1})
    assert account.position(SYMBOL).highest == account.position(SYMBOL).pending == 2
    account.apply(PositionUpdate(SYMBOL, 2))
    assert account.position(SYMBOL).told == 2
    assert not account.position(SYMBOL).stale


@pytest.mark.parametrize("key", [SYMBOL, (SYMBOL, ""), Instrument(*WHERE)])
@pytest.mark.parametrize("symbols", [None, [SYMBOL]])
def test_a_reconciliation_is_about_the_account_that_is_named(symbols: list[str] | None, key: Any) -> None:
    pages = opened()
    positions: Mapping[Any, int] = {key: 3}
    listed = [{name: value for name, value in NEW.items() if name not in VENUE} | {"cumulative_quantity": 2}]
    queries = VenueQueries(open_orders=lambda: listed, positions=lambda: positions)
    found = reconcile(pages, queries, **VENUE, symbols=symbols)
    assert [(int(each.ours), int(each.venue)) for each in found.differences] == [(2, 3)]
    assert found.doubts == []


def test_the_side_of_a_position_is_a_word_in_any_spelling() -> None:
    pages = OrderPages()
    pages.apply(FILL | {"position_side": "LONG"})
    assert pages.inventory.position(*WHERE, "LONG").quantity == 2
    account = Account(pages, *VENUE.values())
    account.apply(Snapshot(account.asking(), positions={(SYMBOL, "Long"): 2}))
    assert account.position(SYMBOL, "LONG").told == 2
    with pytest.raises(RecordError, match="has no word 'up'"):
        pages.inventory.position(*WHERE, "up")


def test_a_snapshot_takes_a_symbol_of_two_letters() -> None:
    account = Account(OrderPages(), "x", "A")
    account.apply(Snapshot(account.asking(), positions={"AL": "1.5"}))
    assert account.position("AL").told == Decimal("1.5")


def test_positions_that_are_named_by_what_is_no_name_are_no_answer() -> None:
    queries = VenueQueries(open_orders=list, positions=lambda: {("a", "b", "c", "d"): 1, 5: 2})
    found = reconcile(opened(), queries, **VENUE)
    assert [each.query for each in found.failures] == ["positions"]
    assert found.differences == []
