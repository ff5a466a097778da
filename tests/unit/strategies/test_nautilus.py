"""What NautilusTrader's events say, and what is known of positions; without NautilusTrader."""

import json
import sys
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

import pytest

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.record.enumerations import ContractKind, Flag
from ringbuf.record.salvage import salvage
from ringbuf.strategies.adapters import nautilus, nautilus_events
from ringbuf.strategies.adapters.nautilus import NautilusAdapter
from ringbuf.strategies.adapters.nautilus_instruments import contracts
from ringbuf.strategies.inventory import Contract
from ringbuf.strategies.reconciliation import Answer
from tests.checkout import TESTS
from tests.unit.strategies.nautilus_messages import asked, at_venue, event, filled, moved, updates

CASES: Final[list[dict[str, Any]]] = json.loads((TESTS / "messages" / "nautilus.json").read_text())


# What an event says by itself


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_an_event_says(case: dict[str, Any]) -> None:
    message = case["message"]
    if not case["updates"]:
        assert updates(message) == []
        return
    is_position = message["type"].startswith("Position")
    read = nautilus_events.position_event if is_position else nautilus_events.order_event
    assert [read(message)] == case["updates"]


def test_there_is_a_saved_event_of_each_kind() -> None:
    kinds = {case["message"]["type"] for case in CASES}
    assert kinds >= nautilus_events.EXEC_TYPES.keys() | nautilus_events.POSITION_EVENTS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_nothing_that_an_event_says_is_flagged(case: dict[str, Any]) -> None:
    for update in updates(case["message"], account="A1"):
        assert not salvage(update)[1] & ~Flag.TEXT_SHORTENED
        assert "unreadable" not in update.get("text", "")


def test_the_text_of_an_event_and_an_object_that_gives_it_say_the_same() -> None:
    class OrderAccepted:
        @staticmethod
        def to_dict(this: Any) -> dict[str, Any]:
            return at_venue("OrderAccepted")

    expected = updates(at_venue("OrderAccepted"))
    assert updates(json.dumps(at_venue("OrderAccepted"))) == updates(OrderAccepted()) == expected


@pytest.mark.parametrize(
    "message",
    [7, "text", None, [7], event("OrderAccepted", instrument_id="ETH"), event("OrderAccepted", client_order_id=None)],
)
def test_what_is_no_event_of_an_order_is_refused_and_listed(message: Any) -> None:
    target = Answer()
    adapter = NautilusAdapter(target)
    adapter.receive(message)
    assert len(adapter.refused) == 1
    assert target == []


def test_what_is_no_value_of_its_field_stands_in_the_text() -> None:
    (update,) = updates(asked(order_side="UP", time_in_force="AT_THE_OPEN", quantity="many"), account="A1")
    assert update["text"] == "unreadable: side UP; unreadable: time_in_force AT_THE_OPEN; unreadable: quantity many"


@pytest.mark.parametrize(
    ("position_id", "expected"),
    [
        (None, {}),
        ("ETH.USDT.BINANCE-S-000", {}),
        ("ETH.USDT.BINANCE-LONG", {"position_side": "long"}),
        ("ETH.USDT.BINANCE-SHORT", {"position_side": "short"}),
        ("ETH.USDT.BINANCE-BOTH", {"position_side": "both"}),
        ("BTC.BINANCE-LONG", {"position_id": "BTC.BINANCE-LONG"}),
        ("ETH.USDT.BINANCE-EXTERNAL", {"position_id": "ETH.USDT.BINANCE-EXTERNAL"}),
        ("P-20260101-1", {"position_id": "P-20260101-1"}),
    ],
)
def test_the_id_of_a_position_tells_which_one_of_its_instrument_it_is(
    position_id: str | None, expected: dict[str, str]
) -> None:
    assert nautilus_events.position_of(position_id, "ETH.USDT.BINANCE", "S-000") == expected


# Positions


def test_an_event_of_a_position_is_a_copy_of_the_fill_that_changed_it() -> None:
    in_position = {"position_id": "P-1"}
    events = [filled("4", 1, **in_position), moved("PositionOpened", 1, "4", "-0.1")]
    events += [filled("1", 2, **in_position, order_side="SELL"), moved("PositionChanged", 2, "3", "4.8")]
    fill, opened, sale, changed = updates(*events)
    text = "PositionOpened, realized_pnl -0.1 USDT"
    assert opened == fill | {"venue_position": "4", "realized_pnl": "-0.1", "text": text}
    text = "PositionChanged, realized_pnl 4.8 USDT"
    assert changed == sale | {"venue_position": "3", "realized_pnl": "4.9", "text": text}


