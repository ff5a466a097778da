"""What the adapter of NautilusTrader knows of orders and their accounts; without NautilusTrader."""

from types import SimpleNamespace
from typing import Any, Final

import pytest

from ringbuf.conformance.check import check
from ringbuf.conformance.play import maker
from ringbuf.record.enumerations import OrderStatus
from ringbuf.strategies.adapters.nautilus import NautilusAdapter
from ringbuf.strategies.adapters.nautilus_cache import NautilusCache
from ringbuf.strategies.orders import OrderPages, OrderState
from ringbuf.strategies.reconciliation import Answer
from tests.unit.strategies.nautilus_messages import asked, at_venue, event, filled, moved, updates


def pages_of(*events: dict[str, Any]) -> OrderPages:
    pages = OrderPages()
    NautilusAdapter(pages).receive(list(events))
    assert pages.refused == 0
    return pages


def page_of(*events: dict[str, Any]) -> OrderState:
    (page,) = pages_of(*events).inventory.orders()
    return page


def of(state: object, *names: str) -> list[Any]:
    return [getattr(state, name) for name in names]


# What is known of an order


def test_a_fill_tells_the_total_and_the_state_after_it() -> None:
    first, second = updates(asked(), filled("4", 1), filled("6", 2), account="A1")[1:]
    assert (first["order_status"], first["cumulative_quantity"]) == ("partially_filled", "4")
    assert (second["order_status"], second["cumulative_quantity"]) == ("filled", "10")


def test_a_fill_that_is_told_again_is_a_copy_of_the_first() -> None:
    first, _, again = updates(asked(), filled("4", 1), filled("6", 2), filled("4", 1), account="A1")[1:]
    assert first == again


def test_nobody_says_how_much_is_executed_in_all_where_the_beginning_is_not_known() -> None:
    (fill,) = updates(filled("4", 1))
    assert not {"order_status", "cumulative_quantity", "quantity"} & fill.keys()


def test_an_amount_of_money_is_no_quantity() -> None:
    _, fill = updates(asked(quote_quantity=True, quantity="1000"), filled("10", 1), account="A1")
    assert (fill["order_status"], "quantity" in fill) == ("partially_filled", False)


@pytest.mark.parametrize(
    ("before", "status"), [([], "new"), ([filled("4", 2)], "partially_filled"), ([filled("10", 2)], "filled")]
)
def test_after_a_change_an_order_is_what_it_was(before: list[dict[str, Any]], status: str) -> None:
    pending, changed = at_venue("OrderPendingUpdate", 3), at_venue("OrderUpdated", 4, quantity="10", price="101")
    page = page_of(asked(), at_venue("OrderAccepted", 1), *before, pending, changed)
    assert of(page, "status", "price") == [OrderStatus[status.upper()], 101]


def test_a_smaller_quantity_fills_an_order() -> None:
    page = page_of(asked(), at_venue("OrderAccepted", 1), filled("4", 2), at_venue("OrderUpdated", 3, quantity="4"))
    assert of(page, "status", "quantity", "open") == [OrderStatus.FILLED, 4, 0]


@pytest.mark.parametrize("rejected", ["OrderModifyRejected", "OrderCancelRejected"])
@pytest.mark.parametrize("pending", ["OrderPendingUpdate", "OrderPendingCancel"])
def test_after_a_refused_request_an_order_is_what_it_was(pending: str, rejected: str) -> None:
    events = [asked(), at_venue("OrderAccepted", 1), at_venue(pending, 2)]
    assert page_of(*events).status.name.startswith("PENDING_")
    assert page_of(*events, at_venue(rejected, 3, reason="too late")).status is OrderStatus.NEW


def test_the_clock_of_our_host_does_not_decide_between_our_requests_and_the_venues_reports() -> None:
    ahead = at_venue("OrderPendingUpdate", 1_000)
    page = page_of(asked(900), at_venue("OrderAccepted", 1), ahead, at_venue("OrderUpdated", 2, quantity="10"))
    assert page.status is OrderStatus.NEW


