"""What an inventory forgets, and that it loses nothing by it."""

import gc
import random
import threading
from collections import deque
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ringbuf.errors import RecordError
from ringbuf.strategies.inventory import Inventory, Position
from ringbuf.trading.lookback import REPORTS
from ringbuf.trading.order import Order
from ringbuf.trading.trade import Trade
from tests.unit.trading.histories import BEGIN_NS, INSTRUMENT, Fields, applied, totals

SECOND_NS = 1_000_000_000


def one_order(number: int, **fields: Any) -> list[Fields]:
    """Asked for, acknowledged, filled, one second after the one before."""
    order = {"client_order_id": f"c{number}", "side": "buy", "quantity": 1.0} | fields
    told = order | {"order_id": f"o{number}", "exchange_ns": BEGIN_NS + number * SECOND_NS}
    filled = {"order_status": "filled", "cumulative_quantity": 1.0, "last_quantity": 1.0, "last_price": 100.0}
    return [
        order | {"exec_type": "pending_new", "order_status": "pending_new"},
        told | {"exec_type": "new", "order_status": "new", "cumulative_quantity": 0.0},
        told | filled | {"exec_type": "fill", "trade_id": f"t{number}", "report_id": f"r{number}"},
    ]


def reached(start: object) -> int:
    """How many objects are reached from one of the project."""
    seen, waiting = set(), deque([start])
    while waiting:
        each = waiting.popleft()
        if id(each) in seen or isinstance(each, type | str | int | Decimal):
            continue
        seen.add(id(each))
        if isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset | deque):
            waiting += each
        elif type(each).__module__.startswith("ringbuf."):
            slots = [name for kind in type(each).__mro__ for name in getattr(kind, "__slots__", ())]
            waiting += [getattr(each, name) for name in slots if hasattr(each, name)]
            waiting += list(getattr(each, "__dict__", {}).values())
    return len(seen)


KINDS: dict[str, Any] = {
    "ids of their own": lambda number: one_order(number),
    "a label for all": lambda number: one_order(number, client_order_id="mm"),
    "no order ids": lambda number: [each | {"order_id": "0"} for each in one_order(number)],
    "a label and no request": lambda number: one_order(number, client_order_id="mm")[1:],
    "fills of no order": lambda number: [one_order(number)[2] | {"order_id": "", "client_order_id": ""}],
    "busts by reference": lambda number: [
        *one_order(number),
        {"exec_type": "trade_cancel", "ref_id": f"r{number}", "exchange_ns": BEGIN_NS + number * SECOND_NS},
        one_order(number)[1] | {"exec_type": "canceled", "order_status": "canceled"},
    ],
    "busts of nothing": lambda number: [
        {"exec_type": "trade_cancel", "trade_id": f"t{number}", "exchange_ns": BEGIN_NS + number * SECOND_NS}
    ],
    "cancels under ids of their own": lambda number: [
        *one_order(number)[:2],
        {
            "exec_type": "pending_cancel",
            "order_status": "pending_cancel",
            "client_order_id": f"x{number}",
            "orig_client_order_id": f"c{number}",
        },
        one_order(number)[1] | {"exec_type": "canceled", "order_status": "canceled"},
    ],
    "a new order id with each replace": lambda number: [
        one_order(number)[1]
        | {"exec_type": "replaced", "orig_client_order_id": f"c{number - 1}", "order_status": "new"},
    ],
    "a chain of requests to replace": lambda number: [
        {
            "exec_type": "pending_replace",
            "client_order_id": f"c{number}",
            "orig_client_order_id": f"c{number - 1}",
            "exchange_ns": BEGIN_NS + number * SECOND_NS,
        },
        one_order(number)[1]
        | {"exec_type": "replaced", "orig_client_order_id": f"c{number - 1}", "order_status": "new"},
    ],
    "cancels of a label under ids of their own": lambda number: [
        one_order(number, client_order_id="mm")[1],
        {"exec_type": "pending_cancel", "client_order_id": f"x{number}", "orig_client_order_id": "mm"},
        one_order(number)[1] | {"exec_type": "canceled", "client_order_id": f"x{number}", "order_status": "canceled"},
    ],
    "the first request of all": lambda number: [
        one_order(number)[1] | {"exec_type": "replaced", "orig_client_order_id": "first"},
        one_order(number)[1] | {"exec_type": "canceled", "order_status": "canceled"},
    ],
    "options that expire": lambda number: [each | {"symbol": f"BTC-{number // 50}"} for each in one_order(number)],
}
POSITIONS = {"options that expire"}
"""Kinds with many instruments, whose sums are kept for ever."""


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_bounded_by_the_look_back(kind: str) -> None:
    inventory = Inventory(lookback=timedelta(seconds=60))
    sizes = []
    for number in range(3_000):
        for each in KINDS[kind](number):
            inventory.apply(INSTRUMENT | each)
        if number in (1_000, 2_999):
            sizes.append(reached(inventory.ledger) - (150 * len(inventory.positions()) if kind in POSITIONS else 0))
    assert sizes[1] < 1.5 * sizes[0]
    assert len(inventory.ledger) < 2_000