def test_what_a_fill_realised_is_not_told_where_not_all_before_it_was_heard() -> None:
    events = [filled("1", 2, position_id="P-1"), moved("PositionChanged", 2, "3", "4.8")]
    assert "realized_pnl" not in updates(*events)[-1]


def test_a_fill_that_turns_a_position_round_tells_of_both_sides_when_it_has_opened_the_other() -> None:
    name = "ETH.USDT.BINANCE-S-000"
    bought, sold = filled("4", 1, position_id=name), filled("6", 2, position_id=name, order_side="SELL")
    turned = {"side": "SHORT", "position_id": name}
    opened = moved("PositionOpened", 1, "4", "-0.1", position_id=name)
    closed = moved("PositionClosed", 2, "0", "7.8", position_id=name, last_qty="4", ts_closed=sold["ts_event"])
    del closed["ts_event"]
    halves = updates(bought, opened, sold, closed, moved("PositionOpened", 2, "2", "-0.04", **turned))[-2:]
    assert [(each.get("venue_position"), each.get("realized_pnl")) for each in halves] == [
        (None, None),
        ("-2", "7.86"),
    ]


def test_an_event_of_a_position_whose_fill_is_not_known_is_about_the_order_that_opened_it() -> None:
    (update,) = updates(moved("PositionChanged", 2, "3", "4.8", side="SHORT"))
    assert (update["exec_type"], update["client_order_id"]) == ("order_status", "c1")
    assert (update["venue_position"], update["position_id"]) == ("-3", "P-1")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nautilus, "KNOWN", 3)
    adapter = NautilusAdapter(Answer())
    adapter.receive([filled("1", 1, client_order_id=f"c{each}", position_id=f"P-{each}") for each in range(9)])
    assert [*adapter._orders] == ["c6", "c7", "c8"]
    assert [*adapter._positions] == ["P-6", "P-7", "P-8"]


# NautilusTrader itself


def test_without_nautilus_trader_there_is_no_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nautilus_trader", None)
    monkeypatch.setitem(sys.modules, "nautilus_trader.common.actor", None)
    with pytest.raises(ConfigurationError, match=r"not installed.*ringbuf-capture\[nautilus\]"):
        NautilusAdapter(Answer()).actor()


def instrument(kind: str, **fields: Any) -> Any:
    made = {
        "id": SimpleNamespace(venue="V", symbol="A/B"), "instrument_class": SimpleNamespace(name=kind),
        "multiplier": "1", "price_increment": "0.5", "size_increment": "0.01", "quote_currency": "B",
        "is_inverse": False, "get_base_currency": lambda: "A", "get_settlement_currency": lambda: "B",
    }  # fmt: skip
    return SimpleNamespace(**made | fields)


STEPS: Final[dict[str, Any]] = {"tick": Decimal("0.5"), "step": Decimal("0.01"), "base": "A", "quote": "B"}


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("SPOT", {}, Contract(**STEPS)),
        ("SWAP", {"is_quanto": False}, Contract(ContractKind.LINEAR, **STEPS)),
        ("FUTURE", {"multiplier": "50"}, Contract(ContractKind.LINEAR, Decimal(50), **STEPS)),
        (
            "SWAP",
            {"is_inverse": True, "get_settlement_currency": lambda: "A"},
            Contract(ContractKind.INVERSE, **STEPS),
        ),
        (
            "SWAP",
            {"is_quanto": True, "is_inverse": True, "get_settlement_currency": lambda: "C"},
            Contract(ContractKind.QUANTO, **STEPS, settle="C"),
        ),
        ("OPTION", {"get_base_currency": lambda: None}, Contract(ContractKind.OPTION, **STEPS | {"base": ""})),
        ("SPORTS_BETTING", {}, None),
    ],
)
def test_an_instrument_is_a_contract(kind: str, fields: dict[str, Any], expected: Contract | None) -> None:
    assert contracts([instrument(kind, **fields)]) == ({} if expected is None else {("V", "A/B"): expected})


def test_an_event_without_an_instrument_raises_from_the_pure_function() -> None:
    with pytest.raises(RecordError, match="instrument id"):
        nautilus_events.order_event(event("OrderAccepted", instrument_id=None))
