"""Schemas: what can be one, and its way into a descriptor and back."""

import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.errors import SchemaError
from ringbuf.record.execution import EXECUTION
from ringbuf.record.fields import ENUMERATIONS, FIELDS
from ringbuf.record.schema import MAX_RECORD_SIZE, Schema

QUOTE = Schema.define("quotes", [("bid", "f8"), ("venue", "S5"), ("side", "u1"), ("at_ns", "i8")], version=2)

EXECUTION_OFFSETS = """
    session 0, seq 8, captured_ns 16, received_ns 24, exchange_ns 32, exchange_seq 40,
    flags 48, exec_type 50, order_status 51, side 52, order_type 53, time_in_force 54,
    liquidity 55, position_effect 56, margin_mode 57, origin 58,
    position_side 59, trade_type 60, quantity_unit 61,
    price 64, stop_price 72, quantity 80, last_price 88, last_quantity 96,
    cumulative_quantity 104, leaves_quantity 112, average_price 120, commission 128,
    quote_quantity 136, realized_pnl 144,
    exchange 152, account 168, strategy 200, symbol 232, client_order_id 296, order_id 360,
    trade_id 432, link_id 504, commission_currency 568, text 584,
    market_ns 648, arrival_price 656, other_commission 664, venue_position 672, other_commission_currency 680,
    hedge_ratio 696,
    orig_client_order_id 704, report_id 768, ref_id 840, position_id 912, user 960, last_market 992, exact 1008
"""


def test_every_field_of_an_execution_is_where_it_was_promised() -> None:
    fields = [f"{name} {offset}" for name, (_, offset) in EXECUTION.fields.items()]
    assert fields == [field.strip() for field in EXECUTION_OFFSETS.split(",")]
    assert EXECUTION.record_size == 1216
    assert [EXECUTION.fields[each.name][0].itemsize for each in FIELDS] == [each.width for each in FIELDS]
    assert {name for name in EXECUTION.names if EXECUTION.is_time(name)} == {
        "captured_ns",
        "received_ns",
        "exchange_ns",
        "market_ns",
    }


def test_the_descriptor_of_an_execution_never_changes() -> None:
    assert len(EXECUTION.descriptor) == 3012
    assert EXECUTION.schema_id == 0x0783721F


def test_every_enumeration_has_the_words_of_its_members() -> None:
    assert EXECUTION.words.keys() == ENUMERATIONS.keys()
    for name, kind in ENUMERATIONS.items():
        assert EXECUTION.words[name] == {member.value: member.name.lower() for member in kind}


def test_define_puts_the_identity_in_front_and_aligns_every_number() -> None:
    assert QUOTE.names == ("session", "seq", "bid", "venue", "side", "at_ns")
    assert [offset for _, offset in QUOTE.fields.values()] == [0, 8, 16, 24, 29, 32]
    assert QUOTE.record_size == 40
    assert QUOTE.is_time("at_ns") and not QUOTE.is_time("bid")


def test_a_schema_of_nothing_but_the_identity_is_one() -> None:
    assert Schema.define("beats", []).record_size == 16


def test_the_record_is_padded_to_a_multiple_of_eight() -> None:
    assert Schema.define("marks", [("mark", "u1")]).record_size == 24


@pytest.mark.parametrize("schema", [EXECUTION, QUOTE])
def test_a_schema_comes_back_from_its_descriptor(schema: Schema) -> None:
    again = Schema.from_descriptor(schema.descriptor)
    assert again == schema
    assert (again.descriptor, again.schema_id) == (schema.descriptor, schema.schema_id)


@pytest.mark.parametrize(
    "fields",
    [
        [("price", ">f8")],
        [("price", "f8", (3,))],
        [("price", "O")],
        [("price", "U8")],
        [("price", "M8[ns]")],
        [("price", "c16")],
        [("price", "f2")],
        [("price", [("bid", "f8")])],
        [("Price", "f8")],
        [("p" * 49, "f8")],
        [("price;drop", "f8")],
        [("session", "u8")],
        [("seq", "u8")],
        [("seq", "f4")],
        [("price", "f8"), ("price", "f8")],
        [("text", f"S{MAX_RECORD_SIZE}")],
        "f8",
        "nonsense",
        None,
        42,
    ],
    ids=repr,
)
def test_fields_without_a_fixed_meaning_in_bytes_are_refused(fields: Any) -> None:
    with pytest.raises(SchemaError):
        Schema.define("quotes", fields)


