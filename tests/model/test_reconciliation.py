"""After a disconnect strategy and venue agree, whatever was lost, late, repeated or not answered."""

import random
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ringbuf.record.enumerations import OrderStatus
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import OrderPages
from ringbuf.strategies.reconciliation import Reconciliation, reconcile
from ringbuf.trading.delta import Delta
from ringbuf.trading.derivation import derive
from tests.model.lossy_venue import BEGIN_NS, LossyVenue

WHOSE = {"exchange": "okx", "account": "A1", "strategy": "mm"}


class Recorded(OrderPages):
    """Order pages whose updates are kept, as a ring would."""

    def __init__(self) -> None:
        super().__init__(inventory=Inventory(lookback=None))
        self.records: list[Any] = []

    def apply(self, update: Any) -> Delta | None:
        """Take one update."""
        seq = len(self.records)
        self.records.append({"origin": "live", **update, "session": 1, "seq": seq, "captured_ns": BEGIN_NS + seq})
        return super().apply(update)


def opened(seed: int) -> tuple[LossyVenue, Recorded]:
    pages = Recorded()
    return LossyVenue(random.Random(seed), pages), pages


def check_never_too_little(venue: LossyVenue, pages: OrderPages) -> None:
    """What was bought, with what is still open to buy, is never less than at the venue; else one would buy twice."""
    position = pages.inventory.position("okx", "A1", "BTC")
    sums = pages.inventory.sums().values()
    bought = sum((each.bought_quantity for each in sums), Decimal(0))
    sold = sum((each.sold_quantity for each in sums), Decimal(0))
    assert bought + position.open_buy >= venue.executed("buy") + venue.open("buy")
    assert sold + position.open_sell >= venue.executed("sell") + venue.open("sell")


def check_derived(pages: Recorded) -> None:
    """What the rules derive from the records is what the strategy knows."""
    derived = derive(pages.records)
    orders = ("order_id", "client_order_id", "order_status", "executed_quantity", "awaited_quantity", "open_quantity")
    assert sorted(tuple(row[name] for name in orders) for row in derived.orders) == sorted(
        (each.order_id, each.client_order_id, each.status.name.lower(), each.executed, each.awaited, each.open)
        for each in pages.inventory.orders()
    )
    signs = {"buy": 1, "sell": -1}
    held = sum((signs[row["side"]] * row["traded_quantity"] for row in derived.fills), Decimal(0))
    assert held == pages.inventory.position("okx", "A1", "BTC").quantity
    assert len(derived.fills) == sum(each.fills for each in pages.inventory.sums().values())


def check_agreed(venue: LossyVenue, pages: OrderPages, found: Reconciliation) -> None:
    """Position and what is open are the venue's; only requests that the venue never named are in doubt."""
    position = pages.inventory.position("okx", "A1", "BTC")
    assert position.quantity == venue.position
    assert not venue.has_order or len(found.doubts) == venue.requests_lost
    assert all(each.page.status is OrderStatus.PENDING_NEW and not each.page.order_id for each in found.doubts)
    lost = {"buy": Decimal(0), "sell": Decimal(0)}
    for each in found.doubts:
        lost[each.page.side.name.lower()] += each.page.open
    assert position.open_buy == venue.open("buy") + lost["buy"]
    assert position.open_sell == venue.open("sell") + lost["sell"]
    assert not (found.differences or found.failures or found.refused)


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 1 << 32))
def test_strategy_and_venue_agree_after_a_disconnect(seed: int) -> None:
    venue, pages = opened(seed)
    for _ in range(venue.draw.randrange(1, 4)):
        for _ in range(venue.draw.randrange(8)):
            venue.trade()
        venue.fails = venue.draw.choice((0.0, 0.3, 1.0))
        reconcile(pages, venue.queries(), **WHOSE)
        check_never_too_little(venue, pages)
        if venue.draw.random() < 0.5:
            venue.arrive()
    venue.fails = 0.0
    found = reconcile(pages, venue.queries(), **WHOSE)
    if venue.has_trades or venue.has_order:
        check_agreed(venue, pages, found)
    check_derived(pages)
    again = reconcile(pages, venue.queries(), **WHOSE)
    assert (again.updates, again.inferred, again.ended) == ([], [], [])
    assert [each.page for each in again.doubts] == [each.page for each in found.doubts]
    venue.arrive()  # what comes after all changes nothing
    if venue.has_trades or venue.has_order:
        check_agreed(venue, pages, reconcile(pages, venue.queries(), **WHOSE))
    for update in venue.trades():  # and the real fills take the place of those that were inferred
        pages.apply(update)
    for sums in pages.inventory.sums().values():
        assert sums.fills == sum(len(each.fills) for each in venue.orders)
    assert pages.inventory.position("okx", "A1", "BTC").quantity == venue.position
    check_derived(pages)
