"""Records as people and programs read them."""

import json
from typing import Any

import numpy as np
import pytest

from ringbuf import EXECUTION, ExecType, Flag, OrderStatus, PositionSide, Schema, Side, TradeType
from ringbuf.record.rows import Records, rows
from ringbuf.record.value import blank
from ringbuf.tools.record import line

SIGNALS = Schema.define(
    "signals",
    [("captured_ns", "i8"), ("bid", "f8"), ("ask", "f4"), ("venue", "S8"), ("raw", "V4"), ("on", "?"), ("kind", "u1")],
    words={"kind": {1: "entry", 2: "exit"}},
)


def execution(**fields: Any) -> Records:
    record = blank(EXECUTION)
    for name, value in fields.items():
        record[name] = value
    return record


def signal(**fields: Any) -> dict[str, Any]:
    record = blank(SIGNALS)
    for name, value in fields.items():
        record[name] = value
    (row,) = rows(SIGNALS, record)
    return row


def test_every_kind_of_field_becomes_a_json_value() -> None:
    row = signal(session=2**64 - 1, captured_ns=7, bid=0.1, ask=0.5, venue=b"a\0b", raw=b"\0\1\2\xff", on=True, kind=2)
    assert json.loads(json.dumps(row, allow_nan=False)) == {
        "session": 2**64 - 1,
        "seq": 0,
        "captured_ns": 7,
        "bid": 0.1,
        "ask": 0.5,
        "venue": "a\0b",
        "raw": "000102ff",
        "on": True,
        "kind": "exit",
    }


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("bid", np.nan, None),
        ("bid", np.inf, "inf"),
        ("bid", -np.inf, "-inf"),
        ("venue", b"", ""),
        ("venue", "é".encode(), "é"),
        ("venue", b"\xff\xfe", "invalid_utf8:FFFE"),
        ("kind", 0, "unknown"),
        ("kind", 200, "invalid_200"),
    ],
)
def test_what_json_or_text_cannot_hold_is_still_visible(field: str, value: Any, shown: Any) -> None:
    assert signal(**{field: value})[field] == shown


def test_only_the_wanted_fields_are_given_in_the_wanted_order() -> None:
    (row,) = rows(EXECUTION, execution(price=1.5, side=Side.BUY), ("side", "price"))
    assert list(row.items()) == [("side", "buy"), ("price", 1.5)]


def test_a_fill_shows_its_own_quantity_and_price() -> None:
    record = execution(
        seq=7,
        captured_ns=1,
        exec_type=ExecType.FILL,
        order_status=OrderStatus.PARTIALLY_FILLED,
        side=Side.SELL,
        last_quantity=2.0,
        last_price=64000.5,
        quantity=9.0,
        symbol=b"BTC-PERPETUAL",
        exchange=b"deribit",
        account=b"A1",
        trade_id=b"t7",
    )
    (row,) = rows(EXECUTION, record)
    assert line(EXECUTION, row).split() == [
        "1970-01-01T00:00:00.000000001Z",
        "#7",
        "fill",
        "partially_filled",
        "sell",
        "2@64000.5",
        "BTC-PERPETUAL",
        "deribit/A1",
        "trade=t7",
    ]


def test_a_settlement_shows_what_was_settled_and_an_order_whose_fees_are_reckoned_what_it_filled() -> None:
    settled = execution(exec_type=ExecType.CALCULATED, last_quantity=2.0, last_price=64000.5)
    order = execution(exec_type=ExecType.CALCULATED, cumulative_quantity=3.0, quantity=4.0, price=100.0)
    shown = [line(EXECUTION, row) for record in (settled, order) for row in rows(EXECUTION, record)]
    assert "2@64000.5 " in shown[0] and "3/4@100 " in shown[1]


def test_what_a_strategy_requests_and_what_the_venue_answers_stand_in_the_same_columns() -> None:
    kinds = (ExecType.PENDING_NEW, ExecType.NEW, ExecType.FILL, ExecType.CANCELED)
    lines = [
        line(EXECUTION, row) for kind in kinds for row in rows(EXECUTION, execution(exec_type=kind, side=Side.BUY))
    ]
    assert len({each.index("  buy  ") for each in lines}) == 1


def test_an_order_shows_filled_of_ordered_quantity_at_its_price_and_what_is_wrong_with_it() -> None:
    record = execution(
        exec_type=ExecType.REJECTED,
        cumulative_quantity=0.0,
        quantity=0.5,
        price=100.0,
        text=b"no\nmargin",
        flags=Flag.TEXT_SHORTENED | Flag.NUMBER_INEXACT,
    )
    (row,) = rows(EXECUTION, record)
    shown = line(EXECUTION, row)
    assert "0/0.5@100 " in shown
    assert shown.endswith("text=no\\nmargin  flags=text_shortened|number_inexact")


def test_an_execution_shows_every_digit_and_what_version_2_has() -> None:
    record = execution(
        exec_type=ExecType.FILL,
        side=Side.BUY,
        last_quantity=0.12345678901234568,
        last_price=64000.5,
        exact=b"q=0.123456789012345678",
        order_id=b"o1",
        orig_client_order_id=b"c0",
        report_id=b"r2",
        ref_id=b"r1",
        position_id=b"p1",
        position_side=PositionSide.LONG,
        trade_type=TradeType.LIQUIDATION,
        user=b"ann",
        last_market=b"XNAS",
    )
    (row,) = rows(EXECUTION, record)
    shown = line(EXECUTION, row).split()
    assert "0.123456789012345678@64000.5" in shown
    assert [part for part in shown if "=" in part] == [
        "order=o1", "orig_client_order=c0", "report=r2", "ref=r1", "position=p1",
        "position_side=long", "trade_type=liquidation", "user=ann", "last_market=XNAS",
    ]  # fmt: skip


def test_other_schemas_show_what_is_present() -> None:
    assert line(SIGNALS, signal(seq=3, bid=1.0, venue=b"x y")) == "-  #3  bid=1  venue=x y  raw=00000000  on=False"


def test_wanted_fields_are_shown_even_if_absent() -> None:
    assert line(SIGNALS, signal(seq=3), ("bid", "kind", "captured_ns")) == "#3  bid=-  kind=unknown  captured_ns=-"


def test_another_schema_that_is_called_like_the_built_in_one_is_shown_by_its_fields() -> None:
    schema = Schema("executions", 1, Schema.define("bids", [("bid", "f8")]).dtype)
    record = blank(schema)
    record["bid"] = 0.5
    (row,) = rows(schema, record)
    assert line(schema, row) == "#0  bid=0.5"
