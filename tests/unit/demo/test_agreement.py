"""The verdict of the demo finds every difference, and none where there is none."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ringbuf.demo.agreement import Agreement, compare
from ringbuf.demo.result import StrategyResult
from ringbuf.query.database import Database

Rows = dict[str, list[dict[str, str]]]

RESULT = StrategyResult(
    name="demo-mm-01",
    session=1,
    starts=1,
    resumed_records=0,
    records=10,
    full=0,
    executed={"ETH-PERPETUAL": ["0.30", "0.13"], "ETH-USD": ["0.05", "0.17"]},
    positions={"ETH-PERPETUAL": "0.17", "ETH-USD": "-0.12"},
    venue_positions={"ETH-PERPETUAL": "0.17", "ETH-USD": "-0.12", "BTC-USD": "0"},
    commissions={},
    hedges={"ETH-USD": {"owed": "-51/400", "filled": "-0.12", "working": "0.00", "balance": "-3/400"}},
    broken=0,
    found={},
    faults={},
)


def stored() -> Rows:
    names = {"strategy": "demo-mm-01"}
    return {
        "positions": [
            names | {"symbol": "ETH-PERPETUAL", "quantity": "0.17"},
            names | {"symbol": "ETH-USD", "quantity": "-0.12"},
        ],
        "orders": [
            names | {"symbol": "ETH-PERPETUAL", "bought": "0.3", "sold": "0.13"},
            names | {"symbol": "ETH-USD", "bought": "0.05", "sold": "0.17"},
        ],
        "hedges": [names | {"symbol": "ETH-USD", "hedged": "-0.12"}],
    }


def compared(result: StrategyResult, rows: Rows) -> Agreement:
    def ask(statement: str) -> Iterable[bytes]:
        (view,) = (name for name in rows if f"FROM {name}" in statement)
        return [json.dumps(row).encode() + b"\n" for row in rows[view]]

    return compare([result], "A1", datetime.now(UTC), Database("", ask))


def test_what_is_equal_has_no_differences() -> None:
    found = compared(RESULT, stored())
    assert found.differences == []
    assert {each.symbol for each in found.instruments} == {"ETH-PERPETUAL", "ETH-USD", "BTC-USD"}
    assert {each.symbol for each in found.hedges} == {"ETH-USD", "BTC-USD", "SOL-USD"}


def hedge(**other: str) -> dict[str, Any]:
    return {"hedges": {"ETH-USD": RESULT.hedges["ETH-USD"] | other}}


@pytest.mark.parametrize(
    ("changed", "symbol", "what"),
    [
        ({"executed": RESULT.executed | {"ETH-PERPETUAL": ["0.31", "0.14"]}}, "ETH-PERPETUAL", "bought and sold"),
        ({"executed": RESULT.executed | {"ETH-PERPETUAL": ["0.31", "0.13"]}}, "ETH-PERPETUAL", "position by pages"),
        ({"executed": {"ETH-PERPETUAL": ["0.30", "0.13"]}}, "ETH-USD", "hedged by"),
        ({"positions": RESULT.positions | {"ETH-PERPETUAL": "0.170000001"}}, "ETH-PERPETUAL", "inventory 0.170000001"),
        ({"positions": {"ETH-USD": "-0.12"}}, "ETH-PERPETUAL", "inventory 0,"),
        ({"venue_positions": RESULT.venue_positions | {"ETH-USD": "-0.13"}}, "ETH-USD", "exchange -0.13"),
        ({"venue_positions": RESULT.venue_positions | {"BTC-USD": "0.005"}}, "BTC-USD", "exchange 0.005"),
        (hedge(filled="-0.11"), "ETH-USD", "hedged by hedger -0.11"),
        (hedge(balance="-1/100"), "ETH-USD", "filled 0.17 x ratio 0.75, but"),
        (hedge(working="0.01"), "ETH-USD", "working 0.01"),
        ({"hedges": {}}, "ETH-USD", "hedged by hedger 0,"),
        ({"broken": 2}, "ETH-USD", "did not add up 2 times"),
    ],
    ids=str,
)
def test_every_difference_of_a_strategy_is_found(changed: dict[str, Any], symbol: str, what: str) -> None:
    differences = compared(replace(RESULT, **changed), stored()).differences
    assert any(each.startswith(f"demo-mm-01 {symbol}: ") and what in each for each in differences), differences


def without(view: str) -> Callable[[Rows], object]:
    return lambda rows: rows[view].pop()


def other(view: str, **fields: str) -> Callable[[Rows], object]:
    return lambda rows: rows[view].append(rows[view].pop() | fields)


def more(view: str, **fields: str) -> Callable[[Rows], object]:
    return lambda rows: rows[view].append(rows[view][-1] | fields)


@pytest.mark.parametrize(
    "change",
    [
        without("positions"),
        without("orders"),
        without("hedges"),
        other("positions", quantity="-0.1200000001"),
        other("orders", sold="0.18", bought="0.06"),
        other("hedges", hedged="-0.11"),
        more("positions", symbol="SOL-USD", quantity="1"),
        more("positions", strategy="demo-mm-02"),
        more("hedges", hedged="0.01"),
    ],
)
def test_every_difference_of_the_database_is_found(change: Callable[[Rows], object]) -> None:
    rows = stored()
    change(rows)
    assert compared(RESULT, rows).differences