def test_a_request_to_replace_names_the_order_that_has_its_id_as_long_as_that_works() -> None:
    inventory = Inventory(lookback=timedelta(seconds=60))
    chain = KINDS["a chain of requests to replace"]
    applied([*one_order(0)[:2], *chain(1)], inventory)
    applied([one_order(1)[1] | {"order_status": "partially_filled", "cumulative_quantity": 0.25}], inventory)
    working = one_order(1_000, client_order_id="mm", order_id="label")[1]
    for number in range(1_000, 3_000):
        request = {"exec_type": "pending_replace", "client_order_id": f"r{number}", "orig_client_order_id": "c1"}
        applied([working, request | {"exchange_ns": BEGIN_NS + number * SECOND_NS}], inventory)
    assert len(inventory.ledger) < 200
    applied([{"exec_type": "canceled", "order_status": "canceled", "client_order_id": "c1", "side": "buy"}], inventory)
    (order,) = (each for each in inventory.orders() if each.order_id == "o1")
    assert order.is_over


def test_an_order_that_comes_under_another_client_id_is_known_there_by_its_exact_id() -> None:
    inventory = Inventory(lookback=None)
    request = {"exec_type": "pending_replace", "client_order_id": "e"}
    told = {"exec_type": "new", "order_status": "new", "side": "buy", "quantity": 9.0, "order_id": "1"}
    applied([request | {"orig_client_order_id": "c"}, told | {"client_order_id": "e"}], inventory)
    applied([request | {"orig_client_order_id": "a"}], inventory)  # the id is one of another order's requests now
    applied([told | {"exec_type": "replaced", "order_id": "2", "orig_client_order_id": "e"}], inventory)
    applied([request | {"client_order_id": "b", "orig_client_order_id": "e"}], inventory)
    applied([told | {"client_order_id": "b"}], inventory)
    assert {each.order_id for each in inventory.orders() if each.is_over} == {"1"}, "2 took the place of e"


def test_fifty_thousand_orders_leave_few_behind_and_their_sums_are_exact() -> None:
    inventory = Inventory(lookback=timedelta(minutes=5))
    orders = 50_000
    working = INSTRUMENT | {"exec_type": "new", "order_status": "new", "side": "sell", "quantity": 7.0, "order_id": "w"}
    inventory.apply(working | {"exchange_ns": BEGIN_NS})
    most = 0
    for number in range(orders):
        for each in one_order(number, commission=0.1, commission_currency="USD")[2:]:
            inventory.apply(INSTRUMENT | each)
        if not number % 10_000:
            most = max(most, len(inventory.ledger), len(inventory.orders()))
    assert most < 5_000
    assert inventory.position(**INSTRUMENT) == Position(Decimal(orders), open_sell=Decimal(7)), "what works is kept"
    assert inventory.commissions() == {"USD": orders * Decimal("0.1")}


