"""The conformance kit: its cases are right and can be told, and it finds what an adapter does wrong."""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from ringbuf.conformance import Case, Make, cases, check, check_case, maker
from ringbuf.conformance.check import streams
from ringbuf.errors import ConfigurationError
from ringbuf.record.fields import names
from ringbuf.strategies.adapters.adapter import Adapter, Update
from ringbuf.strategies.adapters.ccxt import CcxtAdapter
from ringbuf.strategies.adapters.mapping import FieldMapping, MappingAdapter

CASES = cases()
OWN_NAMES = {f"their {name}": name for name in (*names(), "symbol") if name not in ("session", "seq", "flags", "exact")}
OWN_NAMES.pop("their captured_ns")
OWN = maker(MappingAdapter, mapping=FieldMapping(OWN_NAMES))
CCXT = maker(CcxtAdapter)
UNTOLD_BY_CCXT = {"pending_new", "canceled", "cancel_rejected", "trade_correct", "trade_cancel", "replaced"}
EXEC_TYPES = {"funding": "Funding", "liquidation": "BustTrade", "settlement": "Settle"}
STATUSES = {
    "new": "open",
    "partially_filled": "open",
    "filled": "closed",
    "canceled": "canceled",
    "rejected": "rejected",
    "expired": "expired",
}


def in_own_names(update: Update) -> Any:
    return {f"their {name}": value for name, value in update.items()}