@pytest.mark.parametrize("name", ["", "Quotes", "1quotes", "quotes-btc", "quotes.btc", "q" * 49, "quotes\n", "quötes"])
def test_a_schema_name_that_is_no_plain_identifier_is_refused(name: str) -> None:
    with pytest.raises(SchemaError):
        Schema.define(name, [("bid", "f8")])


@pytest.mark.parametrize(
    ("words", "version"),
    [
        ({"side": {256: "buy"}}, 1),
        ({"side": {-1: "buy"}}, 1),
        ({"side": {1: ""}}, 1),
        ({"side": {1.5: "buy"}}, 1),
        ({"side": {True: "buy"}}, 1),
        ({"side": {"1": "buy"}}, 1),
        ({"side": {np.uint8(1): "buy"}}, 1),
        ({"side": {1: 5}}, 1),
        ({"side": {1: b"buy"}}, 1),
        ({"side": {1: "bu\ud800"}}, 1),
        ({"side": {1: "buy", 2: "buy"}}, 1),
        ({"bid": {1: "buy"}}, 1),
        ({"absent": {1: "buy"}}, 1),
        ({}, 0),
        ({}, 1.5),
        ({}, True),
        ({}, "1"),
        ({}, 1 << 32),
    ],
)
def test_enumerations_and_versions_that_cannot_be_stored_are_refused(
    words: dict[str, dict[Any, Any]], version: Any
) -> None:
    with pytest.raises(SchemaError):
        Schema.define("quotes", [("bid", "f8"), ("side", "u1")], words=words, version=version)


def test_a_dtype_whose_identity_is_elsewhere_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"Schema\.define"):
        Schema("quotes", 1, np.dtype([("seq", "<u8"), ("session", "<u8")]))


def test_overlapping_fields_are_refused() -> None:
    overlapping = np.dtype(
        {
            "names": ["session", "seq", "bid", "ask"],
            "formats": ["<u8", "<u8", "<f8", "<f8"],
            "offsets": [0, 8, 16, 20],
            "itemsize": 32,
        }
    )
    with pytest.raises(SchemaError, match="before the field in front of it ends"):
        Schema("quotes", 1, overlapping)


def test_titles_of_numpy_fields_are_no_fields() -> None:
    titled = np.dtype([("session", "<u8"), ("seq", "<u8"), (("Bid price", "bid"), "<f8")])
    assert list(Schema("quotes", 1, titled).fields) == ["session", "seq", "bid"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["<f8", "|S8", "|O"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = ("name", "version", "size", "fields", "words")


@given(replaced=st.dictionaries(st.sampled_from(KEYS), JSON, min_size=1))
def test_a_descriptor_with_anything_else_in_it_is_refused_or_exactly_a_schema(replaced: dict[str, Any]) -> None:
    refused_or_the_same(
        json.dumps(json.loads(QUOTE.descriptor) | replaced, separators=(",", ":"), sort_keys=True).encode()
    )


@given(field=st.integers(0, 5), part=st.integers(0, 2), value=JSON)
def test_a_descriptor_with_any_other_field_is_refused_or_exactly_a_schema(field: int, part: int, value: Any) -> None:
    described = json.loads(QUOTE.descriptor)
    described["fields"][field][part] = value
    refused_or_the_same(json.dumps(described, separators=(",", ":"), sort_keys=True).encode())


@given(position=st.integers(0, len(EXECUTION.descriptor) - 1), byte=st.integers(0, 255))
def test_a_descriptor_with_any_other_byte_is_refused_or_exactly_a_schema(position: int, byte: int) -> None:
    damaged = bytearray(EXECUTION.descriptor)
    damaged[position] = byte
    refused_or_the_same(bytes(damaged))


@given(st.binary(max_size=64))
def test_bytes_that_are_no_descriptor_are_refused(data: bytes) -> None:
    with pytest.raises(SchemaError):
        Schema.from_descriptor(data)


def test_many_rings_of_one_schema_share_it() -> None:
    assert Schema.from_descriptor(bytes(bytearray(EXECUTION.descriptor))) is Schema.from_descriptor(
        EXECUTION.descriptor
    )


def refused_or_the_same(descriptor: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            schema = Schema.from_descriptor(descriptor)
        except SchemaError:
            return
    assert schema.descriptor == descriptor
