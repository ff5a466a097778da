"""Answers that tell of other orders than those that were asked for: under a shared label, of another account or id."""

from decimal import Decimal
from typing import Any

import pytest

from ringbuf.strategies.orders import OrderPages
from ringbuf.strategies.reconciliation import Reconciliation, VenueQueries, reconcile
from ringbuf.trading.order_state import OrderState

WHOSE = {"exchange": "deribit", "account": "A1", "strategy": "mm"}
ASKED = {"symbol": "BTC", "client_order_id": "mm", "side": "buy", "quantity": 5}
REQUEST = ASKED | {"exec_type": "pending_new", "order_status": "pending_new"}
NEW = ASKED | {"exec_type": "new", "order_status": "new", "cumulative_quantity": 0}
UNNAMED = "the venue never named it: the request may still be on its way"
UNANSWERED = "it is not listed, and the query of it was not answered"


def opened(*updates: dict[str, Any]) -> OrderPages:
    pages = OrderPages()
    for each in updates:
        pages.apply(WHOSE | each)
    return pages


def asked(pages: OrderPages, listed: list[dict[str, Any]], order: Any = None) -> Reconciliation:
    one = None if order is None else lambda _: order
    return reconcile(pages, VenueQueries(open_orders=lambda: listed, trades=list, order=one), **WHOSE)


def doubts(found: Reconciliation) -> list[tuple[str, str]]:
    return [(each.page.order_id, each.why) for each in found.doubts]


@pytest.mark.parametrize("named", [0, 1, 2])
def test_a_request_under_the_label_of_a_listed_order_is_in_doubt(named: int) -> None:
    """Many orders of Deribit may share a label."""
    requests = [REQUEST | {"market_ns": number} for number in (1, 2, 3)]
    orders = [NEW | {"order_id": f"o{number}"} for number in range(named)]
    pages = opened(*requests, *orders)
    listed = [NEW | {"order_id": f"o{number}"} for number in range(max(named, 1))]
    assert doubts(asked(pages, listed)) == [("", UNNAMED)] * (3 - max(named, 1))
    assert pages.inventory.position("deribit", "A1", "BTC").open_buy == 15


def test_all_requests_under_a_label_are_named_by_the_list() -> None:
    pages = opened(*(REQUEST | {"market_ns": number} for number in (1, 2)))
    assert asked(pages, [NEW | {"order_id": "o1"}, NEW | {"order_id": "o2"}]).is_sure
    assert {each.order_id for each in pages.open_pages()} == {"o1", "o2"}


def test_an_order_of_another_account_is_not_the_one_that_was_asked_for() -> None:
    pages = opened(REQUEST)
    assert doubts(asked(pages, [NEW | {"order_id": "o1", "account": "A2"}])) == [("", UNNAMED)]
    pages = opened(NEW | {"order_id": "o1"})
    assert len(asked(pages, [NEW | {"order_id": "o1", "account": "A2"}]).ended) == 1


@pytest.mark.parametrize("status", ["new", "canceled"])
@pytest.mark.parametrize("other", [{"order_id": "o9"}, {"order_id": "o1", "account": "A2"}])
def test_an_answer_about_another_order_is_none(status: str, other: dict[str, str]) -> None:
    pages = opened(NEW | {"order_id": "o1"})
    found = asked(pages, [], order=NEW | {"exec_type": "order_status", "order_status": status} | other)
    assert doubts(found) == [("o1", UNANSWERED)]


def test_an_answer_without_the_id_of_the_venue_is_not_about_an_order_that_has_none_of_ours() -> None:
    pages = opened(NEW | {"order_id": "o1", "client_order_id": ""})
    other = NEW | {"client_order_id": "c9", "exec_type": "order_status", "order_status": "canceled"}
    assert doubts(asked(pages, [], order=other)) == [("o1", UNANSWERED)]