def test_a_report_that_may_have_been_forgotten_is_refused_and_one_that_is_known_is_a_copy() -> None:
    inventory = Inventory(lookback=timedelta(seconds=60))
    works = one_order(0)[1]
    applied([works, one_order(1)[2] | {"order_id": "o0", "last_quantity": 0.25}], inventory)
    for number in range(2, 1_000):
        applied(one_order(number), inventory)
    before = inventory.positions(), inventory.sums()
    for old in (*one_order(2)[1:], one_order(2)[2] | {"order_id": "", "client_order_id": ""}):
        with pytest.raises(RecordError, match="older than the look-back"):
            applied([old], inventory)
    applied([works, one_order(1)[2] | {"order_id": "o0", "last_quantity": 0.25}, one_order(999)[2]], inventory)
    assert (inventory.positions(), inventory.sums()) == before
    applied([one_order(1)[2] | {"order_id": "o0", "trade_id": "late"}], inventory)
    assert inventory.position(**INSTRUMENT).quantity == before[1][next(iter(before[1]))].bought_quantity + 1


@pytest.mark.parametrize("is_timed", [True, False])
def test_nothing_is_forgotten_without_a_look_back_or_without_venue_times(is_timed: bool) -> None:
    records = [each for number in range(500) for each in one_order(number)]
    if not is_timed:
        records = [each | {"exchange_ns": None} for each in records]
    inventory = Inventory(lookback=None if is_timed else timedelta(0))
    assert totals(applied(records + records, inventory)) == Position(Decimal(500))


def test_a_wrong_time_of_a_venue_makes_nothing_old() -> None:
    inventory = Inventory(lookback=timedelta(seconds=60))
    wrong = {"order_id": "x", "exec_type": "new", "side": "buy", "exchange_ns": (1 << 63) - 1}
    for number in range(2 * REPORTS):
        applied([*one_order(number)[1:], *([wrong] if not number % 7 else [])], inventory)
    assert totals(inventory) == Position(Decimal(2 * REPORTS))


def test_records_without_time_are_as_old_as_those_around_them() -> None:
    inventory = Inventory(lookback=timedelta(seconds=60))
    untimed = [{name: each for name, each in record.items() if name != "exchange_ns"} for record in one_order(5_000)]
    for number in range(500):
        applied(one_order(number), inventory)
    elsewhere = INSTRUMENT | {"exchange": "other"}
    for each in (*untimed, *untimed):
        inventory.apply(elsewhere | each)
    for number in range(500, 530):
        applied(one_order(number), inventory)
    for each in untimed:
        inventory.apply(elsewhere | each)
    assert inventory.position(**elsewhere) == Position(Decimal(1))


def test_other_threads_read_whole_positions_while_one_applies_and_forgets() -> None:
    inventory, done, failures = Inventory(lookback=timedelta(seconds=60)), threading.Event(), []

    def read() -> None:
        highest = Decimal(0)
        while not done.is_set():
            position = inventory.position(**INSTRUMENT)
            reached = position.quantity + position.open_buy
            bought = sum(each.bought_quantity for each in inventory.sums().values())
            awaited = [each for each in inventory.orders() if each.awaited]
            if reached < highest or bought < position.quantity or awaited:
                failures.append((position, bought, awaited))
            highest = reached

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1_500):
        applied(one_order(number), inventory)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_random_history_is_the_same_with_a_look_back_and_without() -> None:
    draw = random.Random(7)
    short, long = Inventory(lookback=timedelta(seconds=30)), Inventory(lookback=None)
    for number in range(2_000):
        records = one_order(number, quantity=2.0)
        if draw.random() < 0.5:
            records[2]["order_status"] = "partially_filled"
            records.append(
                records[1] | {"exec_type": "canceled", "order_status": "canceled", "cumulative_quantity": 1.0}
            )
        if draw.random() < 0.3:
            bust = {"exec_type": "trade_cancel", "ref_id": f"r{number}"}
            records.append(bust | {"exchange_ns": BEGIN_NS + number * SECOND_NS})
        records += draw.choices(records, k=2)
        applied(records, short)
        applied(records, long)
        assert short.positions() == long.positions()
        assert short.sums() == long.sums()
    assert len(short.ledger) < len(long.ledger) / 4


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_forgotten_needs_no_garbage_collector(kind: str) -> None:
    inventory = Inventory(lookback=timedelta(seconds=REPORTS))
    gc.collect()
    gc.disable()
    try:
        for number in range(5 * REPORTS):
            applied(KINDS[kind](number), inventory)
        kept = sum(isinstance(each, Order | Trade) for each in gc.get_objects())
    finally:
        gc.enable()
    assert kept < 5 * REPORTS
