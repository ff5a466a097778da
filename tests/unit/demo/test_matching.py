"""The simulated exchange is a plausible one: what it says about an order adds up, and it refuses what venues refuse."""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ringbuf.demo.market import BITCOIN, OPENING_TICKS, steps
from ringbuf.demo.matching import MatchingEngine, Message

Events = list[Message]


class Client:
    """Talks to an engine whose random choices can be tried seed by seed."""

    def __init__(self, seed: int = 1) -> None:
        self.events: Events = []
        self.engine = MatchingEngine(seed, lambda client, event: self.events.append({"client": client} | event))

    def order(self, number: int = 1, **fields: Any) -> Events:
        """Send an order, by default a small bid far below the market; returns what was answered at once."""
        usual: Message = {
            "client_order_id": f"c{number}",
            "symbol": BITCOIN.symbol,
            "side": "buy",
            "price": 60_000.0,
            "quantity": 0.005,
            "time_in_force": "good_till_cancel",
        }
        self.events.clear()
        self.engine.new_order("mm", usual | fields)
        return list(self.events)

    def market(self, offset: int) -> float:
        """A price some ticks above the best ask."""
        return BITCOIN.price(self.engine.markets[BITCOIN.symbol].ask + offset)


def answered(order: Callable[[Client], Events], wanted: Callable[[Events], bool]) -> Events:
    """The first answer of the kind wanted, over the seeds: an exchange refuses a few orders for no reason."""
    for seed in range(100):
        events = order(Client(seed))
        if wanted(events):
            return events
    pytest.fail("no seed gives such an answer")


def names(events: Events) -> list[str]:
    return [event["event"] for event in events]


def test_an_order_below_the_market_is_acknowledged_and_rests() -> None:
    (event,) = Client().order()
    assert event["event"] == event["status"] == "new"
    assert (event["cumulative_quantity"], event["leaves_quantity"], event["average_price"]) == (0.0, 0.005, None)


def test_an_order_through_the_market_takes_liquidity_level_by_level() -> None:
    def order(client: Client) -> Events:
        return client.order(price=client.market(10), quantity=0.030)

    events = answered(order, lambda events: names(events).count("fill") > 1)
    fills = events[1:]
    prices = [fill["last_price"] for fill in fills]
    assert {fill["liquidity"] for fill in fills} == {"taker"}
    assert prices == [prices[0] + 0.5 * level for level in range(len(prices))]
    assert all(fill["fee"] > 0 for fill in fills)


def test_what_an_immediate_or_cancel_order_does_not_get_expires() -> None:
    def order(client: Client) -> Events:
        return client.order(price=client.market(0), quantity=1.0, time_in_force="immediate_or_cancel")

    events = answered(order, lambda events: names(events) == ["new", "fill", "expired"])
    assert events[-1]["leaves_quantity"] == 0.0
    assert events[-1]["cumulative_quantity"] == events[1]["last_quantity"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"symbol": "DOGE"}, "unknown symbol"),
        ({"price": 60_000.25}, "price is not a multiple of 0.5"),
        ({"price": -1.0}, "price is not a multiple of 0.5"),
        ({"price": "much"}, "price is not a multiple of 0.5"),
        ({"price": float("nan")}, "price is not a multiple of 0.5"),
        ({"quantity": 0.0005}, "quantity is not a multiple of 0.001"),
        ({"quantity": 0}, "quantity is not a multiple of 0.001"),
        ({"side": "both"}, "unknown side or time in force"),
        ({"time_in_force": "for ever"}, "unknown side or time in force"),
        ({"client_order_id": ""}, "client order id is empty or in use"),
        ({"price": 70_000.0, "time_in_force": "post_only"}, "post-only order would take liquidity"),
    ],
    ids=str,
)
def test_a_wrong_order_is_rejected_with_the_reason(wrong: Message, reason: str) -> None:
    (event,) = Client().order(**wrong)
    assert (event["event"], event["status"], event["reason"]) == ("rejected", "rejected", reason)


def test_an_open_order_is_canceled_and_a_closed_one_is_not() -> None:
    client = Client()
    client.order()
    for _ in range(2):
        client.engine.cancel("mm", {"client_order_id": "c1", "symbol": BITCOIN.symbol})
    assert names(client.events) == ["new", "canceled", "cancel_rejected"]
    assert client.events[-1]["reason"] == "order is not open"


def test_an_order_of_another_client_cannot_be_canceled() -> None:
    client = Client()
    client.order()
    client.engine.cancel("other", {"client_order_id": "c1"})
    assert names(client.events) == ["new", "cancel_rejected"]


def test_an_order_whose_time_is_over_expires() -> None:
    client = Client()
    client.order(time_in_force="good_till_date", lifetime_ns=0)
    client.engine.step()
    assert names(client.events) == ["new", "expired"]


def test_what_the_exchange_says_about_every_order_adds_up() -> None:
    client = Client(seed=7)
    events: Events = []
    for number in range(300):
        market = client.engine.markets[BITCOIN.symbol]
        side = ("buy", "sell")[number % 2]
        touch = market.bid if side == "buy" else market.ask
        events += client.order(number, side=side, price=BITCOIN.price(touch), quantity=0.009)
        client.events.clear()
        client.engine.step()
        events += client.events
    booked: defaultdict[str, Decimal] = defaultdict(Decimal)
    position = Decimal(0)
    for event in events:
        if event["event"] == "fill":
            last = Decimal(repr(event["last_quantity"]))
            position += last if event["side"] == "buy" else -last
            booked[event["client_order_id"]] += last
            total = Decimal(repr(event["cumulative_quantity"]))
            assert booked[event["client_order_id"]] == total
            assert total + Decimal(repr(event["leaves_quantity"])) == Decimal("0.009")
            assert event["status"] == ("partially_filled" if event["leaves_quantity"] else "filled")
            assert (event["fee"] < 0) is (event["liquidity"] == "maker")
    sequence = [event["exchange_seq"] for event in events]
    assert sequence == list(range(1, len(events) + 1))
    trades = [event["trade_id"] for event in events if event["event"] == "fill"]
    assert len(set(trades)) == len(trades) > 100
    assert Decimal(client.engine.positions("mm")[BITCOIN.symbol]) == position


@pytest.mark.parametrize("instrument", OPENING_TICKS, ids=lambda each: each.symbol)
def test_every_price_and_quantity_survives_its_way_through_a_message(instrument: Any) -> None:
    for count in (1, 3, 7, 999, OPENING_TICKS[instrument], OPENING_TICKS[instrument] + 1):
        assert steps(instrument.price(count), instrument.tick) == count
        assert steps(instrument.quantity(count), instrument.lot) == count
