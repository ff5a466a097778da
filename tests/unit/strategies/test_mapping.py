"""Messages of one's own by a mapping."""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest

from ringbuf.errors import ConfigurationError
from ringbuf.strategies.adapters.mapping import FieldMapping, MappingAdapter
from ringbuf.strategies.inventory import Inventory

FIELDS = {
    "oid": "order_id",
    "coin": "symbol",
    "dir": "side",
    "px": "last_price",
    "sz": "last_quantity",
    "t": "exchange_ns",
    "fee.paid": "commission",
    "fee.in": "commission_currency",
}
FILLS = FieldMapping(FIELDS, words={"side": {"A": "sell", 1: "buy"}}, times="ms", constants={"exec_type": "fill"})
MESSAGE = {
    "oid": 9_007_199_254_740_993,
    "coin": "BTC",
    "dir": "A",
    "px": "64000.50",
    "sz": 0.1,
    "t": 1_700_000_000_123,
    "fee": {"paid": Decimal("0.000000000000000001"), "in": "ETH"},
}
UPDATE = {
    "exec_type": "fill",
    "order_id": "9007199254740993",
    "symbol": "BTC",
    "side": "sell",
    "last_price": "64000.5",
    "last_quantity": "0.1",
    "exchange_ns": 1_700_000_000_123_000_000,
    "commission": "0.000000000000000001",
    "commission_currency": "ETH",
}


@dataclass
class Fee:
    paid: str


@dataclass
class Filled:
    oid: str
    coin: str
    dir: int
    sz: str
    fee: Fee


class Row(NamedTuple):
    oid: str
    px: str


def test_a_dict_is_read_by_its_mapping() -> None:
    assert FILLS.read(MESSAGE) == [UPDATE]


def test_a_dataclass_and_a_named_tuple_are_read_as_well() -> None:
    assert FILLS.read(Filled("7", "BTC", 1, "2", Fee("0.1"))) == [
        {
            "exec_type": "fill",
            "order_id": "7",
            "symbol": "BTC",
            "side": "buy",
            "last_quantity": "2",
            "commission": "0.1",
        }
    ]
    assert FILLS.read(Row("7", "3")) == [{"exec_type": "fill", "order_id": "7", "last_price": "3"}]


def test_a_name_with_a_dot_in_it_is_a_name() -> None:
    assert FILLS.read({"fee.paid": 3}) == [{"exec_type": "fill", "commission": "3"}]


def test_of_two_names_of_a_field_the_first_that_is_told_counts() -> None:
    mapping = FieldMapping({"id": "order_id", "oid": "order_id"})
    assert mapping.read({"id": "", "oid": "7"}) == [{"order_id": "7"}]
    assert mapping.read({"id": "6", "oid": "7"}) == [{"order_id": "6"}]


def test_a_name_may_mean_several_fields_each_with_its_own_words() -> None:
    words = {"exec_type": {"F": "fill", "C": "canceled"}, "order_status": {"F": "filled", "C": "canceled"}}
    mapping = FieldMapping({"id": "order_id", "what": ["exec_type", "order_status"]}, words=words)
    assert mapping.read({"id": "7", "what": "F"}) == [{"order_id": "7", "exec_type": "fill", "order_status": "filled"}]


@pytest.mark.parametrize(("given", "side"), [("-0.5", "sell"), (0.5, "buy"), (0, None), ("none", None)])
def test_without_a_side_quantities_have_its_sign(given: Any, side: str | None) -> None:
    (update,) = FieldMapping({"id": "order_id", "size": "quantity"}).read({"id": "7", "size": given})
    assert update.get("side") == side
    assert update.get("quantity", "0") == {"-0.5": "0.5", 0.5: "0.5"}.get(given, "0")


@pytest.mark.parametrize("given", [True, "true", "True"])
def test_a_word_may_be_a_bool(given: Any) -> None:
    mapping = FieldMapping({"id": "order_id", "is_buy": "side"}, words={"side": {"true": "buy", "false": "sell"}})
    assert mapping.read({"id": "7", "is_buy": given}) == [{"order_id": "7", "side": "buy"}]


