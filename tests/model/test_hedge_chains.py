"""A strategy and the rows that are derived say the same of hedges, whatever took the place of what."""

import json
import random
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ringbuf.errors import RecordError
from ringbuf.strategies.inventory import Inventory
from ringbuf.trading.derivation import derive
from ringbuf.trading.hedge import SIGNS, Hedge, HedgeBalance
from ringbuf.trading.report import Instrument, Side
from ringbuf.writer.derive.memory import rows_of
from tests.clickhouse.databases import executions
from tests.clickhouse.test_derivation import ODD
from tests.clickhouse.test_rules import BASE, CONTRADICTIONS, given, shuffled
from tests.model.hedge_chains import RATIO, HedgeChains, hedge_of
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


def of_rows(rows: Sequence[dict[str, Any]]) -> dict[Instrument, HedgeBalance]:
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
        else:
            key = HEDGE.instrument
            entry = HedgeBalance(owed=-Fraction(sign * executed) * Fraction(HEDGE.ratio))
        found[key] = HedgeBalance(*map(sum, zip(found.get(key, HedgeBalance()), entry, strict=True)))
    return found


def check(records: Sequence[Fields]) -> None:
    inventory = Inventory(lookback=None, hedges=lambda order: HEDGE)
    found = of_rows(applied(inventory, [each for each in records if each.get("origin") != "simulated"]))
    balances = {key: each for key, each in inventory.hedge_balances().items() if any(each[:3])}
    assert {key: each[:3] for key, each in balances.items()} == {
        key: each[:3] for key, each in found.items() if any(each[:3])
    }, records


@pytest.mark.parametrize("seed", range(300))
def test_what_took_the_place_of_a_hedge_order_hedges_in_the_rows_as_in_the_strategy(seed: int) -> None:
    chains = HedgeChains(random.Random(seed))
    inventory = Inventory(lookback=None, hedges=hedge_of)
    rows = applied(inventory, chains.arrivals())
    balances = {key.symbol: each for key, each in inventory.hedge_balances().items()}
    orders = derive(rows).orders
    links = {each["order_key"]: each["link_id"] for each in orders}
    for symbol in ("x", "y"):
        its = [each for each in orders if each["symbol"] == symbol]
        hedging = [each for each in its if links[each["chain_key"] or each["order_key"]]]
        assert hedging == its
        filled = sum((SIGNS[Side[each["side"].upper()]] * each["executed_quantity"] for each in its), Decimal(0))
        balance = balances.get(symbol, HedgeBalance())
        assert filled == balance.filled == chains.filled[symbol]
        assert balance.owed == Fraction(chains.owed[symbol])
    makers = [each for each in orders if each["exchange"] == "makers"]
    assert all(not links[each["chain_key"] or each["order_key"]] for each in makers)
    assert RATIO


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_told_and_in_whatever_order_strategy_and_rows_agree_about_hedges(seed: int) -> None:
    draw = random.Random(seed)
    contradictions: list[list[Fields]] = json.loads(CONTRADICTIONS.read_text())
    known = [each.records for each in histories().values()] + contradictions
    known += [[*map(given, random_venue(f"chains {seed} {number}").arrivals())] for number in range(100)]
    for its in known:
        records = [
            each | draw.choice(ODD) if draw.random() < 0.2 else each | {"link_id": draw.choice(("", "", "m"))}
            for each in shuffled(draw, its)
        ]
        check(records)