@pytest.mark.parametrize(("status", "ends"), [("new", "NEW"), ("canceled", "CANCELED")])
def test_of_an_answer_about_several_orders_that_one_counts_which_was_asked_for(status: str, ends: str) -> None:
    pages = opened(NEW | {"order_id": "o1"}, NEW | {"order_id": "o2"})
    told = [NEW | {"order_id": "o1"}, NEW | {"order_id": "o2"}]
    told[0] |= {"exec_type": "order_status", "order_status": status}
    told[1] |= {"exec_type": "order_status", "order_status": "canceled" if status == "new" else "new"}
    assert asked(pages, [NEW | {"order_id": "o2"}], order=told).is_sure
    page = pages.page("deribit", "A1", "BTC", order_id="o1")
    assert page is not None
    assert page.status.name == ends


@pytest.mark.parametrize("asks", ["open_orders", "order"])
def test_a_total_counts_though_it_is_dated_when_the_order_was_made(asks: str) -> None:
    """So do the open orders of some exchanges that ccxt returns."""
    made, filled = 1_790_000_000_000_000_000, 1_790_000_000_000_000_009
    order = NEW | {"order_id": "o1", "exchange_ns": made}
    state = order | {"exec_type": "order_status", "order_status": "partially_filled"}
    fill = order | {"exec_type": "fill", "trade_id": "t1", "last_quantity": 2, "exchange_ns": filled}
    pages = opened(order, fill, state | {"cumulative_quantity": 2, "exchange_ns": filled})
    now = state | {"cumulative_quantity": 3, "exchange_ns": made}
    found = asked(pages, [now]) if asks == "open_orders" else asked(pages, [], order=now)
    assert [(each["last_quantity"], each.get("exchange_ns")) for each in found.inferred] == [(Decimal(1), None)]
    page = pages.page("deribit", "A1", "BTC", order_id="o1")
    assert page is not None
    assert (page.executed, page.open) == (Decimal(3), Decimal(2))
    older = state | {"cumulative_quantity": 1, "exchange_ns": made}
    assert asked(pages, [older]).is_sure  # a list that is behind
    assert pages.page("deribit", "A1", "BTC", order_id="o1") == page


@pytest.mark.parametrize("time", [{}, {"exchange_ns": 1_790_000_000_000_000_000}])
def test_what_a_list_says_again_counts_again(time: dict[str, int]) -> None:
    pages = opened(NEW | time | {"order_id": "o1"})
    now = NEW | time | {"order_id": "o1", "exec_type": "order_status", "quantity": 7}
    assert asked(pages, [now]).is_sure
    pages.apply(WHOSE | now | {"quantity": 3})  # and then it was 7 once more, which got lost
    for updates in (1, 0):
        found = asked(pages, [now])
        assert found.is_sure
        assert len(found.updates) == updates
        assert pages.inventory.position("deribit", "A1", "BTC").open_buy == 7


def test_an_order_that_is_over_is_opened_by_one_word() -> None:
    pages = opened(NEW | {"order_id": "o1"})
    now = NEW | {"order_id": "o1", "exec_type": "order_status", "quantity": 7}
    asked(pages, [now])
    pages.apply(WHOSE | NEW | {"order_id": "o1", "exec_type": "canceled", "order_status": "canceled"})
    assert [each["exec_type"] for each in asked(pages, [now]).updates] == ["restated"]
    assert pages.inventory.position("deribit", "A1", "BTC").open_buy == 7


def test_a_list_that_is_behind_is_no_news_each_time() -> None:
    begun = 1_790_000_000_000_000_000
    pages = opened(NEW | {"order_id": "o1", "exchange_ns": begun})
    behind = NEW | {"order_id": "o1", "exec_type": "order_status", "exchange_ns": begun + 1, "quantity": 7}
    asked(pages, [behind])
    pages.apply(WHOSE | behind | {"quantity": 3, "exchange_ns": begun + 2})
    assert asked(pages, [behind]).updates == []
    assert pages.inventory.position("deribit", "A1", "BTC").open_buy == 3