@pytest.mark.parametrize(
    ("times", "given", "ns"),
    [
        ("s", 1_700_000_000, 1_700_000_000_000_000_000),
        ("s", "1700000000.123456789", 1_700_000_000_123_456_789),
        ("us", 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        ("ns", 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        ({"exchange_ns": "ms"}, 1_700_000_000_123, 1_700_000_000_123_000_000),
        ({"received_ns": "ms"}, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        ("ms", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"),
    ],
)
def test_times_have_the_unit_that_is_said(times: Any, given: Any, ns: Any) -> None:
    mapping = FieldMapping({"id": "order_id", "at": "exchange_ns"}, times=times)
    assert mapping.read({"id": "7", "at": given}) == [{"order_id": "7", "exchange_ns": ns}]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (5, {"exchange_seq": 5}),
        ("7", {"exchange_seq": "7"}),
        (-1, {"text": "unreadable: exchange_seq -1"}),
        (1 << 64, {"text": f"unreadable: exchange_seq {1 << 64}"}),
        (None, {}),
    ],
)
def test_a_sequence_number_is_a_whole_number_or_its_digits(given: Any, told: dict[str, Any]) -> None:
    mapping = FieldMapping({"id": "order_id", "n": "exchange_seq"})
    assert mapping.read({"id": "7", "n": given}) == [{"order_id": "7"} | told]


def test_what_is_no_value_of_its_field_is_in_the_text() -> None:
    (update,) = FILLS.read(MESSAGE | {"px": "cheap", "dir": "up", "t": 10**30, "fee": None})
    assert update["text"] == f"unreadable: side up; unreadable: last_price cheap; unreadable: exchange_ns {10**30}"
    assert update.keys() == (UPDATE | {"text": ""}).keys() - {
        "last_price", "side", "exchange_ns", "commission", "commission_currency"
    }  # fmt: skip


def test_an_adapter_gives_its_updates_to_the_target() -> None:
    inventory = Inventory()
    adapter = MappingAdapter(inventory, FILLS, exchange="mine", account="A1", strategy="mm")
    adapter.receive([MESSAGE, MESSAGE | {"oid": 7, "dir": 1}, "no message", None, 7])
    assert inventory.position("mine", "A1", "BTC").quantity == 0
    assert {order.order_id: order.executed for order in inventory.orders()} == {
        "9007199254740993": Decimal("0.1"),
        "7": Decimal("0.1"),
    }
    assert adapter.refusals == {"give a dict, a dataclass, a named tuple or a row": 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fields": {"oid": "orderid"}}, "'orderid' is no field of a record that can be given (did you mean"),
        ({"fields": {"s": "session"}}, "'session' is no field"),
        ({"fields": {"s": ["order_id", "seq"]}}, "'seq' is no field"),
        ({"fields": {"f": "flags"}}, "'flags' is no field"),
        ({"fields": {"p": "price"}}, "no message could name its order or trade; map order_id or client_order_id"),
        ({"fields": {"oid": "order_id", "q": "last_quantity"}}, "nothing says which messages are fills"),
        ({"fields": {"oid": "order_id"}, "words": {"price": {"a": "b"}}}, "words: the field 'price' has no words"),
        ({"fields": {"oid": "order_id"}, "words": {"side": {"B": "bid"}}}, "words: 'side' has no word 'bid'"),
        ({"fields": {"oid": "order_id"}, "words": {"sides": {}}}, "did you mean 'side'?"),
        ({"fields": {"oid": "order_id"}, "times": "m"}, "times are in 'm', which is no unit; give one of s, ms, us"),
        ({"fields": {"oid": "order_id"}, "times": {"exchange_ns": "m"}}, "exchange_ns are in 'm', which is no unit"),
        ({"fields": {"oid": "order_id"}, "times": {"price": "ms"}}, "times: the field 'price' is no time"),
        ({"fields": {"oid": "order_id"}, "constants": {"side": "bid"}}, "cannot be stored: WORD_UNKNOWN"),
        ({"fields": {"oid": "order_id"}, "constants": {"sied": "buy"}}, "did you mean 'side'?"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_work_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        FieldMapping(**arguments)
    assert message in str(raised.value)


@pytest.mark.parametrize("time", [datetime(2024, 1, 1, tzinfo=UTC), np.datetime64("2024-01-01T00:00:00.123")])
def test_a_time_that_is_no_number_is_kept_and_not_called_unreadable(time: Any) -> None:
    (update,) = FILLS.read(MESSAGE | {"t": time})
    assert update == UPDATE | {"exchange_ns": time}


def test_a_number_that_is_no_time_is_called_unreadable() -> None:
    (update,) = FILLS.read(MESSAGE | {"t": 1e300})
    assert update["text"] == "unreadable: exchange_ns 1e+300"


class NAType:
    """As pandas has it: no comparison with it has a truth value."""

    def __eq__(self, other: object) -> Any:
        return self

    def __hash__(self) -> int:
        return 1

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


@pytest.mark.parametrize("nothing", [None, "", float("nan"), Decimal("nan"), np.datetime64("NaT"), NAType()])
@pytest.mark.parametrize("name", ["oid", "px", "dir", "t", "fee"])
def test_what_numpy_and_pandas_have_for_no_value_is_absent(name: str, nothing: Any) -> None:
    (update,) = FILLS.read(MESSAGE | {name: nothing})
    absent = {"fee.paid", "fee.in"} if name == "fee" else {name}
    assert update == {each: value for each, value in UPDATE.items() if each not in {FIELDS[key] for key in absent}}


class Bid(Enum):
    B = "bid"
    A = "ask"


class Way(IntEnum):
    IN = 0
    OUT = 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            {0: "buy", 1: "sell"},
            [1, np.int64(1), np.int8(1), 1.0, np.float64(1), Decimal("1.0"), True, np.True_, Way.OUT],
        ),
        ({"0": "buy", "1": "sell"}, [1, np.int64(1), 1.0, np.float32(1), Decimal("1.0"), "1", " 1 ", Way.OUT]),
        ({True: "buy", False: "sell"}, [False, np.False_, 0]),
        ({"bid": "buy", "ask": "sell"}, ["ask", "ASK", "Ask ", np.str_("ask"), Bid.A]),
        ({"B": "buy", "A": "sell"}, [Bid.A]),
        ({Bid.B: "buy", Bid.A: "sell"}, [Bid.A]),
        ({Way.IN: "buy", Way.OUT: "sell"}, [Way.OUT, 1, np.int64(1)]),
    ],
)
def test_words_are_found_for_what_says_them(words: dict[Any, str], told: list[Any]) -> None:
    mapping = FieldMapping({"oid": "order_id", "dir": "side"}, words={"side": words})
    assert [mapping.read({"oid": 7, "dir": each})[0].get("side") for each in told] == ["sell"] * len(told)


@pytest.mark.parametrize("number", [1, 2, np.int64(1), 1.0, np.float64(2)])
def test_a_number_that_has_no_word_is_not_the_one_of_our_enumeration(number: Any) -> None:
    mapping = FieldMapping({"oid": "order_id", "dir": "side"}, words={"side": {-1: "sell", 0: "buy"}})
    (update,) = mapping.read({"oid": 7, "dir": number})
    assert "side" not in update
    assert update["text"].startswith("unreadable: side")
    assert FieldMapping({"oid": "order_id", "dir": "side"}).read({"oid": 7, "dir": 1})[0]["side"] == 1


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (UUID("11111111-2222-3333-4444-555555555555"), "11111111-2222-3333-4444-555555555555"),
        (np.str_("o7"), "o7"),
        (np.int64(7), "7"),
        (Decimal("7.00"), "7"),
    ],
)
def test_an_id_may_be_what_databases_and_numpy_have_for_one(told: Any, kept: str) -> None:
    (update,) = FILLS.read(MESSAGE | {"oid": told})
    assert update == UPDATE | {"order_id": kept}


