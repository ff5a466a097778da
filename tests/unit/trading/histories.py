"""The histories in tests/histories, and inventories that took them."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from ringbuf.strategies.inventory import Inventory, Position
from tests.checkout import ROOT

Fields = dict[str, Any]

INSTRUMENT = {"exchange": "sim", "account": "A1", "symbol": "BTC-PERPETUAL"}
BEGIN_NS = 1_790_000_000_000_000_000
REQUESTS = ("pending_new", "pending_cancel", "pending_replace")


class Step(NamedTuple):
    """One record, and what is right after it."""

    record: Fields
    position: Decimal
    open_buy: Decimal
    open_sell: Decimal
    status: str

    @property
    def right(self) -> tuple[Decimal, Decimal, Decimal]:
        """Position, open to buy and open to sell."""
        return self.position, self.open_buy, self.open_sell


class History(NamedTuple):
    """Records of one instrument, and what is right after the last of them."""

    name: str
    records: list[Fields]
    position: Decimal
    open_buy: Decimal
    open_sell: Decimal

    @property
    def end(self) -> Position:
        """What is right, if no fill is awaited."""
        return Position(self.position, self.open_buy, self.open_sell)

    @property
    def is_timed(self) -> bool:
        """Whether its records have venue times."""
        return any("exchange_ns" in each for each in self.records)


def _load(name: str) -> list[Any]:
    return list(json.loads((ROOT / "tests" / "histories" / name).read_text()))


@cache
def matrices() -> dict[str, list[Step]]:
    """The order state matrices of FIX, step by step."""
    return {each["name"]: [_step(**step) for step in each["steps"]] for each in _load("fix44.json")}


@cache
def histories() -> dict[str, History]:
    """All histories, the matrices too."""
    found = [
        History(each["name"], each["records"], *_numbers(each))
        for file in ("cases.json", "venues.json")
        for each in _load(file)
    ]
    found += [History(name, [each.record for each in steps], *steps[-1].right) for name, steps in matrices().items()]
    return {each.name: each for each in found}


def timed(records: Iterable[Fields]) -> list[Fields]:
    """The records with the venue times that they had if each was reported at once; our own requests have none."""
    return [
        each if each["exec_type"] in REQUESTS and not each.get("order_id") else each | {"exchange_ns": BEGIN_NS + place}
        for place, each in enumerate(records)
    ]


def applied(records: Iterable[Fields], inventory: Inventory | None = None) -> Inventory:
    """An inventory that took these records of `INSTRUMENT`."""
    inventory = inventory or Inventory()
    for each in records:
        inventory.apply(INSTRUMENT | each)
    return inventory


def totals(inventory: Inventory) -> Position:
    """What is held and open, without telling what is awaited."""
    return inventory.position(**INSTRUMENT)._replace(awaited_buy=Decimal(0), awaited_sell=Decimal(0))


def _step(record: Fields, after: dict[str, str]) -> Step:
    position, open_buy, open_sell = _numbers(after)
    return Step(record, position, open_buy, open_sell, after["status"])


def _numbers(given: Mapping[str, str]) -> tuple[Decimal, Decimal, Decimal]:
    return Decimal(given["position"]), Decimal(given["open_buy"]), Decimal(given["open_sell"])
