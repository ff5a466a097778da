"""What a simulated exchange answers is what its matching engine did, whatever its feed loses."""

from decimal import Decimal

from ringbuf.demo.hedging import hedges
from ringbuf.demo.market import BITCOIN, EXCHANGES, HEDGE_EXCHANGE, MAKER_EXCHANGE, OPENING_TICKS
from ringbuf.demo.matching import MatchingEngine
from ringbuf.demo.venue_history import MOST_ORDERS, VenueHistory
from ringbuf.demo.venue_updates import update_of
from ringbuf.strategies.inventory import Inventory

NAMES = {"exchange": "sim", "account": "A1", "strategy": "mm"}


def test_the_answers_are_the_state_and_the_trades_of_every_order() -> None:
    history = VenueHistory()
    engine = MatchingEngine(3, history.note)
    for number in range(200):
        market = engine.markets[BITCOIN.symbol]
        order = {"client_order_id": f"c{number}", "symbol": BITCOIN.symbol, "side": ("buy", "sell")[number % 2]}
        touch = BITCOIN.price(market.bid if number % 2 == 0 else market.ask)
        engine.new_order("mm", order | {"price": touch, "quantity": 0.005, "time_in_force": "good_till_cancel"})
        engine.cancel("mm", {"client_order_id": f"c{number - 5}", "symbol": BITCOIN.symbol})
        engine.step()
    inventory = Inventory()
    for event in history.trades("mm", 0):
        inventory.apply(update_of(event, NAMES))
    position = inventory.position("sim", "A1", BITCOIN.symbol)
    assert position.quantity == Decimal(engine.positions("mm")[BITCOIN.symbol])
    works = {each["client_order_id"] for each in history.open_orders("mm")}
    states = [history.order("mm", f"c{number}") for number in range(200)]
    assert {each["status"] for each in states if each} >= {"filled", "canceled"}
    for number, state in enumerate(states):
        assert state is not None
        assert (state["status"] in ("new", "partially_filled")) is (f"c{number}" in works)
        assert "trade_id" not in state
        inventory.apply(update_of(state, NAMES))
    position = inventory.position("sim", "A1", BITCOIN.symbol)
    still = [each for each in states if each and each["client_order_id"] in works]
    assert float(position.open_buy + position.open_sell) == sum(each["leaves_quantity"] for each in still)


def test_trades_are_those_since_a_time_and_of_one_client() -> None:
    history = VenueHistory()
    for number in range(5):
        trade = {"event": "fill", "client_order_id": f"c{number}", "status": "filled", "exchange_ns": number}
        history.note("mm", trade)
    assert [each["exchange_ns"] for each in history.trades("mm", 3)] == [3, 4]
    assert history.trades("other", 0) == history.open_orders("other") == []
    assert history.order("other", "c1") is history.order("mm", "c9") is None


def test_orders_that_are_over_are_forgotten_the_oldest_first() -> None:
    history = VenueHistory()
    for number in range(MOST_ORDERS + 1):
        history.note("mm", {"event": "canceled", "client_order_id": f"c{number}", "status": "canceled"})
    assert history.order("mm", "c0") is None
    assert history.order("mm", "c1") is not None


def test_a_market_order_gets_what_the_first_level_has_and_the_rest_expires() -> None:
    history = VenueHistory()
    engine = MatchingEngine(1, history.note, EXCHANGES[HEDGE_EXCHANGE])
    order = {"symbol": "ETH-USD", "side": "sell", "order_type": "market", "time_in_force": "immediate_or_cancel"}
    for number in range(50):
        engine.new_order("mm", order | {"client_order_id": f"c{number}", "quantity": 0.09})
    states = [history.order("mm", f"c{number}") or {} for number in range(50)]
    assert {each["status"] for each in states} >= {"filled", "expired"}
    assert all(each.get("price") is None for each in states)
    sold = sum(Decimal(repr(each.get("cumulative_quantity", 0.0))) for each in states)
    assert Decimal(engine.positions("mm")["ETH-USD"]) == -sold < 0


def test_what_is_hedged_is_traded_on_one_exchange_and_its_hedge_on_the_other_one() -> None:
    assert (
        set(hedges("A1"))
        == {each.symbol for each in EXCHANGES[MAKER_EXCHANGE]}
        == {each.symbol for each in OPENING_TICKS}
    )
    lots = {each.symbol: each.lot for each in EXCHANGES[HEDGE_EXCHANGE]}
    assert {each.symbol: each.step for each in hedges("A1").values()} == lots