@pytest.mark.parametrize(("side", "note"), [("A", None), (1, "contradiction: buy of last_quantity -0.1")])
def test_a_quantity_below_zero_beside_a_side_counts(side: Any, note: str | None) -> None:
    inventory = Inventory()
    MappingAdapter(inventory, FILLS, exchange="mine", account="A1", strategy="mm").receive(
        MESSAGE | {"dir": side, "sz": -0.1}
    )
    assert abs(inventory.position("mine", "A1", "BTC").quantity) == Decimal("0.1")
    (update,) = FILLS.read(MESSAGE | {"dir": side, "sz": -0.1})
    assert (update["last_quantity"], update.get("text")) == ("0.1", note)


def test_a_row_of_a_database_is_one_message() -> None:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    names = "SELECT 7 AS oid, 'BTC' AS coin, 'A' AS dir, '64000.5' AS px, 0.1 AS sz, 2 AS t"
    query = f"{names} UNION SELECT 8, 'BTC', 'A', NULL, 2, 3"
    rows = connection.execute(query).fetchall()
    inventory = Inventory()
    mine = MappingAdapter(inventory, FILLS, exchange="mine", account="A1", strategy="mm")
    mine.receive(rows[0])
    mine.receive(rows)
    assert not mine.refused
    assert {each.order_id: each.executed for each in inventory.orders()} == {"7": Decimal("0.1"), "8": Decimal(2)}


@dataclass
class Keyed:
    oid: str
    coin: str
    keys: str = ""


def test_a_message_with_a_field_called_keys_is_no_row() -> None:
    inventory = Inventory()
    mine = MappingAdapter(
        inventory, FieldMapping({"oid": "order_id", "coin": "symbol"}), exchange="x", account="A", strategy="s"
    )
    mine.receive(Keyed("o1", "BTC"))
    mine.receive([Keyed("o2", "BTC")])
    assert [each.order_id for each in inventory.orders()] == ["o1", "o2"]
    assert not mine.refused
