"""The inventory of a strategy and the view `positions` know the same."""

import math
import random
from typing import Any

import pytest

from ringbuf.strategies.inventory import Inventory
from tests.clickhouse.databases import Database, executions
from tests.clickhouse.test_views import FILL, positions, record


def random_trades(draw: random.Random, rows: int) -> list[dict[str, Any]]:
    """Fills with copies and partials, and cancels and corrections that come before and after them."""
    found = []
    for number in range(1, rows + 1):
        row = {**FILL, "account": draw.choice(("A1", "A2")), "trade_id": f"t-{draw.randrange(rows // 4)}"}
        row |= {
            "captured_ns": number,
            "last_price": draw.choice((1.0, 2.0)),
            "last_quantity": draw.randrange(1, 4) / 10,
        }
        match draw.randrange(10):
            case 0:
                row |= {"exec_type": "trade_cancel"}
            case 1:
                row |= {"exec_type": "trade_correct", "exchange_ns": draw.randrange(10**9)}
                row[draw.choice(("last_price", "last_quantity"))] = math.nan
                row["commission"] = draw.choice((draw.randrange(9) / 100, math.nan))
            case _:
                row |= {"order_id": f"o-{draw.randrange(2)}", "side": draw.choice(("buy", "sell"))}
                row["commission"] = draw.choice((row["last_price"] * row["last_quantity"] / 1000, math.nan))
        found.append(row)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_inventory_of_a_strategy_has_the_same_positions_and_commissions(views: Database, seed: int) -> None:
    rows = random_trades(random.Random(seed), 200)
    record(views, *rows)
    inventory = Inventory()
    for each in executions(rows, session=1):
        inventory.apply(each)
    found = positions(views)
    assert {each["account"]: each["quantity"] for each in found} == {
        instrument.account: position.quantity for instrument, position in inventory.positions().items()
    }
    assert sum(each["commissions"].get("", 0) for each in found) == inventory.commissions()[""]
