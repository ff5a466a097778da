"""Whatever a venue's session tells, and however it arrives, pages and inventory end with what really happened."""

import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringbuf.record.enumerations import OrderStatus
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import OrderPages
from tests.model.sessions import binance, bybit, deribit, fix, hyperliquid, okx
from tests.model.sessions.exchange import Exchange
from tests.model.sessions.telling import Dialect, Told

DIALECTS = [
    binance.Spot(),
    binance.Futures(),
    bybit.Linear(),
    bybit.Spot(),
    okx.Swap(),
    deribit.Apart(),
    deribit.Together(),
    hyperliquid.Perpetual(),
    fix.Session(),  # the last one: it loses nothing, since it asks for what is missing in its sequence
]
ENDS = {"canceled": {"canceled", "expired"}, "expired": {"canceled", "expired"}, "rejected": {"rejected", "canceled"}}
"""What a venue calls an end: some know no other word than canceled."""

sessions = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
each_venue = pytest.mark.parametrize(
    "dialect", DIALECTS, ids=lambda each: f"{type(each).__module__}.{type(each).__name__}"
)


def told_by(dialect: Dialect, draw: random.Random, *, same_ms: bool) -> tuple[Exchange, list[Told]]:
    exchange = Exchange(draw, dialect.abilities, same_ms)
    exchange.run(draw.randint(3, 20))
    return exchange, [told for event in exchange.events for told in dialect.tell(event)]


def merged(draw: random.Random, told: Sequence[Told]) -> list[Told]:
    """In any order that keeps those of a stream in theirs."""
    streams: dict[str, list[Told]] = {}
    for each in told:
        streams.setdefault(each.stream, []).append(each)
    queues = [each[::-1] for each in streams.values()]
    found = []
    while queues := [each for each in queues if each]:
        found.append(draw.choice(queues).pop())
    return found


def with_copies(draw: random.Random, told: list[Told]) -> list[Told]:
    """Some come once more, later."""
    for _ in range(draw.randint(0, 3)):
        if told:
            at = draw.randrange(len(told))
            told.insert(draw.randint(at + 1, len(told)), told[at])
    return told


def with_losses(draw: random.Random, told: list[Told]) -> list[Told]:
    """Some are lost, then a snapshot tells the last state of each order and all fills."""
    last = {each.number: each for each in told if each.number is not None}
    snapshot = [each for each in told if each.is_kept or (each.number is not None and last[each.number] is each)]
    kept = [each for each in told if draw.random() < 0.5]
    return [*draw.sample(kept, len(kept)), *draw.sample(snapshot, len(snapshot))]


def requests(dialect: Dialect, exchange: Exchange) -> list[dict[str, Any]]:
    """What the strategy asked for, as it records it itself."""
    bound = {"exchange": dialect.exchange, "account": "A1", "symbol": dialect.symbol, "strategy": "s"}
    return [
        bound
        | {"exec_type": "pending_new", "order_status": "pending_new", "client_order_id": dialect.client_id(order)}
        | {"side": order.side, "quantity": order.quantity, "price": order.price, "market_ns": order.number}
        for order in exchange.requested
    ]


def check(dialect: Dialect, exchange: Exchange, arrived: Sequence[Told], *, is_asked: bool) -> None:
    pages = OrderPages(inventory=Inventory(instruments={}))
    traded: Counter[str] = Counter()
    pages.on_delta(lambda delta: traded.update({delta.page.order_id: int(delta.traded * 10)}))
    for request in requests(dialect, exchange) if is_asked else ():
        pages.apply(request)
    # The name under which spot's messages come in is that of all but spot.
    name = dialect.exchange.removesuffix("_spot")
    adapter = dialect.adapter(pages, exchange=name, account="A1", strategy="s")
    for each in arrived:
        adapter.receive(dialect.text(each.message))
    assert not adapter.refused
    inventory = pages.inventory
    for side in ("", "long", "short"):
        position = inventory.position(dialect.exchange, "A1", dialect.symbol, side)
        right = exchange.positions().get(side, Decimal(0)), exchange.open(side, "buy"), exchange.open(side, "sell")
        assert (*position, side) == (*right, Decimal(0), Decimal(0), side)
    assert sum(inventory.commissions().values()) == exchange.fees()
    assert inventory.commissions().keys() <= {dialect.currency}
    funding = [amount for each in inventory.profits().values() for amount in each.funding.values()]
    assert sum(funding) == exchange.funding_paid
    check_orders(exchange, inventory)
    assert +traded == {each.order_id: int(each.executed * 10) for each in inventory.orders() if each.executed}


def check_orders(exchange: Exchange, inventory: Inventory) -> None:
    assert all(each.order_id for each in inventory.orders())
    known = {int("".join(filter(str.isdigit, each.order_id))) % 1_000_000: each for each in inventory.orders()}
    assert known.keys() == {each.number for each in exchange.orders}
    for order in exchange.orders:
        page = known[order.number]
        assert page.executed == order.executed
        if order.works:
            assert page.open == order.left
            assert page.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
            assert page.quantity == order.quantity
            assert page.client_order_id in (order.client_id, "mm")
        else:
            assert page.status.name.lower() in ENDS.get(order.status, {order.status})


@each_venue
@sessions
@given(draw=st.randoms(use_true_random=False))
def test_streams_that_overtake_each_other_and_copies_change_nothing(dialect: Dialect, draw: random.Random) -> None:
    exchange, told = told_by(dialect, draw, same_ms=True)
    check(dialect, exchange, with_copies(draw, merged(draw, told)), is_asked=draw.random() < 0.5)


@each_venue
@sessions
@given(draw=st.randoms(use_true_random=False))
def test_any_order_of_arrival_ends_the_same(dialect: Dialect, draw: random.Random) -> None:
    exchange, told = told_by(dialect, draw, same_ms=False)
    check(dialect, exchange, with_copies(draw, draw.sample(told, len(told))), is_asked=draw.random() < 0.5)


@pytest.mark.parametrize("dialect", DIALECTS[:-1], ids=lambda each: f"{type(each).__module__}.{type(each).__name__}")
@sessions
@given(draw=st.randoms(use_true_random=False))
def test_what_was_lost_comes_with_the_snapshot(dialect: Dialect, draw: random.Random) -> None:
    exchange, told = told_by(dialect, draw, same_ms=False)
    # Where the client id changes and all that told the first one is lost, nobody knows which order was asked for.
    is_named = dialect.abilities.amend != "new client id"
    check(dialect, exchange, with_losses(draw, told), is_asked=is_named and draw.random() < 0.5)
