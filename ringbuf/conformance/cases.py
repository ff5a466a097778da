"""The cases of the kit: what a venue tells, in fields of EXECUTION, and what is right after it.

A venue says the same in messages of its own. So who tests an adapter writes the opposite of it, from an update to the
message that says it, and each case is told by that.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib import resources
from typing import Any, NamedTuple

from ringbuf.conformance.check import Check, check
from ringbuf.conformance.ending import Ending
from ringbuf.conformance.play import Make
from ringbuf.strategies.adapters.adapter import Update

Tell = Callable[[Update], Any]
"""The message that says what an update says; None if the venue has none for it."""


class Case(NamedTuple):
    """Something that happens at a venue.

    Attributes:
        name: of the case.
        why: what it is about.
        messages: what is told, as updates.
        orders: what is right of each order then: `order_id`, `status`, `executed`, `open`, and what else matters.
        positions: what is right of each position.
        commissions: by currency.
    """

    name: str
    why: str
    messages: list[Update]
    orders: list[dict[str, str]]
    positions: list[dict[str, str]]
    commissions: dict[str, str]


class CaseCheck(NamedTuple):
    """What came of a case.

    Attributes:
        case: which one.
        wrong: where it ended otherwise than is right, one line each.
        check: what was kept, and streams that end otherwise; None if the venue has no message for a part of it.
    """

    case: Case
    wrong: list[str]
    check: Check | None

    @property
    def is_right(self) -> bool:
        """Whether nothing was lost, and all streams ended as is right."""
        return not self.wrong and (self.check is None or self.check.is_kept)


def cases() -> list[Case]:
    """All cases."""
    text = resources.files("ringbuf.conformance").joinpath("cases.json").read_text()
    return [Case(**each) for each in json.loads(text)]


def check_case(make: Make, tell: Tell, case: Case, *, runs: int | None = None, seed: int = 1) -> CaseCheck:
    """Tell a case to an adapter.

    Args:
        make: makes the adapter, as `maker` gives it.
        tell: the message for each update.
        runs, seed: as for `check`.
    """
    messages = [tell(dict(each)) for each in case.messages]
    if any(each is None for each in messages):
        return CaseCheck(case, [], None)
    found = check(make, messages, runs=runs, seed=seed)
    return CaseCheck(case, _wrong(case, found.played.ending), found)


def _wrong(case: Case, ending: Ending) -> list[str]:
    wrong = []
    orders = {each.order_id: each._asdict() for each in ending.orders.values() if each.order_id}
    for right in case.orders:
        wrong += _compared(f"order {right['order_id']}", right, orders.pop(right["order_id"], None))
    wrong += [f"order {name}: there is none" for name in orders]
    positions = {(key.symbol, key.position_side): each._asdict() for key, each in ending.positions.items()}
    for right in case.positions:
        key = right["symbol"], right.get("position_side", "")
        wrong += _compared("position " + "/".join(filter(None, key)), right, positions.pop(key, None))
    wrong += [f"position {symbol}: there is none" for (symbol, _), each in positions.items() if any(each.values())]
    commissions = {currency: Decimal(amount) for currency, amount in case.commissions.items()}
    if {currency: amount for currency, amount in ending.commissions.items() if amount} != commissions:
        wrong.append(f"commissions {dict(ending.commissions)} instead of {commissions}")
    return wrong


def _compared(what: str, right: Mapping[str, str], found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return [f"{what} is not there"]
    wrong = []
    for name in right.keys() & found.keys():
        value = found[name]
        text = getattr(value, "name", str(value)).lower()
        is_same = value == Decimal(right[name]) if isinstance(value, Decimal) else text == right[name]
        if not is_same:
            wrong.append(f"{what}: {name} {text} instead of {right[name]}")
    return wrong