def test_an_order_that_is_told_with_a_known_fill_may_have_another_state() -> None:
    fill = NEW | {"exec_type": "fill", "order_id": "o1", "trade_id": "t1", "last_quantity": 2, "cumulative_quantity": 2}
    fill |= {"order_status": "partially_filled", "exchange_ns": 1_790_000_000_000_000_000}
    later = fill | {"exchange_ns": 1_790_000_000_000_000_005}
    pages = opened(fill)
    for updates in (1, 0):
        assert len(asked(pages, [later | {"quantity": 3}]).updates) == updates
        assert pages.inventory.position("deribit", "A1", "BTC").open_buy == 1
    found = asked(pages, [], order=later | {"order_status": "canceled"})
    assert (found.is_sure, found.ended, len(found.updates)) == (True, [], 1)
    assert pages.inventory.position("deribit", "A1", "BTC").open_buy == 0
    trades = VenueQueries(open_orders=list, trades=lambda: [fill])
    assert reconcile(pages, trades, **WHOSE).updates == []


NOW = 1_790_000_000_000_000_000
LONG_AGO = {"exchange_ns": NOW - 3 * 86_400 * 10**9}


def long_running() -> OrderPages:
    """Of a process that has heard so much that it knows what time it is, and has a look-back of a day."""
    over = {"symbol": "ETH", "exec_type": "canceled", "order_status": "canceled", "side": "buy"}
    return opened(*(over | {"order_id": f"e{number}", "exchange_ns": NOW + number} for number in range(200)))


@pytest.mark.parametrize("asks", ["open_orders", "order"])
def test_an_order_that_is_listed_and_was_not_changed_for_long_is_taken_over(asks: str) -> None:
    pages = long_running()
    order = NEW | LONG_AGO | {"order_id": "o1", "exec_type": "order_status", "cumulative_quantity": 1}
    if asks == "open_orders":
        found = asked(pages, [order])
        assert (found.refused, asked(pages, [order]).updates) == ([], [])
    else:
        pages.apply(WHOSE | REQUEST)
        assert asked(pages, [], order=order).refused == []
    position = pages.inventory.position("deribit", "A1", "BTC")
    assert (position.quantity, position.open_buy) == (Decimal(1), Decimal(4))  # the fill is inferred


def test_an_order_that_ended_long_ago_is_not_taken_over() -> None:
    pages = long_running()
    over = NEW | LONG_AGO | {"order_id": "o1", "exec_type": "order_status", "order_status": "canceled"}
    assert [why for _, why in asked(pages, [over]).refused] == ["it is older than the look-back"]


def test_a_trade_of_long_ago_keeps_nothing_from_being_concluded() -> None:
    pages = long_running()
    pages.apply(WHOSE | NEW | {"order_id": "o1", "exchange_ns": NOW})
    old = ASKED | LONG_AGO | {"exec_type": "fill", "order_id": "o0", "trade_id": "t0", "last_quantity": 5}
    queries = VenueQueries(open_orders=list, trades=lambda: [old])
    found = reconcile(pages, queries, **WHOSE)
    assert [why for _, why in found.refused] == ["it is older than the look-back"]
    assert [each["order_id"] for each in found.ended] == ["o1"]


def test_an_order_of_which_nothing_is_open_is_not_asked_for() -> None:
    """A history of fills, as Hyperliquid tells it after a connect, names thousands of orders."""
    fill = ASKED | {"quantity": None, "exec_type": "fill", "last_quantity": 2}
    pages = opened(*(fill | {"order_id": f"o{number}", "trade_id": f"t{number}"} for number in range(3)))
    pages.apply(WHOSE | NEW | {"order_id": "o9"})
    names: list[str] = []
    over = NEW | {"order_id": "o9", "exec_type": "order_status", "order_status": "canceled"}

    def order(page: OrderState) -> dict[str, Any]:
        names.append(page.order_id)
        return over

    assert reconcile(pages, VenueQueries(open_orders=list, trades=list, order=order), **WHOSE).is_sure
    assert names == ["o9"]
