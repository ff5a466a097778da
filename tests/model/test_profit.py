"""Profit by average cost, against what is simple: cash flows, lots of one trade, and the whole fold."""

import random
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.strategies.inventory import Contract, ContractKind, Inventory
from ringbuf.trading.fill_sequence import FillSequence, Placed
from ringbuf.trading.lookback import LookBack
from ringbuf.trading.profit import Profit, State, read_state, traded
from ringbuf.trading.rank import Place

Fills: TypeAlias = list[tuple[Decimal, Decimal]]

QUANTITIES = st.integers(-50, 50).filter(bool).map(lambda number: Decimal(number) / 8)
PRICES = st.integers(1, 999).map(lambda number: Decimal(number) / 10)
FILLS = st.lists(st.tuples(QUANTITIES, PRICES), max_size=30)
KINDS = st.sampled_from(ContractKind)
BEGIN_NS = 1_790_000_000_000_000_000


def contract_of(kind: ContractKind) -> Contract:
    return Contract(kind, Decimal("0.01"), base="B", quote="Q", settle="S", value_step=Decimal("0.0001"))


def folded(kind: ContractKind, fills: Fills, state: State | None = None) -> State:
    state = state or State()
    for quantity, price in fills:
        state = traded(state, contract_of(kind), quantity, price)
    return state


def profit(kind: ContractKind, fills: Fills) -> Profit:
    return Profit(contract_of(kind), folded(kind, fills), {}, {})


def worth(kind: ContractKind, quantity: Decimal, price: Decimal) -> Fraction:
    """What a quantity is worth at a price, in the currency of profit; less than nothing if it was sold."""
    if kind is ContractKind.INVERSE:
        return Fraction(-quantity) / Fraction(price) / 100
    return Fraction(quantity * price) / 100


@given(KINDS, FILLS, PRICES)
def test_realised_and_unrealised_are_what_was_paid_and_received_and_what_is_held_at_the_mark(
    kind: ContractKind, fills: Fills, mark: Decimal
) -> None:
    found = profit(kind, fills)
    held = sum((quantity for quantity, _ in fills), Decimal(0))
    flows = -sum((worth(kind, *each) for each in fills), Fraction(0))
    assert found.quantity == held
    error = Fraction(len(fills), 10**60)
    assert abs(found.realised + found.unrealised(mark) - flows - worth(kind, held, mark)) <= error
    if kind is not ContractKind.INVERSE:
        assert found.realised + found.unrealised(mark) == flows + worth(kind, held, mark)


@given(KINDS, FILLS, st.integers(0, 30))
def test_a_fold_goes_on_from_the_text_of_a_state_as_if_it_had_not_stopped(
    kind: ContractKind, fills: Fills, at: int
) -> None:
    state = folded(kind, fills[:at])
    assert folded(kind, fills[at:], read_state(str(state))) == folded(kind, fills)


@given(KINDS, FILLS, QUANTITIES, PRICES)
def test_a_flip_is_a_close_and_an_open(kind: ContractKind, fills: Fills, beyond: Decimal, price: Decimal) -> None:
    state = folded(kind, fills)
    if state.quantity:
        beyond = -abs(beyond) if state.quantity > 0 else abs(beyond)
        one = folded(kind, [(beyond - state.quantity, price)], state)
        two = folded(kind, [(-state.quantity, price), (beyond, price)], state)
        assert one.quantity == two.quantity == beyond
        assert (one.cost, one.venue_cost) == (two.cost, two.venue_cost)
        assert one.venue_cash == two.venue_cash
        assert abs(one.cash - two.cash) <= Fraction(1, 10**60)


@given(KINDS, FILLS)
def test_the_average_entry_moves_with_what_opens_and_stays_with_what_closes(kind: ContractKind, fills: Fills) -> None:
    """Lots kept one by one: what closes takes the same share of each."""
    lots: list[tuple[Fraction, Fraction]] = []
    earned = Fraction(0)
    for quantity, price in fills:
        held = sum((lot for lot, _ in lots), Fraction(0))
        closing = min(abs(held), abs(Fraction(quantity))) if held * Fraction(quantity) < 0 else Fraction(0)
        if closing:
            for lot, entry in lots:
                share = abs(lot) * closing / abs(held)
                sign = 1 if held > 0 else -1
                value = 1 / entry - 1 / Fraction(price) if kind is ContractKind.INVERSE else Fraction(price) - entry
                earned += sign * share * value / 100
            lots = [(lot * (1 - closing / abs(held)), entry) for lot, entry in lots]
            lots = [each for each in lots if each[0]]
        opened = abs(Fraction(quantity)) - closing
        if opened:
            lots.append((opened if quantity > 0 else -opened, Fraction(price)))
    found = profit(kind, fills)
    assert abs(found.realised - earned) <= Fraction(len(fills), 10**59)
    if lots:
        held = sum((lot for lot, _ in lots), Fraction(0))
        if kind is ContractKind.INVERSE:
            average = held / sum((lot / entry for lot, entry in lots), Fraction(0))
        else:
            average = sum((lot * entry for lot, entry in lots), Fraction(0)) / held
        assert found.average_entry is not None
        assert abs(found.average_entry - average) <= Fraction(10**8, 10**60)
    else:
        assert found.average_entry is None


