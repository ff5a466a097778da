"""A strategy and the rows that are derived say the same of hedges, whatever took the place of what."""

import json
import random
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ringbuf.errors import RecordError
from ringbuf.record.enumerations import Side
from ringbuf.strategies.inventory import Inventory
from ringbuf.trading.derivation import derive
from ringbuf.trading.hedge import SIGNS, Hedge, HedgeBalance
from ringbuf.trading.report import Instrument
from ringbuf.writer.derive.memory import rows_of
from tests.clickhouse.databases import executions
from tests.clickhouse.test_derivation import ODD
from tests.clickhouse.test_rules import BASE, CONTRADICTIONS, given, shuffled
from tests.model.hedge_chains import HedgeChains, HedgeOf, hedge_of
from tests.model.venue import random_venue
from tests.unit.trading.histories import Fields, histories

HEDGE = Hedge(exchange="h", account="h", symbol="h", step=Decimal(1), ratio=Decimal("0.5"))


def applied(inventory: Inventory, records: Sequence[Fields]) -> list[dict[str, Any]]:
    """The rows of those that the inventory takes."""
    rows = executions([{**BASE, "account": "A", **each} for each in records])
    taken = []
    for each, row in zip(rows, rows_of([memoryview(rows.tobytes())]).values(), strict=True):
        try:
            inventory.apply(each)
        except RecordError:
            continue
        taken.append(dict(row))
    return taken


def of_rows(rows: Sequence[dict[str, Any]], hedge_of: HedgeOf) -> dict[Instrument, HedgeBalance]:
    """What the rows of orders say: one hedges if its chain began with an order that has a link."""
    orders = derive(rows).orders
    links = {(each["symbol"], each["order_key"]): each["link_id"] for each in orders}
    found: dict[Instrument, HedgeBalance] = {}
    for each in orders:
        sign, executed = SIGNS[Side[each["side"].upper()]], each["executed_quantity"]
        if links[each["symbol"], each["chain_key"] or each["order_key"]]:
            leaves = each["open_quantity"] - each["awaited_quantity"]
            key = Instrument(each["exchange"], each["account"], each["symbol"])
            entry = HedgeBalance(filled=sign * executed, working=sign * leaves)
        elif (hedge := hedge_of(Instrument(each["exchange"], each["account"], each["symbol"]))) is not None:
            key, entry = hedge.instrument, HedgeBalance(owed=-Fraction(sign * executed) * Fraction(hedge.ratio))
        else:
            continue
        before = found.get(key, HedgeBalance())
        found[key] = HedgeBalance(
            before.owed + entry.owed, before.filled + entry.filled, before.working + entry.working
        )
    return found


def check(records: Sequence[Fields], hedge_of: HedgeOf) -> None:
    inventory = Inventory(lookback=None, hedges=lambda order: hedge_of(order.key))
    found = of_rows(applied(inventory, [each for each in records if each.get("origin") != "simulated"]), hedge_of)
    balances = {key: each for key, each in inventory.hedge_balances().items() if any(each[:3])}
    assert {key: each[:3] for key, each in balances.items()} == {
        key: each[:3] for key, each in found.items() if any(each[:3])
    }, records


@pytest.mark.parametrize("is_recorded_first", [True, False])
def test_what_took_the_place_of_a_hedge_order_hedges_in_the_rows_as_in_the_strategy(is_recorded_first: bool) -> None:
    for seed in range(80):
        chains = HedgeChains(random.Random(seed))
        records = chains.arrivals(is_recorded_first=is_recorded_first)
        check(records, hedge_of)
        if is_recorded_first:
            inventory = Inventory(lookback=None, hedges=lambda order: hedge_of(order.key))
            applied(inventory, records)
            balances = {key.symbol: each for key, each in inventory.hedge_balances().items()}
            for symbol, filled in chains.filled.items():
                balance = balances.get(symbol, HedgeBalance())
                assert (balance.filled, balance.owed) == (filled, Fraction(chains.owed[symbol]))


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_told_and_in_whatever_order_strategy_and_rows_agree_about_hedges(seed: int) -> None:
    draw = random.Random(seed)
    contradictions: list[list[Fields]] = json.loads(CONTRADICTIONS.read_text())
    known = [each.records for each in histories().values()] + contradictions
    known += [[*map(given, random_venue(f"chains {seed} {number}").arrivals())] for number in range(50)]
    known = [each for each in known if each]
    for its in known:
        records = [
            each | draw.choice(ODD) if draw.random() < 0.2 else each | {"link_id": draw.choice(("", "", "m"))}
            for each in shuffled(draw, its)
        ]
        check(records, lambda _: HEDGE)
