"""Adapters under any values: nothing raises, nothing is lost unlisted, and what is odd harms nothing else."""

import json
import math
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringbuf.record.execution import Flag
from ringbuf.record.fields import BY_NAME
from ringbuf.record.salvage import salvage
from ringbuf.strategies.adapters.adapter import Refused, Update
from ringbuf.strategies.adapters.ccxt import CcxtAdapter
from ringbuf.strategies.adapters.mapping import FieldMapping, MappingAdapter
from ringbuf.strategies.adapters.nautilus import NautilusAdapter
from ringbuf.trading.report import Report
from tests.checkout import TESTS
from tests.unit.strategies.ccxt_messages import SAVED, order, trade

LEFT_ALONE = Flag.TEXT_SHORTENED | Flag.TIME_RESCALED | Flag.TIME_ZONE_ASSUMED | Flag.NUMBER_INEXACT | Flag.TEXT_INVALID
"""Flags of what a record has to say itself. An update has nothing in it that its field cannot have."""


class Broken:
    """A value that is nothing, and says so by raising."""

    def __str__(self) -> str:
        raise ValueError("broken")

    def __repr__(self) -> str:
        return "Broken()"

    def __float__(self) -> float:
        raise ValueError("broken")

    def __int__(self) -> int:
        raise ValueError("broken")


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=80),
    st.binary(max_size=5),
    st.sampled_from(
        ["", "null", "NaN", "1e400", "-0", "0x10", "buy", "closed", "1_000", "٣", "9" * 500, "\0", "\ud800"]
    ),
    st.builds(Broken),
    st.builds(object),
)
ODD = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
ORDER_KEYS = [
    *order(), "lastTradeTimestamp", "lastUpdateTimestamp", "datetime", "average", "cost", "fee", "timeInForce",
    "postOnly", "reduceOnly", "triggerPrice", "stopPrice", "stopLossPrice", "takeProfitPrice",
]  # fmt: skip
EVENTS = [each["message"] for each in json.loads((TESTS / "messages" / "nautilus.json").read_text())]
EVENT_KEYS = sorted({name for each in EVENTS for name in each})
TRADE_KEYS = [*trade(), "fees", "datetime", "type", "clientOrderId"]


class Checked:
    """A target that is as strict as the rules."""

    def __init__(self) -> None:
        self.taken: list[Update] = []

    def apply(self, update: Update) -> None:
        assert update.keys() <= BY_NAME.keys()
        _, flags = salvage(update)
        assert not flags & ~LEFT_ALONE, (flags, update)
        Report(update)
        self.taken.append(update)


def adapter(target: Any) -> CcxtAdapter:
    return CcxtAdapter(target, exchange="venue", account="A1", strategy="mm")


def failures(refused: Any) -> list[Refused]:
    """What no message may lead to: an error of the adapter itself."""
    return [each for each in refused if each.kind.endswith(("Error", "Operation", "Overflow"))]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(ORDER_KEYS), ODD, max_size=4), st.integers(0, len(SAVED) - 1))
def test_an_order_with_any_values_is_kept_or_listed(odd: dict[str, Any], which: int) -> None:
    saved = SAVED[which]
    message = (order() if saved.is_trade else saved.parsed) | odd
    target = Checked()
    own = adapter(target)
    own.orders([message, order(id="next")])
    assert not failures(own.refused), own.refused
    assert target.taken[-1]["order_id"] == "next"
    assert len(target.taken) + own.refusals.total() >= 2


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(TRADE_KEYS), ODD, max_size=4), st.integers(0, len(SAVED) - 1))
def test_a_trade_with_any_values_is_kept_or_listed(odd: dict[str, Any], which: int) -> None:
    saved = SAVED[which]
    message = (saved.parsed if saved.is_trade else trade()) | odd
    target = Checked()
    own = adapter(target)
    own.trades([message, trade(id="next")])
    assert not failures(own.refused), own.refused
    assert target.taken[-1]["trade_id"] == "next"
    assert len(target.taken) + own.refusals.total() == 2


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(EVENT_KEYS), ODD, max_size=4), st.integers(0, len(EVENTS) - 2))
@example({"ts_init": Decimal("sNaN"), "ts_event": Decimal("sNaN")}, 0)
def test_an_event_of_nautilus_trader_with_any_values_is_kept_or_listed(odd: dict[str, Any], which: int) -> None:
    target = Checked()
    own = NautilusAdapter(target, account="A1")
    own.receive([EVENTS[which], EVENTS[which] | odd, EVENTS[which] | odd | {"client_order_id": "other"}])
    assert not failures(own.refused), own.refused
    assert target.taken


@settings(max_examples=150, deadline=None)
@given(ODD)
def test_any_message_is_kept_or_listed(odd: Any) -> None:
    own = adapter(Checked())
    for take in (own.orders, own.trades, own.receive):
        assert take(odd) == []
    assert not failures(own.refused), own.refused


ALL = FieldMapping({name: name for name, each in BY_NAME.items() if each.given.name in ("CALL", "BIND")})


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(ALL.fields)), ODD, max_size=6))
@example({"exec_type": Decimal("sNaN"), "side": [1], "flags": {}})
def test_a_message_of_ones_own_with_any_values_is_kept_or_listed(odd: dict[str, Any]) -> None:
    target = Checked()
    own = MappingAdapter(target, ALL, exchange="mine", account="A1", strategy="mm")
    own.receive([{"symbol": "X", "order_id": "7"} | odd])
    assert not failures(own.refused), own.refused
    assert len(target.taken) + own.refusals.total() == 1


@given(
    st.decimals(min_value=Decimal("1e-18"), max_value=Decimal("1e18"), allow_nan=False),
    st.floats(min_value=1e-15, max_value=1e15),
    st.integers(1, 1 << 80),
)
@settings(max_examples=150, deadline=None)
def test_numbers_arrive_to_the_last_digit(exact: Decimal, rounded: float, whole: int) -> None:
    target = Checked()
    adapter(target).trades(trade(price=exact, amount=rounded, fee={"cost": str(whole), "currency": "X"}))
    (update,) = target.taken
    assert Decimal(update["last_price"]) == exact
    assert float(update["last_quantity"]) == rounded and not math.isnan(rounded)
    assert Decimal(update["commission"]) == whole