def told(number: int, quantity: Decimal, price: Decimal, **fields: Any) -> dict[str, Any]:
    """A fill as a record; its number tells its time."""
    trade = {"exec_type": "fill", "side": "buy" if quantity > 0 else "sell", "last_price": price}
    ids = {"order_id": f"o{number % 3}", "trade_id": f"t{number}", "exchange_ns": BEGIN_NS + number // 2 * 1_000}
    seq = {"exchange_seq": number + 1}
    return {"exchange": "x", "account": "a", "symbol": "s", "last_quantity": abs(quantity)} | trade | ids | seq | fields


@given(KINDS, FILLS, st.randoms(use_true_random=False), st.lists(st.integers(0, 29)), st.lists(st.integers(0, 29)))
def test_an_inventory_has_the_profit_of_what_is_left_in_the_venues_order_whatever_comes_late(
    kind: ContractKind, fills: Fills, draw: random.Random, busted: list[int], corrected: list[int]
) -> None:
    records = [told(number, *each) for number, each in enumerate(fills)]
    changes = {number for number in busted if number < len(fills)}
    priced = {number: Decimal(number + 1) for number in corrected if number < len(fills)}
    records += [records[number] | {"exec_type": "trade_cancel"} for number in changes]
    records += [
        told(number, fills[number][0], price, exec_type="trade_correct", last_quantity=None)
        for number, price in priced.items()
    ]
    draw.shuffle(records)
    inventory = Inventory(lookback=None, instruments={("x", "s"): contract_of(kind)})
    for each in records:
        inventory.apply(each)
        if draw.random() < 0.3:
            inventory.profits()
    left = [
        (quantity, priced.get(number, price)) for number, (quantity, price) in enumerate(fills) if number not in changes
    ]
    assert inventory.profit("x", "a", "s").state == folded(kind, left)


@pytest.mark.parametrize("seed", range(10))
def test_a_sequence_of_fills_has_the_state_of_the_whole_fold_whatever_comes_late_and_leaves(seed: int) -> None:
    """Fills come up to 90 places late, some are taken back within that, and what is older than 100 is dropped."""
    draw = random.Random(seed)
    lookback = LookBack(1)
    sequence = FillSequence(contract_of(ContractKind.LINEAR), lookback)
    fills = [
        Placed(
            Place(1_000 + number, draw.randrange(3), number), Decimal(draw.choice((-3, -1, 2, 5))), Decimal(number % 7)
        )
        for number in range(2_000)
    ]
    coming = sorted(fills, key=lambda fill: fill.place.time_ns + draw.randrange(90))
    counted: set[Placed] = set()
    most = 0
    for fill in coming:
        sequence.count(fill, 1)
        counted.add(fill)
        now_ns = fill.place.time_ns
        lookback.before_ns = max(lookback.before_ns, now_ns - 100)
        recent = [each for each in counted if now_ns - 5 < each.place.time_ns]
        if recent and draw.random() < 0.1:
            busted = draw.choice(sorted(recent))
            sequence.count(busted, -1)
            counted.remove(busted)
        if draw.random() < 0.1:
            sequence.advance(draw.randrange(50))
        most = max(most, len(sequence))
    while not sequence.advance(100):
        pass
    wanted = folded(ContractKind.LINEAR, [(fill.quantity, fill.price or Decimal(0)) for fill in sorted(counted)])
    assert (str(sequence.state), sequence.late) == (str(wanted), 0)
    assert most < 600


@pytest.mark.parametrize("is_asked", [True, False])
def test_what_is_older_than_the_look_back_leaves_memory_and_profit_stays_right(is_asked: bool) -> None:
    draw = random.Random(1)
    inventory = Inventory(lookback=timedelta(seconds=1), instruments={("x", "s"): contract_of(ContractKind.INVERSE)})
    fills: Fills = []
    for number in range(3_000):
        fills.append((Decimal(draw.randrange(-9, 10) or 1), Decimal(draw.randrange(1, 100))))
        record = told(number, *fills[-1], exchange_ns=BEGIN_NS + number * 10_000_000, order_id=f"o{number}")
        inventory.apply(record | {"order_status": "filled"})
        if is_asked:
            inventory.profits()
    found = inventory.profit("x", "a", "s")
    assert (found.state, found.late) == (folded(ContractKind.INVERSE, fills), 0)
    (sequence,) = inventory.ledger.sequences.values()
    assert len(sequence) < 600  # of a look-back of 100


def test_a_late_change_of_what_left_memory_counts_and_is_told() -> None:
    inventory = Inventory(lookback=timedelta(seconds=1), instruments={("x", "s"): contract_of(ContractKind.LINEAR)})
    works = {"order_id": "works", "order_status": "partially_filled"}
    for number in range(1_000):
        time = {"exchange_ns": BEGIN_NS + number * 10_000_000}
        inventory.apply(told(number, Decimal(1), Decimal(10), **time, **works))
    assert inventory.profit("x", "a", "s").late == 0
    inventory.apply(told(0, Decimal(1), Decimal(10), exchange_ns=BEGIN_NS, **works) | {"commission": 1.0})
    assert inventory.profit("x", "a", "s").late == 0  # only the fee is news
    inventory.apply(told(0, Decimal(1), Decimal(10), exchange_ns=BEGIN_NS, exec_type="trade_cancel", order_id="works"))
    found = inventory.profit("x", "a", "s")
    assert (int(found.quantity), found.average_entry, found.late) == (999, Fraction(10), 1)
    assert inventory.position("x", "a", "s").quantity == 999
