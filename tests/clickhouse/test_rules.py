"""The views and the inventory of a strategy follow the same rules, to the last digit, whatever the venues report."""

import json
import math
import random
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ringbuf.errors import RecordError
from ringbuf.strategies.inventory import Inventory
from tests.clickhouse.databases import ON_SERVER, Database, executions
from tests.clickhouse.test_views import FILL, fills, positions, record
from tests.model.corrections import random_corrections
from tests.model.inferred import random_orders
from tests.model.request_chains import WholeChain, random_chain
from tests.model.venue import random_venue
from tests.unit.trading.histories import BEGIN_NS, Fields, histories

CONTRADICTIONS = Path(__file__).parent.parent / "histories" / "contradictions.json"
Comparable = dict[Any, Any]
SUMS = "bought_quantity, sold_quantity, bought_quote, sold_quote, fills, unpriced"
OPEN = "quantity, open_buy, open_sell, awaited_buy, awaited_sell"
BASE: Fields = {"exchange": "x", "symbol": "s", "origin": "live", "captured_ns": 1}


def shuffled(draw: random.Random, records: Sequence[Fields]) -> list[Fields]:
    """A history in another order of arrival, with copies; some records have a venue time by their place."""
    found = []
    for place, each in enumerate(records):
        times = {"exchange_ns": BEGIN_NS + place * 1_000} if draw.random() < 0.6 else {}
        found.append({**times, **each})
    found += [dict(draw.choice(found)) for _ in range(draw.randrange(3))]
    draw.shuffle(found)
    return found


def applied(database: Database, all_records: Iterable[Sequence[Fields]]) -> list[Inventory]:
    """Each history in an account of its own, in the database and in an inventory; what that refuses is in neither."""
    rows, inventories = [], []
    for number, records in enumerate(all_records):
        inventories.append(Inventory(lookback=None))
        for each in records:
            row = {**BASE, **each, "account": str(number)}
            try:
                inventories[-1].apply(executions([row])[0])
            except RecordError:
                continue
            rows.append(row)
    database.insert(executions(rows, session=1))
    return inventories


def plain(value: Any) -> Any:
    """A number as every way of writing it."""
    return value.normalize() if isinstance(value, Decimal) else Decimal(value) if isinstance(value, int) else value


def of_view(database: Database) -> Comparable:
    """Positions and orders of all accounts, as the views have them."""
    found: Comparable = {}
    query = f"SELECT account, position_side, position_id, {OPEN}, {SUMS}, commissions FROM {database.name()}.positions"
    for account, side, position_id, *numbers, commissions in database.rows(query):
        key = (account, "position", "" if side == "unknown" else side, position_id)
        paid = {currency: amount.normalize() for currency, amount in commissions.items() if amount}
        found[key] = [*map(plain, numbers), paid]
    columns = "order_status, side, executed_quantity, awaited_quantity, open_quantity"
    query = f"SELECT account, order_id, client_order_id, {columns} FROM {database.name()}.orders"
    for account, order_id, client_order_id, *told in database.rows(query):
        found.setdefault((account, order_id, client_order_id), []).append([*map(plain, told)])
    return {key: each if "position" in key else sorted(each, key=str) for key, each in found.items()}


def of_inventory(account: str, inventory: Inventory) -> Comparable:
    """The same of one account, as the strategy has it."""
    found: Comparable = {}
    sums = inventory.sums()
    for key, position in inventory.positions().items():
        if key not in sums:
            continue
        numbers, its = [*position], sums[key]
        numbers += [its.bought_quantity, its.sold_quantity, its.bought_quote, its.sold_quote]
        paid = {currency: amount.normalize() for currency, amount in its.commissions.items() if amount}
        values = [*map(plain, [*numbers, its.fills, its.unpriced]), paid]
        found[(account, "position", key.position_side, key.position_id)] = values
    for order in inventory.orders():
        told = [order.status.name.lower(), order.side.name.lower(), order.executed, order.awaited, order.open]
        found.setdefault((account, order.order_id, order.client_order_id), []).append([*map(plain, told)])
    return {key: each if "position" in key else sorted(each, key=str) for key, each in found.items()}