def test_a_rejection_of_an_order_that_was_accepted_ends_it() -> None:
    rejected = event("OrderRejected", 2, account_id="BINANCE-001", reason="no margin")
    page = page_of(asked(), at_venue("OrderAccepted", 1), rejected)
    assert of(page, "status", "open") == [OrderStatus.REJECTED, 0]


def test_a_fill_after_the_cancel_counts_and_opens_nothing() -> None:
    page = page_of(asked(), at_venue("OrderAccepted", 1), at_venue("OrderCanceled", 2), filled("4", 3))
    assert of(page, "status", "executed", "open") == [OrderStatus.CANCELED, 4, 0]


def test_a_new_id_of_the_venue_is_an_order_in_the_place_of_the_former() -> None:
    again = {"venue_order_id": "v2"}
    events = [asked(), at_venue("OrderAccepted", 1), filled("4", 2)]
    events += [at_venue("OrderUpdated", 3, quantity="12", price="99", **again), filled("5", 4, **again)]
    pages = pages_of(*events)
    former, order = sorted(pages.inventory.orders(), key=lambda each: each.order_id)
    assert of(former, "status", "executed", "open") == [OrderStatus.REPLACED, 4, 0]
    assert of(order, "order_id", "executed", "leaves", "price") == ["v2", 5, 3, 99]
    position = pages.inventory.position("BINANCE", "BINANCE-001", "ETH.USDT")
    assert of(position, "quantity", "open_buy") == [9, 3]


def test_an_order_that_waits_for_its_trigger_is_one_order_when_it_is_sent_as_another_type() -> None:
    events = [asked(order_type="STOP_LIMIT", emulation_trigger="BID_ASK"), event("OrderEmulated", 1)]
    events += [asked(2), event("OrderReleased", 2, released_price="100.5"), at_venue("OrderAccepted", 3)]
    page = page_of(*events, filled("10", 4))
    assert of(page, "status", "executed", "open") == [OrderStatus.FILLED, 10, 0]
    texts = [each.get("text") for each in updates(*events, account="A1")]
    assert texts == [None, "emulated", None, "released at 100.5", None]


def test_an_id_that_is_asked_for_twice_is_a_second_order() -> None:
    events = [asked(), at_venue("OrderAccepted", 1), asked(2), event("OrderDenied", 2, reason="duplicate")]
    states = {each.order_id: each.status for each in pages_of(*events).inventory.orders()}
    assert states == {"v1": OrderStatus.NEW, "": OrderStatus.DENIED}


SESSIONS: Final = [
    [asked(), event("OrderSubmitted", 0, account_id="BINANCE-001"), filled("4", 1), filled("6", 1, trade_id="t2")],
    [asked(), at_venue("OrderAccepted", 1), filled("4", 2), at_venue("OrderCanceled", 3)],
    [asked(), at_venue("OrderAccepted", 1), filled("4", 2), at_venue("OrderUpdated", 3, quantity="20", price="99")],
    [asked(), at_venue("OrderAccepted", 1), at_venue("OrderUpdated", 2, quantity="7"), filled("4", 3), filled("3", 4)],
    [asked(), event("OrderDenied", 0, reason="too much")],
    [asked(), at_venue("OrderAccepted", 2), filled("4", 1), at_venue("OrderTriggered", 3)],
]  # fmt: skip


@pytest.mark.parametrize("session", SESSIONS, ids=lambda events: events[-1]["type"])
def test_saved_events_end_the_same_in_any_order_repeated_and_after_losses(session: list[dict[str, Any]]) -> None:
    found = check(maker(NautilusAdapter), session, runs=20)
    assert found.is_kept, found.different


# What only the cache knows


