"""Pages of orders, their deltas, the inventory and what the database derives are one, whatever way messages come."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import Delta, OrderPages, OrderState
from ringbuf.trading.derivation import derive
from tests.model.order_life import Fields, Life, lives
from tests.model.venue import random_venue, shown
from tests.unit.trading.histories import BEGIN_NS, histories

INSTRUMENT = {"exchange": "sim", "account": "A1", "symbol": "BTC-PERPETUAL"}
ZERO = Decimal(0)


class Followed:
    """Order pages that took some records, and the deltas that they told."""

    def __init__(self, records: list[Fields]) -> None:
        self.records: list[Fields] = []
        self.pages = OrderPages(inventory=Inventory(lookback=None))
        self.deltas: list[Delta] = []
        self.pages.on_delta(self.deltas.append)
        self.apply(records)

    def apply(self, records: list[Fields]) -> None:
        """Take more records."""
        for each in records:
            self.pages.apply(INSTRUMENT | each)
        self.records += records

    @property
    def page(self) -> OrderState:
        """That of its one order."""
        (page,) = self.pages.inventory.orders()
        return page

    def check(self) -> None:
        """Deltas sum up to the pages, and pages and inventory are what is derived from the same records."""
        assert self.pages.refused == 0
        assert [each for each in self.pages.handlers if each.failed] == []
        orders = self.pages.inventory.orders()
        self._check_deltas(orders)
        rows = [
            {**INSTRUMENT, "origin": "live", **each, "session": 1, "seq": seq, "captured_ns": BEGIN_NS + seq}
            for seq, each in enumerate(self.records)
        ]
        derived = derive(rows)
        told = [
            (each.order_id, each.client_order_id, each.side.name.lower(), each.status.name.lower(), *_numbers(each))
            for each in orders
        ]
        names = ("order_id", "client_order_id", "side", "order_status", "executed_quantity", "awaited_quantity")
        assert sorted(told) == sorted(
            tuple(each[name] for name in (*names, "open_quantity")) for each in derived.orders
        )
        held = sum((_signed(each["side"], each["traded_quantity"]) for each in derived.fills if each["counted"]), ZERO)
        assert self.pages.inventory.position(**INSTRUMENT).quantity == held

    def _check_deltas(self, orders: list[OrderState]) -> None:
        last: dict[Any, Delta] = {}
        for each in self.deltas:
            if each.before is not None:
                last.pop(id(each.before), None)
            last[id(each.page)] = each
        assert all(id(each) in last for each in orders)  # the page of the last delta is the page
        nameless = [each for each in self.deltas if not (each.page.order_id or each.page.client_order_id)]
        executed = sum((each.executed for each in orders), ZERO) + sum((each.traded for each in nameless), ZERO)
        assert sum((each.traded for each in self.deltas), ZERO) == executed
        assert sum((each.remaining for each in self.deltas), ZERO) == sum((each.leaves for each in orders), ZERO)
        held = [(each.side, each.executed - each.awaited) for each in orders]
        held += [(each.page.side, each.traded) for each in nameless]
        positions = self.pages.inventory.positions().values()
        assert sum((_signed(side.name.lower(), quantity) for side, quantity in held), ZERO) == sum(
            (each.quantity for each in positions), ZERO
        )
        if self.deltas:
            assert self.deltas[-1].position == self.pages.inventory.positions()[self.deltas[-1].page.key]


def _numbers(page: OrderState) -> tuple[Decimal, Decimal, Decimal]:
    return page.executed, page.awaited, page.open


def _signed(side: str, quantity: Decimal) -> Decimal:
    return quantity if side == "buy" else -quantity


def check_truth(followed: Followed, life: Life, *, are_fills_known: bool = True) -> None:
    """The page is the order as it really is, and so is the position, or what is held and awaited."""
    page, position = followed.page, followed.pages.inventory.position(**INSTRUMENT)
    assert (page.status.name.lower(), page.price, page.quantity) == (life.status, life.price, life.quantity)
    assert (page.executed, page.leaves, page.is_over) == (life.executed, life.leaves, not life.works)
    awaited = ZERO if are_fills_known else position.awaited_buy
    assert (position.quantity + awaited, position.open_buy - awaited) == (life.executed, life.leaves)
    followed.check()


@settings(max_examples=300)
@given(lives(), st.data())
def test_whatever_the_order_and_the_copies_of_its_messages_an_order_ends_as_it_is(
    life: Life, data: st.DataObject
) -> None:
    copies = data.draw(st.lists(st.sampled_from(life.messages), max_size=5))
    check_truth(Followed(data.draw(st.permutations(life.messages + copies))), life)


@settings(max_examples=300)
@given(lives(), st.data())
def test_what_was_lost_comes_back_with_a_snapshot_and_a_look_back(life: Life, data: st.DataObject) -> None:
    arrived = data.draw(st.lists(st.sampled_from(life.messages), max_size=len(life.messages)))
    followed = Followed(arrived)
    followed.check()
    later = [life.snapshot, *life.lookback]
    copies = data.draw(st.lists(st.sampled_from(later + life.messages), max_size=5))
    followed.apply(data.draw(st.permutations(later + copies)))
    check_truth(followed, life)


@settings(max_examples=300)
@given(lives(), st.data())
def test_a_snapshot_alone_tells_what_an_order_executed_and_its_fills_are_awaited(
    life: Life, data: st.DataObject
) -> None:
    changes = [each for each in life.messages if each["exec_type"] in ("trade_cancel", "trade_correct")]
    arrived = data.draw(st.lists(st.sampled_from(life.messages), max_size=len(life.messages)))
    followed = Followed(data.draw(st.permutations(arrived + changes)))
    followed.apply([life.snapshot])
    check_truth(followed, life, are_fills_known=False)


@pytest.mark.parametrize("part", range(4))
def test_whatever_the_dialect_of_a_venue_deltas_pages_and_what_is_derived_are_one(part: int) -> None:
    for seed in range(60):
        venue = random_venue((part, seed))
        followed = Followed(venue.arrivals())
        assert followed.pages.inventory.position(**INSTRUMENT)[:3] == venue.truth()[:3], shown(followed.records)
        followed.check()


@given(st.sampled_from(sorted(histories())), st.data())
def test_histories_in_any_order_and_with_copies_are_the_same_in_deltas_pages_and_what_is_derived(
    name: str, data: st.DataObject
) -> None:
    records = histories()[name].records
    copies = data.draw(st.lists(st.sampled_from(records), max_size=3))
    Followed(data.draw(st.permutations([*records, *copies]))).check()