def told(known: Comparable) -> Comparable:
    """Without positions in which nothing is, which only one side lists."""
    return {key: value for key, value in known.items() if "position" not in key or any(value)}


def compare(views: Database, all_records: Sequence[Sequence[Fields]], names: Sequence[str]) -> None:
    inventories = applied(views, all_records)
    found = of_view(views)
    for number, inventory in enumerate(inventories):
        account = str(number)
        of_account = {key: value for key, value in found.items() if key[0] == account}
        assert told(of_account) == told(of_inventory(account, inventory)), (names[number], all_records[number])


def test_every_history_ends_the_same_in_the_strategy_and_in_the_views(views: Database) -> None:
    known = histories()
    compare(views, [each.records for each in known.values()], list(known))


def test_records_that_contradict_each_other_end_the_same_in_the_strategy_and_in_the_views(views: Database) -> None:
    known: list[list[Fields]] = json.loads(CONTRADICTIONS.read_text())
    compare(views, known, [str(number) for number in range(len(known))])


@pytest.mark.parametrize("seed", range(2))
def test_in_any_order_of_arrival_with_any_copies_strategy_and_views_agree(views: Database, seed: int) -> None:
    draw = random.Random(seed)
    known = histories()
    compare(views, [shuffled(draw, each.records) for each in known.values()], list(known))


def test_whatever_a_venue_does_and_however_it_tells_it_strategy_and_views_agree(views: Database) -> None:
    seeds = [f"views {number}" for number in range(200)]
    compare(views, [[*map(given, random_venue(seed).arrivals())] for seed in seeds], seeds)


def test_chains_of_requests_to_replace_end_the_same_in_the_strategy_and_in_the_views(views: Database) -> None:
    seeds = [f"chain {number}" for number in range(300)]
    compare(views, [random_chain(seed) for seed in seeds], seeds)


def test_whole_chains_end_the_same_in_any_order_of_answers_in_the_strategy_and_in_the_views(views: Database) -> None:
    seeds = [f"whole {number}" for number in range(300)]
    compare(views, [WholeChain(seed).arrivals() for seed in seeds], seeds)


@ON_SERVER
def test_fills_that_were_inferred_give_way_to_the_real_ones_in_the_strategy_and_in_the_views(views: Database) -> None:
    seeds = [f"inferred {number}" for number in range(60)]
    compare(views, [random_orders(seed) for seed in seeds], seeds)


@ON_SERVER
def test_corrections_that_tell_commissions_count_the_same_in_the_strategy_and_in_the_views(views: Database) -> None:
    seeds = [f"views {number}" for number in range(300)]
    compare(views, [random_corrections(seed) for seed in seeds], seeds)


def given(fields: Fields) -> Fields:
    """What a report gives."""
    return {name: value for name, value in fields.items() if value != ""}


UNPRICED_FILLS: list[dict[str, Any]] = [
    *({"last_price": bad} for bad in (math.nan, math.inf, 1e300, 1e-300)),
    {"last_price": 1e20, "last_quantity": 0.1},
]


def test_a_fill_without_a_price_that_can_be_summed_counts_its_quantity(views: Database) -> None:
    record(views, *({**FILL, "trade_id": f"t-{number}", **bad} for number, bad in enumerate(UNPRICED_FILLS)))
    assert [(fill["counted"], fill["priced"]) for fill in fills(views)] == [(True, False)] * len(UNPRICED_FILLS)
    (position,) = positions(views)
    assert (position["quantity"], position["unpriced"]) == (Decimal("0.1") * len(UNPRICED_FILLS), len(UNPRICED_FILLS))
    assert position["bought_quote"] == 0


def test_a_price_of_zero_or_below_counts_and_a_fill_of_zero_is_none(views: Database) -> None:
    record(views, {**FILL, "last_price": 0.0}, {**FILL, "trade_id": "t-2", "last_price": -12.5, "last_quantity": 2.0})
    record(views, {**FILL, "trade_id": "t-3", "last_quantity": 0.0})
    (position,) = positions(views)
    assert (position["fills"], position["ignored"], position["unpriced"]) == (2, 0, 0)
    assert (position["quantity"], position["bought_quote"]) == (Decimal("2.1"), Decimal(-25))