class Event:
    """An event as NautilusTrader's objects are, as far as they are used."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.id, self.client_order_id = told["event_id"], told["client_order_id"]
        self.position_id = None
        self._told = told

    def to_dict(self) -> dict[str, Any]:
        return self._told


class Cache:
    """One order, with its events up to now."""

    def __init__(self, *told: dict[str, Any], **fields: Any) -> None:
        self.events = [Event(each) for each in told]
        known = {"quantity": "10", "is_quote_quantity": False, "client_order_id": "c1", "exec_spawn_id": None}
        self._order = SimpleNamespace(events=self.events, last_event=self.events[-1], **known | fields)

    def accounts(self) -> list[Any]:
        return []

    def order(self, name: str) -> Any:
        return self._order if name == "c1" else None

    def position_id(self, name: str) -> str:
        return "P-7"


def test_what_was_not_published_or_was_before_is_told_as_a_look_back() -> None:
    told = [asked(), at_venue("OrderAccepted", 1), filled("4", 2), filled("6", 3)]
    cache = Cache(*told)
    found = updates(cache.events[-1], cache=cache)
    assert [(each["exec_type"], each.get("origin")) for each in found] == [
        ("pending_new", "lookback"),
        ("new", "lookback"),
        ("fill", "lookback"),
        ("fill", None),
    ]
    assert [each.get("order_status") for each in found[2:]] == ["partially_filled", "filled"]


def test_what_was_heard_is_not_told_again() -> None:
    told = [asked(), at_venue("OrderAccepted", 1), at_venue("OrderPendingCancel", 2), at_venue("OrderCanceled", 3)]
    target = Answer()
    adapter = NautilusAdapter(target, account="A1")
    for count in (1, 2, 4):  # the third one is not published
        cache = Cache(*told[:count])
        adapter._cache = NautilusCache(cache)
        adapter.receive(cache.events[-1])
    assert [each["exec_type"] for each in target] == ["pending_new", "new", "pending_cancel", "canceled"]


def test_the_position_that_an_order_was_sent_for_is_told_and_a_quantity_that_was_money() -> None:
    cache = Cache(asked(quote_quantity=True, quantity="1000"), filled("4", 1))
    request, fill = updates(cache.events[-1], cache=cache)
    assert (request["quantity"], request["quantity_unit"]) == ("1000", "quote")
    assert (fill["quantity"], fill["position_id"], fill["order_status"]) == ("10", "P-7", "partially_filled")


# Accounts


def test_an_order_waits_for_its_account_which_a_later_event_tells() -> None:
    target = Answer()
    adapter = NautilusAdapter(target)
    adapter.receive(asked())
    assert target == []
    adapter.receive(event("OrderSubmitted", 1, account_id="BINANCE-001"))
    assert [(each["exec_type"], each["account"]) for each in target] == [
        ("pending_new", "BINANCE-001"),
        ("order_status", "BINANCE-001"),
    ]


def test_the_account_that_the_user_gives_is_that_of_all() -> None:
    events = [asked(), filled("4", 1, position_id="P-1"), moved("PositionOpened", 1, "4", "-0.1")]
    assert [each["account"] for each in updates(*events, account="backtest 7")] == ["backtest 7"] * 3


@pytest.mark.parametrize(
    ("accounts", "expected"), [(["BINANCE-1"], ["BINANCE-1"]), (["BINANCE-1", "BINANCE-2"], []), (["SIM-1"], [])]
)
def test_the_only_account_of_a_venue_is_that_of_its_orders(accounts: list[str], expected: list[str]) -> None:
    known = [AccountId(each) for each in accounts]
    cache = SimpleNamespace(accounts=lambda: [SimpleNamespace(id=each) for each in known])
    assert [each["account"] for each in updates(asked(), cache=cache)] == expected


class AccountId(str):
    def get_issuer(self) -> str:
        return self.partition("-")[0]


def test_a_denied_order_whose_account_nobody_tells_is_listed() -> None:
    target = Answer()
    adapter = NautilusAdapter(target)
    adapter.receive([asked(), event("OrderDenied", 0, reason="too much")])
    assert target == []
    assert adapter.refusals == {"no account: give it to the adapter": 2}