def as_ccxt_says_it(update: Update) -> Any:
    """The unified order or trade; of what it has no word for, none."""
    if update.get("exec_type") in UNTOLD_BY_CCXT:
        return None
    symbol = update["symbol"].replace("-", "/")
    common = {"symbol": symbol, "side": update.get("side"), "timestamp": update["exchange_ns"] // 1_000_000}
    info = {"positionSide": update.get("position_side")}
    if "exec_type" in update:
        info["execType"] = EXEC_TYPES.get(update.get("trade_type", ""), "Trade")
        fees = [
            {"cost": update[name], "currency": update[f"{name}_currency"]}
            for name in ("commission", "other_commission")
            if name in update
        ]
        return common | {
            "id": update["trade_id"],
            "order": update.get("order_id"),
            "price": update.get("last_price"),
            "amount": update.get("last_quantity"),
            "takerOrMaker": None,
            "fees": fees,
            "info": info,
        }
    filled, amount = Decimal(update["cumulative_quantity"]), Decimal(update["quantity"])
    return common | {
        "id": update["order_id"],
        "clientOrderId": update.get("client_order_id"),
        "type": update["order_type"].removeprefix("stop_"),
        "price": update.get("price"),
        "triggerPrice": update.get("stop_price"),
        "amount": str(amount),
        "filled": str(filled),
        "remaining": str(amount - filled),
        "status": STATUSES[update["order_status"]],
        "info": info,
    }


def in_ccxts_symbols(case: Case) -> Case:
    positions = [each | {"symbol": each["symbol"].replace("-", "/")} for each in case.positions]
    return case._replace(positions=positions)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_told_in_names_of_ones_own_is_right_however_it_arrives(case: Case) -> None:
    found = check_case(OWN, in_own_names, case, runs=3)
    assert found.check is not None
    assert found.is_right, (found.wrong, found.check.different, found.check.played.refused)
    assert not found.check.played.flagged


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_told_by_ccxt_is_right_however_it_arrives(case: Case) -> None:
    found = check_case(CCXT, as_ccxt_says_it, in_ccxts_symbols(case), runs=3)
    assert found.is_right, (found.wrong, found.check and found.check.different)
    kinds = {each.get("exec_type") for each in case.messages}
    assert (found.check is None) == bool(kinds & UNTOLD_BY_CCXT)


class Careless(Adapter, ABC):
    """Does what an adapter must not."""

    def receive(self, messages: Any) -> list[Any]:
        return self.deliver(self.read, messages)

    @abstractmethod
    def read(self, update: Any) -> Iterator[Update]: ...


class LosesIds(Careless):
    def read(self, update: Any) -> Iterator[Update]:
        yield {name: value for name, value in update.items() if name != "trade_id"}


class LosesTimes(Careless):
    def read(self, update: Any) -> Iterator[Update]:
        yield {name: value for name, value in update.items() if name != "exchange_ns"}


class RoundsNumbers(Careless):
    def read(self, update: Any) -> Iterator[Update]:
        yield update | {name: float(update[name]) for name in ("last_quantity",) if name in update}


class TakesFundingForFills(Careless):
    def read(self, update: Any) -> Iterator[Update]:
        yield {
            name: {"funding": "fill"}.get(value, value) for name, value in update.items() if name != "trade_type"
        } | ({"last_quantity": "4", "last_price": "1", "side": "buy"} if update.get("exec_type") == "funding" else {})


class LosesFees(Careless):
    def read(self, update: Any) -> Iterator[Update]:
        yield {name: value for name, value in update.items() if "commission" not in name}


def wrong(adapter: Any) -> set[str]:
    make = maker(adapter)
    return {case.name for case in CASES if not check_case(make, lambda update: update, case, runs=3).is_right}


@pytest.mark.parametrize(
    ("adapter", "some"),
    [
        (LosesIds, "fills of one ms"),
        (LosesTimes, "amended in place"),
        (RoundsNumbers, "numbers to the last digit"),
        (TakesFundingForFills, "funding is no fill"),
        (LosesFees, "fees and rebates"),
    ],
)
def test_what_an_adapter_does_wrong_is_found(adapter: Any, some: str) -> None:
    assert some in wrong(adapter)


def test_a_function_is_an_adapter() -> None:
    assert wrong(lambda update: [update]) == set()


@pytest.mark.parametrize("odd", [None, 7, "text", int, object()])
def test_what_is_no_adapter_is_an_error(odd: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no adapter"):
        maker(odd)


def own(make: Make = OWN, *updates: Update) -> Any:
    return check(make, [in_own_names(each) for each in updates], runs=3)


def test_what_cannot_be_kept_and_what_does_not_say_all_is_listed_with_its_place() -> None:
    good = {"symbol": "X", "order_id": "1", "side": "buy", "quantity": "1"}
    unreadable = good | {"side": "up", "order_status": "new"}
    half = {"symbol": "X", "exec_type": "fill", "order_id": "1"}
    found = own(OWN, good, {"symbol": "X", "side": "buy"}, unreadable, half)
    assert [(place, each.kind) for place, each in found.played.refused] == [(1, "give order_id or client_order_id")]
    assert [(each.message, each.what) for each in found.played.flagged] == [
        (2, "unreadable: side up"),
        (3, "required_missing: side, last_price, last_quantity"),
    ]
    assert found.played.updates == 3
    assert not found.is_kept


def test_what_ends_otherwise_in_another_order_is_said() -> None:
    first = {"symbol": "X", "order_id": "1", "side": "buy", "quantity": "1", "price": "5"}
    found = own(OWN, first, first | {"price": "6"})
    assert {line for each in found.different for line in each.differences} == {
        "venue/account/X/1: price 5 instead of 6"
    }
    assert "any order" in {each.stream for each in found.different}
    assert not found.is_kept


def test_the_streams_are_of_the_kinds_they_are_called() -> None:
    messages = [object() for _ in range(40)]
    found = dict(streams(messages, messages, random.Random(1)))
    assert sorted(map(id, found["any order"])) == sorted(map(id, messages))
    assert found["any order"] != messages
    assert list(dict.fromkeys(found["repetition"])) == messages
    assert len(found["repetition"]) > len(messages)
    lost = found["loss, then a snapshot"]
    assert lost[-40:] == messages
    assert 0 < len(lost) - 40 < 40
    assert set(found["loss in any order, then a snapshot"]) == set(messages)


def test_the_same_seed_makes_the_same_streams() -> None:
    numbers = list(range(20))
    assert list(streams(numbers, numbers, random.Random(3))) == list(streams(numbers, numbers, random.Random(3)))
