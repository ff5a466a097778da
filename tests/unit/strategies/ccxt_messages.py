"""The saved answers of exchanges as ccxt unified them, and messages of the same shape with values of one's own."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from ringbuf.strategies.adapters.ccxt import CcxtAdapter, read_order, read_trade
from ringbuf.strategies.inventory import Inventory
from tests.checkout import TESTS

FILES = sorted((TESTS / "messages" / "ccxt").glob("*.json"))
CREATED_MS = 1_700_000_000_000


class Saved(NamedTuple):
    """One order or trade, as ccxt parsed it."""

    name: str
    exchange: str
    is_trade: bool
    parsed: dict[str, Any]


def saved_messages() -> Iterator[Saved]:
    """All of them, with the digits that their files have."""
    for path in FILES:
        content = json.loads(path.read_text(), parse_float=Decimal)
        for method, entries in content["methods"].items():
            for entry in entries:
                parsed = entry["parsedResponse"]
                for each in parsed if isinstance(parsed, list) else [parsed]:
                    name = f"{content['exchange']} {entry['description']} {each['id']}"
                    yield Saved(name, content["exchange"], "Trades" in method, each)


SAVED = list(saved_messages())


def order(**values: Any) -> dict[str, Any]:
    """A unified order, by default a limit order of 10 that works."""
    usual = {
        "id": "o1",
        "clientOrderId": "c1",
        "timestamp": CREATED_MS,
        "symbol": "BTC/USDT",
        "type": "limit",
        "side": "buy",
        "price": 100.0,
        "amount": 10.0,
        "filled": 0.0,
        "remaining": 10.0,
        "status": "open",
        "trades": [],
        "fees": [],
        "info": {},
    }
    return usual | values


def trade(**values: Any) -> dict[str, Any]:
    """A unified trade of that order, by default of 4."""
    usual = {
        "id": "t1",
        "order": "o1",
        "timestamp": CREATED_MS + 5,
        "symbol": "BTC/USDT",
        "side": "buy",
        "takerOrMaker": "maker",
        "price": 100.0,
        "amount": 4.0,
        "cost": 400.0,
        "fee": {"cost": 0.1, "currency": "USDT"},
        "info": {},
    }
    return usual | values


def told(**values: Any) -> dict[str, Any]:
    """What is told of an order, without trades in it."""
    (update,) = read_order(order(**values))
    assert isinstance(update, dict)
    return update


def filled(**values: Any) -> dict[str, Any]:
    """What is told of a trade."""
    (update,) = read_trade(trade(**values))
    assert isinstance(update, dict)
    return update


def adapted(target: Any = None) -> tuple[CcxtAdapter, Inventory]:
    """An adapter and what it feeds."""
    inventory = target or Inventory()
    return CcxtAdapter(inventory, exchange="venue", account="A1", strategy="mm"), inventory
